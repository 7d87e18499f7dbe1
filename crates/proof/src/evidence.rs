//! Judging one charge against a commitment: the same code on chain and off.
//!
//! Evidence is what formats.md ("Evidence", "Paths") says: the parts of the charge one after the other, no counts and no
//! lengths. Everything about lengths and positions follows from the graph, the batch rows and the charge, so that the
//! bytes can be read in one way only. Every byte is used; there is no heap, and nothing is copied but single nodes.
//!
//! | charge | parts |
//! | --- | --- |
//! | a cell | what the op's cell reads, in its order (see [`crate::ops`]), then the claimed leaf |
//! | padding in the last leaf of a row | that leaf |
//! | a missing node of an op's tree or of the trace's | that node |
//!
//! Each part is its bytes (a row without padding, a leaf with it: 128, a node: 32), then the path to the data root, then,
//! for an op's output, the path from there to the trace root.

use core::fmt;

use crate::{
    graph::Graph,
    hash::{self, Hash, LEAF_BYTES, Tag},
    node::{NodeId, Operand, Tree},
    ops::{CellSource, read_value},
    path,
    shape::{DType, Geometry, TraceGeometry},
};

pub use crate::refusal::Refusal;

/// What a charge is judged by: all of it lies in the model and the job, none of it in the evidence.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The model's sealed graph.
    pub graph: Graph<'a>,
    /// The job's batch rows.
    pub batch_rows: u32,
    /// The data roots of the job's inputs, in order; more than the graph has inputs do no harm.
    pub input_roots: &'a [Hash],
    /// What the provider committed to.
    pub trace_root: &'a Hash,
}

/// What is said to be wrong with a commitment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Charge {
    /// A value is not what its operands make.
    Cell {
        /// The op.
        op: u8,
        /// Row of its output.
        row: u32,
        /// Column of its output.
        col: u32,
    },
    /// Padding is not zero: bytes beyond a row's end, or a node that lies wholly in missing positions. The tree is the
    /// trace's or an op's; inputs and weights are not the provider's.
    Padding(NodeId),
}

impl Charge {
    /// The padding at a node of the tree with this code.
    ///
    /// # Errors
    /// [`Refusal::NoSuchTree`] for codes that name nothing.
    pub const fn padding(tree: u8, level: u8, index: u64) -> Result<Self, Refusal> {
        match NodeId::from_code(tree, level, index) {
            Some(node_id) => Ok(Self::Padding(node_id)),
            None => Err(Refusal::NoSuchTree),
        }
    }
}

impl fmt::Display for Charge {
    /// "op 3, row 617, column 333", "the padding at level 4, index 2 of the trace".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell { op, row, col } => write!(f, "op {op}, row {row}, column {col}"),
            Self::Padding(node_id) => write!(f, "the padding at {node_id}"),
        }
    }
}

/// Judges a charge: `Ok` convicts.
///
/// # Errors
/// Why it doesn't; [`Refusal::NothingWrong`] where everything belongs to its root and the commitment holds what it should.
pub fn judge(case: &Case<'_>, charge: &Charge, evidence: &[u8]) -> Result<(), Refusal> {
    let reader = Reader {
        case,
        trace: TraceGeometry::new(case.graph.op_count()).ok_or(Refusal::NotSealed)?,
        rest: evidence,
    };
    let is_wrong = match *charge {
        Charge::Cell { op, row, col } => reader.judge_cell(op, row, col)?,
        Charge::Padding(NodeId { tree, level, index }) => match tree {
            Tree::Trace => reader.judge_trace_padding(level, index)?,
            Tree::Data(Operand::Op(op)) => reader.judge_padding(op, level, index)?,
            Tree::Data(_) => return Err(Refusal::NoSuchTree),
        },
    };
    if is_wrong {
        Ok(())
    } else {
        Err(Refusal::NothingWrong)
    }
}

/// Takes the evidence apart, from front to back. What it returns has been led to its root.
struct Reader<'c, 'e> {
    case: &'c Case<'c>,
    trace: TraceGeometry,
    rest: &'e [u8],
}

/// What a cell reads, it reads from the evidence.
impl<'e> CellSource for Reader<'_, 'e> {
    type Error = Refusal;
    type Row = &'e [u8];

    fn dtype(&self, operand: Operand) -> Result<DType, Refusal> {
        Ok(self.case.graph.shape(operand)?.dtype)
    }

    #[inline]
    fn row(&mut self, operand: Operand, row: u32, part: Refusal) -> Result<&'e [u8], Refusal> {
        let tree = self.tree(operand)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(tree.row_bytes() as usize)
            .ok_or(Refusal::TooShort)?;
        self.rest = rest;
        // A sealed graph reads no row as a whole that is longer than this can hash.
        let node = hash::row_root(bytes, tree.row_height()).ok_or(Refusal::NotSealed)?;
        self.lead(operand, node, tree.rows_height(), row.into(), part)?;
        Ok(bytes)
    }

    #[inline]
    fn value(
        &mut self,
        operand: Operand,
        row: u32,
        col: u32,
        part: Refusal,
    ) -> Result<i32, Refusal> {
        let tree = self.tree(operand)?;
        // Sealed shapes give every operand the columns that the output has.
        let (k, at) = tree.locate(col).ok_or(Refusal::NotSealed)?;
        let leaf = self.leaf(operand, &tree, row, k, part)?;
        // Values never straddle leaves, so it is always there.
        read_value(leaf, at, tree.dtype()).ok_or(Refusal::NotSealed)
    }
}

