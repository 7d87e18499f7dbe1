//! `/v1/status` and health checks.

use {
    super::{ApiState, Problem, params::Params, reply::Reply},
    crate::{key::Key, project::program::EntityKind},
    axum::{Json, extract::State, http::Uri},
    serde::Serialize,
    std::time::Duration,
};

/// Without a whole walk for this long the service is not ready.
const STALE_AFTER: Duration = Duration::from_secs(30);

#[derive(Serialize)]
pub(super) struct Status {
    program: Key,
    version: &'static str,
    /// Everything up to this slot is stored.
    cursor_slot: Option<u64>,
    /// The finalized slot that the node last named.
    tip_slot: Option<u64>,
    /// The cluster's clock at about `cursor_slot`, in seconds.
    chain_time: Option<i64>,
    transactions: u64,
    events: u64,
    dead_letters: u64,
    /// Accounts of which a change is missing.
    gaps: u64,
    /// The first of them.
    first_gaps: Vec<GapBody>,
    /// Why the last walk failed, if it did.
    error: Option<String>,
}

#[derive(Serialize)]
struct GapBody {
    kind: &'static str,
    address: Key,
    highest_seq: String,
    changes_seen: String,
}

/// Everything an operator wants to see at once.
pub(super) async fn status(
    State(api): State<ApiState>,
    uri: Uri,
) -> Result<Json<Reply<Status>>, Problem> {
    Params::read(&uri, &[])?;
    let snapshot = api.store.counts().await?;
    let state = api.health.now();
    let counts = &snapshot.value;
    let first_gaps = counts
        .first_gaps
        .iter()
        .map(|gap| GapBody {
            kind: kind_name(gap.kind),
            address: gap.address,
            highest_seq: gap.seq.to_string(),
            changes_seen: gap.seen.to_string(),
        })
        .collect();
    let body = Status {
        program: api.program,
        version: env!("CARGO_PKG_VERSION"),
        cursor_slot: snapshot.cursor.map(|cursor| cursor.slot),
        tip_slot: state.tip_slot,
        chain_time: snapshot.cursor.map(|cursor| cursor.chain_time),
        transactions: counts.transactions,
        events: counts.events,
        dead_letters: counts.dead_letters,
        gaps: counts.gaps,
        first_gaps,
        error: state.error,
    };
    Ok(api.reply(&snapshot, body))
}

fn kind_name(code: u8) -> &'static str {
    const NAMES: [(EntityKind, &str); 9] = [
        (EntityKind::Protocol, "protocol"),
        (EntityKind::MintConfig, "mint"),
        (EntityKind::Emission, "emission"),
        (EntityKind::Provider, "provider"),
        (EntityKind::Purse, "purse"),
        (EntityKind::Model, "model"),
        (EntityKind::Job, "job"),
        (EntityKind::Demand, "demand"),
        (EntityKind::Campaign, "campaign"),
    ];
    NAMES
        .iter()
        .find(|(kind, _)| *kind as u8 == code)
        .map_or("unknown", |(_, name)| name)
}

#[derive(Serialize)]
pub(super) struct Well {
    status: &'static str,
}

/// Whether the process answers.
pub(super) async fn live() -> Json<Well> {
    Json(Well { status: "ok" })
}

/// Whether its answers are fresh.
pub(super) async fn ready(State(api): State<ApiState>) -> Result<Json<Well>, Problem> {
    let state = api.health.now();
    let Some(whole_at) = state.whole_at else {
        return Err(Problem::unavailable(match state.error {
            Some(error) => format!("no walk is whole yet: {error}"),
            None => "the first walk is not whole yet".to_owned(),
        }));
    };
    if whole_at.elapsed() > STALE_AFTER {
        let reason = state
            .error
            .unwrap_or_else(|| "a walk takes long".to_owned());
        return Err(Problem::unavailable(format!(
            "no progress for {} seconds: {reason}",
            whole_at.elapsed().as_secs()
        )));
    }
    match state.lag_slots() {
        Some(lag) if lag > api.most_lag_slots => Err(Problem::unavailable(format!(
            "{lag} slots behind the node; at most {} are ready",
            api.most_lag_slots
        ))),
        _ => Ok(Json(Well { status: "ok" })),
    }
}
