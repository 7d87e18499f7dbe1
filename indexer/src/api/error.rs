//! Refused requests, told as [`Problem`]s.

use {
    super::json::write,
    crate::error::IndexerError,
    axum::{
        http::{StatusCode, header},
        response::{IntoResponse, Response},
    },
    quern_api::{Problem, problem::MEDIA_TYPE},
};

/// Why a request is refused.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    detail: String,
}

impl ApiError {
    fn new(status: StatusCode, detail: String) -> Self {
        Self { status, detail }
    }

    /// The request is wrong; the sentence says how to mend it.
    pub fn bad_request(detail: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// There is no such thing.
    pub fn not_found(detail: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// Only reading is possible.
    pub fn method_not_allowed(detail: String) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    /// Not now.
    pub fn unavailable(detail: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }
}

impl From<IndexerError> for ApiError {
    fn from(error: IndexerError) -> Self {
        // The cause is for the operator; a visitor can do nothing about it.
        tracing::error!(%error, "request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the indexer could not read its store; its log says why. Try again later".to_owned(),
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = Problem {
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        // These four fields always serialize.
        let text = write(&problem).unwrap_or_default();
        (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response()
    }
}
