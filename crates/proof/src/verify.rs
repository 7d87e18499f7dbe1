//! Whether published outputs are what the graph computes, for much less than computing them.
//!
//! | op | checked by |
//! | --- | --- |
//! | a product ([`Op::product`]) | Freivalds' test ([`crate::freivalds`]); only a wrong row is computed again |
//! | a product that is scaled ([`Op::scale`]) | with [`Hints`]: Freivalds' test of the sums, then bias, mult and rounding of every cell; else computed again |
//! | the others | computed again |
//!
//! Every op is judged by the *claimed* outputs of the ops before it, as the chain does. Ops are checked in order and cells
//! by rows, so what is found is the first wrong cell of all, and it is certain: it has been computed exactly. That nothing
//! is found is wrong with probability 2^-46 for each wrong row of a product.

use std::vec::Vec;

use crate::{
    Error, Tensor,
    eval::{self, check_input_shapes, check_output_shapes, check_weight_shapes, sums_shape},
    evidence::Charge,
    file,
    freivalds::{self, Coins, ProductTest},
    graph::Graph,
    ops::{Op, Product, Scale, Tensors, product},
    shape::Shape,
};

/// A product with fewer rows than this is computed again: combining the rows of its matrix takes as long.
const FEW_ROWS: u32 = 8;

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Every output follows from what the op read.
    Consistent,
    /// This cell does not.
    Wrong(Charge),
}

/// The i32 sums that a provider publishes for its `QLINEAR`s. Nothing is believed of them: missing or wrong ones cost the
/// verifier time, and change no finding.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// By op.
    sums: Vec<Option<Tensor>>,
}

impl Hints {
    /// No hints.
    pub const fn none() -> Self {
        Self { sums: Vec::new() }
    }

    /// The sums of all `QLINEAR`s, in order ([`crate::eval::run_with_sums`]). Those of another shape are dropped.
    pub fn new(graph: &Graph<'_>, batch_rows: u32, sums: Vec<Tensor>) -> Self {
        let mut sums = sums.into_iter();
        let of = |index| match (graph.op(index), graph.output(index)) {
            (Ok(op), Ok(output)) if op.scale().is_some() => sums
                .next()
                .filter(|sums| sums_shape(&output).geometry(batch_rows) == Some(*sums.geometry())),
            _ => None,
        };
        Self {
            sums: (0..graph.op_count()).map(of).collect(),
        }
    }

    /// Hints from a file in the format of traces ([`file::encode_trace`] of the sums). One that can't be read holds none.
    pub fn from_file(graph: &Graph<'_>, batch_rows: u32, bytes: &[u8]) -> Self {
        match file::decode_trace(bytes) {
            Ok(sums) => Self::new(graph, batch_rows, sums),
            Err(_) => Self::none(),
        }
    }

    /// The sums of an op, if there are any.
    pub fn of(&self, op: usize) -> Option<&Tensor> {
        self.sums.get(op).and_then(Option::as_ref)
    }
}

/// Looks for the first cell of `outputs` (the outputs of all ops, as published) that does not follow from the others.
///
/// Nothing is compared with a root: whether the outputs are those that were committed to, and inputs and weights the right
/// ones, is for the caller to check before ([`crate::commit::Trace`], [`crate::eval::check_inputs`],
/// [`crate::eval::check_weights`]).
///
/// # Errors
/// A graph that could not have been sealed, batch rows that don't fit it, or tensors of other counts or shapes.
pub fn outputs(
    graph: &Graph<'_>,
    batch_rows: u32,
    inputs: &[Tensor],
    weights: &[Tensor],
    outputs: &[Tensor],
    hints: &Hints,
    coins: &mut Coins,
) -> Result<Finding, Error> {
    graph.check()?;
    graph.check_batch_rows(batch_rows)?;
    check_input_shapes(graph, batch_rows, inputs)?;
    check_weight_shapes(graph, weights)?;
    if outputs.len() != graph.op_count() {
        return Err(Error::Count {
            what: "ops",
            expected: graph.op_count(),
            found: outputs.len(),
        });
    }
    check_output_shapes(graph, batch_rows, outputs)?;
    let tensors = Tensors {
        inputs,
        weights,
        outputs,
    };
    for (index, claimed) in outputs.iter().enumerate() {
        let check = Check {
            tensors: &tensors,
            op: graph.op(index)?,
            shape: graph.output(index)?,
            batch_rows,
            claimed,
        };
        if let Some((row, col)) = check.first_wrong(hints.of(index), coins)? {
            let op = index as u8;
            return Ok(Finding::Wrong(Charge::Cell { op, row, col }));
        }
    }
    Ok(Finding::Consistent)
}

