//! Has recorded convictions paid out.

use {
    crate::{
        error::Result,
        state::State,
        tidy::{TIDY_EVERY, tidy},
    },
    quern_client::Pubkey,
    quern_data::runtime::lock,
    tokio::time::Instant,
};

/// Has a recorded conviction paid out.
pub(crate) async fn settle(state: &State, address: &Pubkey) {
    let is_settled = try_settle(state, address).await.unwrap_or_else(|error| {
        tracing::warn!(job = %address, %error, "cannot have the conviction paid out; trying again later");
        false
    });
    if is_settled {
        return tidy(state).await;
    }
    lock(&state.unsettled).insert(*address, Instant::now() + TIDY_EVERY);
}

/// Whether a conviction is paid out, by this watcher or another.
async fn try_settle(state: &State, address: &Pubkey) -> Result<bool> {
    let chain = &state.context.chain;
    let Some(job) = chain.job(address).await? else {
        return Ok(true);
    };
    let prover = job.prover;
    // Where the money of those lies who are watched for, a purse's rent is cheap.
    let is_own = job.client == chain.signer();
    let opens_purses = is_own || state.context.settings.scope.names(address, &job);
    match chain.settle_conviction(address, &job, opens_purses).await {
        Ok(true) => tracing::info!(job = %address, %prover, "the conviction is paid out"),
        Ok(false) => {
            // Once is enough.
            if state.settles_again(address).is_none() {
                let mint = job.mint;
                tracing::warn!(job = %address, "the prover has no purse, so its conviction is not paid out; open one: quern purse open --mint {mint} --owner {prover}");
            }
            return Ok(false);
        }
        Err(error) => {
            if chain.job(address).await?.is_some() {
                return Err(error.into());
            }
            tracing::debug!(job = %address, "another watcher had the conviction paid out");
        }
    }
    Ok(true)
}
