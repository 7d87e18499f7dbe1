//! Why a charge does not convict.

use core::fmt;

use super::seal::SealError;
use crate::hash::Full;

/// Why a charge does not convict. The numbers never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// The value, or the padding, is what it should be.
    NothingWrong = 1,
    /// The graph has no such op.
    NoSuchOp = 2,
    /// The op's result has no such row or column.
    NoSuchCell = 3,
    /// The tree is neither the trace's, nor that of an op, nor the tokens'.
    NoSuchTree = 4,
    /// The tree has no such node.
    NoSuchNode = 5,
    /// The node holds values: it is no padding.
    NotPadding = 6,
    /// The evidence ends too early.
    TooShort = 7,
    /// Bytes are left over at the evidence's end.
    TooLong = 8,
    /// Operand a (x of GATHER and FEEDBACK) is not under its root.
    OperandA = 9,
    /// Operand b (a table, a mask, L) is not under its root.
    OperandB = 10,
    /// Operand c (the parameters of DOT) is not under its root.
    OperandC = 11,
    /// Operand d is not under its root.
    OperandD = 12,
    /// The claimed leaf is not under the trace root.
    Claimed = 13,
    /// The padding leaf or node is not under its root.
    Padding = 14,
    /// The item root is not under the trace root.
    Item = 15,
    /// The data root of FEEDBACK is not under the item root.
    Feedback = 16,
    /// The tokens' row is not under the tokens' root.
    Tokens = 17,
    /// The graph or the items could not have passed `seal` and `create_job`.
    NotSealed = 18,
    /// The job gives no root for an input that the op reads.
    NoInputRoot = 19,
    /// The charged column is no column of the row, or not 0 where the op takes none.
    BadCounterexample = 20,
    /// The graph has no tokens.
    NoTokens = 21,
}

impl Refusal {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 21] = [
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
        Self::OperandC,
        Self::OperandD,
        Self::Claimed,
        Self::Padding,
        Self::Item,
        Self::Feedback,
        Self::Tokens,
        Self::NotSealed,
        Self::NoInputRoot,
        Self::BadCounterexample,
        Self::NoTokens,
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
                "the value, or the padding, is what it should be: nothing to convict"
            }
            Self::NoSuchOp => "the graph has no such op: count from 0",
            Self::NoSuchCell => {
                "the op's result has no such row or column: count from 0, rows over all items"
            }
            Self::NoSuchTree => "the tree must be the trace's (65535), an op's or the tokens'",
            Self::NoSuchNode => "the tree has no such node: check level and index",
            Self::NotPadding => "the node holds values: charge a cell instead",
            Self::TooShort => "the evidence ends too early: write all parts",
            Self::TooLong => "bytes are left over at the evidence's end: write the parts only",
            Self::OperandA => "operand a does not lead to its root: check its values and its path",
            Self::OperandB => "operand b does not lead to its root: check its values and its path",
            Self::OperandC => "operand c does not lead to its root: check its values and its path",
            Self::OperandD => "operand d does not lead to its root: check its values and its path",
            Self::Claimed => {
                "the claimed leaf does not lead to the trace root: check it and its path"
            }
            Self::Padding => "the padding does not lead to its root: check it and its path",
            Self::Item => "the item root does not lead to the trace root: check it and its path",
            Self::Feedback => {
                "the data root of FEEDBACK does not lead to the item root: check it and its path"
            }
            Self::Tokens => {
                "the tokens' row does not lead to the tokens' root: check it and its path"
            }
            Self::NotSealed => "the graph or the items could not have been sealed or created",
            Self::NoInputRoot => "the job gives no root for an input that the op reads",
            Self::BadCounterexample => {
                "the charged column must be a column of ARGMAX's operand, and 0 for every other charge"
            }
            Self::NoTokens => "the graph has no tokens: charge a cell instead",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for Refusal {}

impl From<Full> for Refusal {
    /// The accumulators hold whatever the limits allow, so only a graph beyond them leads here.
    fn from(_: Full) -> Self {
        Self::NotSealed
    }
}

impl From<SealError> for Refusal {
    fn from(_: SealError) -> Self {
        Self::NotSealed
    }
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
        assert_eq!(Refusal::from_code(22), None);
    }
}
