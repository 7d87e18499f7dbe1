//! What ops read: parts of evidence, or whole tensors. All rows are those of one item.

use core::ops::Range;

use crate::{
    node::Operand,
    refusal::Refusal,
    shape::{DType, Shape},
};

#[cfg(feature = "std")]
use {crate::kernel::product::Packed, std::sync::OnceLock};

/// What a cell reads its operands from: evidence that is judged, or openings of which evidence is made.
///
/// An op works within one item: `row` is the row in the item (of a fixed tensor, its row). The source knows which item.
pub trait CellSource {
    /// Why something can't be read.
    type Error: From<Refusal>;
    /// The bytes of a span.
    type Span: AsRef<[u8]>;

    /// The shape of an operand, as stored, in one item.
    ///
    /// # Errors
    /// The graph was not sealed.
    fn shape(&self, operand: Operand) -> Result<Shape, Self::Error>;

    /// The bytes of columns `cols` (not empty) of a row of an operand. It is refused as `part` where it doesn't lead to
    /// its root.
    ///
    /// # Errors
    /// Those of the source.
    fn span(
        &mut self,
        operand: Operand,
        row: u32,
        cols: Range<u32>,
        part: Refusal,
    ) -> Result<Self::Span, Self::Error>;

    /// One value of an operand: the shortest span.
    ///
    /// # Errors
    /// Those of the source.
    #[inline]
    fn value(
        &mut self,
        operand: Operand,
        row: u32,
        col: u32,
        part: Refusal,
    ) -> Result<i32, Self::Error> {
        let dtype = self.shape(operand)?.dtype;
        let span = self.span(operand, row, col..col + 1, part)?;
        Ok(value_at(span.as_ref(), 0, dtype).ok_or(Refusal::NotSealed)?)
    }
}

/// The `index`-th value of a run of values of this type. `None` beyond its end.
#[inline]
pub fn value_at(bytes: &[u8], index: usize, dtype: DType) -> Option<i32> {
    match dtype {
        DType::I8 => bytes.get(index).map(|byte| i32::from(*byte as i8)),
        DType::I16 => bytes
            .as_chunks()
            .0
            .get(index)
            .map(|pair| i32::from(i16::from_le_bytes(*pair))),
        DType::I32 => bytes
            .as_chunks()
            .0
            .get(index)
            .map(|four| i32::from_le_bytes(*four)),
    }
}

/// A tensor that an op reads as a whole: that of one item, or a fixed one. Row-major, as stored.
#[cfg(feature = "std")]
#[derive(Clone, Copy)]
pub struct View<'t> {
    /// Its shape.
    pub shape: Shape,
    /// All values as little-endian bytes.
    pub data: &'t [u8],
    /// Of a weight: where it is kept as products want it.
    pub(crate) packed: Option<&'t OnceLock<Packed>>,
}

#[cfg(feature = "std")]
impl core::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "View({:?})", self.shape)
    }
}

#[cfg(feature = "std")]
impl<'t> View<'t> {
    /// The bytes of one row. `None` beyond the last.
    pub fn row(&self, row: u32) -> Option<&'t [u8]> {
        let len = self.shape.row_bytes() as usize;
        let start = len.checked_mul(row as usize)?;
        self.data.get(start..start.checked_add(len)?)
    }

    /// All rows, in order.
    pub fn rows(&self) -> core::slice::ChunksExact<'t, u8> {
        self.data.chunks_exact(self.shape.row_bytes() as usize)
    }

    /// One value. `None` outside.
    pub fn value(&self, row: u32, col: u32) -> Option<i32> {
        value_at(self.row(row)?, col as usize, self.shape.dtype)
    }
}

/// Where an op finds the tensors of the item that is evaluated.
#[cfg(feature = "std")]
pub trait Tensors {
    /// The tensor of an operand in this item.
    ///
    /// # Errors
    /// There is none.
    fn view(&self, operand: Operand) -> Result<View<'_>, crate::Error>;
}
