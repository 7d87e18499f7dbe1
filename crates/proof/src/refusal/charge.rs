//! Why a charge does not convict.

use core::fmt;

use super::seal::SealError;

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
