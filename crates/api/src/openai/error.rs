//! Refused requests.

use serde::{Deserialize, Serialize};

/// The body of every reply that refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    #[allow(missing_docs)]
    pub error: ErrorDetail,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// A sentence: what is wrong; what to do.
    pub message: String,
    /// Its kind, such as `invalid_request_error`.
    pub r#type: String,
    /// The field that is wrong, if one is.
    pub param: Option<String>,
    /// A word for programs, such as `model_not_found`.
    pub code: Option<String>,
}
