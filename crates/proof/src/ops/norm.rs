//! `NORM`, opcode 5: LayerNorm, RMSNorm, norms of attention heads, scaling to unit length.
//!
//! | | |
//! | --- | --- |
//! | operands | a, of any type; p in slot b, an i32 weight 2 x n: gamma and beta |
//! | constants | groups G of n = cols(a) / G columns, shift 1..=47, eps < 2^31, flag *rms* |
//! | result | R x C of a, the record's type |
//! | `seal` refuses | groups that don't divide, n above 8,192, p of another shape |
//! | a cell reads | the columns of its group in row i of a, `p[0, j mod n]`, `p[1, j mod n]` |
//! | cell | mu = rms ? 0 : floor((2 sum a + n) / 2n); M = max abs(a - mu); e = max(0, bitlen(M) - 23); d = (a - mu) >> e; q = max(1, floor(sum d^2 / n) + (eps >> 2e)); r = floor(2^46 / isqrt(q << 16)); t = (d*r + 2^22) >> 23; clamp(rshr(t*gamma + (beta << 15), shift)) |
//! | a watcher | computes it again |

use super::{
    divide::divide,
    record::{Record, flag, kind},
    rules::{
        Claim, Dependence, Form, OpRules, Shapes, check_parameters, clamp, differs, each,
        parameters, rshr,
    },
    source::{CellSource, value_at},
};
use crate::{
    limits::MAX_WIDTH,
    node::Operand,
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {
    super::{rows, source::Tensors},
    crate::Error,
    std::{vec, vec::Vec},
};

/// `clamp(rshr(t*gamma + (beta << 15), shift))`, t being a value of its group with mean 0 and variance 1, in units of 2^-15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Norm {
    /// What is normalized.
    pub a: Operand,
    /// gamma and beta of each column of a group.
    pub parameters: Operand,
    /// Groups of the columns.
    pub groups: u16,
    /// No mean is taken off.
    pub is_rms: bool,
    /// What is added to the variance.
    pub eps: u32,
    /// Bits to shift right, rounding half up.
    pub shift: u8,
    /// Least and greatest result.
    pub bounds: (i32, i32),
}

/// What all cells of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Group {
    /// The mean (mu).
    mean: i64,
    /// Bits that are taken off, so that 23 are left (e).
    excess: u32,
    /// One over the deviation (r), at most 2^38.
    scale: i64,
}

/// `floor((2 sum + len) / 2 len)`: the mean, halves rounded up.
///
/// The chain's machine divides unsigned numbers only, so 2^32, which no mean reaches, is added before and taken off after:
/// at most 2^47 in all.
fn mean(sum: i64, len: i64) -> i64 {
    const OFFSET: i64 = 1 << 32;
    let (twice, len) = (sum << 1, len << 1);
    let above = twice
        .wrapping_add(len >> 1)
        .wrapping_add(OFFSET.wrapping_mul(len));
    let quotient = (above as u64).checked_div(len as u64).unwrap_or_default();
    (quotient as i64).wrapping_sub(OFFSET)
}

/// The largest s with s^2 <= v, for v of at most 62 bits and a little: Newton's method from above.
#[inline(never)]
fn isqrt(v: u64) -> u64 {
    let bits = u64::BITS - v.leading_zeros();
    let mut root = 1u64 << bits.div_ceil(2);
    // root is above 0 but for v = 0, whose root it then is.
    while let Some(quotient) = v.checked_div(root) {
        let next = root.wrapping_add(quotient) >> 1;
        if next >= root {
            break;
        }
        root = next;
    }
    root
}

impl Norm {
    /// n.
    fn width(&self, a: &Shape) -> Result<u32, SealError> {
        match divide(a.cols, self.groups.into()) {
            None => Err(SealError::GroupsDontDivide),
            Some(width) if width > MAX_WIDTH => Err(SealError::TooWide),
            Some(width) => Ok(width),
        }
    }

