//! What can go wrong off chain. On chain there is only [`SealError`](crate::SealError).

use crate::{
    hash::{Full, Hash},
    limits::{MAX_COLS, MAX_ROWS},
    node::{NodeId, Operand},
    refusal::{DemandError, Fault, Refusal, SealError},
    shape::DType,
};

/// An error of this crate, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The graph could not have been sealed.
    #[error("the graph can't be evaluated: {0}")]
    Graph(#[from] Fault),
    /// A tensor has no rows or columns, or too many.
    #[error(
        "a tensor of {rows} x {cols} is not allowed: use 1 to {MAX_ROWS} rows and 1 to {MAX_COLS} columns"
    )]
    Dimensions {
        /// Its rows.
        rows: u32,
        /// Its columns.
        cols: u32,
    },
    /// The data have another length than the shape.
    #[error("a tensor of this shape has {expected} bytes, not {found}: give exactly its values")]
    DataLength {
        /// What the shape implies.
        expected: u64,
        /// What was given.
        found: u64,
    },
    /// Values of one type were wanted from a tensor of another.
    #[error("the tensor holds {found:?}, not {wanted:?}: read it as what it is")]
    DType {
        /// What was asked for.
        wanted: DType,
        /// What it holds.
        found: DType,
    },
    /// Another number of tensors than the graph has.
    #[error("the graph has {expected} {what}, not {found}: give one tensor each, in order")]
    Count {
        /// "inputs", "weights" or "ops".
        what: &'static str,
        /// What the graph says.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A tensor doesn't have the shape that the graph gives it.
    #[error(
        "{operand} must be {expected}, not {found}: give the tensor that the graph was sealed for"
    )]
    Shape {
        /// Which tensor.
        operand: Operand,
        /// What the graph says.
        expected: std::string::String,
        /// What was given.
        found: std::string::String,
    },
    /// A tensor's data root is not the one that was committed to.
    #[error(
        "the data of {operand} do not match the root that was committed to: fetch them again, or from another place"
    )]
    Root {
        /// Which tensor.
        operand: Operand,
        /// The root of the data at hand.
        found: Hash,
    },
    /// The outputs would take more memory than allowed.
    #[error(
        "the outputs of all ops would take {bytes} bytes, more than the limit of {limit}: use fewer items, or a smaller graph"
    )]
    TooLarge {
        /// What they would take.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A file does not have the format that it should have.
    #[error("not a {what}: {why}")]
    File {
        /// "tensor file", "bundle" or "trace file".
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The job has no such item.
    #[error("there is no item {item}: the job has {items}, counted from 0")]
    NoSuchItem {
        /// What was asked for.
        item: u32,
        /// How many there are.
        items: u32,
    },
    /// The published result of an item does not lead to the item root that was published with it.
    #[error(
        "the published result of item {0} does not lead to its item root: do not believe it; fetch it again, or from another place"
    )]
    ResultOfItem(u32),
    /// The published item roots are not those that were committed to.
    #[error(
        "the published item roots do not lead to the trace root: do not believe the result; fetch it again, or from another place"
    )]
    ItemRoots,
    /// There is no such node, row or op.
    #[error("there is no such position in the tree: it lies beyond what the shape has")]
    NoSuchPosition,
    /// A charge that can't be brought, or that the judge refuses.
    #[error("the charge was refused: {0}")]
    Refused(#[from] Refusal),
    /// A part of the evidence can't be opened with what is at hand.
    #[error("{0} is not at hand: demand it, or fetch the data")]
    NotAtHand(NodeId),
    /// There is no such demand.
    #[error("{0}")]
    Demand(#[from] DemandError),
    /// An answer is not what its node was hashed from.
    #[error("the answer about {0} is not what its node was hashed from: read it again")]
    WrongAnswer(NodeId),
}

impl From<Full> for Error {
    fn from(_: Full) -> Self {
        Self::NoSuchPosition
    }
}

impl From<SealError> for Error {
    fn from(error: SealError) -> Self {
        Self::Graph(error.into())
    }
}
