//! From real numbers to fixed point: what DOT and NORM read.

use crate::{Error, Result, layers::LayerNorm, matrix::Matrix};

/// Largest size of a quantised weight: symmetric, so that a weight and its negative are equally exact.
const WEIGHT_MOST: f64 = 127.0;

/// A whole number that fits i32, or an error that names it. Halves go to the even neighbour.
pub(crate) fn whole(what: &'static str, value: f64) -> Result<i32> {
    let rounded = value.round_ties_even();
    if rounded.abs() <= f64::from(i32::MAX) {
        return Ok(rounded as i32);
    }
    Err(Error::Range { what, value })
}

/// `floor(bits - log2(value))`: how far `value` may be shifted left to stay within `2^bits`.
pub(crate) fn room(bits: f64, value: f64) -> f64 {
    (bits - libm::log2(value)).floor()
}

/// The least value of one unit of a row's weights: its bias then takes 30 bits at most. A unit that died in training has
/// next to no weights: what rounds to zero then is nothing beside its bias.
fn least_step(bias: f64, offset: f64) -> f64 {
    libm::ldexp(bias.abs() + offset.abs(), -30)
}

/// The two rows that DOT and NORM read, and the shift that goes with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// bias or gamma.
    pub first: Vec<i32>,
    /// mult or beta.
    pub second: Vec<i32>,
    /// Bits to shift right.
    pub shift: u8,
}

impl Parameters {
    /// Multipliers that stand for these ratios, one a column, without bias.
    ///
    /// # Errors
    /// A ratio is no number or too large.
    pub fn ratios(ratios: &[f64]) -> Result<Self> {
        let largest = ratios
            .iter()
            .fold(0.0f64, |most, ratio| most.max(ratio.abs()));
        let shift = room(30.0, largest).clamp(1.0, 47.0);
        let mult = |ratio: &f64| whole("a multiplier", libm::ldexp(*ratio, shift as i32));
        Ok(Self {
            first: vec![0; ratios.len()],
            second: ratios.iter().map(mult).collect::<Result<_>>()?,
            shift: shift as u8,
        })
    }
}

/// How integers stand for real numbers: `real = (integer + zero) * scale`.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// One for each column, or one for all.
    pub scales: Vec<f64>,
    /// What is added to every integer.
    pub zero: f64,
}

impl Scale {
    /// Column by column, without an offset.
    pub const fn columns(scales: Vec<f64>) -> Self {
        Self { scales, zero: 0.0 }
    }

    /// The same for all columns.
    pub fn same(scale: f64, zero: f64) -> Self {
        let scales = vec![scale];
        Self { scales, zero }
    }

    fn of(&self, col: usize) -> f64 {
        match self.scales.as_slice() {
            [one] => *one,
            all => all[col],
        }
    }
}

/// A product with weights: int8 row by row, with bias and multiplier for each column of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    /// N x K, by output column.
    pub weight: Vec<i8>,
    /// N.
    pub rows: usize,
    /// K.
    pub cols: usize,
    /// bias, mult and shift.
    pub parameters: Parameters,
}

impl Linear {
    /// Quantises `y = x W' + b` for an `x` and a `y` of these scales.
    ///
    /// # Errors
    /// Bias or multiplier leave their range.
    pub fn new(weight: &Matrix, bias: &[f64], x: &Scale, y: &Scale) -> Result<Self> {
        let mut quantised = Vec::with_capacity(weight.data.len());
        let mut biases = Vec::with_capacity(weight.rows);
        let mut ratios = Vec::with_capacity(weight.rows);
        for (j, (row, bias)) in weight.iter().zip(bias).enumerate() {
            let row: Vec<f64> = row.iter().enumerate().map(|(k, w)| w * x.of(k)).collect();
            let most = row.iter().fold(1e-12f64, |most, w| most.max(w.abs()));
            let out = y.of(j);
            let step = (most / WEIGHT_MOST).max(least_step(*bias, y.zero * out));
            let near = |w: &f64| {
                (w / step)
                    .round_ties_even()
                    .clamp(-WEIGHT_MOST, WEIGHT_MOST)
            };
            let row: Vec<i8> = row.iter().map(|w| near(w) as i8).collect();
            let sum: i64 = row.iter().map(|w| i64::from(*w)).sum();
            // real = step * sum of w * (x + x.zero) + bias; y = real / out - y.zero
            let shifted = bias / step + x.zero * sum as f64 - y.zero * out / step;
            biases.push(whole("a bias", shifted)?);
            ratios.push(step / out);
            quantised.extend(row);
        }
        let mut parameters = Parameters::ratios(&ratios)?;
        parameters.first = biases;
        Ok(Self {
            weight: quantised,
            rows: weight.rows,
            cols: weight.cols,
            parameters,
        })
    }
}

/// A NORM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Norm {
    /// gamma, beta and shift.
    pub parameters: Parameters,
    /// In squares of the units of what is normalised.
    pub epsilon: u32,
}

