//! `quern job resolve`: the arbiter's decision.

use {
    super::party,
    crate::{
        amount::{self, parse, parse_bps, show, show_bps},
        context::Context,
        error::{Error, Result},
    },
    quern_client::{
        Errand, Pubkey, flows,
        quern::{
            instructions::Decision,
            state::{Job, JobState},
        },
    },
    quern_rules::{reject, share},
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
        penalty_atoms: parse("--penalty", &args.penalty, decimals)?,
    };
    check_penalty(&job, &decision, decimals)?;
    let all = flows::resolve(context.rpc(), &job, decision).await?;
    let errand = Errand::before_deadline(&job);
    party::send(context, errand, &args.job, &wallet, &all, "resolved").await
}

/// Refuses a penalty that the program would refuse.
fn check_penalty(job: &Job, decision: &Decision, decimals: u8) -> Result<()> {
    let parts = reject::resolve(
        job.price_atoms.get(),
        job.terms.arbiter_bps.get(),
        decision.provider_share_bps,
        job.terms.fee_bps.get(),
        job.royalty_bps.get(),
    );
    let refused = |error: quern_rules::RuleError| Error::Usage(error.to_string());
    let prevails = parts.map_err(refused)?.provider_prevails;
    let (bond, asked) = (job.bond_left_atoms.get(), decision.penalty_atoms);
    let most_bps = job.terms.late_penalty_bps.get();
    if reject::penalty(bond, asked, most_bps, prevails).is_ok() {
        return Ok(());
    }
    let asked = show(asked, decimals);
    Err(Error::Usage(match prevails {
        true => format!(
            "--penalty {asked}: it must be 0, because a provider with --provider-share {} prevails; leave it out",
            show_bps(decision.provider_share_bps.into())
        ),
        false => format!(
            "--penalty {asked}: it must be at most {}, {} of the bond of {}",
            show(share::floor_bps(bond, most_bps).map_err(refused)?, decimals),
            show_bps(most_bps.into()),
            show(bond, decimals)
        ),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_penalty_has_its_limit_in_the_refusal() {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        (job.price_atoms, job.bond_left_atoms) = (1_000_000.into(), 5_000_000.into());
        job.terms.late_penalty_bps = 1_000.into();
        let check = |provider_share_bps, penalty_atoms| {
            let decision = Decision {
                provider_share_bps,
                penalty_atoms,
            };
            check_penalty(&job, &decision, 6).map_err(|error| error.to_string())
        };
        assert_eq!(check(0, 500_000), Ok(()));
        assert_eq!(check(5_000, 0), Ok(()));
        let said = check(0, 500_001);
        let wanted = "--penalty 0.500001: it must be at most 0.5, 10 % of the bond of 5";
        assert_eq!(said, Err(wanted.to_owned()));
        let said = check(5_000, 1).expect_err("it prevails");
        assert!(said.contains("it must be 0"), "{said}");
    }
}
