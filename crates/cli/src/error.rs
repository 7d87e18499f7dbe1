//! What can go wrong, each as one sentence.

use {
    quern_client::{ClientError, Pubkey},
    std::path::PathBuf,
};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that a command can fail with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The chain, or the way to it.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Inputs, weights or results.
    #[error("{0}")]
    Data(#[from] quern_data::DataError),
    /// Deploying the program.
    #[error("{0}")]
    Deploy(#[from] quern_deploy::DeployError),
    /// The provider.
    #[error("{0}")]
    Provider(#[from] quern_provider::ProviderError),
    /// The watcher.
    #[error("{0}")]
    Watcher(#[from] quern_watcher::WatcherError),
    /// A graph or tensors.
    #[error("{0}")]
    Proof(#[from] quern_proof::Error),
    /// The local network.
    #[cfg(feature = "localnet")]
    #[error("{0}")]
    LocalNet(#[from] quern_localnet::LocalNetError),
    /// A command line that parses but makes no sense.
    #[error("{0}")]
    Usage(String),
    /// No Quern on the cluster.
    #[error(
        "Quern isn't set up on this cluster ({url}): there is no protocol account; check --url, or run `quern deploy` and `quern protocol init`"
    )]
    NotSetUp {
        /// The cluster.
        url: String,
    },
    /// A job that has ended.
    #[error(
        "there is no job at {0} on this cluster: it has ended, or never was; `curl INDEXER/v1/jobs/{0}` tells what became of it"
    )]
    JobClosed(Pubkey),
    /// A watched job whose provider was convicted.
    #[error(
        "there is no result to use: the provider of {0} was convicted; the price is back in your purse, so create the job again"
    )]
    Convicted(Pubkey),
    /// A watched job that ended without a paid result.
    #[error(
        "no result was paid: the job {0} was cancelled, expired or decided by its arbiter; what was left of the price is back in your purse"
    )]
    NotDone(Pubkey),
    /// A file.
    #[error("cannot use {path}: {why}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The indexer.
    #[error("{0}")]
    Indexer(String),
    /// Everything else that is the user's to decide.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// 2 for a wrong command line, 3 and 4 for watched jobs that ended unpaid, 1 for everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Convicted(_) => 3,
            Self::NotDone(_) => 4,
            _ => 1,
        }
    }

    /// A file that cannot be used.
    pub fn file(path: &std::path::Path, why: impl std::fmt::Display) -> Self {
        Self::File {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }
}
