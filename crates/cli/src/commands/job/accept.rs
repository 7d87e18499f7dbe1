//! `quern job accept`: pay a milestone before its review ends.

use {
    super::party,
    crate::{context::Context, error::Result},
    quern_client::{Errand, Pubkey, instructions, quern::state::JobState},
};

/// Which job, and which result of it.
#[derive(clap::Args)]
pub struct Args {
    /// The job
    job: Pubkey,
    #[command(flatten)]
    seen: party::Seen,
}

/// Accepts a milestone.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let address = &args.job;
    let (job, known) = context.for_payment(address).await?;
    let wallet = party::wallet_of(context, address, &job.client, "client")?;
    party::require_reviewed(&job)?;
    party::require_state(address, &job, JobState::Submitted)?;
    args.seen.check(address, &job)?;
    let accept = instructions::accept(&job, &known.emission);
    party::send(
        context,
        Errand::anytime(),
        address,
        &wallet,
        &[accept],
        "accepted",
    )
    .await
}
