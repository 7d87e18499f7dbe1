//! A tensor with its values.

use std::{format, string::String, sync::OnceLock, vec::Vec};

use crate::{
    Error,
    hash::{LEAF_BYTES, padded_leaf},
    kernel::product::Packed,
    ops::{View, value_at},
    shape::{DType, Geometry, Scope, Shape},
};

/// A two-dimensional tensor, row-major; the values are kept as the bytes that commitments and files hold.
pub struct Tensor {
    geometry: Geometry,
    data: Vec<u8>,
    /// The right side of products, for a weight that has been one: as many bytes again.
    packed: OnceLock<Packed>,
}

impl Clone for Tensor {
    fn clone(&self) -> Self {
        Self::new(self.geometry, self.data.clone())
    }
}

impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        (&self.geometry, &self.data) == (&other.geometry, &other.data)
    }
}

impl Eq for Tensor {}

impl core::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tensor({})", self.describe())
    }
}

impl Tensor {
    const fn new(geometry: Geometry, data: Vec<u8>) -> Self {
        Self {
            geometry,
            data,
            packed: OnceLock::new(),
        }
    }

    /// A tensor from its little-endian bytes.
    ///
    /// # Errors
    /// [`Error::Dimensions`], [`Error::DataLength`].
    pub fn from_bytes(dtype: DType, rows: u32, cols: u32, data: Vec<u8>) -> Result<Self, Error> {
        let geometry = Geometry::new(dtype, rows, cols).ok_or(Error::Dimensions { rows, cols })?;
        let expected = u64::from(geometry.row_bytes()) * u64::from(rows);
        if data.len() as u64 != expected {
            return Err(Error::DataLength {
                expected,
                found: data.len() as u64,
            });
        }
        Ok(Self::new(geometry, data))
    }

    /// A tensor of i8.
    ///
    /// # Errors
    /// [`Error::Dimensions`], [`Error::DataLength`].
    pub fn from_i8(rows: u32, cols: u32, values: &[i8]) -> Result<Self, Error> {
        let data = values.iter().map(|value| *value as u8).collect();
        Self::from_bytes(DType::I8, rows, cols, data)
    }

    /// A tensor of i16.
    ///
    /// # Errors
    /// [`Error::Dimensions`], [`Error::DataLength`].
    pub fn from_i16(rows: u32, cols: u32, values: &[i16]) -> Result<Self, Error> {
        let data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::from_bytes(DType::I16, rows, cols, data)
    }

    /// A tensor of i32.
    ///
    /// # Errors
    /// [`Error::Dimensions`], [`Error::DataLength`].
    pub fn from_i32(rows: u32, cols: u32, values: &[i32]) -> Result<Self, Error> {
        let data = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::from_bytes(DType::I32, rows, cols, data)
    }

    /// Type of its values.
    pub const fn dtype(&self) -> DType {
        self.geometry.dtype()
    }

    /// Its rows.
    pub const fn rows(&self) -> u32 {
        self.geometry.rows()
    }

    /// Its columns.
    pub const fn cols(&self) -> u32 {
        self.geometry.cols()
    }

    /// Where everything of it lies in its tree.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// All values as little-endian bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// All values as little-endian bytes, to change them (tests corrupt traces with it).
    pub fn data_mut(&mut self) -> &mut [u8] {
        self.packed = OnceLock::new();
        &mut self.data
    }

    /// The bytes.
    pub fn into_data(self) -> Vec<u8> {
        self.data
    }

    /// The values of a tensor of i8.
    ///
    /// # Errors
    /// [`Error::DType`].
    pub fn to_i8(&self) -> Result<Vec<i8>, Error> {
        self.expect(DType::I8)?;
        Ok(self.data.iter().map(|byte| *byte as i8).collect())
    }

    /// The values of a tensor of i16.
    ///
    /// # Errors
    /// [`Error::DType`].
    pub fn to_i16(&self) -> Result<Vec<i16>, Error> {
        self.expect(DType::I16)?;
        let (values, _) = self.data.as_chunks::<2>();
        Ok(values
            .iter()
            .map(|bytes| i16::from_le_bytes(*bytes))
            .collect())
    }

    /// All values, whatever their type.
    pub fn values(&self) -> Vec<i32> {
        let count = self.rows() as usize * self.cols() as usize;
        (0..count)
            .map_while(|index| value_at(&self.data, index, self.dtype()))
            .collect()
    }

