//! `LUT`, opcode 3: a function of one i8, by its table.
//!
//! | | |
//! | --- | --- |
//! | operands | a, i8; table, an i8 weight 1 x 256 |
//! | output | i8, the shape of a |
//! | `seal` refuses | a table that is no weight or no 1 x 256, other dtypes |
//! | MACs | 0 |
//! | a cell reads | the value of a, the whole table |
//! | cell | `table[a + 128]` |
//! | a watcher | computes it again |

use super::{
    record::Record,
    rules::OpRules,
    shapes::{Output, require_dtype, require_weight},
    source::CellSource,
};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Rows, Shape},
};

#[cfg(feature = "std")]
use {super::source::Tensors, crate::Error};

/// Values of a table: one for every i8.
pub const TABLE_VALUES: usize = 256;

/// i8: `table[a + 128]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lut {
    /// Operand, i8.
    pub a: Operand,
    /// Table of 256 values, i8.
    pub table: Operand,
}

impl OpRules for Lut {
    const NAME: &'static str = "LUT";

    fn decode(record: &Record) -> Result<Self, SealError> {
        let [a, table] = record.operands_only()?;
        Ok(Self { a, table })
    }

    fn encode(&self, opcode: u8) -> Record {
        Record::of(opcode, self.slots())
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), Some(self.table), None, None]
    }

    fn seal(
        &self,
        a: &Shape,
        shape_of: impl Fn(Operand) -> Result<Shape, SealError>,
    ) -> Result<u32, SealError> {
        require_dtype(a, DType::I8)?;
        require_weight(self.table, SealError::TableIsNoWeight)?;
        let table = shape_of(self.table)?;
        require_dtype(&table, DType::I8)?;
        if (table.rows, table.cols) != (Rows::Fixed(1), TABLE_VALUES as u32) {
            return Err(SealError::TableShape);
        }
        Ok(a.cols)
    }

    fn output(&self) -> Output {
        Output::OfA
    }

    #[inline]
    fn cell<S: CellSource>(&self, source: &mut S, row: u32, col: u32) -> Result<i32, S::Error> {
        let a = source.value(self.a, row, col, Refusal::OperandA)?;
        let table = source.row(self.table, 0, Refusal::Table)?;
        let table = table.as_ref().first_chunk().ok_or(Refusal::NotSealed)?;
        Ok(cell(a as i8, table).into())
    }

    #[cfg(feature = "std")]
    fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error> {
        let a = tensors.get(self.a)?.data();
        if let Some(table) = tensors.get(self.table)?.data().first_chunk() {
            for (out, a) in out.iter_mut().zip(a) {
                *out = cell(*a as i8, table) as u8;
            }
        }
        Ok(())
    }
}

/// One value.
#[inline]
pub fn cell(a: i8, table: &[u8; TABLE_VALUES]) -> i8 {
    // Flipping the top bit of the byte is adding 128 to the value.
    table[usize::from(a as u8 ^ 0x80)] as i8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Read, check, i8s, reads};

    #[test]
    fn reads_a_value_and_the_table() {
        let (a, table) = (Operand::Input(0), Operand::Weight(0));
        let negated: std::vec::Vec<i8> = (-128..=127).map(|v: i16| (-v).min(127) as i8).collect();
        let tensors = [
            (a, i8s(2, 2, &[-128, -1, 0, 127])),
            (table, i8s(1, 256, &negated)),
        ];
        let op = Lut { a, table };
        check(&op.into(), &tensors, &[127, 1, 0, -127]);
        let all = [Read::Value(a, 1, 0), Read::Row(table, 0)];
        assert_eq!(reads(&op.into(), &tensors, 1, 0), all);
    }

    #[test]
    fn the_table_is_read_by_value() {
        let mut table = [0u8; TABLE_VALUES];
        for (index, byte) in table.iter_mut().enumerate() {
            *byte = index as u8;
        }
        for a in i8::MIN..=i8::MAX {
            assert_eq!(cell(a, &table), (i32::from(a) + 128) as u8 as i8);
        }
    }
}
