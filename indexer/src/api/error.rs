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
    /// Seconds after which it may go well.
    retry_after: Option<u32>,
}

impl ApiError {
    fn new(status: StatusCode, detail: String) -> Self {
        Self {
            status,
            detail,
            retry_after: None,
        }
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

    /// The address is longer than any of this API.
    pub fn uri_too_long(detail: String) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, detail)
    }

    /// The client asks more than its share.
    pub fn too_many_requests(detail: String, retry_after: u32) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// Not now.
    pub fn unavailable(detail: String) -> Self {
        Self {
            retry_after: Some(5),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    }

    /// The client has the answer of this version already.
    pub(super) fn not_modified(tag: String) -> Self {
        Self::new(StatusCode::NOT_MODIFIED, tag)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.detail)
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
        if self.status == StatusCode::NOT_MODIFIED {
            let headers = [
                (header::ETAG, self.detail),
                (header::CACHE_CONTROL, "no-cache".to_owned()),
            ];
            return (self.status, headers).into_response();
        }
        let problem = Problem {
            r#type: "about:blank".to_owned(),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
        };
        // These four fields always serialize.
        let text = write(&problem).unwrap_or_default();
        let kind = [(header::CONTENT_TYPE, MEDIA_TYPE)];
        match self.retry_after {
            Some(secs) => {
                let after = [(header::RETRY_AFTER, secs.to_string())];
                (self.status, kind, after, text).into_response()
            }
            None => (self.status, kind, text).into_response(),
        }
    }
}
