//! Judging one charge against a commitment: the same code on chain and off.
//!
//! Evidence is what formats.md ("Evidence", "Paths") says: the parts of the charge one after the other, no counts and no
//! lengths. Everything about lengths and positions follows from the graph, the batch rows and the charge, so that the
//! bytes can be read in one way only. Every byte is used; there is no heap, and nothing is copied but single nodes.
//!
//! | charge | parts |
//! | --- | --- |
//! | `MATMUL` | row of a, row of b, claimed leaf |
//! | `QLINEAR` | row of a, row of the matrix, leaf of bias, leaf of mult, claimed leaf |
//! | `LUT` | leaf of a, table, claimed leaf |
//! | `ADD` | leaf of a, leaf of b, claimed leaf |
//! | `ARGMAX` | row of a, claimed leaf |
//! | padding in the last leaf of a row | that leaf |
//! | a missing node of an op's tree or of the trace's | that node |
//!
//! Each part is its bytes (a row without padding, a leaf with it: 128, a node: 32), then the path to the data root, then,
//! for an op's output, the path from there to the trace root.

use core::fmt;

use crate::{
    graph::{Graph, Op, Operand, SealError},
    hash::{self, Hash, LEAF_BYTES, Tag},
    node::{NodeId, Tree},
    ops::cell,
    path,
    shape::{DType, Geometry, TraceGeometry},
};

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

/// Why a charge does not convict. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// The value, or the padding, is what it should be.
    NothingWrong = 1,
    /// The graph has no such op.
    NoSuchOp = 2,
    /// The op's output has no such row or column.
    NoSuchCell = 3,
    /// The tree is neither the trace's nor that of an op.
    NoSuchTree = 4,
    /// The tree has no such node.
    NoSuchNode = 5,
    /// The node holds values: it is no padding.
    NotPadding = 6,
    /// The evidence ends too early.
    TooShort = 7,
    /// Bytes are left over at the evidence's end.
    TooLong = 8,
    /// The first operand is not under its root.
    OperandA = 9,
    /// The second operand (or the matrix of a QLINEAR) is not under its root.
    OperandB = 10,
    /// The table of a LUT is not under its root.
    Table = 11,
    /// The bias of a QLINEAR is not under its root.
    Bias = 12,
    /// The mult of a QLINEAR is not under its root.
    Mult = 13,
    /// The claimed leaf is not under the trace root.
    Claimed = 14,
    /// The padding leaf or node is not under the trace root.
    Padding = 15,
    /// The graph or the batch rows could not have passed `seal` and `create_job`.
    NotSealed = 16,
    /// The job gives no root for an input that the op reads.
    NoInputRoot = 17,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::NothingWrong,
        Self::NoSuchOp,
        Self::NoSuchCell,
        Self::NoSuchTree,
        Self::NoSuchNode,
        Self::NotPadding,
        Self::TooShort,
        Self::TooLong,
        Self::OperandA,
        Self::OperandB,
        Self::Table,
        Self::Bias,
        Self::Mult,
        Self::Claimed,
        Self::Padding,
        Self::NotSealed,
        Self::NoInputRoot,
    ];

    /// The refusal with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL
            .get(usize::from(code).checked_sub(1)?)
            .copied()
            .filter(|refusal| *refusal as u8 == code)
    }

    /// What is wrong and what to do.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NothingWrong => {
                "nothing is wrong there: the commitment holds what it should, charge another position or none"
            }
            Self::NoSuchOp => "the graph has no such op: count from 0",
            Self::NoSuchCell => {
                "the op's output has no such row or column: count from 0, with the job's batch rows"
            }
            Self::NoSuchTree => {
                "no such tree: use 255 for the trace, or an op's index (inputs and weights are not the provider's)"
            }
            Self::NoSuchNode => {
                "the tree has no such node: levels count from its root, places from 0"
            }
            Self::NotPadding => {
                "the node holds values, so it is no padding: charge the cell, or the last leaf of the row"
            }
            Self::TooShort => "the evidence ends too early: build it for this job, op and position",
            Self::TooLong => {
                "the evidence has bytes left over: build it for this job, op and position"
            }
            Self::OperandA => {
                "operand a does not lead to its root: open it in the data that the job, the model or the trace commits to"
            }
            Self::OperandB => {
                "operand b does not lead to its root: open it in the data that the job, the model or the trace commits to"
            }
            Self::Table => "the table does not lead to the model's root: open the model's weight",
            Self::Bias => "the bias does not lead to the model's root: open the model's weight",
            Self::Mult => "the mult does not lead to the model's root: open the model's weight",
            Self::Claimed => {
                "the claimed leaf does not lead to the trace root: open it in the commitment of this submission"
            }
            Self::Padding => {
                "the padding does not lead to the trace root: open it in the commitment of this submission"
            }
            Self::NotSealed => "the graph or the batch rows are not those of a job: seal first",
            Self::NoInputRoot => "the job has no root for an input that the op reads",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Refusal {}

