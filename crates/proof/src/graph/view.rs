//! Reading a graph where it stands.

use super::codec::{
    HEADER_BYTES, Header, INPUT_BYTES, WEIGHT_BYTES, Weight, decode_header, decode_input,
    decode_weight, len,
};
use crate::{
    hash::Hash,
    node::Operand,
    ops::{OP_BYTES, Op, Record, kind, record},
    refusal::SealError,
    shape::{DType, Geometry, Scope, Shape, TraceGeometry},
};

/// The shape in a record that has been checked.
#[inline]
fn checked(dtype: u8, scope: Scope, rows: [u8; 4], cols: [u8; 4]) -> Result<Shape, SealError> {
    Ok(Shape {
        dtype: DType::from_code(dtype).ok_or(SealError::UnknownDType)?,
        scope,
        rows: u32::from_le_bytes(rows),
        cols: u32::from_le_bytes(cols),
    })
}

/// A graph: a view of its bytes.
///
/// [`Graph::parse`] looks at header and length only, which is enough for the bytes of a sealed account: each record says
/// its own shape. [`Graph::check`] is the whole walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph<'a> {
    bytes: &'a [u8],
    header: Header,
}

impl<'a> Graph<'a> {
    /// Reads the header; the length must be exactly what it implies.
    ///
    /// # Errors
    /// Unknown version, reserved bytes, counts above the limits, no ops, wrong length, tokens without feedback.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SealError> {
        let header = decode_header(bytes)?;
        Ok(Self { bytes, header })
    }

    /// The bytes.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many inputs a job gives, the tokens among them.
    pub const fn input_count(&self) -> usize {
        self.header.inputs as usize
    }

    /// How many weight tensors the model has.
    pub const fn weight_count(&self) -> usize {
        self.header.weights as usize
    }

    /// How many ops there are.
    pub const fn op_count(&self) -> usize {
        self.header.ops as usize
    }

    /// The input that the provider gives, if there is one.
    pub const fn tokens(&self) -> Option<u16> {
        match Operand::from_code(self.header.tokens) {
            Some(Operand::Input(input)) => Some(input),
            _ => None,
        }
    }

    /// The FEEDBACK op that says what the tokens must be, if there is one.
    pub const fn feedback(&self) -> Option<u16> {
        match Operand::from_code(self.header.feedback) {
            Some(Operand::Op(op)) => Some(op),
            _ => None,
        }
    }

    pub(super) const fn header(&self) -> &Header {
        &self.header
    }

    fn record_at<const BYTES: usize>(&self, start: usize, index: usize) -> Option<&'a [u8; BYTES]> {
        #[cfg(test)]
        super::tests::count_read();
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
            .record_at(HEADER_BYTES, index)
            .ok_or(SealError::BadLength)?;
        decode_input(record)
    }

    /// The shape of weight `index` and its root's bytes.
    pub(crate) fn weight_parts(&self, index: usize) -> Result<(Shape, &'a Hash), SealError> {
        decode_weight(self.weight_bytes(index)?)
    }

    fn weight_bytes(&self, index: usize) -> Result<&'a [u8; WEIGHT_BYTES], SealError> {
        if index >= self.weight_count() {
            return Err(SealError::UnknownOperand);
        }
        let start = len(self.header.inputs, 0, 0);
        self.record_at(start, index).ok_or(SealError::BadLength)
    }

    /// Weight `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule.
    pub fn weight(&self, index: usize) -> Result<Weight, SealError> {
        let (shape, root) = self.weight_parts(index)?;
        Ok(Weight { shape, root: *root })
    }

    /// The record of op `index`.
    ///
    /// # Errors
    /// There is none, or it breaks a rule of all records.
    pub fn record(&self, index: usize) -> Result<Record, SealError> {
        Record::new(self.op_bytes(index)?)
    }

    #[inline]
    fn op_bytes(&self, index: usize) -> Result<&'a [u8; OP_BYTES], SealError> {
        if index >= self.op_count() {
            return Err(SealError::UnknownOperand);
        }
        let start = len(self.header.inputs, self.header.weights, 0);
        self.record_at(start, index).ok_or(SealError::BadLength)
    }

    /// Shape and kind of an operand whose record **has been checked**: `seal` reads the same records again and again, so
    /// nothing is looked at but what is asked for.
    #[inline]
    pub(super) fn stated(&self, operand: Operand) -> Result<(Shape, u8), SealError> {
        match operand {
            Operand::Input(index) => {
                let kind = match self.tokens() == Some(index) {
                    true => kind::COLUMNS,
                    false => kind::FREE,
                };
                Ok((self.input(index.into())?, kind))
            }
            Operand::Weight(index) => {
                let [dtype, _, _, _, r0, r1, r2, r3, c0, c1, c2, c3, ..] =
                    *self.weight_bytes(index.into())?;
                let (rows, cols) = ([r0, r1, r2, r3], [c0, c1, c2, c3]);
                Ok((checked(dtype, Scope::Fixed, rows, cols)?, kind::FREE))
            }
            Operand::Op(index) => {
                let [_, _, dtype, kind, of @ ..] = self.op_bytes(index.into())?;
                let [_, _, _, _, _, _, _, _, size @ ..] = of;
                let [r0, r1, r2, r3, c0, c1, c2, c3, ..] = *size;
                let (rows, cols) = ([r0, r1, r2, r3], [c0, c1, c2, c3]);
                Ok((checked(*dtype, Scope::Item, rows, cols)?, *kind))
            }
        }
    }

    /// Op `index`.
    ///
    /// # Errors
    /// There is none, or its record breaks a rule that needs no other record.
    pub fn op(&self, index: usize) -> Result<Op, SealError> {
        Op::decode(&self.record(index)?)
    }

    /// Whether any input has rows for each item.
    pub fn has_items(&self) -> bool {
        (0..self.input_count())
            .any(|index| matches!(self.input(index), Ok(shape) if shape.scope == Scope::Item))
    }

    /// The shape that the record of op `index` states, which `seal` has derived again.
    ///
    /// # Errors
    /// There is no such op, or it states what no tensor may have.
    pub fn output(&self, index: usize) -> Result<Shape, SealError> {
        record::output(self.op_bytes(index)?)
    }

    /// The shape of any operand in a **sealed** graph, of one item.
    ///
    /// # Errors
    /// There is no such operand, or the graph could not have been sealed.
    pub fn shape(&self, operand: Operand) -> Result<Shape, SealError> {
        match operand {
            Operand::Op(index) => self.output(index.into()),
            Operand::Input(index) => self.input(index.into()),
            Operand::Weight(index) => Ok(self.weight_parts(index.into())?.0),
        }
    }

    /// The tree of an operand in a job with these items: of an op, that of one item; of an input, that over all items.
    /// `None` where there is no such operand, or the graph could not have been sealed.
    pub fn geometry(&self, operand: Operand, items: u32) -> Option<Geometry> {
        let shape = self.shape(operand).ok()?;
        match operand {
            Operand::Op(_) => shape.geometry(),
            Operand::Input(_) | Operand::Weight(_) => shape.over_items(items),
        }
    }

    /// The trace tree of a job with these items. `None` without items or above the limits.
    pub const fn trace(&self, items: u32) -> Option<TraceGeometry> {
        TraceGeometry::new(items, self.header.ops as usize)
    }
}
