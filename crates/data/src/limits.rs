//! How much, how long and from where data are fetched, and where they go.

use {
    crate::{
        error::{DataError, Result, excerpt},
        files::unwritten,
    },
    std::{
        path::{Path, PathBuf},
        time::Duration,
    },
    tokio::{fs::File, io::AsyncWriteExt},
};

/// How much, how long and from where data are fetched.
#[derive(Clone, Debug)]
pub struct FetchLimits {
    /// Largest file, in bytes.
    pub max_bytes: u64,
    /// How long a server may send nothing, and be behind the least rate.
    pub timeout: Duration,
    /// Least rate, in bytes a second: a slower server keeps others waiting. Large files get as much longer.
    pub least_rate: u64,
    /// Folders that `file` URIs may point into.
    pub file_roots: Vec<PathBuf>,
    /// Whether `http` and `https` URIs are followed.
    pub http: bool,
    /// Whether they are followed to machines that are not public: this one and its neighbours.
    pub allow_private: bool,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            timeout: Duration::from_secs(20),
            least_rate: 1 << 20,
            file_roots: Vec::new(),
            http: true,
            allow_private: false,
        }
    }
}

/// Where fetched bytes go.
pub(crate) enum Sink<'a> {
    Memory(&'a mut Vec<u8>),
    File(&'a mut File, &'a Path),
}

impl Sink<'_> {
    /// Takes the next bytes.
    pub(crate) async fn put(&mut self, piece: &[u8]) -> Result<()> {
        match self {
            Self::Memory(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Self::File(file, path) => file
                .write_all(piece)
                .await
                .map_err(|error| unwritten(path, &error)),
        }
    }
}

impl FetchLimits {
    pub(crate) fn too_slow(&self, uri: &str, received_bytes: u64) -> DataError {
        DataError::Fetch {
            uri: excerpt(uri),
            why: format!(
                "after {received_bytes} bytes it is more than {} s behind the least rate of {} bytes a second",
                self.timeout.as_secs(),
                self.least_rate
            ),
        }
    }

    /// How long a number of bytes may take.
    pub(crate) fn longest(&self, bytes: u64) -> Duration {
        let secs = bytes / self.least_rate.max(1);
        self.timeout.saturating_add(Duration::from_secs(secs))
    }
}

/// How many bytes may come, and how many must.
pub(crate) struct Expected {
    /// Exactly so many, if that is known.
    pub bytes: Option<u64>,
    /// Most bytes.
    pub limit: u64,
    /// That in words, for a sentence.
    pub what: String,
}

impl Expected {
    /// What a file has to hold under some limits.
    pub(crate) fn new(limits: &FetchLimits, bytes: Option<u64>) -> Self {
        match bytes {
            Some(expected) if expected <= limits.max_bytes => Self {
                bytes,
                limit: expected,
                what: format!("exactly {expected} were expected"),
            },
            _ => Self {
                bytes,
                limit: limits.max_bytes,
                what: format!("at most {} are allowed here", limits.max_bytes),
            },
        }
    }

    /// Refuses a size that is told before the first byte comes.
    pub(crate) fn check_claim(&self, uri: &str, claimed: u64) -> Result<()> {
        match claimed > self.limit || self.bytes.is_some_and(|expected| claimed != expected) {
            true => Err(self.other_size(uri, claimed)),
            false => Ok(()),
        }
    }

    /// What is said about another size.
    pub(crate) fn other_size(&self, uri: &str, found_bytes: u64) -> DataError {
        DataError::Size {
            uri: excerpt(uri),
            found_bytes,
            what: self.what.clone(),
        }
    }

    /// Room for what is expected: a vector that grows takes up to three times as much for a moment.
    pub(crate) fn room(&self) -> usize {
        let known = self.bytes.map(|bytes| bytes.min(self.limit));
        known.map_or(0, |bytes| usize::try_from(bytes).unwrap_or_default())
    }
}
