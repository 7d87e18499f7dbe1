//! `ARGMAX`, opcode 5: where a row has its largest value.
//!
//! | | |
//! | --- | --- |
//! | operands | a, i8 or i32, at most 8,192 columns |
//! | output | i32, rows of a x 1 |
//! | `seal` refuses | more columns |
//! | MACs | 0 |
//! | a cell reads | row i of a |
//! | cell | the first index of the largest value |
//! | a watcher | computes it again |

use super::{
    record::Record,
    rules::OpRules,
    shapes::{Columns, Output},
    source::CellSource,
};
use crate::{
    limits::MAX_ARGMAX_COLS,
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error};

/// i32, one column: first index of the row's largest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgMax {
    /// Operand, i8 or i32.
    pub a: Operand,
}

impl OpRules for ArgMax {
    const NAME: &'static str = "ARGMAX";

    fn decode(record: &Record) -> Result<Self, SealError> {
        let [a] = record.operands_only()?;
        Ok(Self { a })
    }

    fn encode(&self, opcode: u8) -> Record {
        Record::of(opcode, self.slots())
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), None, None, None]
    }

    fn seal(
        &self,
        a: &Shape,
        _: impl Fn(Operand) -> Result<Shape, SealError>,
    ) -> Result<u32, SealError> {
        match a.cols > MAX_ARGMAX_COLS {
            true => Err(SealError::ArgmaxTooWide),
            false => Ok(1),
        }
    }

    fn output(&self) -> Output {
        Output::Own(DType::I32, Columns::Fixed(1))
    }

    #[inline]
    fn cell<S: CellSource>(&self, source: &mut S, row: u32, _: u32) -> Result<i32, S::Error> {
        let values = source.row(self.a, row, Refusal::OperandA)?;
        Ok(cell(values.as_ref(), source.dtype(self.a)?))
    }

    #[cfg(feature = "std")]
    fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error> {
        let a = tensors.get(self.a)?;
        for (out, row) in out.as_chunks_mut::<4>().0.iter_mut().zip(a.row_slices()) {
            *out = cell(row, a.dtype()).to_le_bytes();
        }
        Ok(())
    }
}

/// One value, from a row of little-endian values of this type.
#[inline]
pub fn cell(row: &[u8], dtype: DType) -> i32 {
    match dtype {
        DType::I8 => first_largest(row.iter().map(|byte| u64::from(byte ^ 0x80))),
        DType::I32 => {
            let (values, _) = row.as_chunks::<4>();
            let unsigned = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes) ^ 0x8000_0000);
            first_largest(values.iter().map(unsigned))
        }
    }
}

/// Over values whose sign bit is flipped, so that they are in order without a sign: the chain has no other loads.
#[inline]
fn first_largest(values: impl Iterator<Item = u64>) -> i32 {
    let (mut best, mut at) = (0, 0);
    for (index, value) in values.enumerate() {
        // The first value needs no comparison: where all are the least, the answer is 0 as well.
        if value > best {
            (best, at) = (value, index);
        }
    }
    at as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Read, check, i8s, i32s, reads};

    #[test]
    fn reads_a_row_and_takes_the_first() {
        let a = Operand::Op(0);
        let op = ArgMax { a };
        let bytes = [(a, i8s(3, 3, &[-128, -128, -128, 1, 127, 127, -1, -2, -1]))];
        check(&op.into(), &bytes, &[0, 1, 0]);
        assert_eq!(reads(&op.into(), &bytes, 2, 0), [Read::Row(a, 2)]);
        let words = [(
            a,
            i32s(2, 3, &[i32::MIN, i32::MIN, i32::MIN, 1, i32::MAX, i32::MAX]),
        )];
        check(&op.into(), &words, &[0, 1]);
    }

    #[test]
    fn rows_of_any_length_have_an_answer() {
        assert_eq!(cell(&[], DType::I8), 0);
        assert_eq!(cell(&[0xff], DType::I8), 0);
        assert_eq!(cell(&[], DType::I32), 0);
        assert_eq!(cell(&[1, 2, 3], DType::I32), 0);
    }
}
