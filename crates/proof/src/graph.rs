//! The bytes of a graph, and the walk over them that `seal` makes on chain.
//!
//! All records have a fixed size, so record `k` is found without reading the ones before it.
//! Order: header, inputs, weights, ops. Reserved bytes are zero.
//!
//! | record | bytes | fields |
//! | --- | --- | --- |
//! | header | 8 | version u8 = 1, inputs u8, weights u8, ops u8, reserved 4 |
//! | input | 12 | dtype u8, rows kind u8 (0 fixed, 1 batch), reserved 2, rows u32 (0 if batch), cols u32 |
//! | weight | 44 | dtype u8, reserved 3, rows u32, cols u32, data root 32 |
//! | op | 8 | opcode u8, operands a b c d (u8 each), shift u8, lo i8, hi i8 |
//!
//! dtype: 1 = i8, 2 = i32. An operand is named by the code of its tree (formats.md, "Demands"): 0..=63 an earlier op,
//! 64..=67 an input, 128..=191 a weight, 255 none.
//!
//! | opcode | a | b | c | d | constants |
//! | --- | --- | --- | --- | --- | --- |
//! | 1 `MATMUL` | i8 | i8 input or weight with fixed rows, stored by output column | 255 | 255 | 0 |
//! | 2 `QLINEAR` | i8 | i8 weight N x K | i32 weight 1 x N (bias) | i32 weight 1 x N (mult) | shift 1..=47, lo <= hi |
//! | 3 `LUT` | i8 | i8 weight 1 x 256 (table) | 255 | 255 | 0 |
//! | 4 `ADD` | i8 | i8, same shape and row kind | 255 | 255 | 0 |
//! | 5 `ARGMAX` | i8 or i32 | 255 | 255 | 255 | 0 |
//!
//! Limits: 4 inputs, 64 weights, 1 to 64 ops, rows and cols 1 to [`MAX_DIM`], K at most [`MAX_INNER`], ARGMAX width at
//! most [`MAX_ARGMAX_COLS`]. With them no count overflows: a sealed graph's MACs stay below 2^61 for any legal number
//! of batch rows.

use core::fmt;

use crate::{
    hash::Hash,
    shape::{DType, MAX_ARGMAX_COLS, MAX_DIM, MAX_INNER, Rows, Shape},
};

/// The version in the header.
pub const VERSION: u8 = 1;
/// Most inputs.
pub const MAX_INPUTS: usize = 4;
/// Most weight tensors.
pub const MAX_WEIGHTS: usize = 64;
/// Most ops.
pub const MAX_OPS: usize = 64;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 8;
/// Bytes of an input's record.
pub const INPUT_BYTES: usize = 12;
/// Bytes of a weight's record.
pub const WEIGHT_BYTES: usize = 44;
/// Bytes of an op's record.
pub const OP_BYTES: usize = 8;

/// The largest possible graph.
pub const MAX_BYTES: usize =
    HEADER_BYTES + MAX_INPUTS * INPUT_BYTES + MAX_WEIGHTS * WEIGHT_BYTES + MAX_OPS * OP_BYTES;
/// The smallest graph that `seal` accepts: one input, one op.
pub const MIN_BYTES: usize = HEADER_BYTES + INPUT_BYTES + OP_BYTES;

/// The operand code for "no operand".
pub const NO_OPERAND: u8 = 255;
/// The largest shift of a `QLINEAR`.
pub const MAX_SHIFT: u8 = 47;

