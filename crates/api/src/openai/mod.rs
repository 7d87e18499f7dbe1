//! What the gateway answers on OpenAI's routes: the shapes that OpenAI publishes, so that its own libraries read them.
//!
//! Optional fields are written as null where OpenAI writes null. What is Quern's own stands under `quern`.

mod batches;
mod embeddings;
mod error;
mod files;
mod models;

pub use {
    batches::{
        Batch, BatchError, BatchErrors, BatchOutput, BatchResponse, BatchStatus, BatchUsage,
        InputTokenDetails, LineError, OutputTokenDetails, RequestCounts,
    },
    embeddings::{Embedding, EmbeddingList, Usage, Vector},
    error::{ErrorBody, ErrorDetail},
    files::{DeletedFile, FileObject, FileStatus},
    models::{Model, Price, QuernModel},
};

use serde::{Deserialize, Serialize};

/// A list that goes on after `last_id` while `has_more`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Always `list`.
    pub object: String,
    #[allow(missing_docs)]
    pub data: Vec<T>,
    /// Of this page; null on an empty one.
    pub first_id: Option<String>,
    /// Of this page; null on an empty one.
    pub last_id: Option<String>,
    /// Whether there are others after it.
    pub has_more: bool,
}
