//! What answers a demand, from the data of one submission.
//!
//! By taking a job a provider answers for everything that its result is judged by: the trace, the inputs and the weights.
//! Hashing a large tensor takes a while and demands come one below the other, so every tree is built once, when it is
//! first asked about.

use {
    crate::{error::Result, worker::CheckedTensors},
    quern_proof::{
        Operand, Tensor,
        commit::{TensorTree, Trace},
        demand::{self, NodeId},
    },
    std::sync::{Arc, OnceLock},
};

/// Which data a demand is about; they are fetched apart, because most demands are about the trace alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The outputs of all ops.
    Trace,
    /// Inputs and weights.
    Operands,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Trace, Self::Operands];

    /// What answers a demand.
    pub const fn of(node_id: &NodeId) -> Self {
        match node_id.tree {
            demand::Tree::Trace | demand::Tree::Data(Operand::Op(_)) => Self::Trace,
            demand::Tree::Data(Operand::Input(_) | Operand::Weight(_)) => Self::Operands,
        }
    }
}

/// Trees of some tensors, each built when it is needed.
struct Trees(Vec<OnceLock<TensorTree>>);

impl Trees {
    fn over(tensors: &[Tensor]) -> Self {
        Self(tensors.iter().map(|_| OnceLock::new()).collect())
    }

    /// The answer to a demand in the tree of the tensor at `index`.
    fn answer(&self, tensors: &[Tensor], index: u8, node_id: &NodeId) -> Result<Vec<u8>> {
        let missing = || quern_proof::Error::NoSuchPosition;
        let tensor = tensors.get(usize::from(index)).ok_or_else(missing)?;
        let geometry = tensor.geometry();
        if node_id.level == geometry.height() {
            let (row, k) = (
                node_id.index >> geometry.row_height(),
                node_id.index & ((1 << geometry.row_height()) - 1),
            );
            let row = u32::try_from(row).map_err(|_| missing())?;
            let leaf = tensor.leaf(row, k as u32).ok_or_else(missing)?;
            return Ok(leaf.to_vec());
        }
        let tree = self.0.get(usize::from(index)).ok_or_else(missing)?;
        let nodes = tree
            .get_or_init(|| TensorTree::new(tensor))
            .answer(node_id.level, node_id.index)?;
        Ok(nodes.concat())
    }
}

/// Answers to everything that may be asked about one submission, as far as its data are at hand.
#[derive(Default)]
pub struct Answers {
    trace: OnceLock<(Trace, Trees)>,
    operands: OnceLock<(Arc<CheckedTensors>, Trees, Trees)>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = Part::ALL.into_iter().filter(|part| self.has(*part));
        f.debug_tuple("Answers")
            .field(&parts.collect::<Vec<_>>())
            .finish()
    }
}

impl Answers {
    /// Whether these data are at hand.
    pub fn has(&self, part: Part) -> bool {
        match part {
            Part::Trace => self.trace.get().is_some(),
            Part::Operands => self.operands.get().is_some(),
        }
    }

    /// Puts the trace at hand; the first one stays.
    pub fn put_trace(&self, trace: Trace) {
        self.trace.get_or_init(|| {
            let trees = Trees::over(trace.outputs());
            (trace, trees)
        });
    }

    /// Puts inputs and weights at hand; the first ones stay.
    pub fn put_operands(&self, tensors: Arc<CheckedTensors>) {
        self.operands.get_or_init(|| {
            let (inputs, weights) = (Trees::over(&tensors.inputs), Trees::over(&tensors.weights));
            (tensors, inputs, weights)
        });
    }

    /// The answer to a demand, or nothing if its data are not at hand. It may hash a whole tensor.
    ///
    /// # Errors
    /// That there is no such node.
    pub fn answer(&self, node_id: &NodeId) -> Result<Option<Vec<u8>>> {
        match node_id.tree {
            demand::Tree::Trace => self
                .trace
                .get()
                .map(|(trace, _)| {
                    let nodes = trace.answer(node_id.level, node_id.index)?;
                    Ok(nodes.concat())
                })
                .transpose(),
            demand::Tree::Data(Operand::Op(op)) => self
                .trace
                .get()
                .map(|(trace, trees)| trees.answer(trace.outputs(), op, node_id))
                .transpose(),
            demand::Tree::Data(Operand::Input(input)) => self
                .operands
                .get()
                .map(|(tensors, trees, _)| trees.answer(&tensors.inputs, input, node_id))
                .transpose(),
            demand::Tree::Data(Operand::Weight(weight)) => self
                .operands
                .get()
                .map(|(tensors, _, trees)| trees.answer(&tensors.weights, weight, node_id))
                .transpose(),
        }
    }
}
