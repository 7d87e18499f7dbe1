//! What the file of an op says.

use super::{divide::divide, product::Product, record::Record, source::CellSource};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error, std::vec::Vec};

/// The shapes of an op's operands by slot, as stored, in one item. They are read once an op: on chain each record costs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shapes(pub [Option<Shape>; 4]);

impl Shapes {
    /// The shape of the operand in a slot.
    ///
    /// # Errors
    /// [`SealError::UnknownOperand`] where there is none.
    #[inline]
    pub fn of(&self, slot: usize) -> Result<&Shape, SealError> {
        let shape = self.0.get(slot).and_then(Option::as_ref);
        shape.ok_or(SealError::UnknownOperand)
    }
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
    /// How many values each one follows from, where these are more than a few: K of a product, all columns of ARGMAX; else 0.
    /// Work is counted by it.
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
    fn seal(&self, record: &Record, shapes: &Shapes) -> Result<Form, SealError>;

    /// How the result depends on the tokens, before flag T. Where no operand depends on them, and this says nothing, the
    /// result doesn't either.
    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError>;

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

    /// What [`OpRules::whole`] writes, where the processor has a kernel that needs no zeroed memory; else `None`.
    #[cfg(feature = "std")]
    fn made(&self, _: &Record, _: &impl Tensors) -> Result<Option<Vec<u8>>, Error> {
        Ok(None)
    }
}

/// What the kind of a result follows from.
pub(crate) struct Dependence<'a> {
    /// The op's record.
    pub record: &'a Record,
    /// What the result is before flag T.
    pub form: Form,
    /// The kinds of the operands by slot, 0 where there is none.
    pub kinds: [u8; 4],
    /// How many tokens a text has (S).
    pub tokens: u32,
    /// The shapes of the operands.
    pub shapes: &'a Shapes,
}

/// Most ops compute the cell and compare; they take no counterexample.
#[inline]
pub(crate) fn differs<S: CellSource>(value: i32, claim: &Claim) -> Result<bool, S::Error> {
    if claim.at != 0 {
        return Err(Refusal::BadCounterexample.into());
    }
    Ok(value != claim.value)
}

/// Shifts right, rounding half up; 0 leaves the value as it is.
#[inline]
pub(crate) const fn rshr(value: i64, shift: u8) -> i64 {
    let half = 1i64.wrapping_shl(shift as u32) >> 1;
    value.wrapping_add(half).wrapping_shr(shift as u32)
}

/// The nearest value within bounds. Not `clamp`, which panics where lo is above hi.
#[inline]
pub(crate) fn clamp(value: i64, (lo, hi): (i32, i32)) -> i32 {
    value.min(i64::from(hi)).max(i64::from(lo)) as i32
}

/// A rule of `seal`: the operand can be repeated over this many rows and columns.
pub(crate) const fn check_repeat(operand: &Shape, rows: u32, cols: u32) -> Result<(), SealError> {
    match (divide(rows, operand.rows), divide(cols, operand.cols)) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err(SealError::NoRepeat),
    }
}

/// A rule of `seal`: an operand of this type.
pub(crate) fn check_dtype(operand: &Shape, dtype: DType) -> Result<(), SealError> {
    match operand.dtype == dtype {
        true => Ok(()),
        false => Err(SealError::WrongDType),
    }
}

/// A rule of `seal`: an operand that the model holds.
pub(crate) const fn check_weight(operand: Operand) -> Result<(), SealError> {
    match operand {
        Operand::Weight(_) => Ok(()),
        _ => Err(SealError::IsNoWeight),
    }
}

/// A rule of `seal`: parameters are an i32 weight of two rows; returns its columns.
pub(crate) fn check_parameters(operand: Operand, shape: &Shape) -> Result<u32, SealError> {
    check_weight(operand)?;
    check_dtype(shape, DType::I32)?;
    match shape.rows {
        2 => Ok(shape.cols),
        _ => Err(SealError::ParametersShape),
    }
}

/// The two parameters of a column.
pub(crate) fn parameters<S: CellSource>(
    source: &mut S,
    operand: Operand,
    col: u32,
    part: Refusal,
) -> Result<(i64, i64), S::Error> {
    let first = source.value(operand, 0, col, part)?;
    let second = source.value(operand, 1, col, part)?;
    Ok((first.into(), second.into()))
}

/// Calls `f` for each of these values, in order. A loop for each type: on chain a decision in the loop is paid for each value.
#[inline]
pub(crate) fn each(bytes: &[u8], dtype: DType, mut f: impl FnMut(i64)) {
    match dtype {
        DType::I8 => bytes.iter().for_each(|byte| f(i64::from(*byte as i8))),
        DType::I16 => {
            let (values, _) = bytes.as_chunks();
            values
                .iter()
                .for_each(|bytes| f(i64::from(i16::from_le_bytes(*bytes))));
        }
        DType::I32 => {
            let (values, _) = bytes.as_chunks();
            values
                .iter()
                .for_each(|bytes| f(i64::from(i32::from_le_bytes(*bytes))));
        }
    }
}
