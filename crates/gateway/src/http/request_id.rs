//! A name for every request: in its reply, in the log, in the lines of batches.

use {
    super::ids,
    axum::{
        extract::Request,
        http::{HeaderName, HeaderValue},
        middleware::Next,
        response::Response,
    },
};

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request and logs its end. A name that the client sends is not taken: the log would hold its words.
pub async fn name(request: Request, next: Next) -> Response {
    let id = ids::random("req_");
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let began = std::time::Instant::now();
    let mut response = next.run(request).await;
    let status = response.status().as_u16();
    tracing::debug!(id, %method, path, status, millis = began.elapsed().as_millis(), "request answered");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}
