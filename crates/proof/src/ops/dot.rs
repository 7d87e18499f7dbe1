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
//! | a watcher | computes it again, or tests published sums with Freivalds' test |

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
use {
    super::{
        product::{Extent, Spans},
        rows::{self, Repeated},
        source::{Tensors, View},
    },
    crate::{
        Error,
        kernel::{dot::Runs, product as kernel},
    },
    std::{vec, vec::Vec},
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
        let (_, cols) = record.logical();
        let cols = cols as usize;
        let (mut bias, mut mult) = (vec![0; cols], vec![1; cols]);
        if let Some(of) = self.parameters {
            let view = tensors.view(of)?;
            bias.copy_from_slice(Repeated::new(view, false).row(0, cols)?);
            mult.copy_from_slice(Repeated::new(view, false).row(1, cols)?);
        }
        let width = extent.cols as usize;
        let mut values = Vec::with_capacity(width);
        for group in 0..u32::from(self.product.groups) {
            let first = group * extent.cols;
            let (bias, mult) = (&bias[first as usize..], &mult[first as usize..]);
            let runs = Group::new(self.product.spans(extent, first), extent, &a, &b);
            runs.each_row(a.shape.dtype, |row, sums| {
                values.clear();
                let scaled = sums.iter().zip(bias).zip(mult);
                values.extend(scaled.map(|((sum, bias), mult)| {
                    self.scale(*sum, i64::from(*bias), i64::from(*mult))
                }));
                rows::write(record, out, row, first, &values)
            })?;
        }
        Ok(())
    }
}

/// What one group of a product reads.
#[cfg(feature = "std")]
struct Group<'t> {
    a: Runs<'t>,
    b: Runs<'t>,
    /// Columns that it makes.
    width: usize,
}

#[cfg(feature = "std")]
impl<'t> Group<'t> {
    fn new(at: Spans, extent: Extent, a: &View<'t>, b: &View<'t>) -> Self {
        let size = a.shape.dtype.size() as usize;
        let (inner, width) = (extent.inner as usize, extent.cols as usize);
        let row_bytes = b.shape.row_bytes() as usize;
        let first = at.b_row as usize * row_bytes;
        Self {
            a: Runs {
                data: a.data,
                row_bytes: a.shape.row_bytes() as usize,
                start: at.a_col as usize * size,
                len: inner * size,
            },
            b: Runs {
                data: b
                    .data
                    .get(first..first + width * row_bytes)
                    .unwrap_or_default(),
                row_bytes,
                start: at.b_col as usize,
                len: inner,
            },
            width,
        }
    }

    /// Rows whose sums, and whose copies that the kernel reads, are held at a time.
    fn rows_at_a_time(&self) -> usize {
        /// Values that are held: sums of a row, or what one is summed from.
        const HELD: usize = 1 << 20;
        (HELD / self.width.max(self.a.len))
            .max(1)
            .min(self.a.data.len() / self.a.row_bytes)
    }

    /// Calls `finish(row, sums)` for each row.
    fn each_row(
        &self,
        dtype: DType,
        mut finish: impl FnMut(u32, &[i64]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let rows = self.rows_at_a_time();
        let mut narrow = vec![
            0i32;
            if dtype == DType::I8 {
                rows * self.width
            } else {
                0
            }
        ];
        let mut wide = vec![
            0i64;
            if dtype == DType::I8 {
                self.width
            } else {
                rows * self.width
            }
        ];
        let mut row = 0;
        for block in self.a.blocks(rows) {
            let held = block.data.len() / block.row_bytes * self.width;
            if dtype == DType::I8 {
                let narrow = &mut narrow[..held];
                kernel::sums_i8(block, self.b, self.width, narrow);
                for sums in narrow.chunks_exact(self.width) {
                    for (wide, sum) in wide.iter_mut().zip(sums) {
                        *wide = i64::from(*sum);
                    }
                    finish(row, &wide)?;
                    row += 1;
                }
            } else {
                let wide = &mut wide[..held];
                kernel::sums_i16(block, self.b, self.width, wide);
                for sums in wide.chunks_exact(self.width) {
                    finish(row, sums)?;
                    row += 1;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither many columns nor long rows make it hold more than a few million values.
    #[test]
    fn what_is_held_at_a_time_is_bounded() {
        let data = vec![0; 1 << 26];
        for (width, inner) in [(1, 32_768), (1 << 20, 1), (1, 1), (384, 1_536), (7, 32_000)] {
            let run = Runs {
                data: &data,
                row_bytes: inner,
                start: 0,
                len: inner,
            };
            let group = Group {
                a: run,
                b: run,
                width,
            };
            let rows = group.rows_at_a_time();
            assert!(rows >= 1);
            assert!(rows * width.max(inner) <= 1 << 20, "{width} {inner}");
        }
    }
}
