//! Openings of a commitment whose data are withheld, and the search for the first difference from a recomputation.

use std::{collections::HashMap, vec::Vec};

use super::{layers::inner_layers, whole::Whole, write::Openings};
use crate::{
    Error, Hash, demand,
    evidence::Charge,
    hash::LEAF_BYTES,
    node::{NodeId, Operand, Tree},
    refusal::Refusal,
};

/// Where the search for the first difference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The commitment is that of the own recomputation.
    Same,
    /// This must be demanded, then [`Patched::reveal`]ed.
    Demand(NodeId),
    /// This is wrong, and all of its evidence is at hand.
    Charge(Charge),
}

/// [`Openings`] of a commitment whose data are withheld: what was revealed of it, and where nothing was, the own
/// recomputation.
///
/// ```text
/// loop { match patched.step() { Same => .., Demand(node) => demand, wait, reveal, Charge(charge) => evidence, convict } }
/// ```
///
/// Ops are searched in order, so every operand of the first wrong cell is one that both agree on.
pub struct Patched<'a> {
    own: &'a Whole<'a>,
    /// Of the claimed commitment, roots included.
    nodes: HashMap<NodeId, Hash>,
    /// By operand and leaf position.
    leaves: HashMap<(Operand, u64), [u8; LEAF_BYTES]>,
}

impl<'a> Patched<'a> {
    /// Of the commitment `trace_root`, nothing is known yet; `own` has outputs that were recomputed (or verified).
    pub fn new(own: &'a Whole<'a>, trace_root: Hash) -> Self {
        let mut patched = Self {
            own,
            nodes: HashMap::new(),
            leaves: HashMap::new(),
        };
        patched.learn(NodeId::root(Tree::Trace), trace_root);
        patched
    }

    /// Takes a node of the claimed commitment; the bottom of the trace tree are the roots of the ops' trees.
    fn learn(&mut self, node_id: NodeId, node: Hash) {
        self.nodes.insert(node_id, node);
        let NodeId { tree, level, index } = node_id;
        if let (Tree::Trace, Ok(op)) = (tree, u8::try_from(index))
            && level == self.own.trace_geometry().height()
            && usize::from(op) < self.own.graph().op_count()
        {
            let root = NodeId::root(Tree::Data(Operand::Op(op)));
            self.nodes.insert(root, node);
        }
    }

    /// Takes the answer to a demand about the claimed commitment, whose node must be known: a root, or revealed before.
    /// Answers about inputs and weights are checked and forgotten: they can be nothing but what is at hand.
    ///
    /// # Errors
    /// [`Error::Demand`], [`Error::NotAtHand`] before the demand's parent was revealed, [`Error::WrongAnswer`].
    pub fn reveal(&mut self, node_id: &NodeId, answer: &[u8]) -> Result<(), Error> {
        let NodeId { tree, level, index } = *node_id;
        let plan = demand::plan(self.own.graph(), self.own.batch_rows(), node_id)?;
        let is_own = !matches!(tree, Tree::Trace | Tree::Data(Operand::Op(_)));
        let known = if is_own {
            self.own.node(*node_id)
        } else {
            self.nodes.get(node_id).copied()
        };
        let known = known.ok_or(Error::NotAtHand(*node_id))?;
        if answer.len() != usize::from(plan.answer_bytes)
            || !demand::answers(tree.tag(), plan.is_leaf, &known, answer)
        {
            return Err(Error::WrongAnswer(*node_id));
        }
        if is_own {
            return Ok(());
        }
        if plan.is_leaf {
            if let (Tree::Data(operand), Some(leaf)) = (tree, answer.first_chunk()) {
                self.leaves.insert((operand, index), *leaf);
            }
            return Ok(());
        }
        let nodes = answer.as_chunks::<32>().0.to_vec();
        let depth = nodes.len().trailing_zeros() as u8;
        // The demand's own node is known already.
        for (height, layer) in (0..depth).zip(inner_layers(tree.tag(), nodes, depth)) {
            let below = depth - height;
            for (place, node) in (0u64..).zip(layer) {
                let node_id = NodeId::new(tree, level + below, (index << below) + place);
                self.learn(node_id, node);
            }
        }
        Ok(())
    }

