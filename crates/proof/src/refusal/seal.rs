//! Why a graph is not sealed, or a job does not fit it.

use core::fmt;

/// Why a graph can't be sealed, or a job's items don't fit it. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SealError {
    /// The header's version is unknown.
    UnknownVersion = 1,
    /// The length is not what the header's counts imply.
    BadLength = 2,
    /// A reserved byte is not zero.
    ReservedNotZero = 3,
    /// More than 8 inputs.
    TooManyInputs = 4,
    /// More than 1,024 weight tensors.
    TooManyWeights = 5,
    /// More than 1,024 ops.
    TooManyOps = 6,
    /// No op at all: there is no result.
    NoOps = 7,
    /// A dtype that is neither i8 (1) nor i32 (2) nor i16 (3).
    UnknownDType = 8,
    /// An input that is neither fixed (0) nor one for each item (1).
    UnknownScope = 9,
    /// A tensor without rows or columns.
    EmptyTensor = 10,
    /// A tensor with more than 2^24 rows or 2^20 columns.
    TensorTooLarge = 11,
    /// An opcode that this version doesn't know.
    UnknownOpcode = 12,
    /// A flag that this version doesn't know.
    UnknownFlag = 13,
    /// An operand is this op itself or a later one.
    ForwardReference = 14,
    /// An operand code names nothing that the graph has.
    UnknownOperand = 15,
    /// An operand that the op needs is absent (65,534).
    MissingOperand = 16,
    /// An operand that the op doesn't take is present (it must be 65,534).
    UnusedOperand = 17,
    /// A flag, shift, group or constant that the op doesn't take.
    UnusedConstant = 18,
    /// An operand or the result has the wrong dtype for this op.
    WrongDType = 19,
    /// The record's rows and columns are not those that follow from the operands.
    WrongShape = 20,
    /// No group, or groups that share nothing.
    NoGroups = 21,
    /// Groups or share do not divide what they must.
    GroupsDontDivide = 22,
    /// The operands of a product have inner lengths that differ.
    InnerMismatch = 23,
    /// The inner length of a product is above 32,768.
    InnerTooLong = 24,
    /// A group of NORM or SOFTMAX, or a text, is longer than 8,192.
    TooWide = 25,
    /// An operand can't be repeated over the result: its rows or columns don't divide.
    NoRepeat = 26,
    /// The parameters of an op don't have 2 rows, or columns that divide.
    ParametersShape = 27,
    /// A table, or parameters, that are no weight.
    IsNoWeight = 28,
    /// An operand that must be an input of the job is none.
    IsNoInput = 29,
    /// The table of a LUT is not 1 x 256 (i8) or 1 x 65,536 (i16).
    TableShape = 30,
    /// The indices of a GATHER are not 1 x (rows x m).
    IndexShape = 31,
    /// The op that the header names is no FEEDBACK.
    IsNoFeedback = 32,
    /// A shift above 47, or 0 where the op needs one.
    ShiftOutOfRange = 33,
    /// eps or mult is above its bound.
    ConstantOutOfRange = 34,
    /// lo is above hi.
    EmptyClamp = 35,
    /// lo or hi is no value of the result's type.
    ClampOutsideType = 36,
    /// Pairs over an odd number of columns.
    PairsUneven = 37,
    /// The header names tokens without FEEDBACK, or FEEDBACK without tokens.
    TokensAlone = 38,
    /// Tokens, x, L and FEEDBACK do not have the same length, or the tokens are no i32 item input of one row.
    TokensShape = 39,
    /// The record's kind is not the one that follows from its operands.
    WrongKind = 40,
    /// In a graph with tokens, an op whose dependence on them has no kind: the text might not be unique.
    NoKind = 41,
    /// The work of one item does not fit 64 bits.
    WorkOverflow = 42,
    /// The job has no item.
    NoItems = 43,
    /// The graph has no item input: the job has exactly one item.
    OneItemOnly = 44,
    /// More items than the graph's tallest tensor leaves room for.
    TooManyItems = 45,
}

