//! What can go wrong with data, each as one sentence that says what to do.

use std::path::PathBuf;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, DataError>;

/// Everything that can keep data from being fetched, checked, kept or published.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
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
    /// Data of another size than the graph says, or than allowed.
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
    /// A file or folder of this process.
    #[error("cannot use {path}: {why}; check the folder and its permissions", path = path.display())]
    Files {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// No room on a disk. Nothing is lost: what could not be written is done again.
    #[error("the disk of {path} is full, or a limit of it is reached; free some space, and everything goes on by itself", path = path.display())]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
    },
    /// More than strangers may make this process keep.
    #[error(
        "there is no room for {needed_bytes} bytes more of jobs' data: live jobs hold {held_bytes} of the limit of {limit_bytes}; raise --disk-limit, or wait until jobs end"
    )]
    DiskLimit {
        /// What it takes.
        needed_bytes: u64,
        /// What live jobs need.
        held_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// Two processes with one folder.
    #[error("another provider or watcher uses {path}; stop it, or give this one its own folder", path = path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// More memory than there is for one job.
    #[error(
        "too large: it takes {} MiB of memory, more than half of the limit of {} MiB; raise --memory-limit",
        .needed_bytes.div_ceil(1 << 20), .limit_bytes >> 20
    )]
    Memory {
        /// What it takes.
        needed_bytes: u64,
        /// The whole limit.
        limit_bytes: u64,
    },
    /// A model's folder with something wrong in it.
    #[error("{path}: {why}; import the model again", path = path.display())]
    Model {
        /// The folder or a file of it.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No model's folder.
    #[error(
        "no imported model lies at {}{}; make one with `quern model import`, or name its folder",
        .places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" or "),
        match .known.as_slice() {
            [] => String::new(),
            known => format!(" (in {} there are {})", .folder.display(), known.join(", ")),
        }
    )]
    NoModel {
        /// Where it was looked for.
        places: Vec<PathBuf>,
        /// The folder of the imported models.
        folder: PathBuf,
        /// The models in it.
        known: Vec<String>,
    },
    /// Work that broke off.
    #[error("a computation broke off: {0}; report it")]
    Broken(String),
}

impl DataError {
    /// Whether the data themselves are to blame, which will not change: other ones than committed to, of another size, or at
    /// a place that is not followed.
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Proof(_) | Self::Size { .. } | Self::BadUri { .. } | Self::Memory { .. }
        )
    }

    /// Whether trying again without any change may help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Fetch { .. } | Self::Publish { .. })
    }
}

/// The start of a text from outside, without control characters: long or hostile ones do not belong into a log.
pub fn excerpt(text: &str) -> String {
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

/// The innermost cause, as far as it belongs into a log.
pub(crate) fn cause(error: &dyn std::error::Error) -> String {
    excerpt(&quern_client::errors::cause(error))
}