/// Why a graph can't be sealed, or a job's batch rows don't fit it. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SealError {
    /// The header's version is not one that this graph knows.
    UnknownVersion = 1,
    /// The length is not what the header's counts imply.
    BadLength = 2,
    /// A reserved byte is not zero.
    ReservedNotZero = 3,
    /// More than 4 inputs.
    TooManyInputs = 4,
    /// More than 64 weight tensors.
    TooManyWeights = 5,
    /// More than 64 ops.
    TooManyOps = 6,
    /// No op at all: there is no result.
    NoOps = 7,
    /// A dtype that is neither i8 (1) nor i32 (2).
    UnknownDType = 8,
    /// A rows kind that is neither fixed (0) nor batch (1).
    UnknownRowsKind = 9,
    /// An input with batch rows also names a number of rows (it must be 0).
    BatchInputHasRows = 10,
    /// A tensor without rows or columns.
    EmptyTensor = 11,
    /// A tensor with more than 2^20 rows or columns.
    TensorTooLarge = 12,
    /// An opcode that this version doesn't know.
    UnknownOpcode = 13,
    /// An operand is this op itself or a later one.
    ForwardReference = 14,
    /// An operand code names nothing that the graph has.
    UnknownOperand = 15,
    /// An operand that the op needs is absent (255).
    MissingOperand = 16,
    /// An operand that the op doesn't take is present (it must be 255).
    UnusedOperand = 17,
    /// A constant that the op doesn't take is not zero.
    UnusedConstant = 18,
    /// An operand has the wrong dtype for this op.
    WrongDType = 19,
    /// The rows of both operands of a product have different lengths.
    InnerMismatch = 20,
    /// The inner length of a product is above 32,768.
    InnerTooLong = 21,
    /// b of a MATMUL is an op's output; it must be an input or a weight.
    MatrixIsComputed = 22,
    /// b of a MATMUL has batch rows; it must have fixed rows.
    MatrixIsBatch = 23,
    /// The matrix of a QLINEAR is not a weight.
    MatrixIsNoWeight = 24,
    /// The bias of a QLINEAR is not a weight.
    BiasIsNoWeight = 25,
    /// The mult of a QLINEAR is not a weight.
    MultIsNoWeight = 26,
    /// The table of a LUT is not a weight.
    TableIsNoWeight = 27,
    /// The bias of a QLINEAR is not 1 x N.
    BiasShape = 28,
    /// The mult of a QLINEAR is not 1 x N.
    MultShape = 29,
    /// The table of a LUT is not 1 x 256.
    TableShape = 30,
    /// The operands of an ADD differ in shape.
    AddShape = 31,
    /// One operand of an ADD has batch rows and the other has fixed rows.
    AddRowsKind = 32,
    /// An ARGMAX over more than 8,192 columns.
    ArgmaxTooWide = 33,
    /// A shift outside 1 to 47.
    ShiftOutOfRange = 34,
    /// lo is above hi.
    EmptyClamp = 35,
    /// The graph has batch inputs: the job must name at least one batch row.
    NoBatchRows = 36,
    /// More than 2^20 batch rows.
    TooManyBatchRows = 37,
    /// The graph has no batch input: the job's batch rows must be 0.
    UnusedBatchRows = 38,
}

