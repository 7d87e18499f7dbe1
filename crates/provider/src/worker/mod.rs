//! Who does the work of a job.

mod command;
mod integer;
mod process;

pub(crate) use command::MAX_NAME_BYTES;
pub use {
    command::CommandWorker,
    integer::{IntegerWorker, ItemsOrder},
};

use {
    crate::error::Result,
    async_trait::async_trait,
    quern_proof::Tensor,
    serde::Serialize,
    std::{path::PathBuf, sync::Arc},
};

/// What is to be done, and everything that a worker may need for it. Serialised, it is what a [`CommandWorker`] reads:
/// addresses are base58, hashes hexadecimal.
#[derive(Clone, Debug, Serialize)]
pub struct WorkOrder {
    /// The job.
    pub job: String,
    /// Who pays.
    pub client: String,
    /// The provider's owner.
    pub provider: String,
    /// The model, or nothing.
    pub model: Option<String>,
    /// `inference`, `fine_tuning` or `training`.
    pub kind: &'static str,
    /// `refereed` or `reviewed`.
    pub assurance: &'static str,
    /// Index of the milestone, from 0.
    pub milestone: u8,
    /// Milestones in all.
    pub milestones: u8,
    /// Number of the submission, from 1.
    pub submission: u32,
    /// Items of refereed work.
    pub items: u32,
    /// Until when the result must be submitted, in Unix seconds of the cluster.
    pub deadline: i64,
    /// Time left until then, in seconds.
    pub seconds_left: i64,
    /// Where the inputs are, as the client wrote it; may be empty.
    pub input_uri: String,
    /// The inputs on this machine, compared with their roots: a bundle of tensors, or the client's text or other file as it
    /// is; nothing if the job commits to none.
    pub input_file: Option<PathBuf>,
    /// Where the model is, as its owner wrote it; may be empty.
    pub model_uri: String,
    /// The last accepted commitment, from where this milestone continues; nothing at the first.
    pub checkpoint_root: Option<String>,
    /// Where the data of that commitment are, as its provider wrote it.
    pub checkpoint_uri: Option<String>,
    /// A folder for this submission, which survives a restart; an `output_file` lies in it, and the files of
    /// [`Output::Folder`].
    pub folder: PathBuf,
    /// Graph and tensors of refereed work, checked against their roots.
    #[serde(skip)]
    pub tensors: Option<Arc<CheckedTensors>>,
    /// For how many items at a time memory is reserved.
    #[serde(skip)]
    pub items_at_once: u32,
}

/// Everything that a graph needs, compared with what job and model commit to.
#[derive(Debug)]
pub struct CheckedTensors {
    /// The sealed graph.
    pub graph: Vec<u8>,
    /// The inputs that the client gives, in the graph's order: all but the tokens.
    pub inputs: Arc<Vec<Tensor>>,
    /// Weights in the graph's order.
    pub weights: Arc<Vec<Tensor>>,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkResult {
    /// The commitment: the trace root of refereed work, the checkpoint's hash otherwise.
    pub root: [u8; 32],
    /// The root of the text of refereed work; zeroes where there is none.
    pub tokens_root: [u8; 32],
    /// The data behind it.
    pub output: Output,
}

/// Where the data of a result are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Here: the agent publishes these files (name and bytes); the address is that of the first.
    Files(Vec<(String, Vec<u8>)>),
    /// In the order's folder under these names: the agent publishes them; the address is that of the first.
    Folder(Vec<String>),
    /// The worker has published them there.
    At(String),
}

/// Does the work of one milestone. It may be asked for the same submission again after a restart; what it leaves in
/// the order's folder is still there then.
#[async_trait]
pub trait Worker: Send + Sync {
    /// Works until the result is there. Dropping the future stops the work.
    ///
    /// # Errors
    /// `Worker`, or whatever kept it from working.
    async fn work(&self, order: &WorkOrder) -> Result<WorkResult>;

    /// Says whether it could work now: at all, or on an open job that is not taken yet.
    ///
    /// # Errors
    /// `Unready`, and why.
    async fn check(&self, _order: Option<&WorkOrder>) -> Result<()> {
        Ok(())
    }
}
