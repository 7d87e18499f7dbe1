//! Why a graph is not sealed, or a job does not fit it.

use core::fmt;

/// Why a graph can't be sealed, or a job's batch rows don't fit it. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SealError {
    /// The header's version is unknown.
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
