//! Fetches the data of jobs that have no result yet, while they are there: nobody can take them away in between.

use {
    crate::{
        case::fetch_time,
        case_data::{self, Purpose},
        error::{StepError, WatcherError},
        state::{Looked, State},
    },
    quern_client::Pubkey,
    quern_data::runtime::lock,
    std::time::Duration,
    tokio::time::Instant,
};

/// Time between two looks for data that are not there.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Fetches and keeps what a result will be checked with. That it fails is no verdict yet.
pub(crate) async fn prepare(state: &State, address: &Pubkey) {
    let before = lock(&state.prepared).get(address).copied();
    let failures = before.map_or(0, |looked| looked.failures);
    let again = match try_prepare(state, address, failures).await {
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
            Some(Instant::now() + LOOK_AGAIN)
        }
    };
    let failures = failures.saturating_add(u32::from(again.is_some()));
    lock(&state.prepared).insert(*address, Looked { failures, again });
}

async fn try_prepare(
    state: &State,
    address: &Pubkey,
    failures: u32,
) -> std::result::Result<(), StepError> {
    let context = &state.context;
    let Some(job) = context.chain.job(address).await? else {
        return Ok(());
    };
    let slow = || {
        let why = "its data come so slowly that others got their turn".to_owned();
        StepError::Again(WatcherError::NotReady(why))
    };
    let download = context
        .downloads
        .enter(&job.client.to_string(), failures)
        .await;
    let brought = tokio::time::timeout(fetch_time(job.review_secs.get()), async {
        let plan = case_data::plan(context, &job).await?;
        case_data::bring(context, address, &job, &plan, &download).await?;
        Ok::<_, StepError>(plan)
    });
    let brought = download.run(brought).await.ok_or_else(slow)?;
    let plan = brought.map_err(|_| slow())??;
    drop(download);
    let _slot = context.slot().await?;
    let (_data, _memory) = case_data::load(context, address, &job, plan, Purpose::Keep).await?;
    Ok(())
}