impl SealError {
    /// What is wrong and what to do.
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownVersion => "unknown graph version: build it with version 1",
            Self::BadLength => {
                "the graph's length does not fit its header's counts: write all of it"
            }
            Self::ReservedNotZero => "a reserved byte is not zero: clear it",
            Self::TooManyInputs => "more than 4 inputs: join some",
            Self::TooManyWeights => "more than 64 weight tensors: join some",
            Self::TooManyOps => "more than 64 ops: split the graph",
            Self::NoOps => "no ops: a graph needs at least one",
            Self::UnknownDType => "unknown dtype: use i8 (1) or i32 (2)",
            Self::UnknownRowsKind => "unknown rows kind: use fixed (0) or batch (1)",
            Self::BatchInputHasRows => "a batch input names its rows: write 0, the job gives them",
            Self::EmptyTensor => "a tensor without rows or columns: give it at least one of each",
            Self::TensorTooLarge => "a tensor with more than 2^20 rows or columns: split it",
            Self::UnknownOpcode => "unknown opcode: use 1 to 5",
            Self::ForwardReference => "an operand is this op or a later one: order the ops",
            Self::UnknownOperand => "an operand names nothing in this graph: check its code",
            Self::MissingOperand => "an operand is missing: name it",
            Self::UnusedOperand => "an operand that this op doesn't take: write 255",
            Self::UnusedConstant => "a constant that this op doesn't take: write 0",
            Self::WrongDType => "an operand's dtype doesn't fit the op: see the table of ops",
            Self::InnerMismatch => {
                "the operands of a product have rows of different lengths: transpose or reshape one"
            }
            Self::InnerTooLong => "the inner length is above 32,768: split the product",
            Self::MatrixIsComputed => "b of a MATMUL is an op's output: use an input or a weight",
            Self::MatrixIsBatch => "b of a MATMUL has batch rows: use a tensor with fixed rows",
            Self::MatrixIsNoWeight => "the matrix of a QLINEAR must be a weight",
            Self::BiasIsNoWeight => "the bias of a QLINEAR must be a weight",
            Self::MultIsNoWeight => "the mult of a QLINEAR must be a weight",
            Self::TableIsNoWeight => "the table of a LUT must be a weight",
            Self::BiasShape => "the bias of a QLINEAR must be 1 x N",
            Self::MultShape => "the mult of a QLINEAR must be 1 x N",
            Self::TableShape => "the table of a LUT must be 1 x 256",
            Self::AddShape => "the operands of an ADD must have the same shape",
            Self::AddRowsKind => "both operands of an ADD must have batch rows, or both fixed rows",
            Self::ArgmaxTooWide => "an ARGMAX over more than 8,192 columns: split it",
            Self::ShiftOutOfRange => "a shift must be 1 to 47",
            Self::EmptyClamp => "lo is above hi: swap them",
            Self::NoBatchRows => "the graph has batch inputs: name at least one batch row",
            Self::TooManyBatchRows => "more than 2^20 batch rows: split the job",
            Self::UnusedBatchRows => "the graph has no batch input: the job's batch rows must be 0",
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for SealError {}

/// Which record of a graph is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The header, or the graph as a whole.
    Graph,
    /// This input.
    Input(u8),
    /// This weight.
    Weight(u8),
    /// This op.
    Op(u8),
}

/// A [`SealError`] and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub error: SealError,
    /// Where.
    pub place: Place,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Graph => write!(f, "{}", self.error),
            Place::Input(i) => write!(f, "input {i}: {}", self.error),
            Place::Weight(i) => write!(f, "weight {i}: {}", self.error),
            Place::Op(i) => write!(f, "op {i}: {}", self.error),
        }
    }
}

impl core::error::Error for Fault {}

impl From<Fault> for SealError {
    fn from(fault: Fault) -> Self {
        fault.error
    }
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Self {
        Self {
            error,
            place: Place::Graph,
        }
    }
}

/// Multiply-accumulates of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// Those that every job needs.
    pub fixed: u64,
    /// Those that each batch row adds.
    pub per_row: u64,
}

impl Macs {
    /// MACs of a job with so many batch rows. `None` on overflow, which no sealed graph with legal batch rows reaches.
    pub const fn total(&self, batch_rows: u32) -> Option<u64> {
        match self.per_row.checked_mul(batch_rows as u64) {
            Some(rows) => self.fixed.checked_add(rows),
            None => None,
        }
    }
}

/// What an op reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The output of this op.
    Op(u8),
    /// This input of the job.
    Input(u8),
    /// This weight of the model.
    Weight(u8),
}

impl Operand {
    /// The operand with this code. `None` for codes that name nothing.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0..=63 => Some(Self::Op(code)),
            64..=67 => Some(Self::Input(code - 64)),
            128..=191 => Some(Self::Weight(code - 128)),
            _ => None,
        }
    }

    /// Its code, also that of its tree in demands. [`NO_OPERAND`] for an index beyond the limits.
    pub const fn code(self) -> u8 {
        match self {
            Self::Op(i @ 0..=63) => i,
            Self::Input(i @ 0..=3) => 64 + i,
            Self::Weight(i @ 0..=63) => 128 + i,
            _ => NO_OPERAND,
        }
    }
}

impl fmt::Display for Operand {
    /// "op 3", "input 0", "weight 2".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Op(index) => write!(f, "op {index}"),
            Self::Input(index) => write!(f, "input {index}"),
            Self::Weight(index) => write!(f, "weight {index}"),
        }
    }
}

