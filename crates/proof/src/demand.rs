//! What may be demanded of a commitment, and what answers it.
//!
//! A demand names a node by tree, level and index and asks for what it was hashed from: up to four binary levels of
//! nodes, at the bottom a leaf's 128 bytes. Its node is known before the demand is opened: it is a root, or stands in the answer to
//! the demand above it. Nothing that lies wholly in missing positions can be demanded, so an
//! honest provider can answer every demand that [`plan`] lets through.

use crate::{
    graph::{Graph, Operand},
    hash::{self, Accumulator, Hash, LEAF_BYTES, Tag},
    limits::STEP_LEVELS,
};

pub use crate::{
    node::{NodeId, Tree},
    refusal::DemandError,
};

/// Most bytes of an answer: 16 nodes.
pub const MAX_ANSWER_BYTES: usize = (1 << STEP_LEVELS) * size_of::<Hash>();

/// Heights that an answer spans, and one for its root.
const ANSWER_HEIGHTS: usize = STEP_LEVELS as usize + 1;

/// Where the node of a demand is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// It is the job's trace root.
    TraceRoot,
    /// It is the root of this input, which the job holds.
    InputRoot(u16),
    /// It is the root of the tokens, which the provider gave.
    TokensRoot,
    /// It is the root of this weight, which the model holds.
    WeightRoot(u16),
    /// It stands in an answer.
    Answer {
        /// To this demand.
        node_id: NodeId,
        /// At this place, in nodes from the left.
        place: u8,
    },
}

/// A demand that may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemandPlan {
    /// Where its node is known from.
    pub parent: Parent,
    /// Whether it asks for a leaf's bytes.
    pub is_leaf: bool,
    /// Length of the answer.
    pub answer_bytes: u16,
}

impl NodeId {
    /// The most demands from this one to a leaf's bytes, itself included, whatever the answers are. It reads the records of
    /// all ops.
    pub fn most_left(&self, graph: &Graph<'_>, items: u32) -> u32 {
        let steps = |levels: u8| u32::from(levels.div_ceil(STEP_LEVELS));
        let tree_of = |operand| graph.geometry(operand, items);
        let height = |operand| tree_of(operand).map_or(0, |tree| tree.height());
        match self.tree {
            Tree::Trace => {
                let trace = graph.trace(items).map_or(0, |trace| trace.height());
                let ops = 0..graph.op_count() as u16;
                let deepest = ops.map(|op| height(Operand::Op(op))).max().unwrap_or(0);
                steps(trace.saturating_sub(self.level)) + steps(deepest) + 1
            }
            Tree::Data(operand) => steps(height(operand).saturating_sub(self.level)) + 1,
        }
    }

    /// The demand in `tree` whose answer holds the node at `level` and `index` below the root, and the place in it.
    const fn above(tree: Tree, level: u8, index: u64) -> Parent {
        let start = (level - 1) / STEP_LEVELS * STEP_LEVELS;
        let depth = level - start;
        Parent::Answer {
            node_id: Self {
                tree,
                level: start,
                index: index >> depth,
            },
            place: (index & ((1 << depth) - 1)) as u8,
        }
    }
}

/// Whether a demand may be opened in a job with this **sealed** graph and these items, and what answers it.
///
/// # Errors
/// [`DemandError`].
pub fn plan(graph: &Graph<'_>, items: u32, node_id: &NodeId) -> Result<DemandPlan, DemandError> {
    let NodeId { tree, level, index } = *node_id;
    let trace = graph.trace(items).ok_or(DemandError::NoSuchNode)?;
    let (item, place) = match tree {
        Tree::Data(Operand::Op(_)) => node_id.item_and_place(),
        _ => (0, index),
    };
    if item >= u64::from(items) {
        return Err(DemandError::NoSuchNode);
    }
    let (height, is_missing) = match tree {
        // Data roots, at the bottom of the trace, are demanded as roots of their own trees.
        Tree::Trace if level >= trace.height() => return Err(DemandError::NoSuchNode),
        Tree::Trace => (trace.height(), trace.is_missing(level, index)),
        Tree::Data(operand) => {
            let geometry = graph.geometry(operand, items);
            let geometry = geometry.ok_or(DemandError::NoSuchNode)?;
            (geometry.height(), geometry.is_missing(level, place))
        }
    };
    if is_missing.ok_or(DemandError::NoSuchNode)? {
        return Err(DemandError::Missing);
    }
    let is_leaf = level == height;
    if !is_leaf && level % STEP_LEVELS != 0 {
        return Err(DemandError::NoSuchNode);
    }
    let parent = match (level, tree) {
        (0, Tree::Trace) => Parent::TraceRoot,
        (0, Tree::Data(Operand::Input(input))) if graph.tokens() == Some(input) => {
            Parent::TokensRoot
        }
        (0, Tree::Data(Operand::Input(input))) => Parent::InputRoot(input),
        (0, Tree::Data(Operand::Weight(weight))) => Parent::WeightRoot(weight),
        // One op of one item: its data root is the trace root.
        (0, Tree::Data(Operand::Op(_))) if trace.height() == 0 => Parent::TraceRoot,
        (0, Tree::Data(Operand::Op(op))) => {
            let position = trace.position(item as u32, op.into());
            NodeId::above(Tree::Trace, trace.height(), position)
        }
        _ => NodeId::above(tree, level, index),
    };
    let answer_bytes = if is_leaf {
        LEAF_BYTES
    } else {
        size_of::<Hash>() << min(STEP_LEVELS, height - level)
    };
    Ok(DemandPlan {
        parent,
        is_leaf,
        answer_bytes: answer_bytes as u16,
    })
}

const fn min(a: u8, b: u8) -> u8 {
    if a < b { a } else { b }
}

/// Whether `answer` is what `node` was hashed from: a leaf's 128 bytes, or 2, 4, 8 or 16 nodes of the levels below, left to
/// right. The caller compares the length with [`DemandPlan::answer_bytes`].
#[inline(never)]
pub fn answers(tag: Tag, is_leaf: bool, node: &Hash, answer: &[u8]) -> bool {
    if is_leaf {
        return <&[u8; LEAF_BYTES]>::try_from(answer).is_ok_and(|bytes| hash::leaf(bytes) == *node);
    }
    let (nodes, []) = answer.as_chunks::<32>() else {
        return false;
    };
    if !nodes.len().is_power_of_two() || nodes.len() > 1 << STEP_LEVELS || nodes.len() < 2 {
        return false;
    }
    let mut tree = Accumulator::<ANSWER_HEIGHTS>::new(tag);
    for child in nodes {
        // Sixteen nodes fit.
        if tree.push(*child).is_err() {
            return false;
        }
    }
    tree.finish(nodes.len().trailing_zeros() as u8, hash::MISSING) == Ok(*node)
}

/// The node at a place of an answer. `None` beyond its end.
pub fn node_at(answer: &[u8], place: u8) -> Option<&Hash> {
    answer.as_chunks::<32>().0.get(place as usize)
}