impl<'e> Reader<'_, 'e> {
    /// Whether a value is wrong.
    fn judge_cell(mut self, op: u8, row: u32, col: u32) -> Result<bool, Refusal> {
        let output = self.output(op, Refusal::NoSuchOp)?;
        let (leaf, at) = output.locate(col).ok_or(Refusal::NoSuchCell)?;
        if row >= output.rows() {
            return Err(Refusal::NoSuchCell);
        }
        let computed = self.case.graph.op(op.into())?.cell(&mut self, row, col)?;
        let claimed = self.leaf(Operand::Op(op), &output, row, leaf, Refusal::Claimed)?;
        self.finish()?;
        let claimed = read_value(claimed, at, output.dtype()).ok_or(Refusal::NotSealed)?;
        Ok(claimed != computed)
    }

    /// Whether padding of an op's tree is wrong: a missing node, or the last leaf of a row.
    fn judge_padding(mut self, op: u8, level: u8, index: u64) -> Result<bool, Refusal> {
        let tree = self.output(op, Refusal::NoSuchTree)?;
        let height = tree.height();
        let is_missing = tree.is_missing(level, index).ok_or(Refusal::NoSuchNode)?;
        let (node, is_wrong) = if is_missing {
            let node = *self.take::<32>()?;
            (node, node != hash::zero_subtree(Tag::Data, height - level))
        } else if level == height {
            // A present leaf, so its place in the row is below 2^13.
            let k = index & ((1 << tree.row_height()) - 1);
            let used = tree.used_bytes(k as u32);
            if used == LEAF_BYTES {
                return Err(Refusal::NotPadding);
            }
            let leaf = self.take::<LEAF_BYTES>()?;
            let is_wrong = leaf.iter().skip(used).any(|byte| *byte != 0);
            (hash::leaf(leaf), is_wrong)
        } else {
            return Err(Refusal::NotPadding);
        };
        self.lead(Operand::Op(op), node, level, index, Refusal::Padding)?;
        self.finish()?;
        Ok(is_wrong)
    }

    /// Whether a missing node of the trace tree is wrong.
    fn judge_trace_padding(mut self, level: u8, index: u64) -> Result<bool, Refusal> {
        match self.trace.is_missing(level, index) {
            None => return Err(Refusal::NoSuchNode),
            Some(false) => return Err(Refusal::NotPadding),
            Some(true) => {}
        }
        let node = *self.take::<32>()?;
        let root = path::climb(Tag::Trace, node, index, self.path(level)?);
        if root != *self.case.trace_root {
            return Err(Refusal::Padding);
        }
        self.finish()?;
        let height = self.trace.height() - level;
        Ok(node != hash::zero_subtree(Tag::Trace, height))
    }

    /// The tree of an op's output.
    fn output(&self, op: u8, otherwise: Refusal) -> Result<Geometry, Refusal> {
        if usize::from(op) >= self.case.graph.op_count() {
            return Err(otherwise);
        }
        self.tree(Operand::Op(op))
    }

    fn tree(&self, operand: Operand) -> Result<Geometry, Refusal> {
        let geometry = self.case.graph.geometry(operand, self.case.batch_rows);
        geometry.ok_or(Refusal::NotSealed)
    }

    fn leaf(
        &mut self,
        operand: Operand,
        tree: &Geometry,
        row: u32,
        k: u32,
        otherwise: Refusal,
    ) -> Result<&'e [u8; LEAF_BYTES], Refusal> {
        let leaf = self.take::<LEAF_BYTES>()?;
        let index = tree.leaf_position(row, k).ok_or(Refusal::NotSealed)?;
        self.lead(operand, hash::leaf(leaf), tree.height(), index, otherwise)?;
        Ok(leaf)
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
        let is_under = match operand {
            Operand::Op(op) => {
                let siblings = self.path(self.trace.height())?;
                path::climb(Tag::Trace, data_root, op.into(), siblings) == *self.case.trace_root
            }
            Operand::Input(input) => {
                let root = self.case.input_roots.get(usize::from(input));
                data_root == *root.ok_or(Refusal::NoInputRoot)?
            }
            Operand::Weight(weight) => data_root == self.case.graph.weight(weight.into())?.root,
        };
        if is_under { Ok(()) } else { Err(otherwise) }
    }

    /// The next siblings, `levels` of them.
    fn path(&mut self, levels: u8) -> Result<&'e [Hash], Refusal> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(usize::from(levels) * 32)
            .ok_or(Refusal::TooShort)?;
        self.rest = rest;
        Ok(bytes.as_chunks().0)
    }

    fn take<const BYTES: usize>(&mut self) -> Result<&'e [u8; BYTES], Refusal> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Refusal::TooShort)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn finish(&self) -> Result<(), Refusal> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Refusal::TooLong)
        }
    }
}
