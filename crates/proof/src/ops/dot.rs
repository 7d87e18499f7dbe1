//! `DOT`, opcode 1: sums of products, scaled: linear layers, attention's scores and context, convolution, pooling.
//!
//! | | |
//! | --- | --- |
//! | operands | a, i8 or i16; b, i8: a weight, an input or an op; p (optional), an i32 weight 2 x C' whose rows are bias and mult |
//! | constants | groups, share, flag *side*; with p shift 1..=47, lo and hi |
//! | result | rows(a) x GN, the record's type; i32 without p |
//! | `seal` refuses | groups that don't divide cols(a), share that doesn't divide groups, inner lengths that differ or are above 32,768, C' that doesn't divide GN |
//! | work | K = cols(a) / G a value |
//! | a cell reads | columns gK..gK+K of row i of a, the run of b (see [`Product`]), `p[0, j mod C']`, `p[1, j mod C']` |
//! | cell | `clamp(rshr(sat32(dot + bias) * mult, shift), lo, hi)`; without p bias 0, mult 1, shift 0 |
//! | a watcher | computes it again |

use super::{
    divide::{divide, repeated},
    product::Product,
    record::{Record, flag, kind},
    rules::{
        Claim, Dependence, Form, OpRules, Shapes, check_dtype, check_parameters, clamp, differs,
        parameters, rshr,
    },
    source::CellSource,
};
use crate::{
    kernel::dot::dot,
    node::Operand,
    refusal::{Refusal, SealError},
    shape::DType,
};

#[cfg(feature = "std")]
mod tiled;

#[cfg(feature = "std")]
use {
    super::{
        product::Extent,
        rows::{self, Repeated},
        source::{Tensors, View},
    },
    crate::{
        Error,
        kernel::{
            dot::Runs,
            product::{Packed, Right},
        },
    },
    pulp::{Arch, Simd, WithSimd},
    rayon::prelude::*,
    std::{sync::OnceLock, vec, vec::Vec},
};

/// `clamp(rshr(sat32(dot + bias) * mult, shift), lo, hi)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dot {
    /// What is multiplied, and in which groups.
    pub product: Product,
    /// Bias and mult of each column; without them the sums are the result.
    pub parameters: Option<Operand>,
    /// Bits to shift right, rounding half up.
    pub shift: u8,
    /// Least and greatest result.
    pub bounds: (i32, i32),
}

impl Dot {
    /// What becomes of a sum in a column with this bias and mult.
    ///
    /// |sum| <= 2^37 and any i32: after saturation the product is at most 2^62, and with half of a shift below 2^63.
    #[inline]
    pub fn scale(&self, sum: i64, bias: i64, mult: i64) -> i32 {
        let sum = i64::from(clamp(sum.wrapping_add(bias), DType::I32.range()));
        clamp(rshr(sum.wrapping_mul(mult), self.shift), self.bounds)
    }
}

impl OpRules for Dot {
    const NAME: &'static str = "DOT";

    fn decode(record: &Record) -> Result<Self, SealError> {
        record.refuse_all_but(flag::SIDE, 3)?;
        let parameters = record.operand(2)?;
        match parameters {
            Some(_) => record.shift_from(1).map(drop)?,
            None => record.refuse_shift()?,
        }
        Ok(Self {
            product: Product {
                a: record.named(0)?,
                b: record.named(1)?,
                groups: record.groups,
                share: record.share,
                is_context: record.has(flag::SIDE),
            },
            parameters,
            shift: record.shift,
            bounds: record.bounds()?,
        })
    }

    fn slots(&self) -> [Option<Operand>; 4] {
        let Product { a, b, .. } = self.product;
        [Some(a), Some(b), self.parameters, None]
    }

    fn seal(&self, record: &Record, shapes: &Shapes) -> Result<Form, SealError> {
        let (a, b) = (shapes.of(0)?, shapes.of(1)?);
        if a.dtype == DType::I32 {
            return Err(SealError::WrongDType);
        }
        check_dtype(b, DType::I8)?;
        let extent = self.product.extent(a, b)?;
        let groups = u32::from(self.product.groups);
        let cols = groups
            .checked_mul(extent.cols)
            .ok_or(SealError::TensorTooLarge)?;
        let dtype = match self.parameters {
            None => DType::I32,
            Some(parameters) => {
                let parameter_cols = check_parameters(parameters, shapes.of(2)?)?;
                divide(cols, parameter_cols).ok_or(SealError::ParametersShape)?;
                record.dtype
            }
        };
        Ok(Form {
            dtype,
            rows: a.rows,
            cols,
            inner: extent.inner,
        })
    }

