//! What `seal` refuses, what a graph costs, and whether a job fits it.

use core::fmt;

use super::view::Graph;
use crate::{
    limits::{MAX_DIM, MAX_OPS},
    node::Operand,
    ops::{Op, Output},
    refusal::{Fault, Place, SealError},
    shape::{DType, Rows, Shape},
};

/// Multiply-accumulates of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// Those that every job needs.
    pub fixed: u64,
    /// Those that each batch row adds.
    pub per_row: u64,
}

impl Macs {
    /// MACs of a job with this many batch rows. `None` on overflow, which no sealed graph with legal batch rows reaches.
    pub const fn total(&self, batch_rows: u32) -> Option<u64> {
        match self.per_row.checked_mul(batch_rows as u64) {
            Some(rows) => self.fixed.checked_add(rows),
            None => None,
        }
    }
}

/// Why a job doesn't fit a sealed graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The job gives another number of inputs than the graph reads.
    InputCount,
    /// The graph can't be run with the job's batch rows.
    BatchRows(SealError),
    /// The MACs overflow u64: they are not those of this graph.
    MacsOverflow,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InputCount => f.write_str(
                "the job gives another number of inputs than the graph reads: give one root each",
            ),
            Self::BatchRows(error) => error.fmt(f),
            Self::MacsOverflow => f.write_str("the MACs are not those of a sealed graph: seal it"),
        }
    }
}

impl core::error::Error for Misfit {}

/// What the walk does once on chain: accepts only what can be evaluated and judged.
///
/// # Errors
/// The first rule that the graph breaks.
pub fn seal(bytes: &[u8]) -> Result<Macs, SealError> {
    Ok(Graph::parse(bytes)?.check()?)
}

impl Graph<'_> {
    /// The whole walk: each record once, with a fixed array for the shapes of the outputs.
    ///
    /// # Errors
    /// The first rule that is broken, and where.
    #[inline(never)]
    pub fn check(&self) -> Result<Macs, Fault> {
        let at = |place: fn(u8) -> Place, index: usize| {
            move |error| Fault {
                error,
                place: place(index as u8),
            }
        };
        for index in 0..self.input_count() {
            self.input(index).map_err(at(Place::Input, index))?;
        }
        for index in 0..self.weight_count() {
            self.weight_parts(index).map_err(at(Place::Weight, index))?;
        }
        let mut outputs = [NO_SHAPE; MAX_OPS];
        let mut macs = Macs::default();
        for index in 0..self.op_count() {
            let (earlier, later) = outputs.split_at_mut(index);
            let output = self
                .op(index)
                .and_then(|op| seal_op(self, &op, earlier, &mut macs))
                .map_err(at(Place::Op, index))?;
            if let Some(slot) = later.first_mut() {
                *slot = output;
            }
        }
        Ok(macs)
    }

    /// Whether a job may have this many batch rows: 1 to 2^20 where an input has batch rows, else exactly 0.
    ///
    /// # Errors
    /// [`SealError::NoBatchRows`], [`SealError::TooManyBatchRows`], [`SealError::UnusedBatchRows`].
    pub fn check_batch_rows(&self, batch_rows: u32) -> Result<(), SealError> {
        match (self.uses_batch(), batch_rows) {
            (true, 1..=MAX_DIM) | (false, 0) => Ok(()),
            (true, 0) => Err(SealError::NoBatchRows),
            (true, _) => Err(SealError::TooManyBatchRows),
            (false, _) => Err(SealError::UnusedBatchRows),
        }
    }

    /// The MACs of a job that runs this **sealed** graph, whose MACs `seal` counted as `macs`.
    ///
    /// # Errors
    /// Why the graph can't be run with this many batch rows and inputs.
    pub fn admit(&self, macs: &Macs, batch_rows: u32, input_count: usize) -> Result<u64, Misfit> {
        if input_count != self.input_count() {
            return Err(Misfit::InputCount);
        }
        self.check_batch_rows(batch_rows)
            .map_err(Misfit::BatchRows)?;
        macs.total(batch_rows).ok_or(Misfit::MacsOverflow)
    }

    /// The MACs of a *Reviewed* job for a model with this **sealed** graph: those of [`Graph::admit`] if the job fits the
    /// graph, else 0. Nothing is refuted in such a job, so it need not be a run of the graph: fine-tuning or serving the
    /// model is none.
    ///
    /// # Errors
    /// [`Misfit::MacsOverflow`].
    pub fn admit_reviewed(
        &self,
        macs: &Macs,
        batch_rows: u32,
        input_count: usize,
    ) -> Result<u64, Misfit> {
        match self.admit(macs, batch_rows, input_count) {
            Err(Misfit::InputCount | Misfit::BatchRows(_)) => Ok(0),
            admitted => admitted,
        }
    }
}

/// Fills the array of shapes before they are known; nothing reads it.
const NO_SHAPE: Shape = Shape {
    dtype: DType::I8,
    rows: Rows::Batch,
    cols: 0,
};

/// The shape of an op's output, from those of the earlier ones; adds its MACs.
fn seal_op(
    graph: &Graph<'_>,
    op: &Op,
    earlier: &[Shape],
    macs: &mut Macs,
) -> Result<Shape, SealError> {
    let shape_of = |operand| match operand {
        Operand::Op(k) if usize::from(k) >= graph.op_count() => Err(SealError::UnknownOperand),
        Operand::Op(k) => earlier
            .get(usize::from(k))
            .copied()
            .ok_or(SealError::ForwardReference),
        Operand::Input(i) => graph.input(i.into()),
        Operand::Weight(i) => Ok(graph.weight_parts(i.into())?.0),
    };
    let a = shape_of(op.a())?;
    let cols = op.seal(&a, shape_of)?;
    if op.product().is_some() {
        // At most 64 ops of 2^20 x 2^20 x 2^15 each: below 2^61.
        let row_macs = u64::from(cols) * u64::from(a.cols);
        match a.rows {
            Rows::Batch => macs.per_row += row_macs,
            Rows::Fixed(rows) => macs.fixed += row_macs * u64::from(rows),
        }
    }
    let dtype = match op.output() {
        Output::OfA => a.dtype,
        Output::Own(dtype, _) => dtype,
    };
    Ok(Shape {
        dtype,
        rows: a.rows,
        cols,
    })
}
