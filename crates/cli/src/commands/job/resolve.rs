//! `quern job resolve`: the arbiter's decision.

use {
    super::party,
    crate::{
        amount::{self, parse, parse_bps},
        context::Context,
        error::Result,
    },
    quern_client::{
        Errand, Pubkey, flows,
        quern::{instructions::Decision, state::JobState},
    },
};

/// Which job, and who gets what.
#[derive(clap::Args)]
pub struct Args {
    /// The job
    job: Pubkey,
    /// The provider's share of the price; with one half or more it prevails
    #[arg(long, value_parser = parse_bps, value_name = "SHARE")]
    provider_share: u16,
    /// What the client gets of the provider's bond, in tokens or atoms
    #[arg(long, default_value = "0", value_name = "TOKENS", value_parser = amount::check)]
    penalty: String,
    #[command(flatten)]
    seen: party::Seen,
}

/// Decides about a rejected milestone.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let job = context.job(&args.job).await?;
    let wallet = party::wallet_of(context, &args.job, &job.arbiter, "arbiter")?;
    party::require_state(&args.job, &job, JobState::Rejected)?;
    args.seen.check(&args.job, &job)?;
    let decimals = context.mint(&job.mint).await?.decimals;
    let decision = Decision {
        provider_share_bps: args.provider_share,
        penalty_atoms: parse(&args.penalty, decimals)?,
    };
    let all = flows::resolve(context.rpc(), &job, decision).await?;
    let errand = Errand::before_deadline(&job);
    party::send(context, errand, &args.job, &wallet, &all, "resolved").await
}
