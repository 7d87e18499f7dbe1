//! `/metrics`, and the counting of requests.

use {
    super::{ApiError, ApiState},
    crate::metrics::{MEDIA_TYPE, Now},
    axum::{
        extract::{MatchedPath, Request, State},
        http::header,
        middleware::Next,
        response::{IntoResponse, Response},
    },
    std::time::Instant,
};

/// Where operators look.
pub(super) const PATH: &str = "/metrics";
/// What a request for no route counts as.
const NO_ROUTE: &str = "none";

/// Counts a request, whatever becomes of it.
pub(super) async fn counted(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| NO_ROUTE.to_owned(), |route| route.as_str().to_owned());
    let begun = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    api.metrics.answered(&route, status, begun.elapsed());
    response
}

/// What an operator watches: lag, cursor, events, gaps, dead letters, the last audit, requests, calls to the node.
#[utoipa::path(get, path = PATH, responses((status = 200, body = String, content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(api): State<ApiState>) -> Result<Response, ApiError> {
    let mut snapshot = api.store.read().await?;
    let counts = snapshot.counts().await?;
    let follower = api.health.now();
    let audit = snapshot.audit().await?;
    let is_audited = audit.as_ref().is_some_and(|audit| audit.error.is_none());
    let audit = audit.unwrap_or_default();
    let cursor_slot = snapshot.cursor().map(|cursor| cursor.slot);
    let now = Now {
        cursor_slot: cursor_slot.unwrap_or_default(),
        tip_slot: follower.tip_slot.unwrap_or_default(),
        lag_slots: api.lag_slots(cursor_slot).unwrap_or_default(),
        events: counts.events,
        transactions: counts.transactions,
        dead_letters: counts.dead_letters,
        gaps: counts.gaps,
        is_whole: snapshot.wholeness().is_whole(),
        is_failing: follower.error.is_some(),
        streams: api.streams.open() as u64,
        audit_differences: audit.found,
        audit_unsettled: audit.unsettled,
        audit_slot: audit.slot,
        is_audited,
        silent_calls: follower.silent_calls,
        back_filled: follower.back_filled,
        failed_walks: follower.failed_walks,
    };
    let text = api.metrics.text(&now);
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}
