//! Batches: many requests in a file, answered into a file.

use {
    super::ErrorDetail,
    serde::{Deserialize, Serialize},
    serde_json::Value,
    std::collections::BTreeMap,
};

/// A batch. Times are seconds of Unix time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Batch {
    pub id: String,
    /// Always `batch`.
    pub object: String,
    /// Where each line would go if it were sent by itself.
    pub endpoint: String,
    /// The model of its requests, once a line was read.
    pub model: Option<String>,
    /// Why it failed as a whole.
    pub errors: Option<BatchErrors>,
    pub input_file_id: String,
    /// Always `24h`.
    pub completion_window: String,
    pub status: BatchStatus,
    /// Answers; null if there is none.
    pub output_file_id: Option<String>,
    /// Requests without an answer; null if there is none.
    pub error_file_id: Option<String>,
    pub created_at: i64,
    pub in_progress_at: Option<i64>,
    pub expires_at: Option<i64>,
    pub finalizing_at: Option<i64>,
    pub completed_at: Option<i64>,
    pub failed_at: Option<i64>,
    pub expired_at: Option<i64>,
    pub cancelling_at: Option<i64>,
    pub cancelled_at: Option<i64>,
    pub request_counts: RequestCounts,
    pub usage: BatchUsage,
    /// What the application attached.
    pub metadata: Option<BTreeMap<String, String>>,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchStatus {
    /// Its lines are counted and read.
    Validating,
    /// It cannot be worked on at all; `errors` says why.
    Failed,
    /// Its requests are answered.
    InProgress,
    /// Its files are closed.
    Finalizing,
    /// Its files are there.
    Completed,
    /// The window passed first; its files hold what was done.
    Expired,
    /// It will be cancelled when the running job allows it.
    Cancelling,
    /// It was; its files hold what was done.
    Cancelled,
}

impl BatchStatus {
    /// Whether nothing happens to it any more.
    pub const fn has_ended(self) -> bool {
        matches!(
            self,
            Self::Failed | Self::Completed | Self::Expired | Self::Cancelled
        )
    }

    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Validating => "validating",
            Self::Failed => "failed",
            Self::InProgress => "in_progress",
            Self::Finalizing => "finalizing",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How many requests, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RequestCounts {
    pub total: u64,
    pub completed: u64,
    pub failed: u64,
}

/// Tokens that were read for a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct BatchUsage {
    pub input_tokens: u64,
    pub input_tokens_details: InputTokenDetails,
    pub output_tokens: u64,
    pub output_tokens_details: OutputTokenDetails,
    pub total_tokens: u64,
}

/// OpenAI's libraries want it; always 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct InputTokenDetails {
    pub cached_tokens: u64,
}

/// OpenAI's libraries want it; always 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct OutputTokenDetails {
    pub reasoning_tokens: u64,
}

/// Why a batch failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchErrors {
    /// Always `list`.
    pub object: String,
    #[allow(missing_docs)]
    pub data: Vec<BatchError>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchError {
    /// A word for programs.
    pub code: String,
    /// A sentence: what is wrong; what to do.
    pub message: String,
    /// The field that is wrong, if one is.
    pub param: Option<String>,
    /// The line that is wrong, from 1, if one is.
    pub line: Option<u64>,
}

/// A line of an output file or of an errors file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchOutput<B = Value> {
    #[allow(missing_docs)]
    pub id: String,
    /// The application's name for the request; null if the line cannot be read.
    pub custom_id: Option<String>,
    /// What the request would have got by itself.
    pub response: Option<BatchResponse<B>>,
    /// Why it was not asked at all.
    pub error: Option<LineError>,
}

/// An answer as if the request had come by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct BatchResponse<B = Value> {
    pub status_code: u16,
    pub request_id: String,
    /// An [`super::EmbeddingList`] or an [`super::ErrorBody`].
    pub body: B,
}

/// Why a line was not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct LineError {
    pub code: String,
    pub message: String,
}

impl From<ErrorDetail> for LineError {
    fn from(detail: ErrorDetail) -> Self {
        Self {
            code: detail.code.unwrap_or(detail.r#type),
            message: detail.message,
        }
    }
}
