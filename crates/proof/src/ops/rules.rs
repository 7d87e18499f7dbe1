//! What the file of an op says, and what it is said with.

use crate::{
    node::{NO_OPERAND, Operand},
    refusal::{Refusal, SealError},
    shape::{DType, Shape},
};

use super::product::Product;

#[cfg(feature = "std")]
use crate::{Error, Tensor};

/// Bytes of an op's record.
pub const OP_BYTES: usize = 8;

/// What an op is. `a`, its first operand, is a field of the op.
pub(crate) trait OpRules: Sized {
    /// Its name, as documents write it.
    const NAME: &'static str;

    /// The op in a record with its opcode.
    fn decode(record: &Record) -> Result<Self, SealError>;

    /// Its record.
    fn encode(&self, opcode: u8) -> Record;

    /// Its operands, in the order of its record.
    fn slots(&self) -> [Option<Operand>; 4];

    /// What `seal` refuses; returns the columns of the output, whose rows are those of `a`.
    fn seal(
        &self,
        a: &Shape,
        shape_of: impl Fn(Operand) -> Result<Shape, SealError>,
    ) -> Result<u32, SealError>;

    /// Dtype and columns of the output in a sealed graph.
    fn output(&self) -> Output;

    /// The product that the op is or begins with.
    fn product(&self) -> Option<Product> {
        None
    }

    /// One value of the output. What it reads, in this order, is the evidence for the cell.
    fn cell<S: CellSource>(&self, source: &mut S, row: u32, col: u32) -> Result<i32, S::Error>;

    /// All values of the output, as bytes.
    #[cfg(feature = "std")]
    fn whole(&self, tensors: &Tensors<'_>, out: &mut [u8]) -> Result<(), Error>;
}

/// What a cell reads its operands from: evidence that is judged, or openings of which evidence is made.
pub trait CellSource {
    /// Why something can't be read.
    type Error: From<Refusal>;
    /// The bytes of a row.
    type Row: AsRef<[u8]>;

    /// The type of an operand's values.
    ///
    /// # Errors
    /// The graph was not sealed.
    fn dtype(&self, operand: Operand) -> Result<DType, Self::Error>;

    /// A whole row of an operand, without padding. It is refused as `part` where it doesn't lead to its root.
    ///
    /// # Errors
    /// Those of the source.
    fn row(&mut self, operand: Operand, row: u32, part: Refusal) -> Result<Self::Row, Self::Error>;

    /// One value of an operand, opened with its leaf. It is refused as `part` where that doesn't lead to its root.
    ///
    /// # Errors
    /// Those of the source.
    fn value(
        &mut self,
        operand: Operand,
        row: u32,
        col: u32,
        part: Refusal,
    ) -> Result<i32, Self::Error>;
}

/// Dtype and columns of an output. Its rows are those of `a`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// As `a` has them.
    OfA,
    /// Its own.
    Own(DType, Columns),
}

/// The columns of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Columns {
    /// This many.
    Fixed(u32),
    /// One for each row of this input or weight.
    RowsOf(Operand),
}

/// An op's record: opcode u8, operands a b c d (u8 each), shift u8, lo i8, hi i8.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub opcode: u8,
    pub operands: [u8; 4],
    pub shift: u8,
    pub lo: i8,
    pub hi: i8,
}

impl Record {
    pub const fn new(bytes: &[u8; OP_BYTES]) -> Self {
        let [opcode, a, b, c, d, shift, lo, hi] = *bytes;
        Self {
            opcode,
            operands: [a, b, c, d],
            shift,
            lo: lo as i8,
            hi: hi as i8,
        }
    }

    pub const fn bytes(&self) -> [u8; OP_BYTES] {
        let [a, b, c, d] = self.operands;
        let (lo, hi) = (self.lo as u8, self.hi as u8);
        [self.opcode, a, b, c, d, self.shift, lo, hi]
    }

    /// The record of an op without constants.
    pub fn of(opcode: u8, slots: [Option<Operand>; 4]) -> Self {
        Self {
            opcode,
            operands: slots.map(|slot| slot.map_or(NO_OPERAND, Operand::code)),
            shift: 0,
            lo: 0,
            hi: 0,
        }
    }

    /// The operands of an op that takes `N` of them and no constants.
    pub fn operands_only<const N: usize>(&self) -> Result<[Operand; N], SealError> {
        self.refuse_operands_after(N)?;
        if (self.shift, self.lo, self.hi) != (0, 0, 0) {
            return Err(SealError::UnusedConstant);
        }
        let mut operands = [Operand::Op(0); N];
        for (operand, code) in operands.iter_mut().zip(self.operands) {
            *operand = named(code)?;
        }
        Ok(operands)
    }

    /// An op that takes `count` operands has none after them.
    pub fn refuse_operands_after(&self, count: usize) -> Result<(), SealError> {
        match self
            .operands
            .iter()
            .skip(count)
            .all(|code| *code == NO_OPERAND)
        {
            true => Ok(()),
            false => Err(SealError::UnusedOperand),
        }
    }
}

/// The operand with a code that must name one.
pub(crate) fn named(code: u8) -> Result<Operand, SealError> {
    if code == NO_OPERAND {
        return Err(SealError::MissingOperand);
    }
    Operand::from_code(code).ok_or(SealError::UnknownOperand)
}

/// A rule of `seal` about an operand's values.
pub(crate) fn require_dtype(shape: &Shape, dtype: DType) -> Result<(), SealError> {
    match shape.dtype == dtype {
        true => Ok(()),
        false => Err(SealError::WrongDType),
    }
}

/// A rule of `seal` about an operand that must be a weight.
pub(crate) const fn require_weight(
    operand: Operand,
    otherwise: SealError,
) -> Result<(), SealError> {
    match operand {
        Operand::Weight(_) => Ok(()),
        _ => Err(otherwise),
    }
}

/// The value of this type at this byte of a leaf. `None` beyond its end, where no value begins.
pub(crate) fn read_value(leaf: &[u8], at: usize, dtype: DType) -> Option<i32> {
    match dtype {
        DType::I8 => leaf.get(at).map(|byte| i32::from(*byte as i8)),
        DType::I32 => leaf
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .map(|bytes| i32::from_le_bytes(*bytes)),
    }
}

/// The tensors that ops read.
#[cfg(feature = "std")]
pub struct Tensors<'t> {
    /// Those of the job.
    pub inputs: &'t [Tensor],
    /// Those of the model.
    pub weights: &'t [Tensor],
    /// Those of the ops so far.
    pub outputs: &'t [Tensor],
}

#[cfg(feature = "std")]
impl Tensors<'_> {
    /// The tensor of an operand.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, operand: Operand) -> Result<&Tensor, Error> {
        let found = match operand {
            Operand::Op(index) => self.outputs.get(usize::from(index)),
            Operand::Input(index) => self.inputs.get(usize::from(index)),
            Operand::Weight(index) => self.weights.get(usize::from(index)),
        };
        found.ok_or_else(|| SealError::UnknownOperand.into())
    }
}
