//! Reading a graph where it stands.

use super::codec::{
    Counts, HEADER_BYTES, INPUT_BYTES, WEIGHT_BYTES, Weight, decode_header, decode_input,
    decode_weight, len,
};
use crate::{
    hash::Hash,
    node::Operand,
    ops::{Columns, OP_BYTES, Op, Output, named},
    refusal::SealError,
    shape::{DType, Geometry, Rows, Shape},
};

/// A graph: a view of its bytes.
///
/// [`Graph::parse`] looks at header and length only, which is enough for the bytes of a sealed account.
/// [`Graph::check`] is the whole walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph<'a> {
    bytes: &'a [u8],
    counts: Counts,
}

impl<'a> Graph<'a> {
    /// Reads the header; the length must be exactly what it implies.
    ///
    /// # Errors
    /// Unknown version, reserved bytes, counts above the limits, no ops, wrong length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SealError> {
        let counts = decode_header(bytes)?;
        Ok(Self { bytes, counts })
    }

    /// The bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many inputs a job gives.
    pub const fn input_count(&self) -> usize {
        self.counts.inputs as usize
    }

    /// How many weight tensors the model has.
    pub const fn weight_count(&self) -> usize {
        self.counts.weights as usize
    }

    /// How many ops there are.
    pub const fn op_count(&self) -> usize {
        self.counts.ops as usize
    }

    fn record<const BYTES: usize>(&self, start: usize, index: usize) -> Option<&'a [u8; BYTES]> {
        self.bytes
            .get(start + index * BYTES..)
            .and_then(<[u8]>::first_chunk)
    }

    /// Input `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule.
    pub fn input(&self, index: usize) -> Result<Shape, SealError> {
        if index >= self.input_count() {
            return Err(SealError::UnknownOperand);
        }
        let record: &[u8; INPUT_BYTES] = self
            .record(HEADER_BYTES, index)
            .ok_or(SealError::BadLength)?;
        decode_input(record)
    }

    /// The shape of weight `index` and its root's bytes.
    pub(super) fn weight_parts(&self, index: usize) -> Result<(Shape, &'a Hash), SealError> {
        if index >= self.weight_count() {
            return Err(SealError::UnknownOperand);
        }
        let start = len(self.counts.inputs, 0, 0);
        let record: &[u8; WEIGHT_BYTES] = self.record(start, index).ok_or(SealError::BadLength)?;
        decode_weight(record)
    }

    /// Weight `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule.
    pub fn weight(&self, index: usize) -> Result<Weight, SealError> {
        let (shape, root) = self.weight_parts(index)?;
        Ok(Weight { shape, root: *root })
    }

    /// Op `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule that needs no other record.
    pub fn op(&self, index: usize) -> Result<Op, SealError> {
        Op::decode(self.op_record(index)?)
    }

    fn op_record(&self, index: usize) -> Result<&'a [u8; OP_BYTES], SealError> {
        if index >= self.op_count() {
            return Err(SealError::UnknownOperand);
        }
        let start = len(self.counts.inputs, self.counts.weights, 0);
        self.record(start, index).ok_or(SealError::BadLength)
    }

    /// Whether input `index` has batch rows; `false` where there is no such input.
    pub fn is_input_batch(&self, index: usize) -> bool {
        matches!(
            self.input(index),
            Ok(Shape {
                rows: Rows::Batch,
                ..
            })
        )
    }

    /// Whether any input has batch rows.
    pub fn uses_batch(&self) -> bool {
        (0..self.input_count()).any(|index| self.is_input_batch(index))
    }

    /// The shape of op `index`'s output in a **sealed** graph, without walking the others: columns and dtype follow from
    /// the op, rows from the chain of first operands.
    ///
    /// # Errors
    /// There is no such op, or the graph could not have been sealed.
    pub fn output(&self, index: usize) -> Result<Shape, SealError> {
        // What the ops passed so far have fixed already.
        let mut known: Option<(DType, u32)> = None;
        let mut index = index;
        loop {
            if known.is_none() {
                known = match self.op(index)?.output() {
                    Output::OfA => None,
                    Output::Own(dtype, Columns::Fixed(cols)) => Some((dtype, cols)),
                    Output::Own(dtype, Columns::RowsOf(b)) => Some((dtype, self.stored_rows(b)?)),
                };
            }
            // A long chain is paid for by the step on chain: only this byte is read of each op.
            let [_, a, ..] = *self.op_record(index)?;
            let source = match named(a)? {
                Operand::Op(k) if (k as usize) < index => {
                    index = k as usize;
                    continue;
                }
                Operand::Op(_) => return Err(SealError::ForwardReference),
                Operand::Input(i) => self.input(i as usize)?,
                Operand::Weight(i) => self.weight_parts(i as usize)?.0,
            };
            let (dtype, cols) = known.unwrap_or((source.dtype, source.cols));
            return Ok(Shape {
                dtype,
                rows: source.rows,
                cols,
            });
        }
    }

    /// The tree of an operand in a job with this **sealed** graph and these batch rows. `None` where there is no such
    /// operand, or the graph could not have been sealed.
    pub fn geometry(&self, operand: Operand, batch_rows: u32) -> Option<Geometry> {
        self.shape(operand).ok()?.geometry(batch_rows)
    }

    /// The shape of any operand in a **sealed** graph.
    ///
    /// # Errors
    /// There is no such operand, or the graph could not have been sealed.
    pub fn shape(&self, operand: Operand) -> Result<Shape, SealError> {
        match operand {
            Operand::Op(index) => self.output(index as usize),
            Operand::Input(index) => self.input(index as usize),
            Operand::Weight(index) => Ok(self.weight_parts(index as usize)?.0),
        }
    }

    fn stored_rows(&self, operand: Operand) -> Result<u32, SealError> {
        match self.shape(match operand {
            Operand::Op(_) => return Err(SealError::MatrixIsComputed),
            stored => stored,
        })? {
            Shape {
                rows: Rows::Fixed(rows),
                ..
            } => Ok(rows),
            _ => Err(SealError::MatrixIsBatch),
        }
    }

    /// Bytes of all ops' outputs in a job with these batch rows, in a **sealed** graph.
    ///
    /// # Errors
    /// The graph could not have been sealed.
    pub fn trace_bytes(&self, batch_rows: u32) -> Result<u64, SealError> {
        (0..self.op_count()).try_fold(0, |sum: u64, index| {
            Ok(sum.saturating_add(self.output(index)?.bytes(batch_rows)))
        })
    }
}
