//! `MIX`, opcode 2: up to two products a value: addition, gating, rotary positions, scaling, a change of type.
//!
//! | | |
//! | --- | --- |
//! | operands | a; b, c, d (optional) of any type, repeated over a; d only with b |
//! | constants | shift 0..=47, lo and hi, flag *pair* (only with b) |
//! | result | R x C of a, the record's type |
//! | `seal` refuses | operands that can't be repeated, c of i32 beside b, d of i32, pairs over an odd number of columns |
//! | a cell reads | a value of each operand that there is: a, b, c, d |
//! | cell | `clamp(rshr(a*c + b'*d, shift), lo, hi)`; b' = b, or with *pair* b at (j mod cols(b)) xor 1; absent c, d are 1, absent b is 0 |
//! | a watcher | computes it again |

use super::{
    divide::repeated,
    record::{Record, flag, kind},
    rules::{Claim, Dependence, Form, OpRules, Shapes, check_repeat, clamp, differs, rshr},
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
        rows::{self, Repeated},
        source::Tensors,
    },
    crate::Error,
    std::vec,
};

/// `clamp(rshr(a*c + b*d, shift), lo, hi)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// What gives the result its shape.
    pub a: Operand,
    /// What is added.
    pub b: Option<Operand>,
    /// What a is multiplied with.
    pub c: Option<Operand>,
    /// What b is multiplied with.
    pub d: Option<Operand>,
    /// Columns 2k and 2k + 1 of b are swapped.
    pub is_paired: bool,
    /// Bits to shift right, rounding half up.
    pub shift: u8,
    /// Least and greatest result.
    pub bounds: (i32, i32),
}

impl Mix {
    /// One value. Without b a product is at most 2^62, with it the two are at most 2^47: with half of a shift below 2^63.
    #[inline]
    pub fn cell(&self, a: i64, b: i64, c: i64, d: i64) -> i32 {
        let sum = a.wrapping_mul(c).wrapping_add(b.wrapping_mul(d));
        clamp(rshr(sum, self.shift), self.bounds)
    }
}

impl OpRules for Mix {
    const NAME: &'static str = "MIX";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(flag::PAIR, 4)?;
        record.refuse_groups()?;
        let mix = Self {
            a: record.named(0)?,
            b: record.operand(1)?,
            c: record.operand(2)?,
            d: record.operand(3)?,
            is_paired: record.has(flag::PAIR),
            shift: record.shift_from(0)?,
            bounds: record.bounds()?,
        };
        if mix.b.is_none() {
            if mix.d.is_some() {
                return Err(SealError::UnusedOperand);
            }
            if mix.is_paired {
                return Err(SealError::UnusedConstant);
            }
        }
        Ok(mix)
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), self.b, self.c, self.d]
    }

    fn seal(&self, record: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        let a = shapes.of(0)?;
        let [_, others @ ..] = &shapes.0;
        for operand in others.iter().flatten() {
            check_repeat(operand, a.rows, a.cols)?;
        }
        if let [Some(b), factors @ ..] = others {
            let mut factors = factors.iter().flatten();
            if factors.any(|factor| factor.dtype == DType::I32) {
                return Err(SealError::WrongDType);
            }
            // The columns of b divide those of a.
            if self.is_paired && b.cols % 2 != 0 {
                return Err(SealError::PairsUneven);
            }
        }
        Ok(Form {
            dtype: record.dtype,
            rows: a.rows,
            cols: a.cols,
            inner: 0,
        })
    }

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        /// Of the operands that depend on the tokens: a bit for each kind that there is.
        const fn bit(kind: u8) -> u8 {
            1u8.wrapping_shl(kind as u32)
        }
        const BY_ROWS: u8 = bit(kind::ROWS) | bit(kind::CAUSAL);
        const BY_COLUMNS: u8 = bit(kind::COLUMNS);
        const BY_PAIRS: u8 = bit(kind::PAIRS);
        // What differs anywhere has a bit left: decisions in this loop would cost more on chain.
        let (mut all, mut rows, mut cols) = (0, 0, 0);
        for (shape, of) in reads.shapes.0.iter().zip(&reads.kinds) {
            if let (Some(shape), true) = (shape, *of != kind::FREE) {
                all |= bit(*of);
                rows |= shape.rows ^ reads.form.rows;
                cols |= shape.cols ^ reads.form.cols;
            }
        }
        let is_by_columns = cols == 0 && !self.is_paired;
        let (kind, is_allowed) = match all {
            0 => return Ok(None),
            BY_COLUMNS => (kind::COLUMNS, is_by_columns),
            BY_PAIRS => (kind::PAIRS, rows == 0 && is_by_columns),
            _ if all & !BY_ROWS == 0 => (kind::ROWS, rows == 0),
            _ => return Ok(None),
        };
        Ok(is_allowed.then_some(kind))
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let parts = [
            Refusal::OperandA,
            Refusal::OperandB,
            Refusal::OperandC,
            Refusal::OperandD,
        ];
        let mut values = [0, 0, 1, 1];
        let swaps = [0, u32::from(self.is_paired), 0, 0];
        for (((operand, part), value), swap) in self
            .slots()
            .into_iter()
            .zip(parts)
            .zip(&mut values)
            .zip(swaps)
        {
            if let Some(operand) = operand {
                let shape = source.shape(operand)?;
                let row = repeated(claim.row, shape.rows);
                let col = repeated(claim.col, shape.cols) ^ swap;
                *value = i64::from(source.value(operand, row, col, part)?);
            }
        }
        let [a, b, c, d] = values;
        differs::<S>(self.cell(a, b, c, d), claim)
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let (row_count, cols) = record.logical();
        let cols = cols as usize;
        let open = |operand: Option<Operand>, is_paired| -> Result<Option<Repeated<'_>>, Error> {
            let view = operand.map(|operand| tensors.view(operand)).transpose()?;
            Ok(view.map(|view| Repeated::new(view, is_paired)))
        };
        let mut a = Repeated::new(tensors.view(self.a)?, false);
        let mut b = open(self.b, self.is_paired)?;
        let (mut c, mut d) = (open(self.c, false)?, open(self.d, false)?);
        let (zeros, ones) = (vec![0; cols], vec![1; cols]);
        let mut values = vec![0; cols];
        for row in 0..row_count {
            let a = a.row(row, cols)?;
            let b = b.as_mut().map_or(Ok(&zeros[..]), |b| b.row(row, cols))?;
            let c = c.as_mut().map_or(Ok(&ones[..]), |c| c.row(row, cols))?;
            let d = d.as_mut().map_or(Ok(&ones[..]), |d| d.row(row, cols))?;
            let cells = a.iter().zip(b).zip(c).zip(d);
            for (value, (((a, b), c), d)) in values.iter_mut().zip(cells) {
                *value = self.cell((*a).into(), (*b).into(), (*c).into(), (*d).into());
            }
            rows::write(record, out, row, 0, &values)?;
        }
        Ok(())
    }
}
