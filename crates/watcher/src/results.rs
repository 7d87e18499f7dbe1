//! The data of a case in memory, and own results of cases that are not decided.

use {
    quern_client::Pubkey,
    quern_data::{Reservation, runtime::lock, sizes::Sizes},
    quern_proof::{Hash, Tensor},
    std::{
        collections::HashMap,
        sync::{Arc, Mutex},
    },
};

/// What a job's result follows from, compared with the roots in job and model.
pub(crate) struct CaseData {
    /// The sealed graph.
    pub graph: Vec<u8>,
    /// The job's batch rows.
    pub batch_rows: u32,
    /// Inputs in the graph's order.
    pub inputs: Arc<Vec<Tensor>>,
    /// Weights in the graph's order.
    pub weights: Arc<Vec<Tensor>>,
    /// How much memory the case takes.
    pub sizes: Sizes,
}

/// What the watcher computed itself.
pub(crate) struct OwnResult {
    /// From what.
    pub data: Arc<CaseData>,
    /// The outputs of all ops.
    pub outputs: Vec<Tensor>,
    /// What an honest provider commits to.
    pub root: Hash,
}

/// An own result and the memory that is reserved for it.
type Kept = (Arc<OwnResult>, Reservation);

/// Own results of cases that are not decided, by job and submission. Nothing displaces them, because the next demand must not
/// wait for them to be computed again.
#[derive(Default)]
pub(crate) struct OwnResults(Mutex<HashMap<(Pubkey, u32), Kept>>);

impl OwnResults {
    /// The own result of a case, if it is kept.
    pub(crate) fn get(&self, case: (Pubkey, u32)) -> Option<Arc<OwnResult>> {
        lock(&self.0).get(&case).map(|(own, _)| Arc::clone(own))
    }

    /// Lets go of a case's own result.
    pub(crate) fn forget(&self, case: (Pubkey, u32)) {
        lock(&self.0).remove(&case);
    }

    /// Keeps an own result in memory that is reserved for it.
    pub(crate) fn put(&self, case: (Pubkey, u32), own: Arc<OwnResult>, memory: Reservation) {
        lock(&self.0).insert(case, (own, memory));
    }
}
