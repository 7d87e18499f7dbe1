//! What ops read: parts of evidence, or whole tensors.

use crate::{node::Operand, refusal::Refusal, shape::DType};

#[cfg(feature = "std")]
use crate::{Error, Tensor, refusal::SealError};

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
