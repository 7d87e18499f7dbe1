//! What can go wrong in here. Applications hear a [`crate::Refusal`].

use crate::refusal::Refusal;

/// The result of most of this crate.
pub type Result<T> = std::result::Result<T, GatewayError>;

/// Everything that can keep the gateway from working.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The chain.
    #[error("{0}")]
    Client(#[from] quern_client::ClientError),
    /// Files and fetching.
    #[error("{0}")]
    Data(#[from] quern_data::DataError),
    /// Checking.
    #[error("{0}")]
    Watcher(#[from] quern_watcher::WatcherError),
    /// Tokenizing.
    #[error("{0}")]
    Import(#[from] quern_import::Error),
    /// Graphs and tensors.
    #[error("{0}")]
    Proof(#[from] quern_proof::Error),
    /// Something to put right first.
    #[error("{0}")]
    NotReady(String),
}

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        Self::Internal {
            why: error.to_string(),
        }
    }
}
