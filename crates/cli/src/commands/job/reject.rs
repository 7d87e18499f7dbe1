//! `quern job reject`: call the arbiter.

use {
    super::party,
    crate::{
        context::Context,
        error::{Error, Result},
        written,
    },
    quern_client::{Errand, Pubkey, Signer, instructions, quern::state::JobState},
    quern_rules::reject,
};

/// Which job, and why.
#[derive(clap::Args)]
pub struct Args {
    /// The job
    job: Pubkey,
    /// Why, at most 200 bytes, for everybody to read
    #[arg(long, value_parser = written::sentence)]
    reason: String,
    #[command(flatten)]
    seen: party::Seen,
}

/// Rejects a milestone.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let job = context.job(&args.job).await?;
    let wallet = party::wallet_of(context, &args.job, &job.client, "client")?;
    party::require_reviewed(&job)?;
    party::require_state(&args.job, &job, JobState::Submitted)?;
    args.seen.check(&args.job, &job)?;
    let config = context.mint(&job.mint).await?;
    let deposit = reject::deposit(job.price_atoms.get(), job.terms.reject_bps.get());
    let deposit = deposit.map_err(|error| Error::Other(error.to_string()))?;
    let todo = format!(
        "deposit more with `quern{} purse deposit --mint {}`",
        context.wallet_option(),
        job.mint
    );
    let wanted = ("the deposit of a rejection", todo.as_str());
    context
        .check_free(&wallet.pubkey(), &config, deposit, wanted)
        .await?;
    let reject = instructions::reject(&job, args.reason);
    let errand = Errand::before_deadline(&job);
    party::send(context, errand, &args.job, &wallet, &[reject], "rejected").await
}
