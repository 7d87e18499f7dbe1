//! Whether the published results of an item are what the graph computes, for less than computing them.
//!
//! | op | checked by |
//! | --- | --- |
//! | DOT, whose sums were published | Freivalds' test of the sums ([`crate::freivalds`]), then bias, mult and rounding of every cell |
//! | DOT without parameters | Freivalds' test of the result itself, which is its sums where they fit i32 |
//! | the others | computed again |
//!
//! Every op is judged by the *claimed* results of the ops before it, as the chain does. Ops are checked in order and cells
//! by stored rows, so what is found is the first wrong cell of all, and it is certain: it has been computed exactly. That
//! nothing is found is wrong with probability 2^-46 for each wrong row of a product.
//!
//! Without a published trace, checking an item costs about what computing it costs: [`crate::eval::Batch::item`], and one
//! comparison of item roots.

use std::vec::Vec;

use crate::{
    Error, Tensor,
    commit::{ItemTrace, TraceTree},
    eval::{Batch, ItemTensors},
    evidence::Charge,
    freivalds::{Coins, ProductTest},
    graph::Graph,
    node::Operand,
    ops::{Dot, Op, Record, Tensors, View, flag},
    witness::charge_cell,
};

/// A product with fewer rows than this is computed again: combining the rows of its matrix takes as long.
const FEW_ROWS: u32 = 8;

/// What a verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Every result follows from what the op read.
    Consistent,
    /// This cell does not.
    Wrong(Charge),
}

/// The sums that a provider publishes for the DOTs of an item. Nothing is believed of them: missing or wrong ones cost the
/// verifier time, and change no finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// By op; row-major, before flag T.
    sums: Vec<Option<Vec<i64>>>,
}

impl Hints {
    /// No hints.
    pub const fn none() -> Self {
        Self { sums: Vec::new() }
    }

    /// The hints in a file: for each DOT with parameters, in order, R x C sums as little-endian i64 (before flag T). A file of
    /// another length holds none.
    pub fn from_file(graph: &Graph<'_>, bytes: &[u8]) -> Self {
        if Self::file_len(graph) != Some(bytes.len() as u64) {
            return Self::none();
        }
        let (values, _) = bytes.as_chunks::<8>();
        let mut values = values.iter().map(|bytes| i64::from_le_bytes(*bytes));
        let sums = (0..graph.op_count()).map(|op| {
            let count = sum_count(graph, op)?;
            Some(values.by_ref().take(count as usize).collect())
        });
        Self {
            sums: sums.collect(),
        }
    }

    /// Length of the file; `None` if the graph could not have been sealed.
    pub fn file_len(graph: &Graph<'_>) -> Option<u64> {
        let counts = (0..graph.op_count()).map(|op| sum_count(graph, op).unwrap_or_default());
        counts.sum::<u64>().checked_mul(8)
    }

    /// The sums of all DOTs with parameters of one item, as the file holds them.
    ///
    /// # Errors
    /// [`Error::NoSuchItem`], [`Error::Graph`].
    pub fn encode(batch: &Batch<'_>, item: u32, outputs: &[Tensor]) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let tensors = batch.tensors(item, outputs)?;
        for index in 0..batch.graph().op_count() {
            if sum_count(batch.graph(), index).is_none() {
                continue;
            }
            let Op::Dot(dot) = batch.graph().op(index)? else {
                continue;
            };
            let (rows, cols) = batch.graph().record(index)?.logical();
            let read = Read::new(&dot, &tensors)?;
            for row in 0..rows {
                for col in 0..cols {
                    bytes.extend(read.sum(row, col)?.to_le_bytes());
                }
            }
        }
        Ok(bytes)
    }

    fn of(&self, op: usize) -> Option<&[i64]> {
        self.sums.get(op)?.as_deref()
    }
}

/// How many sums of an op are published.
fn sum_count(graph: &Graph<'_>, op: usize) -> Option<u64> {
    match graph.op(op) {
        Ok(Op::Dot(dot)) if dot.parameters.is_some() => {
            let record = graph.record(op).ok()?;
            Some(u64::from(record.rows) * u64::from(record.cols))
        }
        _ => None,
    }
}

/// Looks for the first cell of the published results of an item that does not follow from the others.
///
/// Nothing is compared with a root: whether the results are those that were committed to ([`ItemTrace::root`]), and inputs and
/// weights the right ones, is for the caller to check before.
///
/// # Errors
/// Results of other counts or shapes, [`Error::NoSuchItem`].
pub fn item(
    batch: &Batch<'_>,
    item: u32,
    outputs: &[Tensor],
    hints: &Hints,
    coins: &mut Coins,
) -> Result<Finding, Error> {
    batch.check_outputs(outputs)?;
    let tensors = batch.tensors(item, outputs)?;
    for (op, claimed) in outputs.iter().enumerate() {
        let check = Check {
            batch,
            item,
            op: op as u16,
            record: batch.graph().record(op)?,
            tensors: &tensors,
            outputs,
            claimed,
        };
        if let Some(charge) = check.first_wrong(hints.of(op), coins)? {
            return Ok(Finding::Wrong(charge));
        }
    }
    Ok(Finding::Consistent)
}