    /// Reads a group of `len` values.
    ///
    /// abs(d) <= 2^23, so with 8,192 values sum d^2 <= 2^59, and q << 16 <= 2^62 + 2^47.
    #[cfg_attr(feature = "std", inline(always))] // So that it is compiled for the processor's vectors.
    fn group(&self, values: &[u8], dtype: DType, len: u32) -> Group {
        let len = i64::from(len.max(1));
        let (mut sum, mut least, mut greatest) = (0i64, i64::MAX, i64::MIN);
        each(values, dtype, |a| {
            sum = sum.wrapping_add(a);
            least = least.min(a);
            greatest = greatest.max(a);
        });
        let mean = match self.is_rms {
            true => 0,
            false => mean(sum, len),
        };
        let largest = greatest.wrapping_sub(mean).max(mean.wrapping_sub(least)) as u64;
        let excess = (u64::BITS - largest.leading_zeros()).saturating_sub(23);
        let mut squares = 0u64;
        each(values, dtype, |a| {
            let d = a.wrapping_sub(mean).wrapping_shr(excess);
            squares = squares.wrapping_add(d.wrapping_mul(d) as u64);
        });
        let eps = u64::from(self.eps)
            .checked_shr(excess << 1)
            .unwrap_or_default();
        let variance = (squares.checked_div(len as u64).unwrap_or_default())
            .wrapping_add(eps)
            .max(1);
        let deviation = isqrt(variance << 16);
        Group {
            mean,
            excess,
            scale: (1u64 << 46).checked_div(deviation).unwrap_or_default() as i64,
        }
    }

    /// One value: abs(t) <= 2^22, so t*gamma <= 2^53.
    #[inline]
    fn cell(&self, group: &Group, a: i64, gamma: i64, beta: i64) -> i32 {
        let d = a.wrapping_sub(group.mean).wrapping_shr(group.excess);
        let t = d.wrapping_mul(group.scale).wrapping_add(1 << 22) >> 23;
        let scaled = t.wrapping_mul(gamma).wrapping_add(beta << 15);
        clamp(rshr(scaled, self.shift), self.bounds)
    }
}

impl OpRules for Norm {
    const NAME: &'static str = "NORM";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(flag::RMS, 2)?;
        record.refuse_share()?;
        Ok(Self {
            a: record.named(0)?,
            parameters: record.named(1)?,
            groups: record.groups,
            is_rms: record.has(flag::RMS),
            eps: record.constant_below(1 << 31)?,
            shift: record.shift_from(1)?,
            bounds: record.dtype.range(),
        })
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        [Some(self.a), Some(self.parameters), None, None]
    }

    fn seal(&self, record: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        let a = shapes.of(0)?;
        let width = self.width(a)?;
        if check_parameters(self.parameters, shapes.of(1)?)? != width {
            return Err(SealError::ParametersShape);
        }
        Ok(Form {
            dtype: record.dtype,
            rows: a.rows,
            cols: a.cols,
            inner: 0,
        })
    }

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        Ok(match reads.kinds[0] {
            kind::ROWS | kind::CAUSAL => Some(kind::ROWS),
            _ => None,
        })
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let a = source.shape(self.a)?;
        let width = self.width(&a).map_err(Refusal::from)?;
        let place = claim.col.checked_rem(width).unwrap_or_default();
        let first = claim.col.wrapping_sub(place);
        let cols = first..first.wrapping_add(width);
        let values = source.span(self.a, claim.row, cols, Refusal::OperandA)?;
        let (gamma, beta) = parameters(source, self.parameters, place, Refusal::OperandB)?;
        let group = self.group(values.as_ref(), a.dtype, width);
        let mine = value_at(values.as_ref(), place as usize, a.dtype).ok_or(Refusal::NotSealed)?;
        differs::<S>(self.cell(&group, mine.into(), gamma, beta), claim)
    }

    #[cfg(feature = "std")]
    #[inline(always)]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let (a, parameters) = (tensors.view(self.a)?, tensors.view(self.parameters)?);
        let width = self.width(&a.shape)?;
        let parameters = rows::read_all(&parameters);
        let (gamma, beta) = parameters.split_at(width as usize);
        let bytes = width as usize * a.shape.dtype.size() as usize;
        let (mut read, mut values) = (Vec::new(), vec![0; width as usize]);
        for (row, groups) in (0..).zip(a.rows()) {
            rows::read(&a, row, &mut read)?;
            let groups = groups.chunks_exact(bytes);
            let groups = groups.zip(read.chunks_exact(width as usize));
            for (at, (bytes, group)) in (0..).zip(groups) {
                let common = self.group(bytes, a.shape.dtype, width);
                let columns = group.iter().zip(gamma).zip(beta);
                for (value, ((a, gamma), beta)) in values.iter_mut().zip(columns) {
                    let (a, gamma, beta) = (i64::from(*a), i64::from(*gamma), i64::from(*beta));
                    *value = self.cell(&common, a, gamma, beta);
                }
                rows::write(record, out, row, at * width, &values)?;
            }
        }
        Ok(())
    }
}
