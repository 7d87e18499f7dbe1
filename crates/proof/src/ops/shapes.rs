//! What an output is, and what operands must be.

use crate::{
    node::Operand,
    refusal::SealError,
    shape::{DType, Shape},
};

/// Dtype and columns of an output. Its rows are those of `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// As `a` has them.
    OfA,
    /// Its own.
    Own(DType, Columns),
}

/// The columns of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// This many.
    Fixed(u32),
    /// One for each row of this input or weight.
    RowsOf(Operand),
}

/// A rule of `seal` about an operand's values.
pub(crate) fn require_dtype(shape: &Shape, dtype: DType) -> Result<(), SealError> {
    match shape.dtype == dtype {
        true => Ok(()),
        false => Err(SealError::WrongDType),
    }
}

/// A rule of `seal` about an operand that must be a weight.
pub(crate) const fn require_weight(
    operand: Operand,
    otherwise: SealError,
) -> Result<(), SealError> {
    match operand {
        Operand::Weight(_) => Ok(()),
        _ => Err(otherwise),
    }
}