impl Norm {
    /// Quantises a LayerNorm of values of the scale `x` for a result of these scales.
    ///
    /// # Errors
    /// gamma, beta, epsilon or the shift leave their range.
    pub fn new(norm: &LayerNorm, x: f64, y: &Scale) -> Result<Self> {
        let scaled = |values: &[f64]| -> Vec<f64> {
            let each = values.iter().enumerate();
            each.map(|(j, value)| value / y.of(j)).collect()
        };
        let (gamma, beta) = (scaled(&norm.gamma), scaled(&norm.beta));
        let largest = gamma
            .iter()
            .chain(&beta)
            .fold(0.0f64, |most, value| most.max(value.abs()));
        // Values are normalised with 15 bits behind the point.
        let bits = room(30.0, largest).min(15.0);
        if bits < -14.0 || largest.is_nan() {
            return Err(Error::Range {
                what: "a gain of LayerNorm",
                value: largest,
            });
        }
        let fixed = |values: &[f64]| -> Result<Vec<i32>> {
            let each = values.iter();
            each.map(|value| whole("a gain of LayerNorm", libm::ldexp(*value, bits as i32)))
                .collect()
        };
        let epsilon = whole("LayerNorm's epsilon", norm.epsilon / (x * x))?;
        Ok(Self {
            parameters: Parameters {
                first: fixed(&gamma)?,
                second: fixed(&beta)?,
                shift: (15.0 + bits) as u8,
            },
            epsilon: epsilon as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn multipliers_use_thirty_bits() {
        let parameters = Parameters::ratios(&[0.5, -0.25]).unwrap();
        assert_eq!(
            (parameters.shift, &parameters.second[..]),
            (31, &[1 << 30, -(1 << 29)][..])
        );
        // The smallest shift and the largest one.
        assert!(Parameters::ratios(&[1e12]).is_err());
        assert_eq!(Parameters::ratios(&[1e-12]).unwrap().shift, 47);
        assert!(Parameters::ratios(&[f64::NAN]).is_err());
    }

    #[test]
    fn a_product_keeps_its_value_with_zeros_on_both_sides() {
        let weight = Matrix {
            rows: 2,
            cols: 3,
            data: vec![0.5, -1.0, 0.25, 2.0, 0.0, -0.125],
        };
        let (x, y) = (Scale::same(0.02, 40.0), Scale::same(0.05, -9.0));
        let linear = Linear::new(&weight, &[0.3, -0.7], &x, &y).unwrap();
        for a in [[-128i64, 127, 5], [0, -40, 100], [77, -3, -90]] {
            let real: Vec<f64> = a.iter().map(|a| (*a as f64 + x.zero) * 0.02).collect();
            for j in 0..2 {
                let exact: f64 = weight.row(j).iter().zip(&real).map(|(w, x)| w * x).sum();
                let exact = (exact + [0.3, -0.7][j]) / 0.05 - y.zero;
                let row = &linear.weight[j * 3..][..3];
                let dot: i64 = row.iter().zip(a).map(|(w, a)| i64::from(*w) * a).sum();
                let p = &linear.parameters;
                let value = (dot + i64::from(p.first[j])) * i64::from(p.second[j]);
                let value = (value + (1 << (p.shift - 1))) >> p.shift;
                assert!((value as f64 - exact).abs() < 1.5, "{value} {exact}");
            }
        }
    }

    /// A unit that died in training: its bias alone is left, beside one that lives.
    #[test]
    fn a_row_of_next_to_no_weights_keeps_its_bias() {
        let weight = Matrix {
            rows: 2,
            cols: 2,
            data: vec![1e-20, -3e-19, 0.5, -0.25],
        };
        let (x, y) = (Scale::same(0.01, 0.0), Scale::same(0.05, 0.0));
        let linear = Linear::new(&weight, &[-2.4, 0.1], &x, &y).unwrap();
        assert_eq!(linear.weight[..2], [0, 0]);
        let p = &linear.parameters;
        let value = i64::from(p.first[0]) * i64::from(p.second[0]);
        assert_eq!((value + (1 << (p.shift - 1))) >> p.shift, -48);
    }

    #[test]
    fn a_norm_says_what_it_cannot_hold() {
        let norm = |gamma: f64, epsilon: f64| LayerNorm {
            gamma: vec![gamma],
            beta: vec![0.0],
            epsilon,
        };
        let unit = Scale::same(1.0, 0.0);
        let one = Norm::new(&norm(1.0, 3.0), 0.5, &unit).unwrap();
        assert_eq!(
            (one.parameters.shift, one.parameters.first[0], one.epsilon),
            (30, 1 << 15, 12)
        );
        assert!(Norm::new(&norm(1e14, 0.0), 1.0, &unit).is_err());
        assert!(Norm::new(&norm(f64::NAN, 0.0), 1.0, &unit).is_err());
        assert!(Norm::new(&norm(1.0, 1e-3), 1e-9, &unit).is_err());
    }
}
