//! `FEEDBACK`, opcode 8: the next token: what was asked, then what was computed from it. The one op that ties a text to itself.
//!
//! | | |
//! | --- | --- |
//! | operands | x in slot a, an i32 input 1 x S: the prompt, negative behind its end; L in slot b, i32, 1 x S: what follows each token |
//! | result | i32, 1 x S |
//! | `seal` refuses | x that is no input, other types or shapes, S above 8,192 |
//! | a cell reads | the leaf of x; the leaf of L at i - 1 only if x is negative there and i > 0 |
//! | cell | `x[0, i]` if it is not negative, else `L[0, i - 1]`; 0 for i = 0 |
//! | a watcher | computes it again |

use super::{
    record::{Record, flag, kind},
    rules::{Claim, Dependence, Form, OpRules, Shapes, check_dtype, differs},
    source::CellSource,
};
use crate::{
    limits::MAX_WIDTH,
    node::Operand,
    refusal::{Refusal, SealError},
    shape::DType,
};

#[cfg(feature = "std")]
use {
    super::{rows, source::Tensors},
    crate::Error,
    std::vec::Vec,
};

/// `x[0, i]` if it is not negative, else `next[0, i - 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feedback {
    /// The prompt, an input.
    pub x: Operand,
    /// What follows each token (L).
    pub next: Operand,
}

impl OpRules for Feedback {
    const NAME: &'static str = "FEEDBACK";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(0, 2)?;
        record.refuse_groups()?;
        record.refuse_shift()?;
        record.refuse_constant()?;
        Ok(Self {
            x: record.named(0)?,
            next: record.named(1)?,
        })
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.x), Some(self.next), None, None]
    }

    fn seal(&self, _: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        if !matches!(self.x, Operand::Input(_)) {
            return Err(SealError::IsNoInput);
        }
        let (x, next) = (shapes.of(0)?, shapes.of(1)?);
        check_dtype(x, DType::I32)?;
        check_dtype(next, DType::I32)?;
        if x.rows != 1 || (next.rows, next.cols) != (1, x.cols) {
            return Err(SealError::TokensShape);
        }
        if x.cols > MAX_WIDTH {
            return Err(SealError::TooWide);
        }
        Ok(Form {
            dtype: DType::I32,
            rows: 1,
            cols: x.cols,
            inner: 0,
        })
    }

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        Ok(match reads.kinds {
            [kind::FREE, kind::COLUMNS, ..] if !reads.record.has(flag::TRANSPOSED) => {
                Some(kind::COLUMNS)
            }
            _ => None,
        })
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let given = source.value(self.x, 0, claim.col, Refusal::OperandA)?;
        let value = match claim.col.checked_sub(1) {
            Some(before) if given < 0 => source.value(self.next, 0, before, Refusal::OperandB)?,
            None if given < 0 => 0,
            _ => given,
        };
        differs::<S>(value, claim)
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let given = rows::read_all(&tensors.view(self.x)?);
        let next = rows::read_all(&tensors.view(self.next)?);
        let before = [0].iter().chain(&next);
        let values = given.iter().zip(before).map(|(given, before)| match given {
            0.. => *given,
            _ => *before,
        });
        rows::write(record, out, 0, 0, &values.collect::<Vec<i32>>())
    }
}
