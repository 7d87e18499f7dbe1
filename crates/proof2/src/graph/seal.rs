//! What `seal` refuses, what a graph costs, and whether a job fits it.

use core::fmt;

use super::{codec::check_extent, view::Graph};
use crate::{
    limits::MAX_ROWS,
    node::Operand,
    ops::{Op, Record, Shapes},
    refusal::{Fault, Place, SealError},
    shape::{Scope, Shape},
};

/// What `seal` finds out about a graph; all of it is about one item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The work of all ops: of each, rows x cols x (K + 64 x bytes of a value).
    pub work: u64,
    /// Bytes of all results.
    pub trace_bytes: u64,
    /// Rows of the tallest item input or result.
    pub most_rows: u32,
}

impl Sealed {
    /// The work of a job with these items. `None` on overflow.
    pub const fn total_work(&self, items: u32) -> Option<u64> {
        self.work.checked_mul(items as u64)
    }
}

/// Why a job doesn't fit a sealed graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The job gives another number of inputs than the graph reads.
    InputCount,
    /// The graph can't be run with the job's items.
    Items(SealError),
    /// The work overflows u64.
    WorkOverflow,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InputCount => f.write_str(
                "the job gives another number of inputs than the graph reads: give one root each",
            ),
            Self::Items(error) => error.fmt(f),
            Self::WorkOverflow => f.write_str("the work of all items overflows: split the job"),
        }
    }
}

impl core::error::Error for Misfit {}

/// What the walk does once on chain: accepts only what can be evaluated and judged.
///
/// # Errors
/// The first rule that the graph breaks.
pub fn seal(bytes: &[u8]) -> Result<Sealed, SealError> {
    Ok(Graph::parse(bytes)?.check()?)
}

/// The shapes before an op: records of earlier ops have been checked, so they say the truth.
struct Earlier<'g, 'a> {
    graph: &'g Graph<'a>,
    /// The op that is looked at.
    op: usize,
}

impl Shapes for Earlier<'_, '_> {
    fn of(&self, operand: Operand) -> Result<Shape, SealError> {
        match operand {
            Operand::Op(index) if usize::from(index) >= self.graph.op_count() => {
                Err(SealError::UnknownOperand)
            }
            Operand::Op(index) if usize::from(index) >= self.op => Err(SealError::ForwardReference),
            _ => self.graph.shape(operand),
        }
    }
}

impl Graph<'_> {
    /// The whole walk: each record once; what earlier ops are is read from their records.
    ///
    /// # Errors
    /// The first rule that is broken, and where.
    #[inline(never)]
    pub fn check(&self) -> Result<Sealed, Fault> {
        let at = |place: fn(u16) -> Place, index: usize| {
            move |error| Fault {
                error,
                place: place(index as u16),
            }
        };
        let mut sealed = Sealed::default();
        for index in 0..self.input_count() {
            let shape = self.input(index).map_err(at(Place::Input, index))?;
            if shape.scope == Scope::Item {
                sealed.most_rows = sealed.most_rows.max(shape.rows);
            }
        }
        for index in 0..self.weight_count() {
            self.weight_parts(index).map_err(at(Place::Weight, index))?;
        }
        for index in 0..self.op_count() {
            self.seal_op(index, &mut sealed)
                .map_err(at(Place::Op, index))?;
        }
        Ok(sealed)
    }

    /// One op: what its record states is what its operands make; its cost is added.
    fn seal_op(&self, index: usize, sealed: &mut Sealed) -> Result<(), SealError> {
        let record = self.record(index)?;
        let op = Op::decode(&record)?;
        let form = op.seal(
            &record,
            &Earlier {
                graph: self,
                op: index,
            },
        )?;
        if form.dtype != record.dtype {
            return Err(SealError::WrongDType);
        }
        if (form.rows, form.cols) != record.logical() {
            return Err(SealError::WrongShape);
        }
        check_extent(record.rows, record.cols)?;
        sealed.add(&record, form.inner)
    }

    /// The work of a job that runs this **sealed** graph, of which `seal` found out this.
    ///
    /// # Errors
    /// Why the graph can't be run with this many items and inputs.
    pub fn admit(&self, sealed: &Sealed, items: u32, input_count: usize) -> Result<u64, Misfit> {
        if input_count != self.input_count() {
            return Err(Misfit::InputCount);
        }
        self.check_items(sealed, items).map_err(Misfit::Items)?;
        sealed.total_work(items).ok_or(Misfit::WorkOverflow)
    }

    /// Whether a job may have this many items: exactly 1 without item inputs, else as many as the tallest tensor leaves
    /// room for.
    ///
    /// # Errors
    /// [`SealError::NoItems`], [`SealError::OneItemOnly`], [`SealError::TooManyItems`].
    pub fn check_items(&self, sealed: &Sealed, items: u32) -> Result<(), SealError> {
        if items == 0 {
            return Err(SealError::NoItems);
        }
        if items > 1 && !self.has_items() {
            return Err(SealError::OneItemOnly);
        }
        match items.checked_mul(sealed.most_rows) {
            Some(rows) if rows <= MAX_ROWS => Ok(()),
            _ => Err(SealError::TooManyItems),
        }
    }
}

impl Sealed {
    /// Adds what an op costs in one item: at most 2^44 values of `K + 256`, so one op fits u64; the sum may not.
    fn add(&mut self, record: &Record, inner: u32) -> Result<(), SealError> {
        let values = u64::from(record.rows) * u64::from(record.cols);
        let size = u64::from(record.dtype.size());
        let work = values * (u64::from(inner) + 64 * size);
        self.work = self.work.checked_add(work).ok_or(SealError::WorkOverflow)?;
        self.trace_bytes += values * size;
        self.most_rows = self.most_rows.max(record.rows);
        Ok(())
    }
}
