//! `LUT`, opcode 3: every value is looked up in a table: GELU, SiLU, a change of type.
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
    record::{Record, kind},
    rules::{Claim, Dependence, Form, OpRules, Shapes, check_weight, differs},
    source::CellSource,
};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::DType,
};

#[cfg(feature = "std")]
use {
    super::{
        rows,
        source::{Tensors, View, value_at},
    },
    crate::Error,
    std::vec::Vec,
};

/// `t[a + 128]` or `t[a + 32768]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lut {
    /// What is looked up, i8 or i16.
    pub a: Operand,
    /// The table, a weight.
    pub table: Operand,
}

/// Where in the table the value 0 of `a` stands.
const fn offset(dtype: DType) -> Result<i32, SealError> {
    match dtype {
        DType::I8 | DType::I16 => Ok(-dtype.range().0),
        DType::I32 => Err(SealError::WrongDType),
    }
}

/// Looks up fewer values than the table has, without reading all of it: an op of one value costs no more than that.
#[cfg(feature = "std")]
fn few(a: &View<'_>, table: &View<'_>, record: &Record, out: &mut [u8]) -> Result<(), Error> {
    let offset = offset(a.shape.dtype)?;
    let mut values = Vec::new();
    for row in 0..a.shape.rows {
        rows::read(a, row, &mut values)?;
        for value in &mut values {
            let place = (*value + offset) as usize;
            *value = value_at(table.data, place, table.shape.dtype).ok_or(Error::NoSuchPosition)?;
        }
        rows::write(record, out, row, 0, &values)?;
    }
    Ok(())
}

impl OpRules for Lut {
    const NAME: &'static str = "LUT";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(0, 2)?;
        record.refuse_groups()?;
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

    fn seal(&self, _: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        let a = shapes.of(0)?;
        let values = 2 * offset(a.dtype)?;
        check_weight(self.table)?;
        let table = shapes.of(1)?;
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

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        // A table needs not have 0 at 0.
        Ok(match reads.kinds[0] {
            kind::CAUSAL => Some(kind::ROWS),
            other => Some(other),
        })
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let dtype = source.shape(self.a)?.dtype;
        let a = source.value(self.a, claim.row, claim.col, Refusal::OperandA)?;
        let place = a.wrapping_add(offset(dtype).map_err(Refusal::from)?);
        let value = source.value(self.table, 0, place as u32, Refusal::OperandB)?;
        differs::<S>(value, claim)
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let (a, table) = (tensors.view(self.a)?, tensors.view(self.table)?);
        let offset = offset(a.shape.dtype)?;
        if a.shape.dtype == DType::I16 && a.data.len() < table.data.len() {
            return few(&a, &table, record, out);
        }
        let table = rows::read_all(&table);
        // By byte: no index is beyond its end.
        let mut narrow = [0; 256];
        for (byte, value) in (0..=u8::MAX).zip(&mut narrow) {
            let place = i32::from(byte as i8) + offset;
            *value = table.get(place as usize).copied().unwrap_or_default();
        }
        let mut values = Vec::new();
        for (row, bytes) in (0..).zip(a.rows()) {
            if a.shape.dtype == DType::I8 {
                values.resize(bytes.len(), 0);
                for (value, byte) in values.iter_mut().zip(bytes) {
                    *value = narrow[usize::from(*byte)];
                }
            } else {
                rows::read(&a, row, &mut values)?;
                for value in &mut values {
                    let place = (*value + offset) as usize;
                    *value = table.get(place).copied().unwrap_or_default();
                }
            }
            rows::write(record, out, row, 0, &values)?;
        }
        Ok(())
    }
}
