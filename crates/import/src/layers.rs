//! The float layers that several models are made of.

use crate::{
    Result, Weights,
    matrix::{Matrix, Panels},
};

/// Weights and bias of a layer `y = x W' + b`.
#[derive(Clone, Debug)]
pub struct Dense {
    /// N x K, by output column.
    pub weight: Matrix,
    /// N.
    pub bias: Vec<f64>,
    panels: Panels,
}

impl Dense {
    /// Reads `NAME.weight` and `NAME.bias`.
    ///
    /// # Errors
    /// One is missing, has another shape, or holds what is no number.
    pub fn read(weights: &Weights, name: &str, rows: usize, cols: usize) -> Result<Self> {
        let weight = weights.matrix(&format!("{name}.weight"), rows, cols)?;
        let bias = weights.vector(&format!("{name}.bias"), rows)?;
        let panels = Panels::new(&weight);
        Ok(Self {
            weight,
            bias,
            panels,
        })
    }

    /// What it makes of these rows.
    pub fn apply(&self, x: &Matrix) -> Matrix {
        let mut out = self.panels.product(x);
        for row in out.data.chunks_exact_mut(self.bias.len()) {
            for (value, bias) in row.iter_mut().zip(&self.bias) {
                *value += bias;
            }
        }
        out
    }
}

/// LayerNorm.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// Gain of each column.
    pub gamma: Vec<f64>,
    /// Offset of each column.
    pub beta: Vec<f64>,
    /// What is added to the variance.
    pub epsilon: f64,
}

impl LayerNorm {
    /// Reads `NAME.weight` and `NAME.bias`.
    ///
    /// # Errors
    /// One is missing, has another shape, or holds what is no number.
    pub fn read(weights: &Weights, name: &str, cols: usize, epsilon: f64) -> Result<Self> {
        Ok(Self {
            gamma: weights.vector(&format!("{name}.weight"), cols)?,
            beta: weights.vector(&format!("{name}.bias"), cols)?,
            epsilon,
        })
    }

    /// What it makes of these rows.
    pub fn apply(&self, mut x: Matrix) -> Matrix {
        let n = x.cols as f64;
        for row in x.data.chunks_exact_mut(x.cols) {
            let mean = row.iter().sum::<f64>() / n;
            let square = |value: &f64| (value - mean) * (value - mean);
            let variance = row.iter().map(square).sum::<f64>() / n;
            let deviation = (variance + self.epsilon).sqrt();
            for ((value, gamma), beta) in row.iter_mut().zip(&self.gamma).zip(&self.beta) {
                *value = (*value - mean) / deviation * gamma + beta;
            }
        }
        x
    }
}
