//! What is done beside the cases: convictions are paid out, data of jobs without a result are fetched, and the wallet's own
//! demands and evidence are closed.

use {
    crate::{
        case_data::{self, Purpose},
        chain::LockedRent,
        error::{Result, StepError},
        state::State,
    },
    quern_client::Pubkey,
    quern_data::runtime::lock,
    std::time::Duration,
    tokio::time::Instant,
};

/// Time between two looks at own demands, at recorded convictions that could not be paid out, and for data that are not there.
pub(crate) const TIDY_EVERY: Duration = Duration::from_secs(60);

/// Fetches and keeps what a result will be checked with. That it fails is no verdict yet.
pub(crate) async fn prepare(state: &State, address: &Pubkey) {
    let again = match try_prepare(state, address).await {
        Ok(()) => {
            tracing::debug!(job = %address, "its data are here");
            None
        }
        Err(StepError::Final(why)) => {
            tracing::warn!(job = %address, why, "a limit is exceeded; its result will not be checked");
            None
        }
        Err(StepError::Again(error)) => {
            tracing::warn!(job = %address, %error, "cannot fetch its data; trying again later");
            Some(Instant::now() + TIDY_EVERY)
        }
    };
    lock(&state.prepared).insert(*address, again);
}

async fn try_prepare(state: &State, address: &Pubkey) -> std::result::Result<(), StepError> {
    let context = &state.context;
    if let Some(job) = context.chain.job(address).await? {
        let (_data, _memory) = case_data::load(context, address, &job, Purpose::Keep).await?;
    }
    Ok(())
}

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

/// Takes back what lies in own demands and evidence, unless that is being done.
pub(crate) async fn tidy(state: &State) {
    let Ok(_turn) = state.tidying.try_lock() else {
        return;
    };
    if !state.context.settings.settle {
        return;
    }
    match state.context.chain.tidy().await {
        Ok(0) => {}
        Ok(closed) => tracing::info!(
            closed,
            "own demands and evidence are closed; their rent is back"
        ),
        Err(error) => tracing::warn!(%error, "cannot close own demands; trying again later"),
    }
}

/// Says what of the wallet's lamports is still locked when a watcher ends.
pub(crate) async fn say_locked_rent(state: &State) {
    if !state.context.settings.settle {
        return;
    }
    match state.context.chain.locked_rent().await {
        Ok(Some(LockedRent {
            lamports,
            free_in_secs,
        })) => tracing::warn!(
            "{lamports} lamports of rent lie in evidence that an interrupted conviction left behind; a watcher with this wallet, also `--once`, gets them back in {free_in_secs} seconds, not before"
        ),
        Ok(None) => {}
        Err(error) => tracing::debug!(%error, "cannot look up own evidence"),
    }
}