/// Recomputes an item and compares its root with the published one: `Some` with what was recomputed where they differ.
///
/// # Errors
/// As for [`Batch::item`].
pub fn recompute(
    batch: &Batch<'_>,
    item: u32,
    published: &TraceTree,
) -> Result<Option<ItemTrace>, Error> {
    let own = ItemTrace::new(batch.item(item)?)?;
    let claimed = published.item_roots().get(item as usize);
    let claimed = claimed.ok_or(Error::NoSuchItem {
        item,
        items: batch.items(),
    })?;
    Ok((own.root() != *claimed).then_some(own))
}

/// One op of an item; shapes have been checked.
struct Check<'c> {
    batch: &'c Batch<'c>,
    item: u32,
    op: u16,
    record: Record,
    tensors: &'c ItemTensors<'c>,
    outputs: &'c [Tensor],
    claimed: &'c Tensor,
}

impl Check<'_> {
    fn first_wrong(
        &self,
        sums: Option<&[i64]>,
        coins: &mut Coins,
    ) -> Result<Option<Charge>, Error> {
        let (rows, cols) = self.record.logical();
        let Op::Dot(dot) = Op::decode(&self.record)? else {
            return self.compute_again();
        };
        if rows < FEW_ROWS || (dot.parameters.is_some() && sums.is_none()) {
            return self.compute_again();
        }
        let test = ProductTest::new(&dot.product, self.tensors, coins)?;
        let read = Read::new(&dot, self.tensors)?;
        let mut own_sums = Vec::new();
        for row in 0..rows {
            let first = row as usize * cols as usize;
            let sums = match sums {
                Some(sums) => sums.get(first..first + cols as usize).unwrap_or_default(),
                None => {
                    own_sums.clear();
                    own_sums.extend(
                        (0..cols)
                            .map_while(|col| self.value(row, col))
                            .map(i64::from),
                    );
                    &own_sums
                }
            };
            if !test.is_right(row, sums) {
                // The sums may be lies, or beyond i32 where the result was saturated: they accuse nobody.
                return self.compute_again();
            }
            for (col, sum) in (0..cols).zip(sums) {
                let claimed = self.value(row, col);
                if Some(read.scale(*sum, col)?) != claimed {
                    return self.compute_again();
                }
            }
        }
        Ok(None)
    }

    /// What is claimed at a place before flag T.
    fn value(&self, row: u32, col: u32) -> Option<i32> {
        match self.record.has(flag::TRANSPOSED) {
            true => self.claimed.value(col, row),
            false => self.claimed.value(row, col),
        }
    }

    /// Compares with the whole result; the first wrong cell by stored rows.
    fn compute_again(&self) -> Result<Option<Charge>, Error> {
        let right = self.batch.op(self.item, self.op, self.outputs)?;
        let (own, claimed) = (right.data(), self.claimed.data());
        if own == claimed {
            return Ok(None);
        }
        let size = self.record.dtype.size() as usize;
        let byte = own.iter().zip(claimed).position(|(x, y)| x != y);
        let cell = (byte.ok_or(Error::NoSuchPosition)? / size) as u32;
        let (row, col) = (cell / self.record.cols, cell % self.record.cols);
        let values = self.claimed.value(row, col).zip(right.value(row, col));
        let values = values.ok_or(Error::NoSuchPosition)?;
        let at = (self.op, self.item);
        charge_cell(self.batch.graph(), at, (row, col), values).map(Some)
    }
}

/// What a DOT reads.
struct Read<'t> {
    dot: Dot,
    a: View<'t>,
    b: View<'t>,
    parameters: Option<View<'t>>,
}

impl<'t> Read<'t> {
    fn new(dot: &Dot, tensors: &'t ItemTensors<'_>) -> Result<Self, Error> {
        let view = |operand: Operand| tensors.view(operand);
        Ok(Self {
            dot: *dot,
            a: view(dot.product.a)?,
            b: view(dot.product.b)?,
            parameters: dot.parameters.map(view).transpose()?,
        })
    }

    /// The sum of one cell.
    fn sum(&self, row: u32, col: u32) -> Result<i64, Error> {
        let (a, b) = (&self.a, &self.b);
        let extent = self.dot.product.extent(&a.shape, &b.shape)?;
        let at = self.dot.product.spans(extent, col);
        let (inner, size) = (extent.inner as usize, a.shape.dtype.size() as usize);
        let (a_start, b_start) = (at.a_col as usize * size, at.b_col as usize);
        let a_run = a
            .row(row)
            .and_then(|row| row.get(a_start..a_start + inner * size));
        let b_run = b
            .row(at.b_row)
            .and_then(|row| row.get(b_start..b_start + inner));
        let (a_run, b_run) = a_run.zip(b_run).ok_or(Error::NoSuchPosition)?;
        Ok(crate::kernel::dot::dot(a_run, a.shape.dtype, b_run))
    }

    /// What becomes of a sum.
    fn scale(&self, sum: i64, col: u32) -> Result<i32, Error> {
        let (bias, mult) = match &self.parameters {
            None => (0, 1),
            Some(view) => {
                let col = col % view.shape.cols;
                let both = view.value(0, col).zip(view.value(1, col));
                both.ok_or(Error::NoSuchPosition)?
            }
        };
        Ok(self.dot.scale(sum, bias.into(), mult.into()))
    }
}