/// One op of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// i32: sum over k of `a[i,k] * b[j,k]`.
    MatMul {
        /// Left operand, i8.
        a: Operand,
        /// Right operand, i8, one row an output column.
        b: Operand,
    },
    /// i8: `clamp(((sum a*w + bias[j]) * mult[j] + half) >> shift, lo, hi)`.
    QLinear {
        /// Left operand, i8.
        a: Operand,
        /// Matrix, i8, one row an output column.
        w: Operand,
        /// Bias of each output column, i32.
        bias: Operand,
        /// Multiplier of each output column, i32.
        mult: Operand,
        /// Bits to shift right, rounding half up.
        shift: u8,
        /// Least result.
        lo: i8,
        /// Greatest result.
        hi: i8,
    },
    /// i8: `table[a + 128]`.
    Lut {
        /// Operand, i8.
        a: Operand,
        /// Table of 256 values, i8.
        table: Operand,
    },
    /// i8: saturating `a + b`.
    Add {
        /// First operand, i8.
        a: Operand,
        /// Second operand, i8.
        b: Operand,
    },
    /// i32, one column: first index of the row's largest value.
    ArgMax {
        /// Operand, i8 or i32.
        a: Operand,
    },
}

impl Op {
    /// The operand whose rows the output has.
    pub const fn a(&self) -> Operand {
        match self {
            Self::MatMul { a, .. }
            | Self::QLinear { a, .. }
            | Self::Lut { a, .. }
            | Self::Add { a, .. }
            | Self::ArgMax { a } => *a,
        }
    }

    /// Its opcode.
    pub const fn opcode(&self) -> u8 {
        match self {
            Self::MatMul { .. } => 1,
            Self::QLinear { .. } => 2,
            Self::Lut { .. } => 3,
            Self::Add { .. } => 4,
            Self::ArgMax { .. } => 5,
        }
    }

    /// The op in this record.
    ///
    /// # Errors
    /// Unknown opcode, operand codes or constants that the op doesn't take or that are out of range.
    pub fn decode(record: &[u8; OP_BYTES]) -> Result<Self, SealError> {
        let [opcode, operands @ .., shift, lo, hi] = *record;
        let [a, b, c, d] = operands;
        let taken = match opcode {
            1 | 3 | 4 => 2,
            2 => 4,
            5 => 1,
            _ => return Err(SealError::UnknownOpcode),
        };
        if operands.iter().skip(taken).any(|code| *code != NO_OPERAND) {
            return Err(SealError::UnusedOperand);
        }
        if opcode != 2 && (shift, lo, hi) != (0, 0, 0) {
            return Err(SealError::UnusedConstant);
        }
        let a = named(a)?;
        Ok(match opcode {
            1 => Self::MatMul { a, b: named(b)? },
            2 => {
                let (lo, hi) = (lo as i8, hi as i8);
                if shift == 0 || shift > MAX_SHIFT {
                    return Err(SealError::ShiftOutOfRange);
                }
                if lo > hi {
                    return Err(SealError::EmptyClamp);
                }
                Self::QLinear {
                    a,
                    w: named(b)?,
                    bias: named(c)?,
                    mult: named(d)?,
                    shift,
                    lo,
                    hi,
                }
            }
            3 => Self::Lut {
                a,
                table: named(b)?,
            },
            4 => Self::Add { a, b: named(b)? },
            _ => Self::ArgMax { a },
        })
    }

    /// Its record.
    pub const fn encode(&self) -> [u8; OP_BYTES] {
        const NONE: u8 = NO_OPERAND;
        match *self {
            Self::MatMul { a, b } => [1, a.code(), b.code(), NONE, NONE, 0, 0, 0],
            Self::QLinear {
                a,
                w,
                bias,
                mult,
                shift,
                lo,
                hi,
            } => [
                2,
                a.code(),
                w.code(),
                bias.code(),
                mult.code(),
                shift,
                lo as u8,
                hi as u8,
            ],
            Self::Lut { a, table } => [3, a.code(), table.code(), NONE, NONE, 0, 0, 0],
            Self::Add { a, b } => [4, a.code(), b.code(), NONE, NONE, 0, 0, 0],
            Self::ArgMax { a } => [5, a.code(), NONE, NONE, NONE, 0, 0, 0],
        }
    }
}

