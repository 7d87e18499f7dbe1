//! What can go wrong for a watcher, each as one sentence that says what to do.

use quern_data::DataError;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, WatcherError>;

/// Everything that can keep a watcher from examining a result, or from starting.
#[derive(Debug, thiserror::Error)]
pub enum WatcherError {
    /// The chain, or the way to it.
    #[error("{0}")]
    Client(#[from] quern_client::ClientError),
    /// Data of a job or model, or files of this process.
    #[error("{0}")]
    Data(#[from] DataError),
    /// A graph or tensors.
    #[error("{0}")]
    Proof(#[from] quern_proof::Error),
    /// Something that this watcher needs and does not have now.
    #[error("{0}")]
    NotReady(String),
}

/// Why a case cannot go on.
#[derive(Debug)]
pub(crate) enum StepError {
    /// For good, with the limits of this watcher.
    Final(String),
    /// For now.
    Again(WatcherError),
}

impl<E: Into<WatcherError>> From<E> for StepError {
    fn from(error: E) -> Self {
        use quern_proof::Error::{Graph, TooLarge};
        match error.into() {
            error @ (WatcherError::Proof(Graph(_) | TooLarge { .. })
            | WatcherError::Data(
                DataError::Memory { .. } | DataError::Proof(Graph(_) | TooLarge { .. }),
            )) => Self::Final(error.to_string()),
            error => Self::Again(error),
        }
    }
}
