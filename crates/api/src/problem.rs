//! Errors as `application/problem+json` (RFC 9457).

use {
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

/// Its media type.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says which kind it is.
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and how to mend it.
    pub detail: String,
}
