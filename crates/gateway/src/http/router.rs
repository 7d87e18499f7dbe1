//! Which path leads where, and what every request passes first.

use {
    super::{
        app::App,
        error::ApiError,
        guard::{self, Hosts},
        openai::{batches, embeddings, files, models, unsupported},
        quern, request_id,
        token::Token,
    },
    axum::{
        Router,
        extract::{Request, State},
        middleware::{self, Next},
        response::{IntoResponse, Response},
        routing::{get, post},
    },
    quern_api::gateway::SpendingPage,
    std::sync::Arc,
    tokio::sync::Semaphore,
};

/// Requests worked on at a time; each may hold a body and its rows. More are refused at once and may come again.
const CONCURRENT_REQUESTS: usize = 128;

/// All routes.
pub fn router(app: App, token: Token, hosts: &[String]) -> Router {
    let places = Arc::new(Semaphore::new(CONCURRENT_REQUESTS));
    Router::new()
        .route("/v1/models", get(models::list))
        // The names of models may have slashes.
        .route("/v1/models/{*id}", get(models::one))
        .route("/v1/embeddings", post(embeddings::create))
        .route("/v1/files", get(files::list).post(files::upload))
        .route("/v1/files/{id}", get(files::one).delete(files::delete))
        .route("/v1/files/{id}/content", get(files::content))
        .route("/v1/batches", get(batches::list).post(batches::create))
        .route("/v1/batches/{id}", get(batches::one))
        .route("/v1/batches/{id}/cancel", post(batches::cancel))
        .route(SpendingPage::PATH, get(quern::spending))
        .route("/quern/v1/receipts/{job}", get(quern::receipt))
        .fallback(unsupported::path)
        .method_not_allowed_fallback(unsupported::method)
        .layer(middleware::from_fn_with_state(places, bounded))
        .layer(middleware::from_fn_with_state(token, guard::with_token))
        // Whether the process lives is told however busy it is, and without the key.
        .route("/health/live", get(quern::live))
        .route("/health/ready", get(quern::ready))
        .with_state(app)
        .layer(middleware::from_fn_with_state(
            Hosts::with(hosts),
            guard::local,
        ))
        // The outermost layer comes last: refused requests have names, too.
        .layer(middleware::from_fn(request_id::name))
}

/// Refuses a request that finds no place.
async fn bounded(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    let Ok(_place) = places.try_acquire() else {
        let busy = "too many requests at once; send fewer at a time, or try again in some seconds";
        return ApiError::busy(busy).into_response();
    };
    next.run(request).await
}
