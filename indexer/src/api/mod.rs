//! HTTP: routes, requests and JSON under `/v1`, health checks. What a reply holds is made in [`crate::view`]. Reads the store
//! only; knows nothing of the node.
//!
//! Every reply says as of which slot it is, that its data are finalized, and how far behind the node they are. Amounts are
//! strings with mint and decimals beside them; lists go on by opaque cursors; errors are `application/problem+json`.

mod error;
mod jobs;
mod leaderboard;
mod params;
mod providers;
mod purses;
mod reply;
mod status;
mod totals;

pub use error::ApiError;

use {
    crate::{health::Health, store::Store},
    axum::{
        Router,
        http::{Method, Uri},
        routing::get,
    },
    quern_api::{
        BoardsRequest, HealthPage, JobPage, JobsRequest, Key, ProviderPage, PursePage, StatusPage,
        TotalsPage,
    },
    std::sync::Arc,
    tower_http::{
        compression::CompressionLayer,
        cors::{Any, CorsLayer},
        request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
        trace::TraceLayer,
    },
};

/// What handlers need.
#[derive(Clone)]
pub struct ApiState {
    /// Where answers come from.
    pub store: Arc<Store>,
    /// How far the follower is.
    pub health: Health,
    /// The program that is followed.
    pub program: Key,
    /// Lag from which on the service is not ready.
    pub most_lag_slots: u64,
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    const ADDRESS: &str = "{address}";
    Router::new()
        .route(StatusPage::PATH, get(status::status))
        .route(BoardsRequest::PATH, get(leaderboard::providers))
        .route(&ProviderPage::path(ADDRESS), get(providers::provider))
        .route(JobsRequest::PATH, get(jobs::jobs))
        .route(&JobPage::path(ADDRESS), get(jobs::job))
        .route(&PursePage::path(ADDRESS), get(purses::purse))
        .route(TotalsPage::PATH, get(totals::totals))
        .route(HealthPage::LIVE, get(status::live))
        .route(HealthPage::READY, get(status::ready))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state)
        .layer(CompressionLayer::new())
        .layer(
            CorsLayer::new()
                .allow_methods([Method::GET])
                .allow_origin(Any)
                .allow_headers(Any),
        )
        // The outermost layer comes last: an id is set first, shown in the trace and sent back.
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TraceLayer::new_for_http())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!(
        "there is no page {}; try /v1/status, /v1/leaderboards/providers, /v1/providers/ADDRESS, /v1/jobs, \
         /v1/jobs/ADDRESS, /v1/purses/ADDRESS or /v1/totals",
        uri.path()
    ))
}

async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed("this page can only be read: use GET".to_owned())
}
