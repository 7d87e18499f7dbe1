//! OpenAI's other routes, each refused with the reason.

use {
    super::super::error::ApiError,
    axum::http::{Method, StatusCode, Uri},
};

/// Routes that generate text, images or sound.
const GENERATING: &[&str] = &[
    "/v1/chat",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/images",
    "/v1/audio",
    "/v1/realtime",
    "/v1/videos",
    "/v1/moderations",
    "/v1/assistants",
    "/v1/threads",
    "/v1/conversations",
    "/v1/fine_tuning",
];

/// A path that is not served.
pub async fn path(uri: Uri) -> ApiError {
    let path = uri.path();
    let is_below = |route: &&str| {
        path.strip_prefix(*route)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match GENERATING.iter().find(|route| is_below(route)) {
        Some(route) => ApiError::not_found(
            "route_unsupported",
            format!(
                "{route} is not served: no model for it is refereed yet, and this gateway hands out nothing that cannot be checked; \
                 use /v1/embeddings or /v1/batches, and another server for this"
            ),
        ),
        None => ApiError::not_found(
            "unknown_url",
            format!(
                "there is no {}; this gateway serves /v1/models, /v1/embeddings, /v1/files, /v1/batches, /quern/v1/spending and \
                 /quern/v1/receipts/JOB",
                super::super::json::shown(path)
            ),
        ),
    }
}

/// A method that a path does not have.
pub async fn method(method: Method, uri: Uri) -> ApiError {
    let path = super::super::json::shown(uri.path());
    ApiError::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{method} is not possible on {path}"),
    )
}
