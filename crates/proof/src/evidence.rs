//! Judging one charge against a commitment: the same code on chain and off.
//!
//! Evidence is the parts of a charge one after the other, no counts and no lengths. Everything about lengths and positions
//! follows from the graph, the items and the charge, so that the bytes can be read in one way only. Every byte is used;
//! there is no heap, and nothing is copied but single nodes.
//!
//! | charge | parts |
//! | --- | --- |
//! | a cell | the item, the claimed leaf, then what the op's cell reads, in its order (see [`crate::ops`]) |
//! | padding of an op's tree | the item, the node or the last leaf of a row |
//! | padding of the trace | the node |
//! | padding of the tokens | the node or the last leaf of a row |
//! | tokens | the item, FEEDBACK's data root, the node of the tokens' row |
//!
//! *The item*, only if the job has more than one: the item root and its path to the trace root. Each other part is its bytes
//! (whole leaves as committed, or a node), for a span the siblings inside its row, then the path to the data root, then, for
//! an op, the path from there to the item root.

use core::{fmt, ops::Range};

use crate::{
    graph::Graph,
    hash::{self, Hash, LEAF_BYTES, Tag},
    node::{NodeId, Operand, Tree},
    ops::{CellSource, Claim, Op, flag, value_at},
    path::{self, Run},
    shape::{Geometry, Scope, Shape, TraceGeometry},
};

pub use crate::refusal::Refusal;

/// What a charge is judged by: all of it lies in the model and the job, none of it in the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The model's sealed graph.
    pub graph: Graph<'a>,
    /// The job's items.
    pub items: u32,
    /// The data roots of the job's inputs, in order; more than the graph has inputs do no harm. That of the tokens is not
    /// looked at.
    pub input_roots: &'a [Hash],
    /// The root of the tokens that the provider gave; not looked at in a graph without.
    pub tokens_root: &'a Hash,
    /// What the provider committed to.
    pub trace_root: &'a Hash,
}

/// What is said to be wrong with a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Charge {
    /// A value is not what its operands make.
    Cell {
        /// The op.
        op: u16,
        /// Row of its result as stored, over all items.
        row: u32,
        /// Column of its result as stored.
        col: u32,
        /// ARGMAX: a column of the operand that proves the claim wrong; 0 where the claim is no column, and for every other
        /// op.
        at: u32,
    },
    /// Padding is not zero: bytes beyond a row's end, or a node that lies wholly in missing positions. The tree is the
    /// trace's, an op's or the tokens'; the other inputs and the weights are not the provider's.
    Padding(NodeId),
    /// The provider's tokens are not those that its FEEDBACK computed.
    Tokens {
        /// In this item.
        item: u32,
    },
}

impl Charge {
    /// The padding at a node of the tree with this code.
    ///
    /// # Errors
    /// [`Refusal::NoSuchTree`] for codes that name nothing.
    pub const fn padding(tree: u16, level: u8, index: u64) -> Result<Self, Refusal> {
        match NodeId::from_code(tree, level, index) {
            Some(node_id) => Ok(Self::Padding(node_id)),
            None => Err(Refusal::NoSuchTree),
        }
    }
}

impl fmt::Display for Charge {
    /// "op 3, row 617, column 333", "the padding at level 4, index 2 of the trace", "the tokens of item 5".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell { op, row, col, at } => {
                write!(f, "op {op}, row {row}, column {col}")?;
                match at {
                    0 => Ok(()),
                    _ => write!(f, " against column {at}"),
                }
            }
            Self::Padding(node_id) => write!(f, "the padding at {node_id}"),
            Self::Tokens { item } => write!(f, "the tokens of item {item}"),
        }
    }
}

