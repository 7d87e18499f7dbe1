//! The float tensors of a model, by name.

use std::collections::BTreeMap;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::{Error, Result, matrix::Matrix};

/// A float tensor as its file has it.
#[derive(Clone, Debug)]
struct Float {
    shape: Vec<usize>,
    data: Vec<f32>,
}

/// The float tensors of a model, by name.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    tensors: BTreeMap<String, Float>,
}

impl Weights {
    /// The tensors of a `.safetensors` file. Tensors of integers are left out.
    ///
    /// # Errors
    /// No such file, or floats of a type that is not read.
    pub fn from_safetensors(file: &[u8]) -> Result<Self> {
        let mut tensors = BTreeMap::new();
        for (name, view) in SafeTensors::deserialize(file)?.iter() {
            if let Some(data) = floats(name, &view)? {
                let shape = view.shape().to_vec();
                tensors.insert(name.to_owned(), Float { shape, data });
            }
        }
        Ok(Self { tensors })
    }

    /// Adds a tensor.
    pub fn insert(&mut self, name: &str, shape: &[usize], data: Vec<f32>) {
        let shape = shape.to_vec();
        self.tensors.insert(name.to_owned(), Float { shape, data });
    }

    /// Whether there is such a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// All values of the tensor of this name, row-major.
    ///
    /// # Errors
    /// As [`Weights::matrix`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| Error::NoTensor(name.to_owned()))?;
        let expected: usize = shape.iter().product();
        if tensor.shape != shape || tensor.data.len() != expected {
            return Err(Error::Shape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                found: tensor.shape.clone(),
            });
        }
        if let Some(value) = tensor.data.iter().find(|value| !value.is_finite()) {
            return Err(Error::Range {
                what: "a weight",
                value: f64::from(*value),
            });
        }
        Ok(tensor.data.iter().map(|value| f64::from(*value)).collect())
    }

    /// The matrix of this name.
    ///
    /// # Errors
    /// There is none, it has another shape, or it holds a value that is no number.
    pub fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        let data = self.values(name, &[rows, cols])?;
        Ok(Matrix { rows, cols, data })
    }

    /// The vector of this name.
    ///
    /// # Errors
    /// As [`Weights::matrix`].
    pub fn vector(&self, name: &str, len: usize) -> Result<Vec<f64>> {
        self.values(name, &[len])
    }
}

/// The values of a tensor of floats; `None` of one of integers.
fn floats(name: &str, view: &TensorView<'_>) -> Result<Option<Vec<f32>>> {
    let data = view.data();
    let pairs = || data.as_chunks::<2>().0.iter().copied();
    Ok(Some(match view.dtype() {
        Dtype::F32 => {
            let fours = data.as_chunks::<4>().0.iter();
            fours.map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        Dtype::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BOOL | Dtype::U8 | Dtype::I8 | Dtype::I16 | Dtype::U16 => return Ok(None),
        Dtype::I32 | Dtype::U32 | Dtype::I64 | Dtype::U64 => return Ok(None),
        other => {
            return Err(Error::FloatType {
                name: name.to_owned(),
                found: format!("{other:?}"),
            });
        }
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn file(tensors: &[(&str, Dtype, &[u8])]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, data)| {
            let len = data.len() * 8 / dtype.bitsize();
            let view = TensorView::new(*dtype, vec![len], data).unwrap();
            ((*name).to_owned(), view)
        });
        safetensors::serialize(views, None).unwrap()
    }

    #[test]
    fn halves_and_floats_are_read_and_integers_left_out() {
        let one = 1.5f32.to_le_bytes();
        let weights = Weights::from_safetensors(&file(&[
            ("full", Dtype::F32, &one),
            ("half", Dtype::F16, &f16::from_f32(1.5).to_le_bytes()),
            ("brain", Dtype::BF16, &bf16::from_f32(1.5).to_le_bytes()),
            ("ids", Dtype::I64, &[0; 8]),
        ]))
        .unwrap();
        for name in ["full", "half", "brain"] {
            assert_eq!(weights.vector(name, 1).unwrap(), [1.5], "{name}");
        }
        assert!(!weights.has("ids"));
    }

    #[test]
    fn what_is_missing_or_broken_is_named() {
        let weights =
            Weights::from_safetensors(&file(&[("w", Dtype::F32, &f32::NAN.to_le_bytes())]))
                .unwrap();
        let says = |error: Error| error.to_string();
        assert!(says(weights.vector("v", 1).unwrap_err()).contains("no tensor v"));
        assert!(says(weights.vector("w", 2).unwrap_err()).contains("w is [1], not [2]"));
        assert!(says(weights.vector("w", 1).unwrap_err()).contains("NaN"));
        assert!(Weights::from_safetensors(b"no such file").is_err());
        let double = file(&[("d", Dtype::F64, &[0; 8])]);
        assert!(says(Weights::from_safetensors(&double).unwrap_err()).contains("d holds F64"));
    }
}
