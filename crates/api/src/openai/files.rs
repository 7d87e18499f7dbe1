//! Files of batches.

use serde::{Deserialize, Serialize};

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileObject {
    #[allow(missing_docs)]
    pub id: String,
    /// Always `file`.
    pub object: String,
    /// Its size.
    pub bytes: u64,
    /// In seconds of Unix time.
    pub created_at: i64,
    /// When it is removed; null: when it is deleted.
    pub expires_at: Option<i64>,
    #[allow(missing_docs)]
    pub filename: String,
    /// `batch` or `batch_output`.
    pub purpose: String,
    /// OpenAI no longer uses it, but its libraries want it.
    pub status: FileStatus,
    /// The same.
    pub status_details: Option<String>,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// It is whole.
    Processed,
}

/// A file that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedFile {
    #[allow(missing_docs)]
    pub id: String,
    /// Always `file`.
    pub object: String,
    /// Always true.
    pub deleted: bool,
}
