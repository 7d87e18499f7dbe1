//! What the file of an op says.

use super::{product::Product, record::Record, source::CellSource};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error};

/// Where `seal` finds the shapes of operands; the records of earlier ops have been checked already.
pub(crate) trait Shapes {
    /// The shape of an operand as stored, in one item.
    fn of(&self, operand: Operand) -> Result<Shape, SealError>;
}

/// What a result is, before flag T: derived by `seal` and compared with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Type of its values.
    pub dtype: DType,
    /// R of the definitions.
    pub rows: u32,
    /// C of the definitions.
    pub cols: u32,
    /// K of a product; 0 without one. Work is counted by it.
    pub inner: u32,
}

/// What a charge says of a cell beside its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// R-index of the cell (before flag T).
    pub row: u32,
    /// C-index of the cell (before flag T).
    pub col: u32,
    /// What the commitment holds there.
    pub value: i32,
    /// ARGMAX's counterexample; 0 for the others.
    pub at: u32,
}

/// What an op is.
pub(crate) trait OpRules: Sized {
    /// Its name, as documents write it.
    const NAME: &'static str;

    /// The op in a record with its opcode. Refuses flags, shifts, constants and operands that the op doesn't take.
    fn decode(record: &Record) -> Result<Self, SealError>;

    /// Its operands by slot: a, b, c, d.
    fn slots(&self) -> [Option<Operand>; 4];

    /// What `seal` refuses of the operands' shapes; returns what the result is.
    fn seal(&self, record: &Record, shapes: &impl Shapes) -> Result<Form, SealError>;

    /// The product that the op begins with.
    fn product(&self) -> Option<Product> {
        None
    }

    /// Whether the claim is wrong. What this reads, in this order, is the evidence behind the claimed leaf: in the order
    /// a, b, c, d (p: the leaf of row 0, then of row 1), but what decides a position comes before what is read there.
    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error>;

    /// All values of the result in one item, as bytes in the **stored** order. Shapes have been checked.
    #[cfg(feature = "std")]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error>;
}

/// Most ops compute the cell and compare.
#[inline]
pub(crate) fn differs<S: CellSource>(
    computed: Result<i32, S::Error>,
    claim: &Claim,
) -> Result<bool, S::Error>
where
    S::Error: From<Refusal>,
{
    Ok(computed? != claim.value)
}

/// Calls `cell(i, j)` for every cell of a result (before flag T) and writes its bytes where they are stored. `cell` gives as
/// many bytes as the type has, or `None` where an operand doesn't have what the shapes promise.
#[cfg(feature = "std")]
pub(crate) fn write_cells<B: AsRef<[u8]>>(
    record: &Record,
    out: &mut [u8],
    mut cell: impl FnMut(u32, u32) -> Option<B>,
) -> Result<(), Error> {
    let size = record.dtype.size() as usize;
    let is_transposed = record.has(super::flag::TRANSPOSED);
    let stored = out.chunks_exact_mut(record.cols as usize * size);
    for (row, out) in (0u32..).zip(stored) {
        for (col, out) in (0u32..).zip(out.chunks_exact_mut(size)) {
            let (i, j) = if is_transposed {
                (col, row)
            } else {
                (row, col)
            };
            let value = cell(i, j).ok_or(Error::NoSuchPosition)?;
            out.copy_from_slice(value.as_ref());
        }
    }
    Ok(())
}
