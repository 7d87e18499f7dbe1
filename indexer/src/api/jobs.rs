//! `/v1/jobs` and `/v1/jobs/{address}`.

use {
    super::{
        ApiError, ApiState,
        params::{Params, bad_cursor, path_address},
        reply::Answer,
    },
    crate::{
        project::EventId,
        store::{Entity, JobQuery, JobsQuery, StepEnd, TimelineStep},
        view::{self, words},
    },
    axum::{
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    quern_api::{JobList, JobPage, JobRequest, JobState, JobsRequest, Key, Signature},
};

/// slot, address.
const CURSOR_BYTES: usize = 8 + 32;
/// counter, signature, instruction, inner.
const STEP_CURSOR_BYTES: usize = 8 + 64 + 4 + 4;

/// A job with a part of its time line.
pub(super) async fn job(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer<JobPage> {
    let params = Params::read(&uri, &JobRequest::PARAMS)?;
    let address = path_address(path)?;
    let limit = params.limit()?;
    let query = JobQuery {
        steps_after: params.cursor("steps_cursor")?.map(read_step).transpose()?,
        submissions_after: params
            .cursor("submissions_cursor")?
            .map(read_step)
            .transpose()?,
        demands_after: params.cursor("demands_cursor")?.map(Key),
        limit: limit + 1,
    };
    let mut snapshot = api.store.read().await?;
    let unknown = || ApiError::not_found(format!("no finalized job has the address {address}"));
    let mut record = snapshot.job(&address, &query).await?.ok_or_else(unknown)?;
    let next_steps_cursor = cut(&mut record.steps, limit).map(write_step);
    let next_submissions_cursor = cut(&mut record.submissions, limit).map(write_step);
    let next_demands_cursor =
        cut(&mut record.demands, limit).map(|demand| hex::encode(demand.address.0));
    let page = view::job_page(&record, snapshot.mints()).ok_or_else(unknown)?;
    let page = JobPage {
        next_steps_cursor,
        next_submissions_cursor,
        next_demands_cursor,
        ..page
    };
    Ok(api.reply(&snapshot, page))
}

/// Cuts a list that was read one row too far; its last row then, if there is more.
fn cut<T>(rows: &mut Vec<T>, limit: u32) -> Option<&T> {
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_cut = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| is_cut)
}

fn write_step(last: &TimelineStep) -> String {
    let id = &last.event.id;
    let mut bytes = last.seq.to_be_bytes().to_vec();
    bytes.extend(id.signature.0);
    bytes.extend(id.instruction.to_be_bytes());
    bytes.extend(id.inner.to_be_bytes());
    hex::encode(bytes)
}

fn read_step(bytes: [u8; STEP_CURSOR_BYTES]) -> Result<StepEnd, ApiError> {
    let (seq, rest) = bytes.split_first_chunk::<8>().ok_or_else(bad_cursor)?;
    let (signature, rest) = rest.split_first_chunk::<64>().ok_or_else(bad_cursor)?;
    let (instruction, rest) = rest.split_first_chunk::<4>().ok_or_else(bad_cursor)?;
    let inner = rest.first_chunk::<4>().ok_or_else(bad_cursor)?;
    Ok(StepEnd {
        seq: u64::from_be_bytes(*seq),
        event: EventId {
            signature: Signature(*signature),
            instruction: u32::from_be_bytes(*instruction),
            inner: u32::from_be_bytes(*inner),
        },
    })
}

/// Jobs, the ones that changed last first.
pub(super) async fn jobs(State(api): State<ApiState>, uri: Uri) -> Answer<JobList> {
    let params = Params::read(&uri, &JobsRequest::PARAMS)?;
    let state = params.word::<JobState>("state")?;
    let limit = params.limit()?;
    let query = JobsQuery {
        state: state.map(words::job_state_code),
        after: params.cursor("cursor")?.map(read_end).transpose()?,
        // One more than is shown tells whether there is another page.
        limit: limit + 1,
    };
    let mut snapshot = api.store.read().await?;
    let mut found = snapshot.jobs(&query).await?;
    let next_cursor = cut(&mut found, limit).map(write_end);
    let jobs = found
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
