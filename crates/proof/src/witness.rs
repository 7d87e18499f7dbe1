//! Building evidence: from whole tensors, or from a recomputation and what a provider revealed of its own commitment.

use std::{collections::HashMap, sync::OnceLock, vec, vec::Vec};

use crate::{
    Error, Hash, Tensor,
    commit::{self, Tree as DataTree},
    demand, eval,
    evidence::{Charge, Refusal},
    graph::{Graph, Op, Operand},
    hash::{self, LEAF_BYTES, MISSING, Tag},
    node::{NodeId, Tree},
    shape::{Geometry, TraceGeometry},
};

/// Whatever can open the commitment that is charged, and the inputs and weights.
pub trait Openings {
    /// Any node, missing ones included.
    fn node(&self, node_id: NodeId) -> Option<Hash>;

    /// The 128 bytes of leaf `k` of a row.
    fn leaf(&self, operand: Operand, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]>;

    /// The bytes of a row, without padding.
    fn row(&self, operand: Operand, row: u32) -> Option<Vec<u8>>;
}

/// The evidence for a charge, as formats.md has it. It is not judged: call [`crate::evidence::judge`] before it is sent.
///
/// # Errors
/// [`Error::Refused`] for a charge that names nothing, [`Error::NotAtHand`] for what the openings don't have,
/// [`Error::Graph`] for a graph that was not sealed.
pub fn evidence(
    graph: &Graph<'_>,
    batch_rows: u32,
    charge: &Charge,
    openings: &impl Openings,
) -> Result<Vec<u8>, Error> {
    let mut writer = Writer {
        graph,
        batch_rows,
        trace: trace_geometry(graph)?,
        openings,
        bytes: Vec::new(),
    };
    match *charge {
        Charge::Cell { op, row, col } => writer.cell(op, row, col)?,
        Charge::Padding(node_id) => writer.padding(node_id)?,
    }
    Ok(writer.bytes)
}

fn trace_geometry(graph: &Graph<'_>) -> Result<TraceGeometry, Error> {
    Ok(TraceGeometry::new(graph.op_count()).ok_or(Refusal::NotSealed)?)
}

fn geometry(graph: &Graph<'_>, batch_rows: u32, operand: Operand) -> Result<Geometry, Error> {
    let geometry = graph.shape(operand)?.geometry(batch_rows);
    Ok(geometry.ok_or(Refusal::NotSealed)?)
}

/// The judge's reader, the other way round.
struct Writer<'w, O> {
    graph: &'w Graph<'w>,
    batch_rows: u32,
    trace: TraceGeometry,
    openings: &'w O,
    bytes: Vec<u8>,
}

