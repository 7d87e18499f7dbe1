//! Which integers stand for which real numbers, from what calibration saw.
//!
//! Weights are int8, row by row. Activations are int8 with scales that follow SmoothQuant: a column that is large is divided,
//! and the weights that read it are multiplied. NORM has a gain and DOT a multiplier for each column, so that costs no op.
//! Three tensors need i16: the residual stream (a few columns reach 200 times the median), the softmax's result
//! (small weights of long rows would vanish) and the table of embeddings.

use quern_proof::limits::MAX_INNER;

use super::{
    calibrate::{Range, Ranges, largest},
    float::{Encoder, Layer, Site, gelu},
};
use crate::{
    Error, Result,
    fixed::{Linear, Norm, Parameters, Scale, room, whole},
    layers::{Dense, LayerNorm},
    matrix::Matrix,
};

/// Greatest size of an int8 activation.
const BYTE: f64 = 127.0;
/// What the largest value of the residual stream becomes: a quarter of i16's range, because other texts go further and the
/// sum of two is clamped.
const RESIDUAL: f64 = 8_191.0;
/// What the largest value of the table of embeddings becomes: half of i16's range, because a word and a position are added.
const TABLE: f64 = 16_383.0;
/// What SOFTMAX in i16 calls 1.
const ONE: f64 = 32_767.0;
/// Hidden units below this are 0 behind GELU, to the last digit that int8 shows.
const LEAST_HIDDEN: f64 = -5.0;
/// Just below GELU's least value.
const LEAST_ACTIVE: f64 = -0.17;
/// Steps of a result of int8 that uses its whole range.
const STEPS: f64 = 255.0;
/// Gain of the final vector: its values have a mean square of 1 before it, and the largest stays within int8.
const FINAL_GAIN: i32 = 24;

/// What decides how a model is quantised.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
pub struct Settings {
    /// SmoothQuant's alpha: how much of a column's size the weights take over.
    pub alpha: f64,
    /// Hidden units whose largest value is above this percentile of all are split in several.
    pub split_percentile: f64,
}

impl Default for Settings {
    /// The setting that measured best on all-MiniLM-L6-v2.
    fn default() -> Self {
        Self {
            alpha: 0.6,
            split_percentile: 99.0,
        }
    }
}

/// One layer in integers.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct IntegerLayer {
    /// For the products with weights, int8.
    pub input_norm: Norm,
    /// For the residual stream, i16.
    pub input_residual: Norm,
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    /// One multiplier a head.
    pub scores: Parameters,
    pub softmax: Exponent,
    /// One multiplier a column.
    pub context: Parameters,
    pub attention: Linear,
    pub middle_norm: Norm,
    pub middle_residual: Norm,
    pub rise: Linear,
    /// GELU, 256 values.
    pub activation: Vec<i8>,
    pub fall: Linear,
}

/// SOFTMAX's multiplier: from units of scores to 256ths of an octave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Exponent {
    pub mult: u32,
    pub shift: u8,
}

/// An encoder in integers.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegerEncoder {
    /// Values of a token's vector.
    pub width: usize,
    /// Attention heads of a layer.
    pub heads: usize,
    /// A row for each token, i16.
    pub words: Vec<i16>,
    /// A row for each position, i16.
    pub positions: Vec<i16>,
    /// Its layers.
    pub layers: Vec<IntegerLayer>,
    /// The last norm, int8.
    pub last_norm: Norm,
    /// What the pooled vector is multiplied with once it has a mean square of 1.
    pub final_gain: Norm,
}

/// A norm whose result nothing has read yet, and the scale of what it reads.
struct Pending<'e> {
    norm: &'e LayerNorm,
    scale: f64,
}

struct Quantiser<'e> {
    encoder: &'e Encoder,
    ranges: &'e Ranges,
    settings: Settings,
}