/// One op and what is claimed of it; shapes have been checked.
struct Check<'c> {
    tensors: &'c Tensors<'c>,
    op: Op,
    shape: Shape,
    batch_rows: u32,
    claimed: &'c Tensor,
}

impl Check<'_> {
    /// The first wrong cell, by rows.
    fn first_wrong(
        &self,
        sums: Option<&Tensor>,
        coins: &mut Coins,
    ) -> Result<Option<(u32, u32)>, Error> {
        if self.claimed.rows() < FEW_ROWS {
            return self.compute_again();
        }
        let Some(Product { a, b, scale }) = self.op.product() else {
            return self.compute_again();
        };
        let (a, b) = (self.tensors.get(a)?, self.tensors.get(b)?);
        match (scale, sums) {
            (None, _) => freivalds::first_wrong_cell(a, b, self.claimed, coins),
            (Some(scale), Some(sums)) => {
                let test = ProductTest::new(a, b, coins)?;
                self.with_sums(a, b, &scale, sums, test)
            }
            (Some(_), None) => self.compute_again(),
        }
    }

    /// Compares with the whole output.
    fn compute_again(&self) -> Result<Option<(u32, u32)>, Error> {
        let right = eval::apply(self.tensors, &self.op, &self.shape, self.batch_rows)?;
        let rows = right.row_slices().zip(self.claimed.row_slices());
        let size = self.shape.dtype.size() as usize;
        // Whole rows first: that is one comparison of memory each.
        let wrong = rows
            .enumerate()
            .find(|(_, (right, claimed))| right != claimed);
        Ok(wrong.and_then(|(row, (right, claimed))| {
            let byte = right.iter().zip(claimed).position(|(x, y)| x != y)?;
            Some((row as u32, (byte / size) as u32))
        }))
    }

    /// A scaled product by published sums. Where they are wrong, they are worth nothing.
    fn with_sums(
        &self,
        a: &Tensor,
        b: &Tensor,
        scale: &Scale,
        sums: &Tensor,
        mut test: ProductTest<'_>,
    ) -> Result<Option<(u32, u32)>, Error> {
        let columns = scale.columns(self.tensors)?;
        let rows = sums.row_slices().zip(self.claimed.row_slices());
        for (row, (sums, claimed)) in rows.enumerate() {
            let row = row as u32;
            if !test.is_right(row, sums) {
                return self.compute_again();
            }
            let mut cells = sums.as_chunks::<4>().0.iter().zip(&columns).zip(claimed);
            let wrong = cells.position(|((sum, (bias, mult)), claimed)| {
                scale.apply(i32::from_le_bytes(*sum), *bias, *mult) as u8 != *claimed
            });
            let Some(col) = wrong else {
                continue;
            };
            // The sum may still be a lucky lie: nobody is accused by it.
            let cell = columns.get(col).zip(claimed.get(col));
            let read = a.row(row).zip(b.row(col as u32));
            let is_wrong = cell
                .zip(read)
                .is_some_and(|(((bias, mult), claimed), (a, b))| {
                    scale.apply(product::dot(a, b), *bias, *mult) as u8 != *claimed
                });
            return match is_wrong {
                true => Ok(Some((row, col as u32))),
                false => self.compute_again(),
            };
        }
        Ok(None)
    }
}
