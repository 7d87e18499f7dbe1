//! `MATMUL`, opcode 1: the product of two i8 matrices, as i32.
//!
//! | | |
//! | --- | --- |
//! | operands | a, i8 rows x K; b, i8 N x K, stored by output column, an input or a weight with fixed rows |
//! | output | i32, rows of a x N |
//! | `seal` refuses | a computed b, b with batch rows, other dtypes, rows of different lengths, K above 32,768 |
//! | MACs | rows x N x K |
//! | a cell reads | row i of a, row j of b |
//! | cell | sum over k of `a[i,k] * b[j,k]`, at most 2^29 |
//! | a watcher | tests the output with Freivalds' test |

use super::{
    product::{self, Product},
    record::Record,
    rules::OpRules,
    shapes::{Columns, Output},
    source::CellSource,
};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error};

/// i32: sum over k of `a[i,k] * b[j,k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMul {
    /// Left operand, i8.
    pub a: Operand,
    /// Right operand, i8, one row an output column.
    pub b: Operand,
}

impl OpRules for MatMul {
    const NAME: &'static str = "MATMUL";

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
        product::require_left(a)?;
        if matches!(self.b, Operand::Op(_)) {
            return Err(SealError::MatrixIsComputed);
        }
        product::columns(a, &shape_of(self.b)?)
    }

    fn output(&self) -> Output {
        Output::Own(DType::I32, Columns::RowsOf(self.b))
    }

    fn product(&self) -> Option<Product> {
        Some(Product {
            a: self.a,
            b: self.b,
            scale: None,
        })
    }

    #[inline]
    fn cell<S: CellSource>(&self, source: &mut S, row: u32, col: u32) -> Result<i32, S::Error> {
        let a = source.row(self.a, row, Refusal::OperandA)?;
        let b = source.row(self.b, col, Refusal::OperandB)?;
        Ok(product::dot(a.as_ref(), b.as_ref()))
    }

    #[cfg(feature = "std")]
    fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error> {
        product::sums(tensors.get(self.a)?, tensors.get(self.b)?, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Read, check, i8s};

    #[test]
    fn reads_two_rows_and_sums_their_products() {
        let (a, b) = (Operand::Input(0), Operand::Weight(0));
        let tensors = [
            (a, i8s(2, 3, &[1, 2, 3, -128, 127, 0])),
            (b, i8s(2, 3, &[1, 1, 1, -128, -128, 5])),
        ];
        let op = MatMul { a, b };
        check(&op.into(), &tensors, &[6, -369, -1, 128]);
        let reads = [Read::Row(a, 1), Read::Row(b, 0)];
        assert_eq!(
            crate::ops::testing::reads(&op.into(), &tensors, 1, 0),
            reads
        );
    }
}
