//! `/v1/status` and health checks.

use {
    super::{ApiError, ApiState, ask::Ask, json::Json, reply::Answer},
    crate::view,
    axum::extract::State,
    quern_api::{HealthPage, NoParams, Reply, StatusPage},
    std::time::Duration,
};

/// Without a whole walk for this long the service is not ready.
const STALE_AFTER: Duration = Duration::from_secs(30);

/// How far the indexer is, and what it could not read.
#[utoipa::path(get, path = StatusPage::PATH, responses((status = 200, body = Reply<StatusPage>)))]
pub(super) async fn status(State(api): State<ApiState>, _: Ask<NoParams>) -> Answer {
    // Never "not modified": what the node says is no part of the store's version.
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

/// Whether the process answers, however busy it is.
#[utoipa::path(get, path = HealthPage::LIVE, responses((status = 200, body = HealthPage)))]
pub(super) async fn live() -> Json<HealthPage> {
    well()
}

/// Whether replies are fresh and whole: 200, or 503 with the reason. For load balancers.
#[utoipa::path(get, path = HealthPage::READY, responses((status = 200, body = HealthPage)))]
pub(super) async fn ready(State(api): State<ApiState>) -> Result<Json<HealthPage>, ApiError> {
    let state = api.health.now();
    if let Some(error) = state.error.as_ref().filter(|_| state.is_refused) {
        return Err(ApiError::unavailable(format!(
            "the node is not believed: {error}"
        )));
    }
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
    // What readers see counts, and not what the follower believes to have written.
    let snapshot = api.store.read().await?;
    let shown = snapshot.cursor().map_or(0, |cursor| cursor.slot);
    let lag = state.tip_slot.map_or(0, |tip| tip.saturating_sub(shown));
    if lag > api.most_lag_slots {
        return Err(ApiError::unavailable(format!(
            "{lag} slots behind the node; at most {} are ready",
            api.most_lag_slots
        )));
    }
    let wholeness = snapshot.wholeness();
    match wholeness.is_whole() {
        true => Ok(well()),
        false => Err(ApiError::unavailable(format!(
            "the history is not whole, so sums may be too small: {wholeness}"
        ))),
    }
}
