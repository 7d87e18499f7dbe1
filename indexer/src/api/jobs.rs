//! `/v1/jobs` and `/v1/jobs/{address}`: what a job is and every step of its life.

use {
    super::{
        ApiState, Problem,
        params::{Params, bad_cursor, path_address},
        reply::{Reply, assurance_name, decimals},
    },
    crate::{
        key::{Key, Signature},
        project::{
            describe, key,
            program::{ConvictionReason, Demand, Job, JobKind, JobState, QuernEvent},
        },
        store::{Entity, JobsQuery, Mint, TimelineStep},
    },
    axum::{
        Json,
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    serde::Serialize,
    serde_json::{Map, Value},
};

/// Code of "closed" among the states.
const CLOSED: u8 = 0;
/// slot, address.
const CURSOR_BYTES: usize = 8 + 32;

#[derive(Serialize)]
pub(super) struct JobBody {
    address: Key,
    /// `open`, `taken`, `submitted`, `rejected`, `slashed` or `closed`.
    state: &'static str,
    kind: &'static str,
    assurance: &'static str,
    client: Key,
    /// The owner of the provider at work, or of the last one.
    provider: Option<Key>,
    model: Option<Key>,
    mint: Key,
    decimals: Option<u8>,
    /// Price of a milestone.
    price_atoms: String,
    bond_atoms: String,
    milestones: u8,
    /// Multiply-accumulates of a milestone, 0 if no program says them.
    macs: String,
    batch_rows: u32,
    created_at: i64,
    /// When the current state ends; null for a closed job.
    deadline: Option<i64>,
    /// Why it was convicted and by whom; null if it was not.
    slash: Option<SlashBody>,
    input_uri: Option<String>,
    seq: String,
    changed_slot: u64,
}

impl JobBody {
    fn of(entity: &Entity, mints: &[Mint]) -> Option<Self> {
        let row = &entity.row;
        let job = row.read::<Job>()?;
        let mint = key(&job.mint);
        Some(Self {
            address: entity.address,
            state: state_name(if row.closed { CLOSED } else { job.state }),
            kind: kind_name(job.kind),
            assurance: assurance_name(job.assurance),
            client: key(&job.client),
            provider: key(&job.provider).some(),
            model: key(&job.model).some(),
            mint,
            decimals: decimals(mint, mints),
            price_atoms: job.price_atoms.get().to_string(),
            bond_atoms: job.bond_atoms.get().to_string(),
            milestones: job.milestones,
            macs: job.macs.get().to_string(),
            batch_rows: job.batch_rows.get(),
            created_at: job.created_at.get(),
            deadline: (!row.closed).then(|| job.deadline.get()),
            slash: ConvictionReason::from_code(job.conviction_reason).map(|reason| SlashBody {
                reason: reason_name(reason),
                prover: key(&job.prover),
            }),
            input_uri: row.text.as_ref().map(|(_, text)| text.clone()),
            seq: row.seq.to_string(),
            changed_slot: row.slot,
        })
    }
}

#[derive(Serialize)]
struct SlashBody {
    /// `wrong_cell`, `bad_padding` or `silence`.
    reason: &'static str,
    /// Who gets the bounty.
    prover: Key,
}

/// A demand about a result.
#[derive(Serialize)]
struct DemandBody {
    address: Key,
    /// `waiting`, `answered` or `closed`.
    state: &'static str,
    opener: Key,
    /// Which submission of the job, from 1.
    submission: u32,
    /// Code of the tree: 255 the trace, from 0 the ops, from 64 the inputs, from 128 the weights.
    tree: u8,
    level: u8,
    index: String,
    /// The node that it is about.
    node: String,
    fee_lamports: String,
    /// Until when it may be answered.
    due: i64,
    /// When it was answered; the answer stands in that step.
    answered_at: Option<i64>,
    complete: bool,
}

impl DemandBody {
    fn of(entity: &Entity) -> Option<Self> {
        let row = &entity.row;
        let demand = row.read::<Demand>()?;
        let answered = demand.answered.get();
        Some(Self {
            address: entity.address,
            state: match (row.closed, answered) {
                (true, _) => "closed",
                (false, true) => "answered",
                (false, false) => "waiting",
            },
            opener: key(&demand.opener),
            submission: demand.submission.get(),
            tree: demand.tree,
            level: demand.level,
            index: demand.index.get().to_string(),
            node: hex::encode(demand.node),
            fee_lamports: demand.fee_lamports.get().to_string(),
            due: demand.due.get(),
            answered_at: answered.then(|| demand.answered_at.get()),
            complete: !row.has_gap(),
        })
    }
}

#[derive(Serialize)]
pub(super) struct JobPage {
    #[serde(flatten)]
    job: JobBody,
    /// How it ended: `settled`, `cancelled`, `resolved`, `expired` or `slashed`; null while it is live.
    outcome: Option<&'static str>,
    /// Milestones that were paid in full.
    milestones_settled: u32,
    /// Whether every step is there.
    complete: bool,
    steps: Vec<StepBody>,
    /// Every demand that was asked, those that are due first in front.
    demands: Vec<DemandBody>,
}

#[derive(Serialize)]
struct StepBody {
    seq: String,
    event: &'static str,
    at: i64,
    slot: u64,
    signature: Signature,
    instruction: u32,
    inner: u32,
    fields: Map<String, Value>,
}

/// A job with its whole time line.
pub(super) async fn job(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Reply<JobPage>>, Problem> {
    Params::read(&uri, &[])?;
    let address = path_address(path)?;
    let snapshot = api.store.job(&address).await?;
    let missing = || Problem::not_found(format!("no finalized job has the address {address}"));
    let view = snapshot.value.as_ref().ok_or_else(missing)?;
    let job = JobBody::of(&view.account, &snapshot.mints).ok_or_else(missing)?;
    let settled = view
        .steps
        .iter()
        .filter(|step| matches!(step.event.body, QuernEvent::MilestoneSettled(_)))
        .count();
    let mut demands: Vec<_> = view.demands.iter().filter_map(DemandBody::of).collect();
    demands.sort_by_key(|demand| (demand.due, demand.address));
    let body = JobPage {
        job,
        outcome: view
            .steps
            .last()
            .filter(|_| view.account.row.closed)
            .and_then(outcome),
        // A job has at most 255 milestones.
        milestones_settled: u32::try_from(settled).unwrap_or(u32::MAX),
        complete: !view.account.row.has_gap(),
        steps: view.steps.iter().map(step).collect(),
        demands,
    };
    Ok(api.reply(&snapshot, body))
}

fn step(step: &TimelineStep) -> StepBody {
    let event = &step.event;
    StepBody {
        seq: step.seq.to_string(),
        event: event.body.name(),
        at: event.body.at(),
        slot: event.slot,
        signature: event.id.signature,
        instruction: event.id.instruction,
        inner: event.id.inner,
        fields: describe(&event.body),
    }
}

fn outcome(last: &TimelineStep) -> Option<&'static str> {
    Some(match last.event.body {
        QuernEvent::MilestoneSettled(_) => "settled",
        QuernEvent::JobCancelled(_) => "cancelled",
        QuernEvent::JobResolved(_) => "resolved",
        QuernEvent::JobExpired(_) => "expired",
        QuernEvent::ConvictionSettled(_) => "slashed",
        _ => return None,
    })
}

#[derive(Serialize)]
pub(super) struct JobList {
    jobs: Vec<JobBody>,
    next_cursor: Option<String>,
}

/// Jobs, the ones that changed last first.
pub(super) async fn jobs(
    State(api): State<ApiState>,
    uri: Uri,
) -> Result<Json<Reply<JobList>>, Problem> {
    let params = Params::read(&uri, &["state", "cursor", "limit"])?;
    let state = params.choice(
        "state",
        "open, taken, submitted, rejected, slashed, closed",
        state_code,
    )?;
    let limit = params.limit()?;
    let after = match params.cursor::<CURSOR_BYTES>()? {
        None => None,
        Some(bytes) => {
            let (slot, address) = bytes.split_first_chunk::<8>().ok_or_else(bad_cursor)?;
            let address = address.first_chunk::<32>().ok_or_else(bad_cursor)?;
            Some((u64::from_be_bytes(*slot), Key(*address)))
        }
    };
    // One more than is shown tells whether there is another page.
    let snapshot = api
        .store
        .jobs(&JobsQuery {
            state,
            after,
            limit: limit + 1,
        })
        .await?;
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = snapshot.value.get(..size).unwrap_or(&snapshot.value);
    let next_cursor = shown
        .last()
        .filter(|_| snapshot.value.len() > size)
        .map(|last| {
            let mut bytes = last.row.slot.to_be_bytes().to_vec();
            bytes.extend(last.address.0);
            hex::encode(bytes)
        });
    let jobs = shown
        .iter()
        .filter_map(|entity| JobBody::of(entity, &snapshot.mints))
        .collect();
    Ok(api.reply(&snapshot, JobList { jobs, next_cursor }))
}

const STATES: [(u8, &str); 6] = [
    (CLOSED, "closed"),
    (JobState::Open as u8, "open"),
    (JobState::Taken as u8, "taken"),
    (JobState::Submitted as u8, "submitted"),
    (JobState::Rejected as u8, "rejected"),
    (JobState::Convicted as u8, "slashed"),
];

fn state_name(code: u8) -> &'static str {
    STATES
        .iter()
        .find(|(known, _)| *known == code)
        .map_or("unknown", |(_, name)| name)
}

fn state_code(name: &str) -> Option<u8> {
    STATES
        .iter()
        .find(|(_, known)| *known == name)
        .map(|(code, _)| *code)
}

fn reason_name(reason: ConvictionReason) -> &'static str {
    match reason {
        ConvictionReason::WrongCell => "wrong_cell",
        ConvictionReason::BadPadding => "bad_padding",
        ConvictionReason::Unanswered => "silence",
    }
}

fn kind_name(code: u8) -> &'static str {
    match JobKind::from_code(code) {
        Some(JobKind::Inference) => "inference",
        Some(JobKind::FineTuning) => "fine_tuning",
        Some(JobKind::Training) => "training",
        None => "unknown",
    }
}