/// Judges a charge: `Ok` convicts.
///
/// # Errors
/// Why it doesn't; [`Refusal::NothingWrong`] where everything belongs to its root and the commitment holds what it should.
pub fn judge(case: &Case<'_>, charge: &Charge, evidence: &[u8]) -> Result<(), Refusal> {
    let mut reader = Reader {
        case,
        trace: case.graph.trace(case.items).ok_or(Refusal::NotSealed)?,
        item: 0,
        item_root: *case.trace_root,
        rest: evidence,
    };
    let is_wrong = match *charge {
        Charge::Cell { op, row, col, at } => reader.judge_cell(op, (row, col), at)?,
        Charge::Tokens { item } => reader.judge_tokens(item)?,
        Charge::Padding(NodeId { tree, level, index }) => match tree {
            Tree::Trace => reader.judge_trace_padding(level, index)?,
            Tree::Data(operand) => reader.judge_padding(operand, level, index)?,
        },
    };
    if !reader.rest.is_empty() {
        return Err(Refusal::TooLong);
    }
    if is_wrong {
        Ok(())
    } else {
        Err(Refusal::NothingWrong)
    }
}

/// What a charged cell is, beside what its op reads: the same for the judge and for the writer of evidence.
pub(crate) struct Cell {
    /// The op.
    pub op: Op,
    /// Its result in one item.
    pub shape: Shape,
    /// The item.
    pub item: u32,
    /// Row of the result in the item, as stored.
    pub row: u32,
    /// Column of the result, as stored.
    pub col: u32,
    at: u32,
    is_transposed: bool,
}

impl Cell {
    /// The cell of a charge. `row` is over all items. Whether `at` has a meaning is for the op to say.
    pub fn new(
        graph: &Graph<'_>,
        items: u32,
        op: u16,
        (row, col): (u32, u32),
        at: u32,
    ) -> Result<Self, Refusal> {
        if usize::from(op) >= graph.op_count() {
            return Err(Refusal::NoSuchOp);
        }
        let shape = graph.output(op.into())?;
        let item = row.checked_div(shape.rows).ok_or(Refusal::NotSealed)?;
        if item >= items || col >= shape.cols {
            return Err(Refusal::NoSuchCell);
        }
        let record = graph.record(op.into())?;
        let op = Op::decode(&record)?;
        Ok(Self {
            op,
            shape,
            item,
            row: row - item * shape.rows,
            col,
            at,
            is_transposed: record.has(flag::TRANSPOSED),
        })
    }

    /// What is claimed, as the op sees it: before flag T.
    pub const fn claim(&self, value: i32) -> Claim {
        let (row, col) = match self.is_transposed {
            true => (self.col, self.row),
            false => (self.row, self.col),
        };
        Claim {
            row,
            col,
            value,
            at: self.at,
        }
    }
}

/// What padding is charged: the same for the judge and for the writer of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padded {
    /// A node that lies wholly in missing positions, this many levels above the leaves.
    Missing(u8),
    /// A leaf of which only so many bytes are values.
    Leaf(usize),
}

impl Padded {
    /// What stands at a node of a tensor's tree.
    pub fn new(tree: &Geometry, level: u8, place: u64) -> Result<Self, Refusal> {
        if tree.is_missing(level, place).ok_or(Refusal::NoSuchNode)? {
            return Ok(Self::Missing(tree.height() - level));
        }
        // A present leaf: its place in the row is below 2^15.
        let (_, k) = tree.row_and_leaf(place);
        match tree.used_bytes(k) {
            used if level == tree.height() && used < LEAF_BYTES => Ok(Self::Leaf(used)),
            _ => Err(Refusal::NotPadding),
        }
    }
}

/// Takes the evidence apart, from front to back. What it returns has been led to its root.
struct Reader<'c, 'e> {
    case: &'c Case<'c>,
    trace: TraceGeometry,
    item: u32,
    /// Led to the trace root already.
    item_root: Hash,
    rest: &'e [u8],
}

