//! What can go wrong, each as one sentence that says what to do.

use {quern_client::Pubkey, std::path::PathBuf};

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, NodeError>;

/// Everything that can keep the agent from doing a job, or from starting.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The chain, or the way to it.
    #[error("{0}")]
    Client(#[from] quern_client::ClientError),
    /// A graph or tensors.
    #[error("{0}")]
    Proof(#[from] quern_proof::Error),
    /// A URI that cannot be used.
    #[error("cannot use the URI `{uri}`: {why}")]
    BadUri {
        /// The URI, shortened.
        uri: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// Data that cannot be fetched.
    #[error("cannot fetch {uri}: {why}; check that it is published there")]
    Fetch {
        /// Where it should be.
        uri: String,
        /// What happened.
        why: String,
    },
    /// Data of another size than the program says, or than allowed.
    #[error(
        "{uri} holds {found_bytes} bytes where {what}; the publisher must correct it, or raise the limit"
    )]
    Size {
        /// Where.
        uri: String,
        /// Its size.
        found_bytes: u64,
        /// What was expected.
        what: String,
    },
    /// Data that cannot be published.
    #[error("cannot publish to {place}: {why}; check the place and its permissions")]
    Publish {
        /// Where.
        place: String,
        /// What happened.
        why: String,
    },
    /// The text behind a hash.
    #[error(
        "no event of {address} carries the URI that its account commits to; ask a node that keeps older transactions, or name the data yourself"
    )]
    UriUnknown {
        /// The account.
        address: Pubkey,
    },
    /// The journal or other files of the agent.
    #[error("cannot use {path}: {why}; check the folder and its permissions", path = path.display())]
    Files {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// Two agents, or two watchers, with one folder.
    #[error("another agent or watcher uses {path}; stop it, or give this one its own folder", path = path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// A worker failed.
    #[error("the worker failed: {0}")]
    Worker(String),
    /// An account that does not fit what the job says.
    #[error("job {job} cannot be served: {why}")]
    Unservable {
        /// The job.
        job: Pubkey,
        /// Why.
        why: String,
    },
    /// The provider cannot work yet.
    #[error("{0}")]
    NotReady(String),
}

impl NodeError {
    /// Whether trying again without any change may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Client(error) => error.is_transient(),
            Self::Fetch { .. } | Self::Publish { .. } => true,
            _ => false,
        }
    }
}

/// The start of a text from outside, without control characters: long or hostile ones do not belong into a log.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 120;
    let mut shown: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}