    fn kind(&self, reads: &Dependence<'_>) -> Result<Option<u8>, SealError> {
        let [a, b, ..] = reads.kinds;
        let cols = divide(reads.form.cols, self.product.groups.into());
        Ok(match (a, b) {
            (kind::ROWS | kind::CAUSAL, kind::FREE) => Some(kind::ROWS),
            (kind::FREE | kind::ROWS | kind::CAUSAL, kind::ROWS | kind::CAUSAL)
                if !self.product.is_context && cols == Some(reads.tokens) =>
            {
                Some(kind::PAIRS)
            }
            (kind::CAUSAL, kind::COLUMNS)
                if self.product.is_context && reads.form.inner == reads.tokens =>
            {
                Some(kind::ROWS)
            }
            _ => None,
        })
    }

    fn product(&self) -> Option<Product> {
        Some(self.product)
    }

    fn is_wrong<S: CellSource>(&self, source: &mut S, claim: &Claim) -> Result<bool, S::Error> {
        let product = self.product;
        let (a, b) = (source.shape(product.a)?, source.shape(product.b)?);
        let extent = product.extent(&a, &b).map_err(Refusal::from)?;
        let at = product.spans(extent, claim.col);
        let run = |start: u32| start..start.wrapping_add(extent.inner);
        let a_run = source.span(product.a, claim.row, run(at.a_col), Refusal::OperandA)?;
        let b_run = source.span(product.b, at.b_row, run(at.b_col), Refusal::OperandB)?;
        let (bias, mult) = match self.parameters {
            None => (0, 1),
            Some(of) => {
                let col = repeated(claim.col, source.shape(of)?.cols);
                parameters(source, of, col, Refusal::OperandC)?
            }
        };
        let sum = dot(a_run.as_ref(), a.dtype, b_run.as_ref());
        differs::<S>(self.scale(sum, bias, mult), claim)
    }

    #[cfg(feature = "std")]
    fn whole(&self, record: &Record, tensors: &impl Tensors, out: &mut [u8]) -> Result<(), Error> {
        let (a, b) = (tensors.view(self.product.a)?, tensors.view(self.product.b)?);
        let extent = self.product.extent(&a.shape, &b.shape)?;
        let work = Work {
            dot: self,
            record,
            a,
            extent,
            groups: self.groups(&a, &b, extent),
            bias: self.parameter(record, tensors, 0)?,
            mult: self.parameter(record, tensors, 1)?,
        };
        work.all(out)
    }

    #[cfg(feature = "std")]
    fn made(&self, record: &Record, tensors: &impl Tensors) -> Result<Option<Vec<u8>>, Error> {
        tiled::made(self, record, tensors)
    }
}

#[cfg(feature = "std")]
impl Dot {
    /// Row 0 or 1 of the parameters, by column of the result; empty without parameters.
    fn parameter(
        &self,
        record: &Record,
        tensors: &impl Tensors,
        row: u32,
    ) -> Result<Vec<i32>, Error> {
        let Some(of) = self.parameters else {
            return Ok(Vec::new());
        };
        let (_, cols) = record.logical();
        let mut all = Repeated::new(tensors.view(of)?, false);
        all.row(row, cols as usize).map(<[i32]>::to_vec)
    }

    /// Where the run of each group begins in a row of `a`, in bytes, and what it reads of `b`.
    fn runs<'t>(
        &self,
        a: &View<'t>,
        b: &View<'t>,
        extent: Extent,
    ) -> impl Iterator<Item = (usize, Runs<'t>)> {
        let size = a.shape.dtype.size() as usize;
        let (data, row_bytes) = (b.data, b.shape.row_bytes() as usize);
        let product = self.product;
        (0..u32::from(product.groups)).map(move |group| {
            let at = product.spans(extent, group * extent.cols);
            let first = at.b_row as usize * row_bytes;
            let rows = data.get(first..first + extent.cols as usize * row_bytes);
            let runs = Runs {
                data: rows.unwrap_or_default(),
                row_bytes,
                start: at.b_col as usize,
                len: extent.inner as usize,
            };
            (at.a_col as usize * size, runs)
        })
    }

    /// Where the right side is kept as products want it. Several groups read parts of a weight.
    fn kept<'t>(&self, b: &View<'t>) -> Option<&'t OnceLock<Packed>> {
        b.packed.filter(|_| self.product.groups == 1)
    }

    /// What each group reads.
    fn groups<'t>(&self, a: &View<'t>, b: &View<'t>, extent: Extent) -> Vec<Group<'t>> {
        let (rows, width) = (a.shape.rows as usize, extent.cols as usize);
        let group = |(start, runs)| Group {
            start,
            right: Right::new(runs, width, rows, self.kept(b)),
        };
        self.runs(a, b, extent).map(group).collect()
    }
}

/// One group of a product.
#[cfg(feature = "std")]
struct Group<'t> {
    /// Where in a row of `a` its run begins, in bytes.
    start: usize,
    right: Right<'t>,
}

/// A whole product.
#[cfg(feature = "std")]
struct Work<'t> {
    dot: &'t Dot,
    record: &'t Record,
    a: View<'t>,
    extent: Extent,
    groups: Vec<Group<'t>>,
    /// By column; empty where there are no parameters.
    bias: Vec<i32>,
    mult: Vec<i32>,
}