impl From<SealError> for Refusal {
    fn from(_: SealError) -> Self {
        Self::NotSealed
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

impl<'e> Reader<'_, 'e> {
    /// Whether a value is wrong.
    fn judge_cell(mut self, op: u8, row: u32, col: u32) -> Result<bool, Refusal> {
        let output = self.output(op, Refusal::NoSuchOp)?;
        let (leaf, at) = output.locate(col).ok_or(Refusal::NoSuchCell)?;
        if row >= output.rows() {
            return Err(Refusal::NoSuchCell);
        }
        let computed = match self.case.graph.op(op.into())? {
            Op::MatMul { a, b } => {
                let a = self.row(a, row, Refusal::OperandA)?;
                let b = self.row(b, col, Refusal::OperandB)?;
                cell::matmul(a, b)
            }
            Op::QLinear {
                a,
                w,
                bias,
                mult,
                shift,
                lo,
                hi,
            } => {
                let a = self.row(a, row, Refusal::OperandA)?;
                let w = self.row(w, col, Refusal::OperandB)?;
                let (bias, at) = self.leaf_of(bias, 0, col, Refusal::Bias)?;
                let bias = read_i32(bias, at)?;
                let (mult, at) = self.leaf_of(mult, 0, col, Refusal::Mult)?;
                let mult = read_i32(mult, at)?;
                i32::from(cell::qlinear(a, w, bias, mult, shift, lo, hi))
            }
            Op::Lut { a, table } => {
                let (a, at) = self.leaf_of(a, row, col, Refusal::OperandA)?;
                let a = read_i8(a, at)?;
                let table = self.row(table, 0, Refusal::Table)?;
                i32::from(cell::lut(a, table.first_chunk().ok_or(Refusal::NotSealed)?))
            }
            Op::Add { a, b } => {
                let (a, at) = self.leaf_of(a, row, col, Refusal::OperandA)?;
                let a = read_i8(a, at)?;
                let (b, at) = self.leaf_of(b, row, col, Refusal::OperandB)?;
                i32::from(cell::add(a, read_i8(b, at)?))
            }
            Op::ArgMax { a } => {
                let values = self.row(a, row, Refusal::OperandA)?;
                match self.case.graph.shape(a)?.dtype {
                    DType::I8 => cell::argmax_i8(values),
                    DType::I32 => cell::argmax_i32(values),
                }
            }
        };
        let claimed = self.leaf(Operand::Op(op), &output, row, leaf, Refusal::Claimed)?;
        self.finish()?;
        let claimed = match output.dtype() {
            DType::I8 => i32::from(read_i8(claimed, at)?),
            DType::I32 => read_i32(claimed, at)?,
        };
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
        self.case
            .graph
            .shape(operand)?
            .geometry(self.case.batch_rows)
            .ok_or(Refusal::NotSealed)
    }

    /// A whole row of an operand, unpadded.
    fn row(&mut self, operand: Operand, row: u32, otherwise: Refusal) -> Result<&'e [u8], Refusal> {
        let tree = self.tree(operand)?;
        let (bytes, rest) = self
            .rest
            .split_at_checked(tree.row_bytes() as usize)
            .ok_or(Refusal::TooShort)?;
        self.rest = rest;
        // A sealed graph reads no row as a whole that is longer than this can hash.
        let node = hash::row_root(bytes, tree.row_height()).ok_or(Refusal::NotSealed)?;
        self.lead(operand, node, tree.rows_height(), row.into(), otherwise)?;
        Ok(bytes)
    }

    /// The leaf of an operand that holds a value, and where in the leaf it is.
    fn leaf_of(
        &mut self,
        operand: Operand,
        row: u32,
        col: u32,
        otherwise: Refusal,
    ) -> Result<(&'e [u8; LEAF_BYTES], usize), Refusal> {
        let tree = self.tree(operand)?;
        // Sealed shapes give every operand the columns that the output has.
        let (k, at) = tree.locate(col).ok_or(Refusal::NotSealed)?;
        Ok((self.leaf(operand, &tree, row, k, otherwise)?, at))
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

/// The value at this byte of a leaf. Values never straddle leaves, so it is always there.
fn read_i32(leaf: &[u8; LEAF_BYTES], at: usize) -> Result<i32, Refusal> {
    let bytes = leaf.get(at..).and_then(<[u8]>::first_chunk);
    bytes
        .map(|bytes| i32::from_le_bytes(*bytes))
        .ok_or(Refusal::NotSealed)
}

fn read_i8(leaf: &[u8; LEAF_BYTES], at: usize) -> Result<i8, Refusal> {
    leaf.get(at)
        .map(|byte| *byte as i8)
        .ok_or(Refusal::NotSealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_frozen() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(usize::from(*refusal as u8), at + 1);
            assert_eq!(Refusal::from_code(*refusal as u8), Some(*refusal));
            assert!(!refusal.message().is_empty());
        }
        assert_eq!(Refusal::from_code(0), None);
        assert_eq!(Refusal::from_code(18), None);
    }
}
