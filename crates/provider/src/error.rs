//! What can go wrong for a provider, each as one sentence that says what to do.

use {quern_client::Pubkey, quern_data::DataError};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// Everything that can keep a provider from doing a job, or from starting.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The chain, or the way to it.
    #[error("{0}")]
    Client(#[from] quern_client::ClientError),
    /// Data of a job or model, or files of this process.
    #[error("{0}")]
    Data(#[from] DataError),
    /// A graph or tensors.
    #[error("{0}")]
    Proof(#[from] quern_proof::Error),
    /// A worker failed.
    #[error("the worker failed: {0}")]
    Worker(String),
    /// A worker that could not work now, so that nothing is taken.
    #[error("the worker is not ready: {0}")]
    Unready(String),
    /// A job that does not fit what its accounts say, or what this provider can do.
    #[error("job {job} cannot be served: {why}")]
    Unservable {
        /// The job.
        job: Pubkey,
        /// Why.
        why: String,
    },
    /// An offer that has to wait for its turn. That is nobody's failure.
    #[error("job {job} is put off: {why}")]
    PutOff {
        /// The job.
        job: Pubkey,
        /// Why.
        why: &'static str,
    },
    /// The provider cannot work yet.
    #[error("{0}")]
    NotReady(String),
}

impl ProviderError {
    /// Whether trying again without any change may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Client(error) => error.is_transient(),
            Self::Data(error) => error.is_transient(),
            _ => false,
        }
    }
}