/// Values that are held at a time: sums, or what they are made of.
#[cfg(feature = "std")]
const HELD: usize = 1 << 16;

/// Rows of a product whose sums are held at a time.
#[cfg(feature = "std")]
fn rows_at_a_time(width: usize, run_bytes: usize) -> usize {
    (HELD / width.max(run_bytes)).max(1)
}

#[cfg(feature = "std")]
impl Work<'_> {
    /// Blocks of rows, on all cores where the result is stored by rows.
    fn all(&self, out: &mut [u8]) -> Result<(), Error> {
        let row_bytes = self.a.shape.row_bytes() as usize;
        let rows = rows_at_a_time(self.extent.cols as usize, self.run_bytes());
        let mut blocks = self
            .a
            .data
            .chunks(rows * row_bytes)
            .zip((0..).step_by(rows));
        if self.record.has(flag::TRANSPOSED) {
            return blocks.try_for_each(|(block, first)| self.block(block, first, out));
        }
        let out_bytes = rows * self.record.cols as usize * self.record.dtype.size() as usize;
        let blocks: Vec<_> = blocks.zip(out.chunks_mut(out_bytes)).collect();
        match blocks.len() {
            0 | 1 => blocks
                .into_iter()
                .try_for_each(|((block, _), out)| self.block(block, 0, out)),
            _ => blocks
                .into_par_iter()
                .try_for_each(|((block, _), out)| self.block(block, 0, out)),
        }
    }

    /// Bytes of what one sum is made of.
    fn run_bytes(&self) -> usize {
        self.extent.inner as usize * self.a.shape.dtype.size() as usize
    }

    /// Some rows of `a`; the first becomes row `first` of `out`.
    fn block(&self, block: &[u8], first: u32, out: &mut [u8]) -> Result<(), Error> {
        let (row_bytes, len) = (self.a.shape.row_bytes() as usize, self.run_bytes());
        let held = block.len() / row_bytes * self.extent.cols as usize;
        let is_narrow = self.a.shape.dtype == DType::I8;
        let mut narrow = vec![0i32; if is_narrow { held } else { 0 }];
        let mut wide = vec![0i64; if is_narrow { 0 } else { held }];
        for (index, group) in self.groups.iter().enumerate() {
            let runs = Runs {
                data: block,
                row_bytes,
                start: group.start,
                len,
            };
            let at = (first, index as u32 * self.extent.cols);
            if is_narrow {
                group.right.sums_i8(runs, &mut narrow);
                self.finish(&narrow, at, out)?;
            } else {
                group.right.sums_i16(runs, &mut wide);
                self.finish(&wide, at, out)?;
            }
        }
        Ok(())
    }

    /// Writes what becomes of sums, from this row and column of `out` on.
    fn finish<T: Copy + Into<i64>>(
        &self,
        sums: &[T],
        at: (u32, u32),
        out: &mut [u8],
    ) -> Result<(), Error> {
        Arch::new().dispatch(Finish {
            work: self,
            sums,
            at,
            out,
        })
    }
}

/// Sums of whole rows of a group, and where they are written.
#[cfg(feature = "std")]
struct Finish<'f, T> {
    work: &'f Work<'f>,
    sums: &'f [T],
    at: (u32, u32),
    out: &'f mut [u8],
}

#[cfg(feature = "std")]
impl<T: Copy + Into<i64>> WithSimd for Finish<'_, T> {
    type Output = Result<(), Error>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let Work { dot, record, .. } = *self.work;
        let (first, col) = self.at;
        let columns = col as usize..;
        let bias = self.work.bias.get(columns.clone()).unwrap_or_default();
        let mult = self.work.mult.get(columns).unwrap_or_default();
        let width = self.work.extent.cols as usize;
        let mut values = vec![0; width];
        for (row, sums) in (first..).zip(self.sums.chunks_exact(width)) {
            if dot.parameters.is_some() {
                let columns = sums.iter().zip(bias).zip(mult);
                for (value, ((sum, bias), mult)) in values.iter_mut().zip(columns) {
                    *value = dot.scale((*sum).into(), (*bias).into(), (*mult).into());
                }
            } else {
                for (value, sum) in values.iter_mut().zip(sums) {
                    *value = dot.scale((*sum).into(), 0, 1);
                }
            }
            rows::write(record, self.out, row, col, &values)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither many columns nor long rows make it hold more than a few hundred thousand values.
    #[test]
    fn what_is_held_at_a_time_is_bounded() {
        for (width, run) in [(1, 65_536), (1 << 20, 1), (1, 1), (384, 1_536), (7, 32_000)] {
            let rows = rows_at_a_time(width, run);
            assert!(rows >= 1);
            assert!(rows == 1 || rows * width.max(run) <= HELD, "{width} {run}");
        }
    }
}
