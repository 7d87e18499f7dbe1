//! HTTP: routes, requests and JSON under `/v1`, health checks. What a reply holds is made in [`crate::view`]. Reads the store
//! only; knows nothing of the node.
//!
//! Every reply says as of which slot it is, that its data are finalized, and how far behind the node they are. Amounts are
//! strings with mint and decimals beside them; lists go on by opaque cursors; errors are `application/problem+json`.

mod accounts;
mod ask;
mod audit;
mod campaigns;
mod clients;
mod error;
mod event_id;
mod events;
mod jobs;
mod json;
mod leaderboard;
mod ledger;
mod openapi;
mod page;
mod params;
mod parties;
mod providers;
mod provisional;
mod purses;
mod reasons;
pub mod reference;
mod reply;
mod seats;
mod series;
mod status;
mod stream;
mod table;
mod totals;
mod watched;

pub use {error::ApiError, ledger::Tables, openapi::document, stream::Streams};

use {
    crate::{health::Health, metrics::Metrics, provisional::Provisional, store::Store},
    axum::{
        Router,
        extract::{Request, State},
        http::{HeaderName, Method, Uri, header},
        middleware::{self, Next},
        response::{IntoResponse, Response},
        routing::get,
    },
    quern_api::Key,
    std::{sync::Arc, time::Duration},
    tokio::sync::Semaphore,
    tower_http::{
        compression::CompressionLayer,
        cors::{Any, CorsLayer},
        request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
        trace::TraceLayer,
    },
    utoipa_axum::{router::OpenApiRouter, routes},
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
    /// What is counted.
    pub metrics: Metrics,
    /// Who may stream.
    pub streams: Streams,
    /// Who may have a whole ledger sent.
    pub tables: Tables,
    /// What is not final yet.
    pub provisional: Provisional,
}

/// Requests worked on at a time; more are refused at once, for waiting ones would only become late together.
const CONCURRENT_REQUESTS: usize = 64;
/// Most time for a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest path and query: no request of this API is near it.
const URI_BYTES: usize = 4 * 1024;

/// Every page that reads the store, with what the documentation says about it.
fn pages() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(status::status))
        .routes(routes!(leaderboard::providers))
        .routes(routes!(leaderboard::models))
        .routes(routes!(leaderboard::clients))
        .routes(routes!(accounts::providers))
        .routes(routes!(providers::provider))
        .routes(routes!(providers::provider_jobs))
        .routes(routes!(series::earnings))
        .routes(routes!(reasons::work))
        .routes(routes!(ledger::table))
        .routes(routes!(jobs::jobs))
        .routes(routes!(jobs::job))
        .routes(routes!(reasons::explain))
        .routes(routes!(accounts::models))
        .routes(routes!(accounts::model))
        .routes(routes!(clients::clients))
        .routes(routes!(clients::client))
        .routes(routes!(accounts::mints))
        .routes(routes!(campaigns::campaigns))
        .routes(routes!(campaigns::campaign))
        .routes(routes!(campaigns::entry))
        .routes(routes!(purses::purse))
        .routes(routes!(ledger::ledger))
        .routes(routes!(reasons::emission))
        .routes(routes!(events::events))
        .routes(routes!(stream::stream))
        .routes(routes!(provisional::provisional))
        .routes(routes!(series::network))
        .routes(routes!(series::fees))
        .routes(routes!(totals::totals))
        .routes(routes!(audit::audit))
        .routes(routes!(watched::metrics))
        .routes(routes!(status::ready))
}

/// Every page, whether it reads the store or not.
fn all_pages() -> OpenApiRouter<ApiState> {
    // Whether the process lives is answered however busy it is.
    pages().routes(routes!(status::live))
}

/// Paths of the pages that read the store, with a name in braces where an address stands.
pub fn paths() -> Vec<String> {
    pages().into_openapi().paths.paths.into_keys().collect()
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    let (pages, _) = pages().split_for_parts();
    let (live, _) = OpenApiRouter::new()
        .routes(routes!(status::live))
        .split_for_parts();
    pages
        .layer(middleware::from_fn_with_state(
            Arc::new(Semaphore::new(CONCURRENT_REQUESTS)),
            bounded,
        ))
        .merge(live)
        .route(openapi::PATH, get(openapi::openapi))
        .route(reference::PATH, get(reference::docs))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            watched::counted,
        ))
        .with_state(state)
        .layer(middleware::from_fn(short))
        .layer(CompressionLayer::new())
        .layer(
            CorsLayer::new()
                .allow_methods([Method::GET])
                .allow_origin(Any)
                .allow_headers(Any)
                .expose_headers([
                    header::ETAG,
                    header::LINK,
                    header::RETRY_AFTER,
                    reply::AS_OF_SLOT,
                    reply::WHOLE_HISTORY,
                    HeaderName::from_static("x-request-id"),
                ]),
        )
        // The outermost layer comes last: an id is set first, shown in the trace and sent back.
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TraceLayer::new_for_http())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// Refuses what is longer than any request of this API.
async fn short(request: Request, next: Next) -> Response {
    let uri = request.uri();
    let query = uri.query().map_or(0, str::len);
    if uri.path().len() + query > URI_BYTES {
        let long = format!("path and query must be at most {URI_BYTES} bytes together");
        return ApiError::uri_too_long(long).into_response();
    }
    next.run(request).await
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

/// What an address gets that asks more than its share.
pub fn too_many(wait: Duration) -> Response {
    let secs = u32::try_from(wait.as_secs())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let detail = format!("too many requests from your address; go on in {secs} s");
    ApiError::too_many_requests(detail, secs).into_response()
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::not_found(format!(
        "there is no page {}; {} lists them all, /v1/status is one",
        params::shown(uri.path()),
        openapi::PATH
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
