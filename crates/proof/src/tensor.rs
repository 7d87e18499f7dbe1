//! A tensor with its values.

use std::{format, string::String, vec::Vec};

use crate::{
    Error,
    hash::{LEAF_BYTES, padded_leaf},
    shape::{DType, Geometry},
};

/// A two-dimensional tensor, row-major; the values are kept as the bytes that commitments and files hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    geometry: Geometry,
    data: Vec<u8>,
}

impl core::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tensor({})", self.describe())
    }
}

impl Tensor {
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
        Ok(Self { geometry, data })
    }

    /// A tensor of i8.
    ///
    /// # Errors
    /// [`Error::Dimensions`], [`Error::DataLength`].
    pub fn from_i8(rows: u32, cols: u32, values: &[i8]) -> Result<Self, Error> {
        let data = values.iter().map(|value| *value as u8).collect();
        Self::from_bytes(DType::I8, rows, cols, data)
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

    /// Leaf `k` of a row, padded with zeros. `None` for what is missing.
    pub fn leaf(&self, row: u32, k: u32) -> Option<[u8; LEAF_BYTES]> {
        let bytes = self.row(row)?;
        let start = (k as usize).checked_mul(LEAF_BYTES)?;
        let end = bytes.len().min(start.checked_add(LEAF_BYTES)?);
        bytes
            .get(start..end)
            .filter(|values| !values.is_empty())
            .map(padded_leaf)
    }

    /// For messages: "i8 3 x 4".
    pub(crate) fn describe(&self) -> String {
        format!("{:?} {} x {}", self.dtype(), self.rows(), self.cols())
    }
}
