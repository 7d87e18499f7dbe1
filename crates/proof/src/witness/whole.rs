//! Openings of whole tensors, of chosen items.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    vec::Vec,
};

use super::write::Openings;
use crate::{
    Error, Hash, Tensor,
    commit::{ItemTrace, TensorTree, TraceTree},
    eval::Batch,
    graph::Graph,
    hash::{self, LEAF_BYTES, Tag},
    node::{NodeId, Operand, Tree},
    refusal::Refusal,
    shape::TraceGeometry,
};

/// [`Openings`] of a job's inputs and weights, of the results of chosen items and of the canonical commitment to them. Trees
/// are hashed when they are first asked for and kept: 64 bytes for every leaf, about half as many as wide tensors have and
/// many times more than narrow ones.
///
/// The tree above the item roots is known only with the roots of all items.
pub struct Whole<'a> {
    batch: Batch<'a>,
    trace: TraceGeometry,
    inputs: Vec<OnceLock<TensorTree>>,
    weights: Vec<OnceLock<TensorTree>>,
    items: BTreeMap<u32, Item>,
    /// Roots of items whose results are not here.
    roots: BTreeMap<u32, Hash>,
    above: Option<TraceTree>,
}

struct Item {
    trace: Arc<ItemTrace>,
    trees: Vec<OnceLock<TensorTree>>,
}

fn unhashed(tensors: &[Tensor]) -> Vec<OnceLock<TensorTree>> {
    tensors.iter().map(|_| OnceLock::new()).collect()
}

impl<'a> Whole<'a> {
    /// A job without any item's results. Whether inputs and weights lead to the roots on chain is not looked at.
    ///
    /// # Errors
    /// [`Error::Refused`] if there is no trace of this many items.
    pub fn new(batch: &Batch<'a>) -> Result<Self, Error> {
        let trace = batch.graph().trace(batch.items());
        Ok(Self {
            batch: *batch,
            trace: trace.ok_or(Refusal::NotSealed)?,
            inputs: unhashed(batch.inputs()),
            weights: unhashed(batch.weights()),
            items: BTreeMap::new(),
            roots: BTreeMap::new(),
            above: None,
        })
    }

    /// Takes the results of an item, recomputed or as published; whether they are right is not looked at.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], [`Error::Count`], [`Error::Shape`].
    pub fn insert(&mut self, item: u32, trace: impl Into<Arc<ItemTrace>>) -> Result<(), Error> {
        let trace = trace.into();
        self.batch.tensors(item, trace.outputs())?;
        self.batch.check_outputs(trace.outputs())?;
        let trees = unhashed(trace.outputs());
        self.items.insert(item, Item { trace, trees });
        Ok(())
    }

    /// Takes the root of an item whose results were dropped: 32 bytes tell whether they are the claimed ones.
    pub fn insert_root(&mut self, item: u32, root: Hash) {
        self.roots.insert(item, root);
    }

    /// Takes the tree above the item roots.
    pub fn insert_above(&mut self, above: TraceTree) {
        self.above = Some(above);
    }

    /// All items computed: for jobs that fit into memory.
    ///
    /// # Errors
    /// As for [`Batch::item`].
    pub fn compute(batch: &Batch<'a>) -> Result<Self, Error> {
        let mut whole = Self::new(batch)?;
        let mut roots = Vec::new();
        for item in 0..batch.items() {
            let trace = ItemTrace::new(batch.item(item)?)?;
            roots.push(trace.root());
            whole.insert(item, trace)?;
        }
        whole.above = Some(TraceTree::new(whole.trace, roots)?);
        Ok(whole)
    }

