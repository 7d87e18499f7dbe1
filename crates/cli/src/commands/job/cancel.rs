//! `quern job cancel`: take back a job that nobody has taken.

use {
    super::party,
    crate::{
        context::Context,
        error::{Error, Result},
    },
    quern_client::{Errand, Pubkey, instructions, quern::state::JobState},
};

/// Cancels a job.
pub async fn run(context: &Context, address: &Pubkey) -> Result<()> {
    let job = context.job(address).await?;
    let wallet = party::wallet_of(context, address, &job.client, "client")?;
    if !job.is_in(JobState::Open) {
        return Err(Error::Other(format!(
            "the job {address} has been taken, so it cannot be cancelled; it ends by its deadlines (see `quern job show`)"
        )));
    }
    let cancel = instructions::cancel_job(&job);
    party::send(
        context,
        Errand::anytime(),
        address,
        &wallet,
        &[cancel],
        "cancelled",
    )
    .await
}
