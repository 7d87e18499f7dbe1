//! `/v1/jobs` and `/v1/jobs/{address}`.

use {
    super::{
        ApiError, ApiState,
        params::{Params, bad_cursor, path_address},
        reply::Answer,
    },
    crate::{
        store::{Entity, JobsQuery},
        view::{self, words},
    },
    axum::{
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    quern_api::{JobList, JobPage, JobState, JobsRequest, Key},
};

/// slot, address.
const CURSOR_BYTES: usize = 8 + 32;

/// A job with its whole time line.
pub(super) async fn job(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer<JobPage> {
    Params::read(&uri, &[])?;
    let address = path_address(path)?;
    let mut snapshot = api.store.read().await?;
    let found = snapshot.job(&address).await?;
    let page = found
        .and_then(|record| view::job_page(&record, snapshot.mints()))
        .ok_or_else(|| {
            ApiError::not_found(format!("no finalized job has the address {address}"))
        })?;
    Ok(api.reply(&snapshot, page))
}

/// Jobs, the ones that changed last first.
pub(super) async fn jobs(State(api): State<ApiState>, uri: Uri) -> Answer<JobList> {
    let params = Params::read(&uri, &JobsRequest::PARAMS)?;
    let state = params.word::<JobState>("state")?;
    let limit = params.limit()?;
    let query = JobsQuery {
        state: state.map(words::job_state_code),
        after: params.cursor()?.map(read_end).transpose()?,
        // One more than is shown tells whether there is another page.
        limit: limit + 1,
    };
    let mut snapshot = api.store.read().await?;
    let found = snapshot.jobs(&query).await?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = found.get(..size).unwrap_or(&found);
    let next_cursor = shown.last().filter(|_| found.len() > size).map(write_end);
    let jobs = shown
        .iter()
        .filter_map(|entity| view::job(entity, snapshot.mints()))
        .collect();
    Ok(api.reply(&snapshot, JobList { jobs, next_cursor }))
}

/// Where a page ends, for a cursor.
fn write_end(last: &Entity) -> String {
    let mut bytes = last.row.slot.to_be_bytes().to_vec();
    bytes.extend(last.address.0);
    hex::encode(bytes)
}

fn read_end(bytes: [u8; CURSOR_BYTES]) -> Result<(u64, Key), ApiError> {
    let (slot, address) = bytes.split_first_chunk::<8>().ok_or_else(bad_cursor)?;
    let address = address.first_chunk::<32>().ok_or_else(bad_cursor)?;
    Ok((u64::from_be_bytes(*slot), Key(*address)))
}
