//! What a tensor holds and is called, whatever its type.

use quern_proof::{DType, Tensor};

/// The values of a row, whatever their type.
pub fn values(row: &[u8], dtype: DType) -> Vec<i32> {
    match dtype {
        DType::I8 => row.iter().map(|byte| i32::from(*byte as i8)).collect(),
        DType::I16 => {
            let (values, _) = row.as_chunks::<2>();
            let values = values.iter();
            values
                .map(|bytes| i16::from_le_bytes(*bytes).into())
                .collect()
        }
        DType::I32 => {
            let (values, _) = row.as_chunks::<4>();
            let values = values.iter();
            values.map(|bytes| i32::from_le_bytes(*bytes)).collect()
        }
    }
}

/// A type's name, as options have it.
pub const fn dtype_name(dtype: DType) -> &'static str {
    match dtype {
        DType::I8 => "i8",
        DType::I16 => "i16",
        DType::I32 => "i32",
    }
}

/// What a tensor is, in a few words: `i32 1000 x 10`.
pub fn shape(tensor: &Tensor) -> String {
    format!(
        "{} {} x {}",
        dtype_name(tensor.dtype()),
        tensor.rows(),
        tensor.cols()
    )
}
