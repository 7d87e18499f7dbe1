//! What `seal` refuses, what a graph costs, and whether a job fits it.

use core::fmt;

use super::{kinds, view::Graph};
use crate::{
    hash::LEAF_BYTES,
    limits::{MAX_ROWS, MAX_WIDTH},
    node::{NO_OPERAND, Operand},
    ops::{Dependence, Op, Record, Shapes, kind, record::check_extent},
    refusal::{Fault, Place, SealError},
    shape::{DType, Scope},
};

/// Work of a leaf that is hashed, used in full or not: 64 for each of its bytes. It is also the least work of an op, so that
/// many small ones are no cheaper than they are.
pub const LEAF_WORK: u64 = 64 * LEAF_BYTES as u64;

/// What `seal` finds out about a graph; all of it is about one item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sealed {
    /// The work of all ops and item inputs: see [`Sealed::add`] and [`LEAF_WORK`].
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

impl Graph<'_> {
    /// The whole walk: each record once, and once for each op that reads it, where nothing is looked at again.
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
                // It is fetched, hashed and kept for each item.
                sealed.add_work(0, leaf_work(shape.rows, shape.cols, shape.dtype))?;
            }
        }
        for index in 0..self.weight_count() {
            self.weight_parts(index).map_err(at(Place::Weight, index))?;
        }
        let tokens = self.token_count()?;
        for index in 0..self.op_count() {
            self.seal_op(index, tokens, &mut sealed)
                .map_err(at(Place::Op, index))?;
        }
        self.check_feedback(tokens)?;
        Ok(sealed)
    }

    /// How many tokens a text has (S): 0 if the header names none.
    fn token_count(&self) -> Result<u32, SealError> {
        let code = self.header().tokens;
        if code == NO_OPERAND {
            return Ok(0);
        }
        let Some(operand) = Operand::from_code(code) else {
            return Err(SealError::UnknownOperand);
        };
        let Operand::Input(index) = operand else {
            return Err(SealError::IsNoInput);
        };
        let tokens = self.input(index.into())?;
        match (tokens.dtype, tokens.scope, tokens.rows) {
            (DType::I32, Scope::Item, 1) if tokens.cols <= MAX_WIDTH => Ok(tokens.cols),
            _ => Err(SealError::TokensShape),
        }
    }

    /// The op that the tokens must equal is a FEEDBACK of their length, stored as they are.
    fn check_feedback(&self, tokens: u32) -> Result<(), SealError> {
        if tokens == 0 {
            return Ok(());
        }
        let Some(operand) = Operand::from_code(self.header().feedback) else {
            return Err(SealError::UnknownOperand);
        };
        let Operand::Op(index) = operand else {
            return Err(SealError::IsNoFeedback);
        };
        let Op::Feedback(_) = self.op(index.into())? else {
            return Err(SealError::IsNoFeedback);
        };
        let shape = self.output(index.into())?;
        match (shape.rows, shape.cols) == (1, tokens) {
            true => Ok(()),
            false => Err(SealError::TokensShape),
        }
    }

    /// Fills in shapes and kinds of what an op reads: of earlier ops, inputs and weights, all of which have been checked. A
    /// result of that size would be copied, which costs on chain.
    fn read_operands(
        &self,
        (op, index): (&Op, usize),
        shapes: &mut Shapes,
        kinds: &mut [u8; 4],
    ) -> Result<(), SealError> {
        let slots = op.slots();
        for ((operand, shape), kind) in slots.iter().zip(&mut shapes.0).zip(kinds) {
            let Some(operand) = *operand else {
                continue;
            };
            if let Operand::Op(of) = operand
                && usize::from(of) >= index
            {
                return Err(match usize::from(of) < self.op_count() {
                    true => SealError::ForwardReference,
                    false => SealError::UnknownOperand,
                });
            }
            let (stated, of_tokens) = self.stated(operand)?;
            *shape = Some(stated);
            *kind = of_tokens;
        }
        Ok(())
    }

    /// One op: what its record states is what its operands make; its cost is added.
    fn seal_op(&self, index: usize, tokens: u32, sealed: &mut Sealed) -> Result<(), SealError> {
        let record = self.record(index)?;
        let op = Op::decode(&record)?;
        let (mut shapes, mut kinds) = (Shapes([None; 4]), [kind::FREE; 4]);
        self.read_operands((&op, index), &mut shapes, &mut kinds)?;
        let form = op.seal(&record, &shapes)?;
        if form.dtype != record.dtype {
            return Err(SealError::WrongDType);
        }
        if (form.rows, form.cols) != record.logical() {
            return Err(SealError::WrongShape);
        }
        check_extent(record.rows, record.cols)?;
        let kind = match tokens {
            0 => kind::FREE,
            _ => kinds::derive(
                &op,
                &Dependence {
                    record: &record,
                    form,
                    kinds,
                    tokens,
                    shapes: &shapes,
                },
            )?,
        };
        if kind != record.kind {
            return Err(SealError::WrongKind);
        }
        sealed.add(&record, form.inner)
    }

    /// What one op adds to the costs of an item.
    ///
    /// # Errors
    /// There is no such op, or it breaks a rule.
    pub fn cost(&self, op: usize) -> Result<Sealed, SealError> {
        let mut cost = Sealed::default();
        self.seal_op(op, self.token_count()?, &mut cost)?;
        Ok(cost)
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
    /// Adds what an op costs in one item: its values times what each reads (K of a product, all columns of ARGMAX), and its
    /// leaves. At most 2^44 values of 2^15, or 2^24 of 2^20, and 2^39 leaves, so one op fits u64; the sum may not.
    fn add(&mut self, record: &Record, inner: u32) -> Result<(), SealError> {
        let values = u64::from(record.rows) * u64::from(record.cols);
        let leaves = leaf_work(record.rows, record.cols, record.dtype);
        self.add_work(values * u64::from(inner), leaves)?;
        self.trace_bytes += values * u64::from(record.dtype.size());
        self.most_rows = self.most_rows.max(record.rows);
        Ok(())
    }

    fn add_work(&mut self, reading: u64, leaves: u64) -> Result<(), SealError> {
        let work = self.work.checked_add(reading + leaves);
        self.work = work.ok_or(SealError::WorkOverflow)?;
        Ok(())
    }
}

/// The work of the leaves of a tensor, in one item: it is fetched or written, hashed and kept.
#[inline]
pub fn leaf_work(rows: u32, cols: u32, dtype: DType) -> u64 {
    let leaves = (cols * dtype.size()).div_ceil(LEAF_BYTES as u32);
    u64::from(rows) * u64::from(leaves) * LEAF_WORK
}