impl IntegerEncoder {
    /// Quantises an encoder by what calibration saw.
    ///
    /// # Errors
    /// A place was not calibrated, or a number leaves its range.
    pub fn new(encoder: &Encoder, ranges: &Ranges, settings: Settings) -> Result<Self> {
        let sizes = |matrix: &Matrix| matrix.data.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        let unit = sizes(&encoder.words).max(sizes(&encoder.positions)) / TABLE;
        let table = |matrix: &Matrix| -> Result<Vec<i16>> {
            let each = matrix.data.iter();
            each.map(|value| Ok(whole("an embedding", value / unit)? as i16))
                .collect()
        };
        let quantiser = Quantiser {
            encoder,
            ranges,
            settings,
        };
        let mut pending = Pending {
            norm: &encoder.norm,
            scale: unit,
        };
        let mut layers = Vec::with_capacity(encoder.layers.len());
        for index in 0..encoder.layers.len() {
            let (layer, scale) = quantiser.layer(index, &pending)?;
            layers.push(layer);
            pending = Pending {
                norm: &encoder.layers[index].output_norm,
                scale,
            };
        }
        let last = quantiser.at(encoder.layers.len(), Site::Input)?;
        let last = Scale::same(last.size() / BYTE, 0.0);
        let width = encoder.config.width;
        Ok(Self {
            width,
            heads: encoder.config.heads,
            words: table(&encoder.words)?,
            positions: table(&encoder.positions)?,
            layers,
            last_norm: Norm::new(pending.norm, pending.scale, &last)?,
            final_gain: Norm {
                parameters: Parameters {
                    first: vec![FINAL_GAIN << 15; width],
                    second: vec![0; width],
                    shift: 30,
                },
                epsilon: 0,
            },
        })
    }
}

/// What GELU and the products around it are quantised with.
struct FeedForward {
    rise: Linear,
    activation: Vec<i8>,
    fall: Linear,
}

/// A layer's projections, and what scores and context are scaled with.
struct Heads {
    query: Linear,
    key: Linear,
    value: Linear,
    scores: Parameters,
    softmax: Exponent,
    value_scales: Vec<f64>,
}