    /// The next thing to do on the way to the first difference from the own recomputation.
    ///
    /// # Errors
    /// [`Error::NotAtHand`] and [`Error::Refused`] don't happen with what [`Patched::new`] and [`Patched::reveal`] took.
    pub fn step(&self) -> Result<Step, Error> {
        let graph = self.own.graph();
        let trace = self.own.trace_geometry();
        let is_missing = |level, index| trace.is_missing(level, index);
        let op = match self.descend(Tree::Trace, trace.height(), is_missing)? {
            Found::Step(step) => return Ok(step),
            Found::Bottom(index) => u8::try_from(index).map_err(|_| Refusal::NoSuchOp)?,
        };
        let operand = Operand::Op(op);
        let tree = Tree::Data(operand);
        let shape = graph.geometry(operand, self.own.batch_rows());
        let shape = shape.ok_or(Refusal::NotSealed)?;
        let height = shape.height();
        let is_missing = |level, index| shape.is_missing(level, index);
        let index = match self.descend(tree, height, is_missing)? {
            Found::Step(step) => return Ok(step),
            Found::Bottom(index) => index,
        };
        let node_id = NodeId::new(tree, height, index);
        let Some(claimed) = self.leaves.get(&(operand, index)) else {
            return Ok(Step::Demand(node_id));
        };
        let (row, k) = shape.row_and_leaf(index);
        let own = self.own.leaf(operand, row, k);
        let own = own.ok_or(Error::NotAtHand(node_id))?;
        // The hashes differ, so some byte does.
        let at = claimed.iter().zip(&own).take_while(|(a, b)| a == b).count();
        Ok(Step::Charge(if at < shape.used_bytes(k) {
            let byte = k * LEAF_BYTES as u32 + at as u32;
            Charge::Cell {
                op,
                row,
                col: byte / shape.dtype().size(),
            }
        } else {
            Charge::Padding(node_id)
        }))
    }

    /// From a tree's root down to its first bottom node that differs.
    fn descend(
        &self,
        tree: Tree,
        height: u8,
        is_missing: impl Fn(u8, u64) -> Option<bool>,
    ) -> Result<Found, Error> {
        // What is known of the claimed node, if it differs from the own one.
        let differs = |level, index| -> Result<Option<bool>, Error> {
            let node_id = NodeId::new(tree, level, index);
            let Some(claimed) = self.nodes.get(&node_id) else {
                return Ok(None);
            };
            let own = self.own.node(node_id);
            let own = own.ok_or(Error::NotAtHand(node_id))?;
            Ok(Some(*claimed != own))
        };
        if differs(0, 0)? == Some(false) {
            return Ok(Found::Step(Step::Same));
        }
        let mut index = 0;
        for level in 0..height {
            let (left, right) = (index << 1, index << 1 | 1);
            // One of them differs, or their parent would not.
            index = match differs(level + 1, left)? {
                Some(true) => left,
                Some(false) => right,
                None => return Ok(Found::Step(Step::Demand(NodeId::new(tree, level, index)))),
            };
            if is_missing(level + 1, index) == Some(true) {
                let node_id = NodeId::new(tree, level + 1, index);
                return Ok(Found::Step(Step::Charge(Charge::Padding(node_id))));
            }
        }
        Ok(Found::Bottom(index))
    }
}

enum Found {
    Step(Step),
    /// The first node at the bottom of the tree that differs.
    Bottom(u64),
}

impl Openings for Patched<'_> {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        match self.nodes.get(&node_id) {
            Some(node) => Some(*node),
            None => self.own.node(node_id),
        }
    }

    fn leaf(&self, operand: Operand, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]> {
        let tensor = self.own.tensor(operand)?;
        let position = tensor.geometry().leaf_position(row, k)?;
        match self.leaves.get(&(operand, position)) {
            Some(leaf) => Some(*leaf),
            None => tensor.leaf(row, k),
        }
    }

    fn row(&self, operand: Operand, row: u32) -> Option<Vec<u8>> {
        let shape = *self.own.tensor(operand)?.geometry();
        let mut bytes = Vec::with_capacity(shape.leaves() as usize * LEAF_BYTES);
        for k in 0..shape.leaves() {
            bytes.extend(self.leaf(operand, row, k)?);
        }
        bytes.truncate(shape.row_bytes() as usize);
        Some(bytes)
    }
}