fn named(code: u8) -> Result<Operand, SealError> {
    if code == NO_OPERAND {
        return Err(SealError::MissingOperand);
    }
    Operand::from_code(code).ok_or(SealError::UnknownOperand)
}

/// A weight tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its shape; the rows are fixed.
    pub shape: Shape,
    /// The root of its data.
    pub root: Hash,
}

/// A graph: a view of its bytes.
///
/// [`Graph::parse`] looks at header and length only, which is enough for the bytes of a sealed account.
/// [`Graph::check`] is the whole walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph<'a> {
    bytes: &'a [u8],
    inputs: u8,
    weights: u8,
    ops: u8,
}

/// What the walk does once on chain: accepts only what can be evaluated and judged.
///
/// # Errors
/// The first rule that the graph breaks.
pub fn seal(bytes: &[u8]) -> Result<Macs, SealError> {
    Ok(Graph::parse(bytes)?.check()?)
}

/// Whether a job may have so many batch rows with this (sealed) graph.
///
/// # Errors
/// See [`Graph::check_batch_rows`].
pub fn check_batch_rows(bytes: &[u8], batch_rows: u32) -> Result<(), SealError> {
    Graph::parse(bytes)?.check_batch_rows(batch_rows)
}

/// The length of a graph with these counts.
pub const fn len(inputs: u8, weights: u8, ops: u8) -> usize {
    HEADER_BYTES
        + inputs as usize * INPUT_BYTES
        + weights as usize * WEIGHT_BYTES
        + ops as usize * OP_BYTES
}

