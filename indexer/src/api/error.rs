//! Errors as `application/problem+json` (RFC 9457).

use {
    crate::error::IndexerError,
    axum::{
        http::{StatusCode, header},
        response::{IntoResponse, Response},
    },
    serde::Serialize,
};

/// Why a request is refused.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    /// The request is wrong; the sentence says how to mend it.
    pub fn bad_request(detail: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            detail,
        }
    }

    /// There is no such thing.
    pub fn not_found(detail: String) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            detail,
        }
    }

    /// Only reading is possible.
    pub fn method_not_allowed(detail: String) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            detail,
        }
    }

    /// Not now.
    pub fn unavailable(detail: String) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            detail,
        }
    }
}

impl From<IndexerError> for Problem {
    fn from(error: IndexerError) -> Self {
        // The cause is for the operator; a visitor can do nothing about it.
        tracing::error!(%error, "request failed");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            detail: "the indexer could not read its store; its log says why. Try again later"
                .to_owned(),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
        };
        // These four fields always serialize.
        let text = serde_json::to_string(&body).unwrap_or_default();
        (
            self.status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            text,
        )
            .into_response()
    }
}