    /// The graph.
    pub const fn graph(&self) -> &Graph<'a> {
        self.batch.graph()
    }

    /// The job.
    pub const fn batch(&self) -> &Batch<'a> {
        &self.batch
    }

    pub(super) const fn trace_geometry(&self) -> &TraceGeometry {
        &self.trace
    }

    /// The results of an item, if they are here.
    pub fn item(&self, item: u32) -> Option<&ItemTrace> {
        self.items.get(&item).map(|item| item.trace.as_ref())
    }

    /// The items whose results are here.
    pub fn items(&self) -> impl Iterator<Item = u32> {
        self.items.keys().copied()
    }

    /// The items whose results or roots are here, in order.
    pub(super) fn all_items(&self) -> impl Iterator<Item = u32> {
        let roots = self
            .roots
            .keys()
            .filter(|item| !self.items.contains_key(item));
        let mut all: Vec<u32> = self.items.keys().chain(roots).copied().collect();
        all.sort_unstable();
        all.into_iter()
    }

    /// Whether the results or the root of any of these items are here.
    pub(super) fn has_any(&self, items: core::ops::Range<u64>) -> bool {
        let end = items.end.min(u64::from(self.trace.items()));
        let (Ok(first), Ok(end)) = (u32::try_from(items.start), u32::try_from(end)) else {
            return false;
        };
        first < end
            && (self.items.range(first..end).next().is_some()
                || self.roots.range(first..end).next().is_some())
    }

    /// What an honest provider commits to, if the roots of all items are known.
    pub fn trace_root(&self) -> Option<Hash> {
        self.node(NodeId::root(Tree::Trace))
    }

    /// The tensor that holds this node of an operand's tree, its hashed tree, and the node's place in it.
    fn tree(&self, operand: Operand, node_id: &NodeId) -> Option<(&Tensor, &TensorTree, u64)> {
        let (tensors, trees, index, place) = match operand {
            Operand::Op(index) => {
                let (item, place) = node_id.item_and_place();
                let item = self.items.get(&u32::try_from(item).ok()?)?;
                (item.trace.outputs(), &item.trees, index, place)
            }
            Operand::Input(index) => (self.batch.inputs(), &self.inputs, index, node_id.index),
            Operand::Weight(index) => (self.batch.weights(), &self.weights, index, node_id.index),
        };
        let tensor = tensors.get(usize::from(index))?;
        let tree = trees.get(usize::from(index))?;
        Some((tensor, tree.get_or_init(|| TensorTree::new(tensor)), place))
    }
}

impl Openings for Whole<'_> {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        let NodeId { tree, level, index } = node_id;
        match tree {
            Tree::Trace => {
                if self.trace.is_missing(level, index)? {
                    let height = self.trace.height() - level;
                    return Some(hash::zero_subtree(Tag::Trace, height));
                }
                let Some(below) = level.checked_sub(self.trace.items_height()) else {
                    return self.above.as_ref()?.node(level, index);
                };
                let item = u32::try_from(index >> below).ok()?;
                match (self.items.get(&item), self.roots.get(&item)) {
                    (Some(item), _) => item.trace.node(below, index & ((1 << below) - 1)),
                    (None, Some(root)) if below == 0 => Some(*root),
                    (None, _) if below == 0 => self.above.as_ref()?.node(level, index),
                    (None, _) => None,
                }
            }
            // An op's data root is known without its tree.
            Tree::Data(Operand::Op(op)) if level == 0 => {
                let item = self.items.get(&u32::try_from(index).ok()?)?;
                item.trace.roots().get(usize::from(op)).copied()
            }
            Tree::Data(operand) => {
                let (_, tree, place) = self.tree(operand, &node_id)?;
                tree.node(level, place)
            }
        }
    }

    fn leaf(&self, node_id: NodeId) -> Option<[u8; LEAF_BYTES]> {
        let Tree::Data(operand) = node_id.tree else {
            return None;
        };
        let (tensor, _, place) = self.tree(operand, &node_id)?;
        let geometry = tensor.geometry();
        let (row, k) = geometry.row_and_leaf(place);
        (node_id.level == geometry.height())
            .then(|| tensor.leaf(row, k))
            .flatten()
    }
}