impl<'a> Graph<'a> {
    /// Reads the header; the length must be exactly what it implies.
    ///
    /// # Errors
    /// Unknown version, reserved bytes, counts above the limits, no ops, wrong length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SealError> {
        let Some([version, inputs, weights, ops, reserved @ ..]) =
            bytes.first_chunk::<HEADER_BYTES>()
        else {
            return Err(SealError::BadLength);
        };
        let (inputs, weights, ops) = (*inputs, *weights, *ops);
        if *version != VERSION {
            return Err(SealError::UnknownVersion);
        }
        if *reserved != [0; 4] {
            return Err(SealError::ReservedNotZero);
        }
        if inputs as usize > MAX_INPUTS {
            return Err(SealError::TooManyInputs);
        }
        if weights as usize > MAX_WEIGHTS {
            return Err(SealError::TooManyWeights);
        }
        if ops as usize > MAX_OPS {
            return Err(SealError::TooManyOps);
        }
        if ops == 0 {
            return Err(SealError::NoOps);
        }
        if bytes.len() != len(inputs, weights, ops) {
            return Err(SealError::BadLength);
        }
        Ok(Self {
            bytes,
            inputs,
            weights,
            ops,
        })
    }

    /// The bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many inputs a job gives.
    pub const fn input_count(&self) -> usize {
        self.inputs as usize
    }

    /// How many weight tensors the model has.
    pub const fn weight_count(&self) -> usize {
        self.weights as usize
    }

    /// How many ops there are.
    pub const fn op_count(&self) -> usize {
        self.ops as usize
    }

    fn record<const BYTES: usize>(&self, start: usize, index: usize) -> Option<&'a [u8; BYTES]> {
        self.bytes
            .get(start + index * BYTES..)
            .and_then(<[u8]>::first_chunk)
    }

    /// Input `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule.
    pub fn input(&self, index: usize) -> Result<Shape, SealError> {
        if index >= self.inputs as usize {
            return Err(SealError::UnknownOperand);
        }
        let record: &[u8; INPUT_BYTES] = self
            .record(HEADER_BYTES, index)
            .ok_or(SealError::BadLength)?;
        let [dtype, kind, reserved @ .., r0, r1, r2, r3, c0, c1, c2, c3] = *record;
        if reserved != [0; 2] {
            return Err(SealError::ReservedNotZero);
        }
        let rows = u32::from_le_bytes([r0, r1, r2, r3]);
        let rows = match (kind, rows) {
            (0, rows) => Rows::Fixed(rows),
            (1, 0) => Rows::Batch,
            (1, _) => return Err(SealError::BatchInputHasRows),
            _ => return Err(SealError::UnknownRowsKind),
        };
        shape(dtype, rows, u32::from_le_bytes([c0, c1, c2, c3]))
    }

    /// The shape of weight `index` and its root's bytes.
    fn weight_parts(&self, index: usize) -> Result<(Shape, &'a Hash), SealError> {
        if index >= self.weights as usize {
            return Err(SealError::UnknownOperand);
        }
        let start = HEADER_BYTES + self.inputs as usize * INPUT_BYTES;
        let record: &[u8; WEIGHT_BYTES] = self.record(start, index).ok_or(SealError::BadLength)?;
        let Some((head, root)) = record.split_first_chunk::<12>() else {
            return Err(SealError::BadLength);
        };
        let root: &Hash = root.first_chunk().ok_or(SealError::BadLength)?;
        let [dtype, x, y, z, r0, r1, r2, r3, c0, c1, c2, c3] = *head;
        if [x, y, z] != [0; 3] {
            return Err(SealError::ReservedNotZero);
        }
        let rows = Rows::Fixed(u32::from_le_bytes([r0, r1, r2, r3]));
        Ok((
            shape(dtype, rows, u32::from_le_bytes([c0, c1, c2, c3]))?,
            root,
        ))
    }

    /// Weight `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule.
    pub fn weight(&self, index: usize) -> Result<Weight, SealError> {
        let (shape, root) = self.weight_parts(index)?;
        Ok(Weight { shape, root: *root })
    }

    /// Op `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule that needs no other record.
    pub fn op(&self, index: usize) -> Result<Op, SealError> {
        Op::decode(self.op_record(index)?)
    }

    fn op_record(&self, index: usize) -> Result<&'a [u8; OP_BYTES], SealError> {
        if index >= self.ops as usize {
            return Err(SealError::UnknownOperand);
        }
        let start = len(self.inputs, self.weights, 0);
        self.record(start, index).ok_or(SealError::BadLength)
    }

    /// Whether input `index` has batch rows; `false` where there is no such input.
    pub fn is_input_batch(&self, index: usize) -> bool {
        matches!(
            self.input(index),
            Ok(Shape {
                rows: Rows::Batch,
                ..
            })
        )
    }

    /// Whether any input has batch rows.
    pub fn uses_batch(&self) -> bool {
        (0..self.input_count()).any(|index| self.is_input_batch(index))
    }

    /// Whether a job may have so many batch rows: 1 to 2^20 where an input has batch rows, else exactly 0.
    ///
    /// # Errors
    /// [`SealError::NoBatchRows`], [`SealError::TooManyBatchRows`], [`SealError::UnusedBatchRows`].
    pub fn check_batch_rows(&self, batch_rows: u32) -> Result<(), SealError> {
        match (self.uses_batch(), batch_rows) {
            (true, 1..=MAX_DIM) | (false, 0) => Ok(()),
            (true, 0) => Err(SealError::NoBatchRows),
            (true, _) => Err(SealError::TooManyBatchRows),
            (false, _) => Err(SealError::UnusedBatchRows),
        }
    }

    /// The whole walk: each record once, with a fixed array for the shapes of the outputs.
    ///
    /// # Errors
    /// The first rule that is broken, and where.
    #[inline(never)]
    pub fn check(&self) -> Result<Macs, Fault> {
        let at = |place: fn(u8) -> Place, index: usize| {
            move |error| Fault {
                error,
                place: place(index as u8),
            }
        };
        for index in 0..self.input_count() {
            self.input(index).map_err(at(Place::Input, index))?;
        }
        for index in 0..self.weight_count() {
            self.weight_parts(index).map_err(at(Place::Weight, index))?;
        }
        let mut outputs = [NO_SHAPE; MAX_OPS];
        let mut macs = Macs::default();
        for index in 0..self.op_count() {
            let (earlier, later) = outputs.split_at_mut(index);
            let output = self
                .op(index)
                .and_then(|op| self.apply(&op, earlier, &mut macs))
                .map_err(at(Place::Op, index))?;
            if let Some(slot) = later.first_mut() {
                *slot = output;
            }
        }
        Ok(macs)
    }

    /// The shape of an op's output, from those of the earlier ones; adds its MACs.
    fn apply(&self, op: &Op, earlier: &[Shape], macs: &mut Macs) -> Result<Shape, SealError> {
        let shape_of = |operand| match operand {
            Operand::Op(k) if k >= self.ops => Err(SealError::UnknownOperand),
            Operand::Op(k) => earlier
                .get(k as usize)
                .copied()
                .ok_or(SealError::ForwardReference),
            Operand::Input(i) => self.input(i as usize),
            Operand::Weight(i) => Ok(self.weight_parts(i as usize)?.0),
        };
        let a = shape_of(op.a())?;
        if a.dtype != DType::I8 && !matches!(op, Op::ArgMax { .. }) {
            return Err(SealError::WrongDType);
        }
        match *op {
            Op::MatMul { b, .. } => {
                if matches!(b, Operand::Op(_)) {
                    return Err(SealError::MatrixIsComputed);
                }
                let cols = product(&a, &shape_of(b)?, macs)?;
                Ok(Shape {
                    dtype: DType::I32,
                    rows: a.rows,
                    cols,
                })
            }
            Op::QLinear { w, bias, mult, .. } => {
                let is_weight = |operand| matches!(operand, Operand::Weight(_));
                if !is_weight(w) {
                    return Err(SealError::MatrixIsNoWeight);
                }
                if !is_weight(bias) {
                    return Err(SealError::BiasIsNoWeight);
                }
                if !is_weight(mult) {
                    return Err(SealError::MultIsNoWeight);
                }
                let (bias, mult) = (shape_of(bias)?, shape_of(mult)?);
                if bias.dtype != DType::I32 || mult.dtype != DType::I32 {
                    return Err(SealError::WrongDType);
                }
                let cols = product(&a, &shape_of(w)?, macs)?;
                if (bias.rows, bias.cols) != (Rows::Fixed(1), cols) {
                    return Err(SealError::BiasShape);
                }
                if (mult.rows, mult.cols) != (Rows::Fixed(1), cols) {
                    return Err(SealError::MultShape);
                }
                Ok(Shape { cols, ..a })
            }
            Op::Lut { table, .. } => {
                if !matches!(table, Operand::Weight(_)) {
                    return Err(SealError::TableIsNoWeight);
                }
                let table = shape_of(table)?;
                if table.dtype != DType::I8 {
                    return Err(SealError::WrongDType);
                }
                if (table.rows, table.cols) != (Rows::Fixed(1), 256) {
                    return Err(SealError::TableShape);
                }
                Ok(a)
            }
            Op::Add { b, .. } => {
                let b = shape_of(b)?;
                if b.dtype != DType::I8 {
                    return Err(SealError::WrongDType);
                }
                match (a.rows, b.rows) {
                    (Rows::Batch, Rows::Fixed(_)) | (Rows::Fixed(_), Rows::Batch) => {
                        return Err(SealError::AddRowsKind);
                    }
                    _ if a != b => return Err(SealError::AddShape),
                    _ => {}
                }
                Ok(a)
            }
            Op::ArgMax { .. } => {
                if a.cols > MAX_ARGMAX_COLS {
                    return Err(SealError::ArgmaxTooWide);
                }
                Ok(Shape {
                    dtype: DType::I32,
                    rows: a.rows,
                    cols: 1,
                })
            }
        }
    }

    /// The shape of op `index`'s output in a **sealed** graph, without walking the others: columns and dtype follow from
    /// the op, rows from the chain of first operands.
    ///
    /// # Errors
    /// There is no such op, or the graph could not have been sealed.
    pub fn output(&self, index: usize) -> Result<Shape, SealError> {
        // What the ops passed so far have fixed already.
        let mut known: Option<(DType, u32)> = None;
        let mut index = index;
        loop {
            if known.is_none() {
                known = match self.op(index)? {
                    Op::MatMul { b, .. } => Some((DType::I32, self.stored_rows(b)?)),
                    Op::QLinear { w, .. } => Some((DType::I8, self.stored_rows(w)?)),
                    Op::ArgMax { .. } => Some((DType::I32, 1)),
                    Op::Lut { .. } | Op::Add { .. } => None,
                };
            }
            // A long chain is paid for by the step on chain: only this byte is read of each op.
            let [_, a, ..] = *self.op_record(index)?;
            let source = match named(a)? {
                Operand::Op(k) if (k as usize) < index => {
                    index = k as usize;
                    continue;
                }
                Operand::Op(_) => return Err(SealError::ForwardReference),
                Operand::Input(i) => self.input(i as usize)?,
                Operand::Weight(i) => self.weight_parts(i as usize)?.0,
            };
            let (dtype, cols) = known.unwrap_or((source.dtype, source.cols));
            return Ok(Shape {
                dtype,
                rows: source.rows,
                cols,
            });
        }
    }

    /// The shape of any operand in a **sealed** graph.
    ///
    /// # Errors
    /// There is no such operand, or the graph could not have been sealed.
    pub fn shape(&self, operand: Operand) -> Result<Shape, SealError> {
        match operand {
            Operand::Op(index) => self.output(index as usize),
            Operand::Input(index) => self.input(index as usize),
            Operand::Weight(index) => Ok(self.weight_parts(index as usize)?.0),
        }
    }

    fn stored_rows(&self, operand: Operand) -> Result<u32, SealError> {
        match self.shape(match operand {
            Operand::Op(_) => return Err(SealError::MatrixIsComputed),
            stored => stored,
        })? {
            Shape {
                rows: Rows::Fixed(rows),
                ..
            } => Ok(rows),
            _ => Err(SealError::MatrixIsBatch),
        }
    }

    /// Bytes of all ops' outputs in a job with so many batch rows, in a **sealed** graph.
    ///
    /// # Errors
    /// The graph could not have been sealed.
    pub fn trace_bytes(&self, batch_rows: u32) -> Result<u64, SealError> {
        (0..self.op_count()).try_fold(0, |sum: u64, index| {
            Ok(sum.saturating_add(self.output(index)?.bytes(batch_rows)))
        })
    }
}

