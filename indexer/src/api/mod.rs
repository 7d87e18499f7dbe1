//! HTTP: routes, requests and JSON under `/v1`, health checks. What a reply holds is made in [`crate::view`]. Reads the store
//! only; knows nothing of the node.
//!
//! Every reply says as of which slot it is, that its data are finalized, and how far behind the node they are. Amounts are
//! strings with mint and decimals beside them; lists go on by opaque cursors; errors are `application/problem+json`.

mod audit;
mod error;
mod jobs;
mod json;
mod leaderboard;
mod params;
mod providers;
mod purses;
pub mod reference;
mod reply;
mod status;
mod totals;

pub use error::ApiError;

use {
    crate::{health::Health, store::Store},
    axum::{
        Router,
        extract::{Request, State},
        http::{Method, Uri},
        middleware::{self, Next},
        response::{IntoResponse, Response},
        routing::{MethodRouter, get},
    },
    quern_api::{
        AuditPage, BoardsRequest, HealthPage, JobPage, JobsRequest, Key, ProviderPage, PursePage,
        StatusPage, TotalsPage,
    },
    std::{sync::Arc, time::Duration},
    tokio::sync::Semaphore,
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

/// Requests worked on at a time; more are refused at once, for waiting ones would only become late together.
const CONCURRENT_REQUESTS: usize = 64;
/// Most time for a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Every page that reads the store.
fn routes() -> [(String, MethodRouter<ApiState>); 9] {
    const ADDRESS: &str = "{address}";
    [
        (StatusPage::PATH.to_owned(), get(status::status)),
        (BoardsRequest::PATH.to_owned(), get(leaderboard::providers)),
        (ProviderPage::path(ADDRESS), get(providers::provider)),
        (JobsRequest::PATH.to_owned(), get(jobs::jobs)),
        (JobPage::path(ADDRESS), get(jobs::job)),
        (PursePage::path(ADDRESS), get(purses::purse)),
        (TotalsPage::PATH.to_owned(), get(totals::totals)),
        (AuditPage::PATH.to_owned(), get(audit::audit)),
        (HealthPage::READY.to_owned(), get(status::ready)),
    ]
}

/// Their paths, with `{address}` where an address stands.
pub fn paths() -> Vec<String> {
    routes().into_iter().map(|(path, _)| path).collect()
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, (path, page)| {
            router.route(&path, page)
        })
        .layer(middleware::from_fn_with_state(
            Arc::new(Semaphore::new(CONCURRENT_REQUESTS)),
            bounded,
        ))
        // Whether the process lives is answered however busy it is.
        .route(HealthPage::LIVE, get(status::live))
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

/// Refuses a request that finds no place, and one that takes too long.
async fn bounded(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        let busy = "too many requests at once; try again in some seconds".to_owned();
        return ApiError::unavailable(busy).into_response();
    };
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let late = "the reply took too long; try again in some seconds".to_owned();
            ApiError::unavailable(late).into_response()
        }
    }
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!(
        "there is no page {}; try /v1/status, /v1/leaderboards/providers, /v1/providers/ADDRESS, /v1/jobs, \
         /v1/jobs/ADDRESS, /v1/purses/ADDRESS, /v1/totals or /v1/audit",
        uri.path()
    ))
}

async fn wrong_method() -> ApiError {
    ApiError::method_not_allowed("this page can only be read: use GET".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*, axum::body::Body, hyper::service::Service,
        hyper_util::service::TowerToHyperService,
    };

    #[tokio::test]
    async fn a_request_without_a_place_is_refused_at_once() {
        let places = Arc::new(Semaphore::new(1));
        let layer = middleware::from_fn_with_state(Arc::clone(&places), bounded);
        let page = get(async || "here");
        let router = Router::new().route("/", page).layer(layer);
        let service = TowerToHyperService::new(router);
        let ask = async || {
            let response = service.call(Request::new(Body::empty())).await.unwrap();
            response.status().as_u16()
        };
        assert_eq!(ask().await, 200);
        let held = places.try_acquire().unwrap();
        assert_eq!(ask().await, 503);
        drop(held);
        assert_eq!(ask().await, 200);
    }
}
