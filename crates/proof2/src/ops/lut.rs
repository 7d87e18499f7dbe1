//! `LUT`, opcode 3: every value is looked up in a table.
//!
//! | | |
//! | --- | --- |
//! | operands | a, i8 or i16; the table t in slot b, a weight of any type, 1 x 256 for i8 and 1 x 65,536 for i16 |
//! | result | R x C of a, type of t |
//! | `seal` refuses | a of i32, a table that is no weight or has another shape |
//! | a cell reads | the leaf of a, the leaf of t |
//! | cell | `t[a + 128]` or `t[a + 32768]` |
//! | a watcher | computes it again |

use super::{
    record::Record,
    rules::{Claim, Form, OpRules, Shapes, differs},
    source::CellSource,
};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::DType,
};

#[cfg(feature = "std")]
use {
    super::{rules::write_cells, source::Tensors},
    crate::Error,
};

/// `t[a + 128]` or `t[a + 32768]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lut {
    /// What is looked up, i8 or i16.
    pub a: Operand,
    /// The table, a weight.
    pub table: Operand,
}

/// Where in the table the least value of `a` stands from.
const fn offset(dtype: DType) -> Option<i32> {
    match dtype {
        DType::I8 | DType::I16 => Some(-dtype.range().0),
        DType::I32 => None,
    }
}

impl OpRules for Lut {
    const NAME: &'static str = "LUT";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(0, 2, false)?;
        record.refuse_shift()?;
        record.refuse_constant()?;
        Ok(Self {
            a: record.named(0)?,
            table: record.named(1)?,
        })
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), Some(self.table), None, None]
    }

    fn seal(&self, _: &Record, shapes: &impl Shapes) -> Result<Form, SealError> {
        let (a, table) = (shapes.of(self.a)?, shapes.of(self.table)?);
        let values = 2 * offset(a.dtype).ok_or(SealError::WrongDType)?;
        if !matches!(self.table, Operand::Weight(_)) {
            return Err(SealError::IsNoWeight);
        }
        if (table.rows, table.cols) != (1, values as u32) {
            return Err(SealError::TableShape);
        }
        Ok(Form {
            dtype: table.dtype,
            rows: a.rows,
            cols: a.cols,
            inner: 0,
        })
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let dtype = source.shape(self.a)?.dtype;
        let a = source.value(self.a, claim.row, claim.col, Refusal::OperandA)?;
        let place = a + offset(dtype).ok_or(Refusal::NotSealed)?;
        differs::<S>(
            source.value(self.table, 0, place as u32, Refusal::OperandB),
            claim,
        )
    }

    #[cfg(feature = "std")]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let (a, table) = (tensors.view(self.a)?, tensors.view(self.table)?);
        let offset = offset(a.shape.dtype).ok_or(SealError::WrongDType)?;
        let size = table.shape.dtype.size() as usize;
        write_cells(record, out, |row, col| {
            let place = (a.value(row, col)? + offset) as usize * size;
            table.data.get(place..place + size)
        })
    }
}
