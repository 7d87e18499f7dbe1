//! Gets back what lies in the wallet's own demands and evidence.

use {
    crate::{chain::LockedRent, state::State},
    std::time::Duration,
};

/// Time between two looks at own demands and evidence.
pub(crate) const TIDY_EVERY: Duration = Duration::from_secs(60);

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