impl SealError {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 45] = [
        Self::UnknownVersion,
        Self::BadLength,
        Self::ReservedNotZero,
        Self::TooManyInputs,
        Self::TooManyWeights,
        Self::TooManyOps,
        Self::NoOps,
        Self::UnknownDType,
        Self::UnknownScope,
        Self::EmptyTensor,
        Self::TensorTooLarge,
        Self::UnknownOpcode,
        Self::UnknownFlag,
        Self::ForwardReference,
        Self::UnknownOperand,
        Self::MissingOperand,
        Self::UnusedOperand,
        Self::UnusedConstant,
        Self::WrongDType,
        Self::WrongShape,
        Self::NoGroups,
        Self::GroupsDontDivide,
        Self::InnerMismatch,
        Self::InnerTooLong,
        Self::TooWide,
        Self::NoRepeat,
        Self::ParametersShape,
        Self::IsNoWeight,
        Self::IsNoInput,
        Self::TableShape,
        Self::IndexShape,
        Self::IsNoFeedback,
        Self::ShiftOutOfRange,
        Self::ConstantOutOfRange,
        Self::EmptyClamp,
        Self::ClampOutsideType,
        Self::PairsUneven,
        Self::TokensAlone,
        Self::TokensShape,
        Self::WrongKind,
        Self::NoKind,
        Self::WorkOverflow,
        Self::NoItems,
        Self::OneItemOnly,
        Self::TooManyItems,
    ];

    /// The error with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code).checked_sub(1)?).copied()
    }

    /// What is wrong and what to do.
    pub const fn message(self) -> &'static str {
        match self {
            Self::UnknownVersion => "unknown graph version: build it with version 2",
            Self::BadLength => {
                "the graph's length does not fit its header's counts: write all of it"
            }
            Self::ReservedNotZero => "a reserved byte is not zero: clear it",
            Self::TooManyInputs => "more than 8 inputs: join some",
            Self::TooManyWeights => "more than 1,024 weight tensors: join some",
            Self::TooManyOps => "more than 1,024 ops: split the graph",
            Self::NoOps => "no ops: a graph needs at least one",
            Self::UnknownDType => "unknown dtype: use i8 (1), i32 (2) or i16 (3)",
            Self::UnknownScope => "unknown kind of input: use fixed (0) or item (1)",
            Self::EmptyTensor => "a tensor without rows or columns: give it at least one of each",
            Self::TensorTooLarge => "a tensor with more than 2^24 rows or 2^20 columns: split it",
            Self::UnknownOpcode => "unknown opcode: use 1 to 8",
            Self::UnknownFlag => "unknown flag: clear it",
            Self::ForwardReference => "an operand is this op or a later one: order the ops",
            Self::UnknownOperand => "an operand names nothing in this graph: check its code",
            Self::MissingOperand => "an operand is missing: name it",
            Self::UnusedOperand => "an operand that this op doesn't take: write 65534",
            Self::UnusedConstant => {
                "a flag, shift, group or constant that this op doesn't take: clear it"
            }
            Self::WrongDType => "a dtype doesn't fit the op: see the table of ops",
            Self::WrongShape => {
                "the record's rows and columns are not what its operands make: derive them"
            }
            Self::NoGroups => "groups and share must be at least 1",
            Self::GroupsDontDivide => "groups must divide the columns, and share the groups",
            Self::InnerMismatch => {
                "the operands of a product have inner lengths that differ: transpose or reshape one"
            }
            Self::InnerTooLong => "the inner length is above 32,768: split the product",
            Self::TooWide => "a group or a text longer than 8,192: split it",
            Self::NoRepeat => {
                "an operand's rows and columns must divide those that it is repeated over"
            }
            Self::ParametersShape => {
                "the parameters must be an i32 weight of 2 rows whose columns divide those of the result"
            }
            Self::IsNoWeight => "a table or parameters must be a weight",
            Self::IsNoInput => "this operand must be an input of the job",
            Self::TableShape => "the table of a LUT must be 1 x 256 for i8 and 1 x 65536 for i16",
            Self::IndexShape => "the indices of a GATHER must be i32, 1 x (rows x m)",
            Self::IsNoFeedback => "the op that the header names must be a FEEDBACK",
            Self::ShiftOutOfRange => "a shift must be 1 to 47 (0 to 47 where the op allows it)",
            Self::ConstantOutOfRange => "eps must be below 2^31 and mult below 2^30",
            Self::EmptyClamp => "lo is above hi: swap them",
            Self::ClampOutsideType => "lo and hi must be values of the result's type",
            Self::PairsUneven => "pairs need an even number of columns",
            Self::TokensAlone => "the header must name both tokens and feedback, or neither",
            Self::TokensShape => {
                "tokens must be an i32 item input of 1 x S, with S that of FEEDBACK"
            }
            Self::WrongKind => "the record's kind is not what its operands make: derive it",
            Self::NoKind => {
                "this op mixes tokens in a way that could leave the text ambiguous: see the table of kinds"
            }
            Self::WorkOverflow => "the work of one item overflows: split the graph",
            Self::NoItems => "name at least one item",
            Self::OneItemOnly => "the graph has no item input: the job must have exactly one item",
            Self::TooManyItems => {
                "too many items: items x rows of the tallest tensor must be at most 2^24"
            }
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
    Input(u16),
    /// This weight.
    Weight(u16),
    /// This op.
    Op(u16),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_frozen() {
        for (code, error) in (1..).zip(SealError::ALL) {
            assert_eq!(error as u8, code);
            assert_eq!(SealError::from_code(code), Some(error));
        }
        assert_eq!(SealError::from_code(0), None);
        assert_eq!(SealError::from_code(46), None);
    }
}