impl Quantiser<'_> {
    fn at(&self, layer: usize, site: Site) -> Result<&Range> {
        let range = self.ranges.at(layer, site);
        range.ok_or(Error::Unmeasured("calibration did not reach every layer"))
    }

    /// Scales of an int8 activation: SmoothQuant's factors times one scale.
    fn smooth(&self, range: &Range, readers: &[&Matrix]) -> Scale {
        let sizes = range.sizes();
        let mut weights = vec![1e-6f64; sizes.len()];
        for row in readers.iter().flat_map(|reader| reader.iter()) {
            for (most, weight) in weights.iter_mut().zip(row) {
                *most = most.max(weight.abs());
            }
        }
        let alpha = self.settings.alpha;
        let pairs = sizes.iter().zip(&weights);
        let factors: Vec<f64> = pairs
            .map(|(size, weight)| libm::pow(*size, alpha) / libm::pow(*weight, 1.0 - alpha))
            .collect();
        let most = sizes
            .iter()
            .zip(&factors)
            .map(|(size, factor)| size / factor);
        let most = most.fold(f64::NEG_INFINITY, f64::max);
        Scale::columns(
            factors
                .into_iter()
                .map(|factor| factor * most / BYTE)
                .collect(),
        )
    }

    /// A layer, and the scale of the residual stream behind it.
    fn layer(&self, index: usize, before: &Pending<'_>) -> Result<(IntegerLayer, f64)> {
        let layer = &self.encoder.layers[index];
        let (input, middle) = (self.at(index, Site::Input)?, self.at(index, Site::Middle)?);
        let readers = [&layer.query.weight, &layer.key.weight, &layer.value.weight];
        let input_scale = self.smooth(input, &readers);
        let attended = self.at(index, Site::Attended)?;
        let attended_scale = (attended.size() / RESIDUAL).max(input.size() / RESIDUAL);
        let attended_all = Scale::same(attended_scale, 0.0);
        let heads = self.heads(index, layer, &input_scale)?;
        let context = self.smooth(self.at(index, Site::Context)?, &[&layer.attention.weight]);
        let ratios = heads.value_scales.iter().zip(&context.scales);
        let ratios: Vec<f64> = ratios.map(|(value, out)| value / ONE / out).collect();
        let middle_scale = self.smooth(middle, &[&layer.rise.weight]);
        let output = self.at(index, Site::Output)?;
        let output_scale = output.size().max(middle.size()) / RESIDUAL;
        let output_all = Scale::same(output_scale, 0.0);
        let parts = self.feed_forward(index, layer, &middle_scale, &output_all)?;
        let norm = &layer.attention_norm;
        let attention = &layer.attention;
        Ok((
            IntegerLayer {
                input_norm: Norm::new(before.norm, before.scale, &input_scale)?,
                input_residual: Norm::new(before.norm, before.scale, &attended_all)?,
                query: heads.query,
                key: heads.key,
                value: heads.value,
                scores: heads.scores,
                softmax: heads.softmax,
                context: Parameters::ratios(&ratios)?,
                attention: Linear::new(
                    &attention.weight,
                    &attention.bias,
                    &context,
                    &attended_all,
                )?,
                middle_norm: Norm::new(norm, attended_scale, &middle_scale)?,
                middle_residual: Norm::new(norm, attended_scale, &output_all)?,
                rise: parts.rise,
                activation: parts.activation,
                fall: parts.fall,
            },
            output_scale,
        ))
    }

    /// Queries, keys and values. Within a head, `query x key` has the same scale for all columns; a head's factor stands in
    /// the multiplier of its scores, so that one SOFTMAX serves all heads.
    fn heads(&self, index: usize, layer: &Layer, input: &Scale) -> Result<Heads> {
        let queries = self.at(index, Site::Query)?.sizes();
        let keys = self.at(index, Site::Key)?.sizes();
        let width = self.encoder.config.head_width();
        let pairs = || queries.iter().zip(&keys);
        let roots: Vec<f64> = pairs().map(|(query, key)| (query * key).sqrt()).collect();
        let shared = |col: usize| largest(&roots[col / width * width..][..width]) / BYTE;
        let factors: Vec<f64> = pairs().map(|(query, key)| (query / key).sqrt()).collect();
        let each = || factors.iter().enumerate();
        let query_scales: Vec<f64> = each().map(|(col, f)| shared(col) * f).collect();
        let key_scales: Vec<f64> = each().map(|(col, f)| shared(col) / f).collect();
        let root = (width as f64).sqrt();
        let firsts = (0..self.encoder.config.heads).map(|head| head * width);
        let scales = firsts.map(|col| query_scales[col] * key_scales[col] / root);
        let score = self.at(index, Site::Scores)?.size() / BYTE;
        let ratios: Vec<f64> = scales.map(|scale| scale / score).collect();
        let value_scales = self.at(index, Site::Value)?.sizes();
        let value_scales: Vec<f64> = value_scales.iter().map(|size| size / BYTE).collect();
        let linear = |dense: &Dense, scales: &[f64]| {
            let out = Scale::columns(scales.to_vec());
            Linear::new(&dense.weight, &dense.bias, input, &out)
        };
        Ok(Heads {
            query: linear(&layer.query, &query_scales)?,
            key: linear(&layer.key, &key_scales)?,
            value: linear(&layer.value, &value_scales)?,
            scores: Parameters::ratios(&ratios)?,
            softmax: Exponent::new(score)?,
            value_scales,
        })
    }

    /// The feed-forward part. A few hidden units reach four times what the others do: such a unit is split, because
    /// `gelu(h)` is nearly `min(gelu(h), g) + gelu(h - g)`.
    fn feed_forward(
        &self,
        index: usize,
        layer: &Layer,
        middle: &Scale,
        output: &Scale,
    ) -> Result<FeedForward> {
        let hidden = self.at(index, Site::Hidden)?;
        let most = percentile(
            &self.at(index, Site::Active)?.most,
            self.settings.split_percentile,
        )
        .max(1e-6);
        let least = hidden.least.iter().copied().fold(f64::INFINITY, f64::min);
        let least = least.clamp(LEAST_HIDDEN, 0.0);
        let step = (most - least) / STEPS;
        let zero = least / step + 128.0;
        let hidden_scale = Scale::same(step, zero);
        let active_step = (most - LEAST_ACTIVE) / STEPS;
        let active_zero = (LEAST_ACTIVE / active_step + 128.0).round_ties_even();
        let active_scale = Scale::same(active_step, active_zero);
        let value = |code: i32| {
            let active = gelu((f64::from(code) + zero) * step) / active_step;
            (active.round_ties_even() - active_zero).clamp(-128.0, 127.0) as i8
        };
        let (rise, bias, fall) = split(
            (&layer.rise.weight, &layer.rise.bias),
            &layer.fall.weight,
            &hidden.most,
            most,
        )?;
        Ok(FeedForward {
            rise: Linear::new(&rise, &bias, middle, &hidden_scale)?,
            activation: (-128..128).map(value).collect(),
            fall: Linear::new(&fall, &layer.fall.bias, &active_scale, output)?,
        })
    }
}

