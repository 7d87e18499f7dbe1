//! `/v1/status` and health checks.

use {
    super::{ApiError, ApiState, params::Params, reply::Answer},
    crate::view,
    axum::{Json, extract::State, http::Uri},
    quern_api::{HealthPage, StatusPage},
    std::time::Duration,
};

/// Without a whole walk for this long the service is not ready.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// Everything that an operator wants to see at once.
pub(super) async fn status(State(api): State<ApiState>, uri: Uri) -> Answer<StatusPage> {
    Params::read(&uri, &[])?;
    let mut snapshot = api.store.read().await?;
    let counts = snapshot.counts().await?;
    let page = view::status(api.program, &counts, snapshot.cursor(), api.health.now());
    Ok(api.reply(&snapshot, page))
}

fn well() -> Json<HealthPage> {
    Json(HealthPage {
        status: "ok".to_owned(),
    })
}

/// Whether the process answers.
pub(super) async fn live() -> Json<HealthPage> {
    well()
}

/// Whether its answers are fresh.
pub(super) async fn ready(State(api): State<ApiState>) -> Result<Json<HealthPage>, ApiError> {
    let state = api.health.now();
    let Some(whole_at) = state.whole_at else {
        return Err(ApiError::unavailable(match state.error {
            Some(error) => format!("no walk is whole yet: {error}"),
            None => "the first walk is not whole yet".to_owned(),
        }));
    };
    if whole_at.elapsed() > STALE_AFTER {
        let reason = state
            .error
            .unwrap_or_else(|| "a walk takes long".to_owned());
        return Err(ApiError::unavailable(format!(
            "no progress for {} seconds: {reason}",
            whole_at.elapsed().as_secs()
        )));
    }
    match state.lag_slots() {
        Some(lag) if lag > api.most_lag_slots => Err(ApiError::unavailable(format!(
            "{lag} slots behind the node; at most {} are ready",
            api.most_lag_slots
        ))),
        _ => Ok(well()),
    }
}
