//! `ARGMAX`, opcode 7: where a row has its largest value, judged by a counterexample.
//!
//! | | |
//! | --- | --- |
//! | operands | a, of any type and width |
//! | result | i32, R x 1 |
//! | `seal` refuses | nothing of the shapes |
//! | a cell reads | nothing if the claimed m is no column of a; else a at column m, then a at the charged column |
//! | cell | the first index of the largest value; m is wrong if it is no column, if `a[at] > a[m]`, or if they are equal and at < m |
//! | a watcher | computes it again, and charges what it found: [`ArgMax::counterexample`] |

use super::{
    record::{Record, kind},
    rules::{Claim, Dependence, Form, OpRules, Shapes},
    source::CellSource,
};
use crate::{
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

/// i32, one column: first index of the row's largest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgMax {
    /// Where the largest value is looked for.
    pub a: Operand,
}

/// The claimed value as a column, if a row of this length has it.
fn column(claimed: i32, cols: u32) -> Option<u32> {
    u32::try_from(claimed).ok().filter(|col| *col < cols)
}

impl ArgMax {
    /// The column to charge (`at`) against a claimed value, where the right one is known; `cols` are those of a.
    pub fn counterexample(claimed: i32, computed: i32, cols: u32) -> u32 {
        match column(claimed, cols) {
            Some(_) => computed as u32,
            None => 0,
        }
    }
}

impl OpRules for ArgMax {
    const NAME: &'static str = "ARGMAX";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(0, 1)?;
        record.refuse_groups()?;
        record.refuse_shift()?;
        record.refuse_constant()?;
        Ok(Self {
            a: record.named(0)?,
        })
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), None, None, None]
    }

    fn seal(&self, _: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        let a = shapes.of(0)?;
        Ok(Form {
            dtype: DType::I32,
            rows: a.rows,
            cols: 1,
            inner: a.cols,
        })
    }

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        Ok(match reads.kinds[0] {
            kind::ROWS | kind::CAUSAL => Some(kind::ROWS),
            _ => None,
        })
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let cols = source.shape(self.a)?.cols;
        let Some(claimed) = column(claim.value, cols) else {
            return match claim.at {
                0 => Ok(true),
                _ => Err(Refusal::BadCounterexample.into()),
            };
        };
        if claim.at >= cols {
            return Err(Refusal::BadCounterexample.into());
        }
        let mine = source.value(self.a, claim.row, claimed, Refusal::OperandA)?;
        let other = source.value(self.a, claim.row, claim.at, Refusal::OperandA)?;
        Ok(other > mine || (other == mine && claim.at < claimed))
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let a = tensors.view(self.a)?;
        let mut values = Vec::new();
        for row in 0..a.shape.rows {
            rows::read(&a, row, &mut values)?;
            // Two passes that are vectorized, instead of one that is not.
            let largest = values.iter().copied().fold(i32::MIN, i32::max);
            let first = values.iter().position(|value| *value == largest);
            rows::write(record, out, row, 0, &[first.unwrap_or_default() as i32])?;
        }
        Ok(())
    }
}