/// The feed-forward weights with every hidden unit that goes beyond `most` repeated, its bias moved down by `most` each time.
///
/// # Errors
/// [`Error::Range`] for a reach that is no number, and where more hidden units would come out than a product may sum.
fn split(
    (weight, offset): (&Matrix, &[f64]),
    fall: &Matrix,
    hidden: &[f64],
    most: f64,
) -> Result<(Matrix, Vec<f64>, Matrix)> {
    let copies = |reach: &f64| (reach / most).ceil().max(1.0);
    let units: f64 = hidden.iter().map(copies).sum();
    let is_number = most.is_finite() && hidden.iter().all(|reach| reach.is_finite());
    if !is_number || units > f64::from(MAX_INNER) {
        return Err(Error::Range {
            what: "the count of hidden units after they are split",
            value: if is_number { units } else { f64::NAN },
        });
    }
    let (mut rise, mut bias) = (weight.clone(), offset.to_vec());
    let mut fall = fall.transposed();
    for (unit, reach) in hidden.iter().enumerate() {
        let copies = copies(reach);
        let mut copy = 1.0;
        while copy < copies {
            rise.data.extend(weight.row(unit));
            bias.push(offset[unit] - copy * most);
            let column: Vec<f64> = fall.row(unit).to_vec();
            fall.data.extend(column);
            copy += 1.0;
        }
    }
    rise.rows = bias.len();
    fall.rows = bias.len();
    Ok((rise, bias, fall.transposed()))
}

/// The value below which this share of all lies, in hundredths, between neighbours in proportion.
fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = last as f64 * (percent / 100.0);
    let below = (place.floor().max(0.0) as usize).min(last);
    let (a, b) = (sorted[below], sorted[(below + 1).min(last)]);
    let part = place - below as f64;
    match part < 0.5 {
        true => a + (b - a) * part,
        false => b - (b - a) * (1.0 - part),
    }
}

impl Exponent {
    /// For scores of this scale.
    fn new(scale: f64) -> Result<Self> {
        let octaves = scale * core::f64::consts::LOG2_E * 256.0;
        let shift = room(28.0, octaves).min(40.0);
        if shift < 0.0 || shift.is_nan() {
            return Err(Error::Range {
                what: "the largest attention score",
                value: scale * BYTE,
            });
        }
        let mult = whole("SOFTMAX's multiplier", libm::ldexp(octaves, shift as i32))?;
        Ok(Self {
            mult: mult as u32,
            shift: shift as u8,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_percentile_lies_between_neighbours() {
        let values = [4.0, 1.0, 3.0, 2.0, 0.0];
        assert_eq!(percentile(&values, 0.0), 0.0);
        assert_eq!(percentile(&values, 100.0), 4.0);
        assert_eq!(percentile(&values, 50.0), 2.0);
        assert!((percentile(&values, 99.0) - 3.96).abs() < 1e-12);
        assert_eq!(percentile(&[], 50.0), 0.0);
    }

    /// A reach that is endless, or thousands of times what it should be, must not fill all memory first.
    #[test]
    fn units_are_split_within_what_a_product_sums() {
        let rise = Matrix {
            data: vec![1.0, 2.0],
            ..Matrix::zeros(2, 1)
        };
        let rise = (&rise, &[0.5, 0.25][..]);
        let fall = Matrix {
            data: vec![3.0, 4.0],
            ..Matrix::zeros(1, 2)
        };
        let (more, bias, less) = split(rise, &fall, &[2.5, 0.5], 1.0).unwrap();
        assert_eq!((more.rows, more.data), (4, vec![1.0, 2.0, 1.0, 1.0]));
        assert_eq!(bias, [0.5, 0.25, -0.5, -1.5]);
        assert_eq!((less.cols, less.data), (4, vec![3.0, 4.0, 3.0, 3.0]));
        let most = f64::from(MAX_INNER) - 1.0;
        assert!(split(rise, &fall, &[most, 0.0], 1.0).is_ok());
        for (reach, most) in [
            (most + 0.5, 1.0),
            (f64::INFINITY, 1.0),
            (f64::NAN, 1.0),
            (1.0, f64::NAN),
            (1e300, 1e-6),
        ] {
            assert!(matches!(
                split(rise, &fall, &[reach, 0.0], most),
                Err(Error::Range { .. })
            ));
        }
    }

    #[test]
    fn a_score_of_one_is_an_octave_and_a_half() {
        let one = Exponent::new(1.0).unwrap();
        let octaves = f64::from(one.mult) / libm::ldexp(256.0, i32::from(one.shift));
        assert!((octaves - core::f64::consts::LOG2_E).abs() < 1e-7);
        assert!(one.mult < 1 << 30);
        assert!(Exponent::new(1e9).is_err());
        assert!(Exponent::new(f64::NAN).is_err());
    }
}