/// Fills the array of shapes before they are known; nothing reads it.
const NO_SHAPE: Shape = Shape {
    dtype: DType::I8,
    rows: Rows::Batch,
    cols: 0,
};

fn shape(dtype: u8, rows: Rows, cols: u32) -> Result<Shape, SealError> {
    let dtype = DType::from_code(dtype).ok_or(SealError::UnknownDType)?;
    if cols == 0 || rows == Rows::Fixed(0) {
        return Err(SealError::EmptyTensor);
    }
    if cols > MAX_DIM || matches!(rows, Rows::Fixed(rows) if rows > MAX_DIM) {
        return Err(SealError::TensorTooLarge);
    }
    Ok(Shape { dtype, rows, cols })
}

/// The rules of every product; returns its columns (the rows of `b`) and adds its MACs. `a` is i8.
fn product(a: &Shape, b: &Shape, macs: &mut Macs) -> Result<u32, SealError> {
    if b.dtype != DType::I8 {
        return Err(SealError::WrongDType);
    }
    let Rows::Fixed(cols) = b.rows else {
        return Err(SealError::MatrixIsBatch);
    };
    if a.cols != b.cols {
        return Err(SealError::InnerMismatch);
    }
    if a.cols > MAX_INNER {
        return Err(SealError::InnerTooLong);
    }
    // At most 64 ops of 2^20 x 2^20 x 2^15 each: below 2^61.
    let row_macs = cols as u64 * a.cols as u64;
    match a.rows {
        Rows::Batch => macs.per_row += row_macs,
        Rows::Fixed(rows) => macs.fixed += row_macs * rows as u64,
    }
    Ok(cols)
}