/// What a cell reads, it reads from the evidence.
impl<'e> CellSource for Reader<'_, 'e> {
    type Error = Refusal;
    type Span = &'e [u8];

    fn shape(&self, operand: Operand) -> Result<Shape, Refusal> {
        Ok(self.case.graph.shape(operand)?)
    }

    #[inline(never)]
    fn span(
        &mut self,
        operand: Operand,
        row: u32,
        cols: Range<u32>,
        part: Refusal,
    ) -> Result<&'e [u8], Refusal> {
        let shape = self.shape(operand)?;
        let (tree, row) =
            place(operand, &shape, row, self.item, self.case.items).ok_or(Refusal::NotSealed)?;
        let run = Run::new(&tree, &cols).ok_or(Refusal::NotSealed)?;
        let bytes = self.take_bytes(run.leaves() as usize * LEAF_BYTES)?;
        let siblings = self.path(run.sibling_count())?;
        let node = run.climb(bytes.as_chunks().0, siblings);
        let node = node.ok_or(Refusal::NotSealed)?;
        self.lead(operand, node, tree.rows_height(), row.into(), part)?;
        run.columns(bytes).ok_or(Refusal::NotSealed)
    }
}

/// The tree that a row of an operand in an item lies in, and its row there. `None` for a row that the operand does not have.
pub(crate) fn place(
    operand: Operand,
    shape: &Shape,
    row: u32,
    item: u32,
    items: u32,
) -> Option<(Geometry, u32)> {
    if row >= shape.rows {
        return None;
    }
    match (operand, shape.scope) {
        (Operand::Op(_), _) => Some((shape.geometry()?, row)),
        (_, Scope::Fixed) => Some((shape.over_items(items)?, row)),
        // The rows of all items are at most 2^24.
        (_, Scope::Item) => Some((shape.over_items(items)?, item * shape.rows + row)),
    }
}

