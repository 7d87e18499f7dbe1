//! Openings of whole tensors.

use std::{sync::OnceLock, vec::Vec};

use super::{layers::inner_layers, write::Openings};
use crate::{
    Error, Hash, Tensor,
    commit::{self, TensorTree},
    eval,
    graph::Graph,
    hash::{self, LEAF_BYTES, MISSING, Tag},
    node::{NodeId, Operand, Tree},
    refusal::Refusal,
    shape::TraceGeometry,
};

/// [`Openings`] of whole tensors and of the canonical commitment to them. Trees are hashed when they are first asked for and
/// kept: 64 bytes for every leaf, about half as many as wide tensors have and many times more than narrow ones.
pub struct Whole<'a> {
    graph: Graph<'a>,
    batch_rows: u32,
    trace: TraceGeometry,
    inputs: Tensors<'a>,
    weights: Tensors<'a>,
    outputs: Tensors<'a>,
    /// By height: `layers[0]` are the data roots of the outputs.
    layers: OnceLock<Vec<Vec<Hash>>>,
}

struct Tensors<'a> {
    tensors: &'a [Tensor],
    trees: Vec<OnceLock<TensorTree>>,
}

impl<'a> Tensors<'a> {
    fn new(tensors: &'a [Tensor]) -> Self {
        Self {
            tensors,
            trees: tensors.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    fn tree(&self, index: usize) -> Option<&TensorTree> {
        let tensor = self.tensors.get(index)?;
        Some(
            self.trees
                .get(index)?
                .get_or_init(|| TensorTree::new(tensor)),
        )
    }
}

impl<'a> Whole<'a> {
    /// All inputs, weights and outputs of one run of a sealed graph. Whether they are right, or lead to the roots on chain,
    /// is not looked at.
    ///
    /// # Errors
    /// [`Error::Count`], [`Error::Shape`], [`Error::Graph`].
    pub fn new(
        graph: &Graph<'a>,
        batch_rows: u32,
        inputs: &'a [Tensor],
        weights: &'a [Tensor],
        outputs: &'a [Tensor],
    ) -> Result<Self, Error> {
        eval::check_input_shapes(graph, batch_rows, inputs)?;
        eval::check_weight_shapes(graph, weights)?;
        eval::check_output_shapes(graph, batch_rows, outputs)?;
        if outputs.len() != graph.op_count() {
            return Err(Error::Count {
                what: "ops",
                expected: graph.op_count(),
                found: outputs.len(),
            });
        }
        Ok(Self {
            graph: *graph,
            batch_rows,
            trace: TraceGeometry::new(graph.op_count()).ok_or(Refusal::NotSealed)?,
            inputs: Tensors::new(inputs),
            weights: Tensors::new(weights),
            outputs: Tensors::new(outputs),
            layers: OnceLock::new(),
        })
    }

    /// The graph.
    pub const fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    /// The job's batch rows.
    pub const fn batch_rows(&self) -> u32 {
        self.batch_rows
    }

    pub(super) const fn trace_geometry(&self) -> &TraceGeometry {
        &self.trace
    }

    /// What an honest provider of these outputs commits to.
    pub fn trace_root(&self) -> Hash {
        self.node(NodeId::root(Tree::Trace)).unwrap_or(MISSING)
    }

    fn of(&self, operand: Operand) -> (&Tensors<'a>, usize) {
        match operand {
            Operand::Op(index) => (&self.outputs, index.into()),
            Operand::Input(index) => (&self.inputs, index.into()),
            Operand::Weight(index) => (&self.weights, index.into()),
        }
    }

    pub(super) fn tensor(&self, operand: Operand) -> Option<&'a Tensor> {
        let (tensors, index) = self.of(operand);
        tensors.tensors.get(index)
    }

    fn layers(&self) -> &[Vec<Hash>] {
        self.layers.get_or_init(|| {
            let outputs = &self.outputs;
            let roots = outputs.tensors.iter().zip(&outputs.trees);
            let roots = roots.map(|(tensor, tree)| {
                tree.get()
                    .map_or_else(|| commit::data_root(tensor), TensorTree::root)
            });
            inner_layers(Tag::Trace, roots.collect(), self.trace.height())
        })
    }
}

impl Openings for Whole<'_> {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        let NodeId { tree, level, index } = node_id;
        match tree {
            Tree::Trace => {
                let is_missing = self.trace.is_missing(level, index)?;
                let height = self.trace.height() - level;
                if is_missing {
                    return Some(hash::zero_subtree(Tag::Trace, height));
                }
                let layer = self.layers().get(usize::from(height))?;
                layer.get(usize::try_from(index).ok()?).copied()
            }
            Tree::Data(operand) => {
                let (tensors, at) = self.of(operand);
                tensors.tree(at)?.node(level, index)
            }
        }
    }

    fn leaf(&self, operand: Operand, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]> {
        self.tensor(operand)?.leaf(row, k)
    }

    fn row(&self, operand: Operand, row: u32) -> Option<Vec<u8>> {
        self.tensor(operand)?.row(row).map(<[u8]>::to_vec)
    }
}