    /// The values of a tensor of i32.
    ///
    /// # Errors
    /// [`Error::DType`].
    pub fn to_i32(&self) -> Result<Vec<i32>, Error> {
        self.expect(DType::I32)?;
        let (values, _) = self.data.as_chunks::<4>();
        Ok(values
            .iter()
            .map(|bytes| i32::from_le_bytes(*bytes))
            .collect())
    }

    pub(crate) fn expect(&self, wanted: DType) -> Result<(), Error> {
        if self.dtype() == wanted {
            Ok(())
        } else {
            Err(Error::DType {
                wanted,
                found: self.dtype(),
            })
        }
    }

    /// The bytes of one row. `None` beyond the last.
    pub fn row(&self, row: u32) -> Option<&[u8]> {
        let len = self.geometry.row_bytes() as usize;
        let start = len.checked_mul(row as usize)?;
        self.data.get(start..start.checked_add(len)?)
    }

    /// All rows, in order.
    pub fn row_slices(&self) -> core::slice::ChunksExact<'_, u8> {
        self.data.chunks_exact(self.geometry.row_bytes() as usize)
    }

    /// One value. `None` outside.
    pub fn value(&self, row: u32, col: u32) -> Option<i32> {
        value_at(self.row(row)?, col as usize, self.dtype())
    }

    /// Leaf `k` of a row, padded with zeros. `None` for what is missing.
    pub fn leaf(&self, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]> {
        leaf_of(self.row(row)?, k)
    }

    /// What an op reads of this tensor in an item: the rows of that item, or all rows of a fixed tensor. `None` if the
    /// tensor does not have that type and those columns, or not as many rows.
    pub fn view(&self, shape: &Shape, item: u32) -> Option<View<'_>> {
        if (shape.dtype, shape.cols) != (self.dtype(), self.cols()) {
            return None;
        }
        let item = match shape.scope {
            Scope::Fixed => 0,
            Scope::Item => item as usize,
        };
        let len = usize::try_from(shape.bytes()).ok()?;
        let start = len.checked_mul(item)?;
        let data = self.data.get(start..start.checked_add(len)?)?;
        Some(View {
            shape: *shape,
            data,
            packed: None,
        })
    }

    /// What an op reads of a weight: it is kept as products want it, once one has read it.
    pub(crate) fn weight_view(&self, shape: &Shape) -> Option<View<'_>> {
        let view = self.view(shape, 0)?;
        Some(View {
            packed: Some(&self.packed),
            ..view
        })
    }

    /// For messages: "i8 3 x 4".
    pub(crate) fn describe(&self) -> String {
        describe(self.dtype(), self.rows(), self.cols())
    }
}

/// For messages: "I8 3 x 4".
pub(crate) fn describe(dtype: DType, rows: u32, cols: u32) -> String {
    format!("{dtype:?} {rows} x {cols}")
}

/// Leaf `k` of a row with these bytes, padded with zeros. `None` for what is missing.
pub(crate) fn leaf_of(row: &[u8], k: u32) -> Option<[u8; LEAF_BYTES]> {
    let start = (k as usize).checked_mul(LEAF_BYTES)?;
    let end = row.len().min(start.checked_add(LEAF_BYTES)?);
    row.get(start..end)
        .filter(|values| !values.is_empty())
        .map(padded_leaf)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn values_of_every_type_come_back() {
        let tensor = Tensor::from_i16(2, 2, &[i16::MIN, -1, 1, i16::MAX]).unwrap();
        assert_eq!(tensor.data()[..2], [0, 0x80]);
        assert_eq!(tensor.to_i16().unwrap(), [i16::MIN, -1, 1, i16::MAX]);
        assert_eq!(tensor.values(), [-32_768, -1, 1, 32_767]);
        assert_eq!(tensor.value(1, 1), Some(32_767));
        assert_eq!(tensor.value(1, 2), None);
        assert!(tensor.to_i8().is_err());
    }

    #[test]
    fn an_item_is_read_by_its_own_rows() {
        let tensor = Tensor::from_i8(6, 1, &[0, 1, 2, 3, 4, 5]).unwrap();
        let mut shape = Shape {
            dtype: DType::I8,
            scope: Scope::Item,
            rows: 2,
            cols: 1,
        };
        assert_eq!(tensor.view(&shape, 2).unwrap().data, [4, 5]);
        assert!(tensor.view(&shape, 3).is_none());
        shape.scope = Scope::Fixed;
        shape.rows = 6;
        assert_eq!(tensor.view(&shape, 7).unwrap().data.len(), 6);
        shape.dtype = DType::I16;
        assert!(tensor.view(&shape, 0).is_none());
    }
}