impl<O: Openings> Writer<'_, O> {
    fn cell(&mut self, op: u8, row: u32, col: u32) -> Result<(), Error> {
        if usize::from(op) >= self.graph.op_count() {
            return Err(Refusal::NoSuchOp.into());
        }
        let output = Operand::Op(op);
        let shape = geometry(self.graph, self.batch_rows, output)?;
        if row >= shape.rows() || col >= shape.cols() {
            return Err(Refusal::NoSuchCell.into());
        }
        match self.graph.op(op.into())? {
            Op::MatMul { a, b } => {
                self.row(a, row)?;
                self.row(b, col)?;
            }
            Op::QLinear {
                a, w, bias, mult, ..
            } => {
                self.row(a, row)?;
                self.row(w, col)?;
                self.leaf_of(bias, 0, col)?;
                self.leaf_of(mult, 0, col)?;
            }
            Op::Lut { a, table } => {
                self.leaf_of(a, row, col)?;
                self.row(table, 0)?;
            }
            Op::Add { a, b } => {
                self.leaf_of(a, row, col)?;
                self.leaf_of(b, row, col)?;
            }
            Op::ArgMax { a } => self.row(a, row)?,
        }
        self.leaf_of(output, row, col)
    }

    fn padding(&mut self, node_id: NodeId) -> Result<(), Error> {
        let NodeId { tree, level, index } = node_id;
        match tree {
            Tree::Trace => {
                match self.trace.is_missing(level, index) {
                    None => return Err(Refusal::NoSuchNode.into()),
                    Some(false) => return Err(Refusal::NotPadding.into()),
                    Some(true) => self.node(node_id)?,
                }
                self.path(node_id)
            }
            Tree::Data(operand @ Operand::Op(op)) if usize::from(op) < self.graph.op_count() => {
                let shape = geometry(self.graph, self.batch_rows, operand)?;
                let is_missing = shape.is_missing(level, index);
                if is_missing.ok_or(Refusal::NoSuchNode)? {
                    self.node(node_id)?;
                } else {
                    let (row, k) = row_and_leaf(&shape, index);
                    if level != shape.height() || shape.used_bytes(k) == LEAF_BYTES {
                        return Err(Refusal::NotPadding.into());
                    }
                    self.leaf(operand, row, k, (level, index))?;
                }
                self.paths(operand, level, index)
            }
            _ => Err(Refusal::NoSuchTree.into()),
        }
    }

    fn row(&mut self, operand: Operand, row: u32) -> Result<(), Error> {
        let shape = geometry(self.graph, self.batch_rows, operand)?;
        let (level, index) = (shape.rows_height(), row.into());
        let bytes = self
            .openings
            .row(operand, row)
            .filter(|bytes| bytes.len() == shape.row_bytes() as usize)
            .ok_or(not_at_hand(operand, level, index))?;
        self.bytes.extend(bytes);
        self.paths(operand, level, index)
    }

    /// The leaf that holds a value.
    fn leaf_of(&mut self, operand: Operand, row: u32, col: u32) -> Result<(), Error> {
        let shape = geometry(self.graph, self.batch_rows, operand)?;
        let position = shape.locate(col).and_then(|(k, _)| {
            let index = shape.leaf_position(row, k)?;
            Some((k, index))
        });
        let (k, index) = position.ok_or(Error::NoSuchPosition)?;
        self.leaf(operand, row, k, (shape.height(), index))?;
        self.paths(operand, shape.height(), index)
    }

    fn leaf(&mut self, operand: Operand, row: u32, k: u32, at: (u8, u64)) -> Result<(), Error> {
        let (level, index) = at;
        let leaf = self.openings.leaf(operand, row, k);
        self.bytes
            .extend(leaf.ok_or(not_at_hand(operand, level, index))?);
        Ok(())
    }

    fn node(&mut self, node_id: NodeId) -> Result<(), Error> {
        let node = self.openings.node(node_id);
        self.bytes.extend(node.ok_or(Error::NotAtHand(node_id))?);
        Ok(())
    }

    /// From a node of an operand's tree to the root on chain.
    fn paths(&mut self, operand: Operand, level: u8, index: u64) -> Result<(), Error> {
        self.path(NodeId::new(Tree::Data(operand), level, index))?;
        match operand {
            Operand::Op(op) => self.path(NodeId::new(Tree::Trace, self.trace.height(), op.into())),
            Operand::Input(_) | Operand::Weight(_) => Ok(()),
        }
    }

    /// The siblings of a node and of those above it, bottom-up.
    fn path(&mut self, node_id: NodeId) -> Result<(), Error> {
        let NodeId { tree, level, index } = node_id;
        (0..level).try_for_each(|up| self.node(NodeId::new(tree, level - up, (index >> up) ^ 1)))
    }
}

const fn not_at_hand(operand: Operand, level: u8, index: u64) -> Error {
    Error::NotAtHand(NodeId::new(Tree::Data(operand), level, index))
}

/// Row and leaf of a leaf position.
fn row_and_leaf(shape: &Geometry, position: u64) -> (u32, u32) {
    let row = position >> shape.row_height();
    let k = position & ((1 << shape.row_height()) - 1);
    (row as u32, k as u32)
}

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
    trees: Vec<OnceLock<DataTree>>,
}

