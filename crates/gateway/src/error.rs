//! What can go wrong in here. Applications hear a [`crate::Refusal`].

use {crate::refusal::Refusal, quern_data::DataError, quern_watcher::WatcherError};

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

impl GatewayError {
    /// Whether the node, the way to it, or this machine is to blame: it is tried again, and is neither an attempt at a job nor held
    /// against its provider.
    pub fn is_transient(&self) -> bool {
        let is_of_chain = quern_client::ClientError::is_transient;
        match self {
            Self::Client(error) | Self::Watcher(WatcherError::Client(error)) => is_of_chain(error),
            Self::Data(error) | Self::Watcher(WatcherError::Data(error)) => matches!(
                error,
                DataError::Files { .. } | DataError::DiskFull { .. } | DataError::Broken(_)
            ),
            _ => false,
        }
    }
}

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        Self::Internal {
            why: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use {super::*, quern_client::ClientError};

    #[test]
    fn what_the_node_or_this_machine_fails_in_is_nobodys_fault() {
        let unreachable = || ClientError::Unreachable {
            url: String::new(),
            reason: String::new(),
        };
        let full = || DataError::DiskFull {
            path: std::path::PathBuf::new(),
        };
        for transient in [
            GatewayError::from(unreachable()),
            WatcherError::from(unreachable()).into(),
            full().into(),
            WatcherError::from(full()).into(),
        ] {
            assert!(transient.is_transient(), "{transient}");
        }
        // What a provider does not show, or shows wrong, is its own.
        let missing = DataError::Fetch {
            uri: String::new(),
            why: String::new(),
        };
        for lasting in [
            GatewayError::from(missing),
            ClientError::Argument(String::new()).into(),
            GatewayError::NotReady(String::new()),
        ] {
            assert!(!lasting.is_transient(), "{lasting}");
        }
    }
}
