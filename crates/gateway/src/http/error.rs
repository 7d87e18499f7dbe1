//! Refused requests, in OpenAI's words: its libraries make exceptions of them and decide by headers whether to try again.

use {
    super::reply::Json,
    crate::refusal::Refusal,
    axum::{
        http::{HeaderName, HeaderValue, StatusCode, header},
        response::{IntoResponse, Response},
    },
    quern_api::openai::{ErrorBody, ErrorDetail},
    quern_data::DataError,
};

/// Tells OpenAI's libraries whether to try again.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// After which time a request that found no place may come again.
const BUSY_SECS: u64 = 2;

/// Why a request is refused.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    detail: Box<ErrorDetail>,
    /// Whether the same request may succeed soon, as it is.
    may_retry: bool,
    retry_after_secs: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let detail = ErrorDetail {
            message: message.into(),
            r#type: kind.to_owned(),
            param: None,
            code: None,
        };
        Self {
            status,
            detail: Box::new(detail),
            may_retry: false,
            retry_after_secs: None,
        }
    }

    /// The request is wrong; the sentence says how to mend it.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// One field of it is.
    pub fn field(param: &str, message: impl Into<String>) -> Self {
        Self::invalid(message).param(param)
    }

    /// The request would be right with another status.
    pub fn refused(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::new(status, "invalid_request_error", message).code(code)
    }

    /// There is no such thing.
    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, code, message)
    }

    /// It does not fit what is there.
    pub fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::refused(StatusCode::CONFLICT, code, message)
    }

    /// More than is taken.
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::refused(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message)
    }

    /// There is no place now.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
            .code("busy")
            .again_after(BUSY_SECS)
    }

    /// The gateway itself failed. The user and its operator are one person, so the cause is told.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        tracing::error!(message, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }

    /// Names the field.
    pub fn param(mut self, param: &str) -> Self {
        self.detail.param = Some(param.to_owned());
        self
    }

    /// Says it in a word.
    pub fn code(mut self, code: &str) -> Self {
        self.detail.code = Some(code.to_owned());
        self
    }

    fn again_after(mut self, secs: u64) -> Self {
        self.may_retry = true;
        self.retry_after_secs = Some(secs);
        self
    }

    fn again(mut self) -> Self {
        self.may_retry = true;
        self
    }

    #[allow(missing_docs)]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The body's content.
    pub fn detail(&self) -> &ErrorDetail {
        &self.detail
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        let failed =
            |status, code: &str| Self::new(status, "server_error", message.clone()).code(code);
        match &refusal {
            Refusal::NoSuchModel { .. } => {
                Self::not_found("model_not_found", message).param("model")
            }
            Refusal::NoRows | Refusal::TooManyRows { .. } => Self::field("input", message),
            Refusal::BadLength { row, tokens, most } => {
                let message = format!(
                    "input[{row}] has {tokens} tokens, and the model reads 1 to {most}, the special ones included; shorten it or split it"
                );
                Self::field("input", message).code("context_length_exceeded")
            }
            Refusal::BadToken {
                row,
                token,
                vocabulary,
            } => {
                let message = format!(
                    "input[{row}] has the token {token}, and the model knows those below {vocabulary}; use its own tokenizer, or send text"
                );
                Self::field("input", message).code("invalid_token")
            }
            Refusal::KeyReused { .. } => Self::conflict("idempotency_key_reused", message),
            Refusal::NoSuchRequest { .. } => Self::not_found("request_not_found", message),
            Refusal::NotEnded { .. } => Self::conflict("request_not_ended", message),
            Refusal::Cancelled => Self::conflict("request_cancelled", message),
            Refusal::OverCap {
                retry_after_secs, ..
            } => {
                let mut error = Self::unpaid("spending_cap", message);
                // Hours, usually: a library that tried again within seconds would only repeat it.
                error.retry_after_secs = *retry_after_secs;
                error
            }
            Refusal::OverRequest { .. } => Self::unpaid("spending_cap", message),
            Refusal::NoFunds { .. } | Refusal::NoLamports { .. } => {
                Self::unpaid("insufficient_funds", message)
            }
            Refusal::QueueFull { .. } => Self::busy(message).code("queue_full"),
            Refusal::StorageFull { .. } => {
                Self::refused(StatusCode::INSUFFICIENT_STORAGE, "storage_full", message)
            }
            Refusal::NoProvider { .. } => {
                failed(StatusCode::SERVICE_UNAVAILABLE, "no_provider").again()
            }
            Refusal::NotRight { .. } => failed(StatusCode::BAD_GATEWAY, "no_right_answer"),
            Refusal::TimedOut { .. } => failed(StatusCode::GATEWAY_TIMEOUT, "timeout").again(),
            Refusal::ShuttingDown => {
                failed(StatusCode::SERVICE_UNAVAILABLE, "shutting_down").again()
            }
            Refusal::Internal { .. } => Self::internal(message),
        }
    }
}

impl ApiError {
    fn unpaid(code: &str, message: String) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, "insufficient_quota", message).code(code)
    }
}

impl From<DataError> for ApiError {
    fn from(error: DataError) -> Self {
        let is_full = matches!(error, DataError::DiskFull { .. });
        let failed = Self::internal(error.to_string());
        match is_full {
            true => Self {
                status: StatusCode::INSUFFICIENT_STORAGE,
                ..failed
            },
            false => failed,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: *self.detail,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        let word = if self.may_retry { "true" } else { "false" };
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(word));
        if let Some(secs) = self.retry_after_secs {
            headers.insert(header::RETRY_AFTER, secs.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
