//! `ADD`, opcode 4: two i8 tensors of one shape, added and saturated.
//!
//! | | |
//! | --- | --- |
//! | operands | a, i8; b, i8, the shape of a; both with batch rows or both with fixed rows |
//! | output | i8, the shape of a |
//! | `seal` refuses | other dtypes, different shapes or kinds of rows |
//! | MACs | 0 |
//! | a cell reads | the value of a, the value of b |
//! | cell | `a + b`, saturating |
//! | a watcher | computes it again |

use super::{
    record::Record,
    rules::OpRules,
    shapes::{Output, require_dtype},
    source::CellSource,
};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Rows, Shape},
};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error};

/// i8: saturating `a + b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Add {
    /// First operand, i8.
    pub a: Operand,
    /// Second operand, i8.
    pub b: Operand,
}

impl OpRules for Add {
    const NAME: &'static str = "ADD";

    fn decode(record: &Record) -> Result<Self, SealError> {
        let [a, b] = record.operands_only()?;
        Ok(Self { a, b })
    }

    fn encode(&self, opcode: u8) -> Record {
        Record::of(opcode, self.slots())
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), Some(self.b), None, None]
    }

    fn seal(
        &self,
        a: &Shape,
        shape_of: impl Fn(Operand) -> Result<Shape, SealError>,
    ) -> Result<u32, SealError> {
        require_dtype(a, DType::I8)?;
        let b = shape_of(self.b)?;
        require_dtype(&b, DType::I8)?;
        match (a.rows, b.rows) {
            (Rows::Batch, Rows::Fixed(_)) | (Rows::Fixed(_), Rows::Batch) => {
                Err(SealError::AddRowsKind)
            }
            _ if *a != b => Err(SealError::AddShape),
            _ => Ok(a.cols),
        }
    }

    fn output(&self) -> Output {
        Output::OfA
    }

    #[inline]
    fn cell<S: CellSource>(&self, source: &mut S, row: u32, col: u32) -> Result<i32, S::Error> {
        let a = source.value(self.a, row, col, Refusal::OperandA)?;
        let b = source.value(self.b, row, col, Refusal::OperandB)?;
        Ok(cell(a as i8, b as i8).into())
    }

    #[cfg(feature = "std")]
    fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error> {
        let (a, b) = (tensors.get(self.a)?.data(), tensors.get(self.b)?.data());
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = cell(*a as i8, *b as i8) as u8;
        }
        Ok(())
    }
}

/// One value.
#[inline]
pub const fn cell(a: i8, b: i8) -> i8 {
    a.saturating_add(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Read, check, i8s, reads};

    #[test]
    fn reads_two_values_and_saturates() {
        let (a, b) = (Operand::Input(0), Operand::Op(0));
        let tensors = [
            (a, i8s(1, 4, &[100, -100, 1, -128])),
            (b, i8s(1, 4, &[100, -100, -2, 127])),
        ];
        let op = Add { a, b };
        check(&op.into(), &tensors, &[127, -128, -1, -1]);
        let all = [Read::Value(a, 0, 3), Read::Value(b, 0, 3)];
        assert_eq!(reads(&op.into(), &tensors, 0, 3), all);
    }
}
