//! `GATHER`, opcode 4: rows of a table by their indices: embeddings, convolution (im2col), a choice of rows.
//!
//! | | |
//! | --- | --- |
//! | operands | x in slot a, i32, 1 x (R·m): the indices; t in slot b, of any type: the table, fixed or of the same item |
//! | result | R x m·cols(t), type of t; R is the record's, m = cols(x) / R |
//! | `seal` refuses | x of another type or of more rows, an R that doesn't divide cols(x) |
//! | a cell reads | the leaf of x, then the leaf of t if x is a row of t |
//! | cell | `result[i, q·c + k] = t[x[0, i·m + q], k]`, c = cols(t); 0 where x is no row of t |
//! | a watcher | computes it again |

use super::{
    divide::divide,
    record::{Record, kind},
    rules::{Claim, Dependence, Form, OpRules, Shapes, check_dtype, differs},
    source::CellSource,
};
use crate::{
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {
    super::{rows, source::Tensors},
    crate::Error,
    std::vec::Vec,
};

/// `t[x[0, i·m + q], k]`, or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// The indices, i32.
    pub x: Operand,
    /// The table.
    pub table: Operand,
    /// Rows of the result (R, before flag T).
    pub rows: u32,
}

/// The row that an index names, if the table has it.
fn named_row(index: i32, table: &Shape) -> Option<u32> {
    u32::try_from(index).ok().filter(|row| *row < table.rows)
}

impl Gather {
    /// How many rows of the table stand in one row of the result (m).
    fn per_row(&self, x: &Shape) -> Result<u32, SealError> {
        divide(x.cols, self.rows).ok_or(SealError::IndexShape)
    }
}

impl OpRules for Gather {
    const NAME: &'static str = "GATHER";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(0, 2)?;
        record.refuse_groups()?;
        record.refuse_shift()?;
        record.refuse_constant()?;
        let (rows, _) = record.logical();
        Ok(Self {
            x: record.named(0)?,
            table: record.named(1)?,
            rows,
        })
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.x), Some(self.table), None, None]
    }

    fn seal(&self, _: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        let (x, table) = (shapes.of(0)?, shapes.of(1)?);
        check_dtype(x, DType::I32)?;
        if x.rows != 1 {
            return Err(SealError::IndexShape);
        }
        let cols = self.per_row(x)?.checked_mul(table.cols);
        Ok(Form {
            dtype: table.dtype,
            rows: self.rows,
            cols: cols.ok_or(SealError::TensorTooLarge)?,
            inner: 0,
        })
    }

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        let x = reads.shapes.of(0)?;
        Ok(match reads.kinds {
            [kind::COLUMNS, kind::FREE, ..] if x.cols == self.rows => Some(kind::ROWS),
            _ => None,
        })
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let (x, table) = (source.shape(self.x)?, source.shape(self.table)?);
        let per_row = self.per_row(&x).map_err(Refusal::from)?;
        let place = claim.col.checked_div(table.cols).unwrap_or_default();
        let col = claim.col.wrapping_sub(place.wrapping_mul(table.cols));
        let at = claim.row.wrapping_mul(per_row).wrapping_add(place);
        let index = source.value(self.x, 0, at, Refusal::OperandA)?;
        let value = match named_row(index, &table) {
            Some(row) => source.value(self.table, row, col, Refusal::OperandB)?,
            None => 0,
        };
        differs::<S>(value, claim)
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let (x, table) = (tensors.view(self.x)?, tensors.view(self.table)?);
        let per_row = self.per_row(&x.shape)? as usize;
        let indices = rows::read_all(&x);
        let width = table.shape.cols;
        let mut values = Vec::new();
        for (row, indices) in (0..).zip(indices.chunks_exact(per_row)) {
            for (place, index) in (0..).zip(indices) {
                match named_row(*index, &table.shape) {
                    Some(named) => rows::read(&table, named, &mut values)?,
                    None => {
                        values.clear();
                        values.resize(width as usize, 0);
                    }
                }
                rows::write(record, out, row, place * width, &values)?;
            }
        }
        Ok(())
    }
}