impl<'a> Tensors<'a> {
    fn new(tensors: &'a [Tensor]) -> Self {
        Self {
            tensors,
            trees: tensors.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    fn tree(&self, index: usize) -> Option<&DataTree> {
        let tensor = self.tensors.get(index)?;
        Some(self.trees.get(index)?.get_or_init(|| DataTree::new(tensor)))
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
            trace: trace_geometry(graph)?,
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

    fn tensor(&self, operand: Operand) -> Option<&'a Tensor> {
        let (tensors, index) = self.of(operand);
        tensors.tensors.get(index)
    }

    fn layers(&self) -> &[Vec<Hash>] {
        self.layers.get_or_init(|| {
            let outputs = &self.outputs;
            let roots = outputs.tensors.iter().zip(&outputs.trees);
            let roots = roots.map(|(tensor, tree)| {
                tree.get()
                    .map_or_else(|| commit::data_root(tensor), DataTree::root)
            });
            inner_layers(Tag::Trace, roots.collect(), self.trace.height())
        })
    }
}

/// These nodes and the `height` layers above them; positions without a node are missing.
fn inner_layers(tag: Tag, nodes: Vec<Hash>, height: u8) -> Vec<Vec<Hash>> {
    let mut layers = vec![nodes];
    let mut zero = MISSING;
    for _ in 0..height {
        let below = layers.last().map_or(&[][..], Vec::as_slice);
        let above = below
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash::node(tag, left, right),
                [left, ..] => hash::node(tag, left, &zero),
                [] => zero,
            })
            .collect();
        zero = hash::node(tag, &zero, &zero);
        layers.push(above);
    }
    layers
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

/// Where the search for the first difference stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The commitment is that of the own recomputation.
    Same,
    /// This must be demanded, then [`Patched::reveal`]ed.
    Ask(NodeId),
    /// This is wrong, and all of its evidence is at hand.
    Charge(Charge),
}

/// [`Openings`] of a commitment whose data are withheld: what was revealed of it, and where nothing was, the own
/// recomputation.
///
/// ```text
/// loop { match patched.step() { Same => .., Ask(demand) => demand, wait, reveal, Charge(charge) => evidence, convict } }
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
            && level == self.own.trace.height()
            && usize::from(op) < self.own.graph.op_count()
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
        let asked = demand::plan(&self.own.graph, self.own.batch_rows, node_id)?;
        let is_own = !matches!(tree, Tree::Trace | Tree::Data(Operand::Op(_)));
        let known = if is_own {
            self.own.node(*node_id)
        } else {
            self.nodes.get(node_id).copied()
        };
        let known = known.ok_or(Error::NotAtHand(*node_id))?;
        if answer.len() != usize::from(asked.answer_bytes)
            || !demand::answers(tree.tag(), asked.is_leaf, &known, answer)
        {
            return Err(Error::WrongAnswer(*node_id));
        }
        if is_own {
            return Ok(());
        }
        if asked.is_leaf {
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
        let trace = self.own.trace;
        let is_missing = |level, index| trace.is_missing(level, index);
        let op = match self.descend(Tree::Trace, trace.height(), is_missing)? {
            Found::Step(step) => return Ok(step),
            Found::Bottom(index) => u8::try_from(index).map_err(|_| Refusal::NoSuchOp)?,
        };
        let operand = Operand::Op(op);
        let tree = Tree::Data(operand);
        let shape = geometry(&self.own.graph, self.own.batch_rows, operand)?;
        let height = shape.height();
        let is_missing = |level, index| shape.is_missing(level, index);
        let index = match self.descend(tree, height, is_missing)? {
            Found::Step(step) => return Ok(step),
            Found::Bottom(index) => index,
        };
        let node_id = NodeId::new(tree, height, index);
        let Some(claimed) = self.leaves.get(&(operand, index)) else {
            return Ok(Step::Ask(node_id));
        };
        let (row, k) = row_and_leaf(&shape, index);
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
                None => return Ok(Found::Step(Step::Ask(NodeId::new(tree, level, index)))),
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