impl<'e> Reader<'_, 'e> {
    /// Whether a value is wrong.
    fn judge_cell(&mut self, op: u16, at: (u32, u32), counter: u32) -> Result<bool, Refusal> {
        let cell = Cell::new(&self.case.graph, self.case.items, op, at, counter)?;
        self.take_item(cell.item)?;
        let cols = cell.col..cell.col + 1;
        let claimed = self.span(Operand::Op(op), cell.row, cols, Refusal::Claimed)?;
        let claimed = value_at(claimed, 0, cell.shape.dtype).ok_or(Refusal::NotSealed)?;
        cell.op.is_wrong(self, &cell.claim(claimed))
    }

    /// Whether padding of an op's or the tokens' tree is wrong: a missing node, or the last leaf of a row.
    fn judge_padding(&mut self, operand: Operand, level: u8, index: u64) -> Result<bool, Refusal> {
        let place = match operand {
            Operand::Op(op) if usize::from(op) < self.case.graph.op_count() => {
                let node_id = NodeId::new(Tree::Data(operand), level, index);
                let (item, place) = node_id.item_and_place();
                let item = u32::try_from(item).map_err(|_| Refusal::NoSuchNode)?;
                if item >= self.case.items {
                    return Err(Refusal::NoSuchNode);
                }
                self.take_item(item)?;
                place
            }
            Operand::Input(input) if self.case.graph.tokens() == Some(input) => index,
            _ => return Err(Refusal::NoSuchTree),
        };
        let tree = self.case.graph.geometry(operand, self.case.items);
        let tree = tree.ok_or(Refusal::NotSealed)?;
        let (node, is_wrong) = match Padded::new(&tree, level, place)? {
            Padded::Missing(height) => {
                let node = *self.take::<32>()?;
                (node, node != hash::zero_subtree(Tag::Data, height))
            }
            Padded::Leaf(used) => {
                let leaf = self.take::<LEAF_BYTES>()?;
                let is_wrong = leaf.iter().skip(used).any(|byte| *byte != 0);
                (hash::leaf(leaf), is_wrong)
            }
        };
        self.lead(operand, node, level, place, Refusal::Padding)?;
        Ok(is_wrong)
    }

    /// Whether a missing node of the trace tree is wrong.
    fn judge_trace_padding(&mut self, level: u8, index: u64) -> Result<bool, Refusal> {
        match self.trace.is_missing(level, index) {
            None => return Err(Refusal::NoSuchNode),
            Some(false) => return Err(Refusal::NotPadding),
            Some(true) => {}
        }
        let node = *self.take::<32>()?;
        if path::climb(Tag::Trace, node, index, self.path(level)?) != *self.case.trace_root {
            return Err(Refusal::Padding);
        }
        let height = self.trace.height() - level;
        Ok(node != hash::zero_subtree(Tag::Trace, height))
    }

    /// Whether the tokens of an item are others than FEEDBACK's result: both are one row of the same length, so that one
    /// commitment of it has the same node in both trees.
    fn judge_tokens(&mut self, item: u32) -> Result<bool, Refusal> {
        let graph = &self.case.graph;
        let (Some(tokens), Some(feedback)) = (graph.tokens(), graph.feedback()) else {
            return Err(Refusal::NoTokens);
        };
        if item >= self.case.items {
            return Err(Refusal::NoSuchCell);
        }
        self.take_item(item)?;
        let computed = *self.take::<32>()?;
        self.lead_to_item(feedback, computed, Refusal::Feedback)?;
        let row = *self.take::<32>()?;
        let tokens = Operand::Input(tokens);
        let tree = graph.geometry(tokens, self.case.items);
        let level = tree.ok_or(Refusal::NotSealed)?.rows_height();
        self.lead(tokens, row, level, item.into(), Refusal::Tokens)?;
        Ok(computed != row)
    }

    /// Takes the item root, where the job has more than one.
    fn take_item(&mut self, item: u32) -> Result<(), Refusal> {
        self.item = item;
        if self.case.items == 1 {
            return Ok(());
        }
        self.item_root = *self.take::<32>()?;
        let siblings = self.path(self.trace.items_height())?;
        let root = path::climb(Tag::Trace, self.item_root, item.into(), siblings);
        if root == *self.case.trace_root {
            Ok(())
        } else {
            Err(Refusal::Item)
        }
    }

    /// Takes the path of a node of an operand's tree and follows it to the root that the job or the model holds.
    fn lead(
        &mut self,
        operand: Operand,
        node: Hash,
        level: u8,
        index: u64,
        otherwise: Refusal,
    ) -> Result<(), Refusal> {
        let data_root = path::climb(Tag::Data, node, index, self.path(level)?);
        let graph = &self.case.graph;
        let root = match operand {
            Operand::Op(op) => return self.lead_to_item(op, data_root, otherwise),
            Operand::Input(input) if graph.tokens() == Some(input) => self.case.tokens_root,
            Operand::Input(input) => {
                let root = self.case.input_roots.get(usize::from(input));
                root.ok_or(Refusal::NoInputRoot)?
            }
            Operand::Weight(weight) => graph.weight_parts(weight.into())?.1,
        };
        if data_root == *root {
            Ok(())
        } else {
            Err(otherwise)
        }
    }

    /// Takes the path of an op's data root and follows it to the item root.
    fn lead_to_item(
        &mut self,
        op: u16,
        data_root: Hash,
        otherwise: Refusal,
    ) -> Result<(), Refusal> {
        let siblings = self.path(self.trace.ops_height())?;
        if path::climb(Tag::Trace, data_root, op.into(), siblings) == self.item_root {
            Ok(())
        } else {
            Err(otherwise)
        }
    }

    /// The next siblings, `levels` of them.
    fn path(&mut self, levels: u8) -> Result<&'e [Hash], Refusal> {
        Ok(self.take_bytes(usize::from(levels) * 32)?.as_chunks().0)
    }

    fn take_bytes(&mut self, len: usize) -> Result<&'e [u8], Refusal> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Refusal::TooShort)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn take<const BYTES: usize>(&mut self) -> Result<&'e [u8; BYTES], Refusal> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Refusal::TooShort)?;
        self.rest = rest;
        Ok(bytes)
    }
}
