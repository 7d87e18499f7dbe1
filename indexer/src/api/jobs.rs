//! `/v1/jobs` and `/v1/jobs/{address}`.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Place},
        page::cut,
        params::bad_cursor,
        parties::{PartyPage, read_party_end},
        reply::Answer,
        table::{Table, row},
    },
    crate::{
        project::{
            Concern, EventId, key,
            program::{EntityKind, QuernEvent},
        },
        store::{Entity, JobQuery, JobsQuery, Snapshot, StepEnd, TimelineStep},
        view::{self, words},
    },
    axum::extract::State,
    quern_api::{
        JobItem, JobList, JobPage, JobRequest, JobState, JobsRequest, Key, Reply, Signature,
    },
    serde_json::Value,
    std::collections::HashSet,
};

/// slot, address.
const CURSOR_BYTES: usize = 8 + 32;
/// counter, signature, instruction, inner.
const STEP_CURSOR_BYTES: usize = 8 + 64 + 4 + 4;

/// A job with its time line: steps, submissions and demands, each list with a cursor of its own.
#[utoipa::path(get, path = "/v1/jobs/{address}", params(("address" = Key, Path, description = "The job's account"), JobRequest), responses((status = 200, body = Reply<JobPage>)))]
pub(super) async fn job(State(api): State<ApiState>, place: Place, ask: Ask<JobRequest>) -> Answer {
    let params = &ask.params;
    let address = place.address()?;
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
    let mut snapshot = ask.snapshot(&api).await?;
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

/// Jobs, live and closed, the ones that changed last first; of one party in the order in which it began its part in them.
///
/// A page of a party may hold fewer jobs than `limit` though `next_cursor` says that there are more.
#[utoipa::path(get, path = JobsRequest::PATH, params(JobsRequest), responses((status = 200, content((Reply<JobList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn jobs(State(api): State<ApiState>, ask: Ask<JobsRequest>) -> Answer {
    let params = &ask.params;
    let state = params.word::<JobState>("state")?;
    let parties = [
        (Role::Client, params.address("client")?),
        (Role::Provider, params.address("provider")?),
        (Role::Model, params.address("model")?),
    ];
    let mut parties = parties
        .into_iter()
        .filter_map(|(role, party)| Some((role, party?)));
    match (parties.next(), parties.next()) {
        (Some(_), Some(_)) => Err(ApiError::bad_request(
            "jobs are listed by one party: take one of client, provider and model".to_owned(),
        )),
        (Some((role, party)), None) => jobs_of(&api, &ask, (role, party), state).await,
        (None, _) => every_job(&api, &ask, state).await,
    }
}

async fn every_job(api: &ApiState, ask: &Ask<JobsRequest>, state: Option<JobState>) -> Answer {
    let limit = ask.params.limit()?;
    let query = JobsQuery {
        state: state.map(words::job_state_code),
        after: ask.params.cursor("cursor")?.map(read_end).transpose()?,
        // One more than is shown tells whether there is another page.
        limit: limit + 1,
    };
    let mut snapshot = ask.snapshot(api).await?;
    let mut found = snapshot.jobs(&query).await?;
    let next_cursor = cut(&mut found, limit).map(write_end);
    let list = listed(&found, &snapshot, next_cursor);
    Ok(api.list(ask, &snapshot, list))
}

/// What a party is to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Provider,
    Model,
}

/// A page of the jobs of a party.
pub(super) async fn jobs_of<R>(
    api: &ApiState,
    ask: &Ask<R>,
    (role, party): (Role, Key),
    state: Option<JobState>,
) -> Answer {
    let page = PartyPage {
        party,
        concern: Concern::Job,
        after: read_party_end(&ask.params, "cursor")?,
        newest_first: true,
        ..PartyPage::new(ask.params.limit()?)
    };
    let mut snapshot = ask.snapshot(api).await?;
    let (events, next_cursor) = page.read(&mut snapshot).await?;
    let mut seen = HashSet::new();
    let addresses: Vec<Key> = events
        .iter()
        .filter_map(|event| job_of(&event.body, role, &party))
        .filter(|job| seen.insert(*job))
        .collect();
    let mut found = snapshot.accounts_at(EntityKind::Job, &addresses).await?;
    if let Some(code) = state.map(words::job_state_code) {
        found.retain(|entity| entity.row.indexed(EntityKind::Job as u8).state == code);
    }
    let list = listed(&found, &snapshot, next_cursor);
    Ok(api.list(ask, &snapshot, list))
}

/// The job in which an event began the part of a party.
pub(super) fn job_of(event: &QuernEvent, role: Role, party: &Key) -> Option<Key> {
    let (job, found) = match (event, role) {
        (QuernEvent::JobCreated(event), Role::Client) => (&event.job, &event.client),
        (QuernEvent::JobCreated(event), Role::Model) => (&event.job, &event.model),
        (QuernEvent::JobTaken(event), Role::Provider) => (&event.job, &event.provider),
        _ => return None,
    };
    (key(found) == *party).then(|| key(job))
}

fn listed(found: &[Entity], snapshot: &Snapshot, next_cursor: Option<String>) -> JobList {
    let jobs = found
        .iter()
        .filter_map(|entity| view::job(entity, snapshot.mints()))
        .collect();
    JobList { jobs, next_cursor }
}

fn cells(job: &JobItem) -> Vec<(&'static str, Value)> {
    row!(job; address, state, kind, assurance, client, provider, model, mint, decimals,
        price_atoms: job.price_atoms.to_string(), bond_atoms: job.bond_atoms.to_string(), milestones,
        work: job.work.to_string(), items, created_at, deadline,
        conviction: job.conviction.as_ref().map(|found| found.reason), input_uri, changed_slot)
}

impl Table for JobList {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.jobs.iter().map(cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
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
