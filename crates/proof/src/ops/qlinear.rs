//! `QLINEAR`, opcode 2: a product whose sums are scaled to i8, as quantised layers do it.
//!
//! | | |
//! | --- | --- |
//! | operands | a, i8 rows x K; the weights w, i8 N x K, stored by output column; bias, i32 1 x N; mult, i32 1 x N |
//! | constants | shift 1 to 47, lo <= hi |
//! | output | i8, rows of a x N |
//! | `seal` refuses | what is no weight, other dtypes, rows of different lengths, K above 32,768, bias or mult of another shape, constants out of range |
//! | MACs | rows x N x K |
//! | a cell reads | row i of a, row j of w, values j of bias and mult |
//! | cell | `clamp(((sum + bias[j]) * mult[j] + half) >> shift, lo, hi)` in i64, half = 1 << (shift - 1) |
//! | a watcher | tests published sums with Freivalds' test and scales them again; without sums it computes the op again |

use super::{
    product::{self, Product, Scale},
    record::{Record, named},
    rules::OpRules,
    shapes::{Columns, Output, require_dtype, require_weight},
    source::CellSource,
};
use crate::{
    limits::MAX_SHIFT,
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Rows, Shape},
};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error};

/// i8: `clamp(((sum a*w + bias[j]) * mult[j] + half) >> shift, lo, hi)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QLinear {
    /// Left operand, i8.
    pub a: Operand,
    /// Matrix, i8, one row an output column.
    pub w: Operand,
    /// Bias of each output column, i32.
    pub bias: Operand,
    /// Multiplier of each output column, i32.
    pub mult: Operand,
    /// Bits to shift right, rounding half up.
    pub shift: u8,
    /// Least result.
    pub lo: i8,
    /// Greatest result.
    pub hi: i8,
}

impl QLinear {
    const fn scale(&self) -> Scale {
        Scale {
            bias: self.bias,
            mult: self.mult,
            shift: self.shift,
            lo: self.lo,
            hi: self.hi,
        }
    }
}

impl OpRules for QLinear {
    const NAME: &'static str = "QLINEAR";

    fn decode(record: &Record) -> Result<Self, SealError> {
        let [a, w, bias, mult] = record.operands;
        let a = named(a)?;
        if record.shift == 0 || record.shift > MAX_SHIFT {
            return Err(SealError::ShiftOutOfRange);
        }
        if record.lo > record.hi {
            return Err(SealError::EmptyClamp);
        }
        Ok(Self {
            a,
            w: named(w)?,
            bias: named(bias)?,
            mult: named(mult)?,
            shift: record.shift,
            lo: record.lo,
            hi: record.hi,
        })
    }

    fn encode(&self, opcode: u8) -> Record {
        Record {
            shift: self.shift,
            lo: self.lo,
            hi: self.hi,
            ..Record::of(opcode, self.slots())
        }
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), Some(self.w), Some(self.bias), Some(self.mult)]
    }

    fn seal(
        &self,
        a: &Shape,
        shape_of: impl Fn(Operand) -> Result<Shape, SealError>,
    ) -> Result<u32, SealError> {
        product::require_left(a)?;
        require_weight(self.w, SealError::MatrixIsNoWeight)?;
        require_weight(self.bias, SealError::BiasIsNoWeight)?;
        require_weight(self.mult, SealError::MultIsNoWeight)?;
        let (bias, mult) = (shape_of(self.bias)?, shape_of(self.mult)?);
        require_dtype(&bias, DType::I32)?;
        require_dtype(&mult, DType::I32)?;
        let cols = product::columns(a, &shape_of(self.w)?)?;
        if (bias.rows, bias.cols) != (Rows::Fixed(1), cols) {
            return Err(SealError::BiasShape);
        }
        if (mult.rows, mult.cols) != (Rows::Fixed(1), cols) {
            return Err(SealError::MultShape);
        }
        Ok(cols)
    }

    fn output(&self) -> Output {
        Output::Own(DType::I8, Columns::RowsOf(self.w))
    }

    fn product(&self) -> Option<Product> {
        Some(Product {
            a: self.a,
            b: self.w,
            scale: Some(self.scale()),
        })
    }

    #[inline]
    fn cell<S: CellSource>(&self, source: &mut S, row: u32, col: u32) -> Result<i32, S::Error> {
        let a = source.row(self.a, row, Refusal::OperandA)?;
        let w = source.row(self.w, col, Refusal::OperandB)?;
        let bias = source.value(self.bias, 0, col, Refusal::Bias)?;
        let mult = source.value(self.mult, 0, col, Refusal::Mult)?;
        let value = cell(
            a.as_ref(),
            w.as_ref(),
            bias,
            mult,
            self.shift,
            self.lo,
            self.hi,
        );
        Ok(value.into())
    }

    #[cfg(feature = "std")]
    fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error> {
        let (a, w) = (tensors.get(self.a)?, tensors.get(self.w)?);
        let scale = self.scale();
        let columns = scale.columns(tensors)?;
        product::each_cell(a, w, out, |out: &mut [u8; 1], j, a, w| {
            let (bias, mult) = columns.get(j).copied().unwrap_or_default();
            *out = [scale.apply(product::dot(a, w), bias, mult) as u8];
        });
        Ok(())
    }
}

/// One value, from a row of a, a row of w and the constants of its column.
#[inline]
pub fn cell(a: &[u8], w: &[u8], bias: i32, mult: i32, shift: u8, lo: i8, hi: i8) -> i8 {
    product::requantise(product::dot(a, w), bias, mult, shift, lo, hi)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Read, check, i8s, i32s, reads};

    #[test]
    fn reads_two_rows_and_two_constants() {
        let a = Operand::Input(0);
        let [w, bias, mult] = [0, 1, 2].map(Operand::Weight);
        let tensors = [
            (a, i8s(1, 2, &[3, 4])),
            (w, i8s(3, 2, &[1, 1, -1, -1, 100, 100])),
            (bias, i32s(1, 3, &[0, 0, -1])),
            (mult, i32s(1, 3, &[1, 1, 1])),
        ];
        let (shift, lo, hi) = (1, -3, 100);
        let op = QLinear {
            a,
            w,
            bias,
            mult,
            shift,
            lo,
            hi,
        };
        // 7/2 and -7/2 round half up, -4 is clamped to -3, 699/2 to 100.
        check(&op.into(), &tensors, &[4, -3, 100]);
        let all = [
            Read::Row(a, 0),
            Read::Row(w, 2),
            Read::Value(bias, 0, 2),
            Read::Value(mult, 0, 2),
        ];
        assert_eq!(reads(&op.into(), &tensors, 0, 2), all);
    }
}
