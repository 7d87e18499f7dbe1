//! The encoder in floating point: what it was trained as, and what the integers are measured against.
//!
//! One text at a time, without padding: what calibration sees does not depend on how texts are put together.

use super::config::Config;
use crate::{
    Result, Weights,
    layers::{Dense, LayerNorm},
    matrix::{Matrix, Panels},
};

/// Places of a layer whose values calibration looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// What the layer reads; behind the last layer, the encoder's result.
    Input,
    /// Queries.
    Query,
    /// Keys.
    Key,
    /// Values.
    Value,
    /// Scores of all heads, before the softmax.
    Scores,
    /// What attention gathered.
    Context,
    /// Input plus attention.
    Attended,
    /// The same, normalised.
    Middle,
    /// Hidden units before the activation.
    Hidden,
    /// Hidden units behind it.
    Active,
    /// Middle plus feed-forward part.
    Output,
}

/// Who looks at values while the encoder runs: the layer, the place, and one row a token.
pub type Observer<'o> = dyn FnMut(usize, Site, &Matrix) + 'o;

/// One layer.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Layer {
    pub query: Dense,
    pub key: Dense,
    pub value: Dense,
    pub attention: Dense,
    pub attention_norm: LayerNorm,
    pub rise: Dense,
    pub fall: Dense,
    pub output_norm: LayerNorm,
}

/// A whole encoder.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// Its shape.
    pub config: Config,
    /// A row for each token.
    pub words: Matrix,
    /// A row for each position, with the first segment's vector added.
    pub positions: Matrix,
    /// The norm of what is embedded.
    pub norm: LayerNorm,
    /// Its layers.
    pub layers: Vec<Layer>,
}

/// `x / 2 (1 + erf(x / sqrt 2))`.
pub fn gelu(x: f64) -> f64 {
    x * 0.5 * (1.0 + libm::erf(x / core::f64::consts::SQRT_2))
}

/// Makes of a row of scores what adds up to 1.
fn softmax(row: &mut [f64]) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = libm::exp(*value - most);
        sum += *value;
    }
    for value in row {
        *value /= sum;
    }
}

impl Encoder {
    /// Reads an encoder; names may begin with `bert.`.
    ///
    /// # Errors
    /// A tensor is missing, has another shape, or holds what is no number.
    pub fn read(weights: &Weights, config: &Config) -> Result<Self> {
        const WORDS: &str = "embeddings.word_embeddings.weight";
        let prefix = match weights.has(WORDS) {
            true => "",
            false => "bert.",
        };
        let name = |rest: &str| format!("{prefix}{rest}");
        let width = config.width;
        let words = weights.matrix(&name(WORDS), config.vocabulary, width)?;
        let mut positions = weights.matrix(
            &name("embeddings.position_embeddings.weight"),
            config.positions,
            width,
        )?;
        let segments = weights.matrix(
            &name("embeddings.token_type_embeddings.weight"),
            config.segments,
            width,
        )?;
        for row in positions.data.chunks_exact_mut(width) {
            for (value, segment) in row.iter_mut().zip(segments.row(0)) {
                *value += segment;
            }
        }
        let layers = (0..config.layers)
            .map(|index| Layer::read(weights, &name(&format!("encoder.layer.{index}")), config))
            .collect::<Result<_>>()?;
        Ok(Self {
            config: config.clone(),
            words,
            positions,
            norm: LayerNorm::read(
                weights,
                &name("embeddings.LayerNorm"),
                width,
                config.epsilon,
            )?,
            layers,
        })
    }

    /// The vector of a text: the mean of what the last layer makes of its tokens. `ids` are within vocabulary and positions.
    pub fn embed(&self, ids: &[u32], observe: &mut Observer<'_>) -> Vec<f64> {
        let width = self.config.width;
        let mut embedded = Matrix::zeros(ids.len(), width);
        for (place, id) in ids.iter().enumerate() {
            let parts = self.words.row(*id as usize).iter();
            let parts = parts.zip(self.positions.row(place));
            for (to, (word, position)) in embedded.row_mut(place).iter_mut().zip(parts) {
                *to = word + position;
            }
        }
        let mut x = self.norm.apply(embedded);
        for (index, layer) in self.layers.iter().enumerate() {
            observe(index, Site::Input, &x);
            x = layer.apply(&x, self.config.heads, &mut |site, values| {
                observe(index, site, values);
            });
        }
        observe(self.layers.len(), Site::Input, &x);
        let mut mean = vec![0.0; width];
        for row in x.iter() {
            for (sum, value) in mean.iter_mut().zip(row) {
                *sum += value;
            }
        }
        let count = ids.len() as f64;
        mean.into_iter().map(|sum| sum / count).collect()
    }
}

impl Layer {
    fn read(weights: &Weights, name: &str, config: &Config) -> Result<Self> {
        let (width, units) = (config.width, config.units);
        let dense =
            |part: &str, rows, cols| Dense::read(weights, &format!("{name}.{part}"), rows, cols);
        let norm =
            |part: &str| LayerNorm::read(weights, &format!("{name}.{part}"), width, config.epsilon);
        Ok(Self {
            query: dense("attention.self.query", width, width)?,
            key: dense("attention.self.key", width, width)?,
            value: dense("attention.self.value", width, width)?,
            attention: dense("attention.output.dense", width, width)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            rise: dense("intermediate.dense", units, width)?,
            fall: dense("output.dense", width, units)?,
            output_norm: norm("output.LayerNorm")?,
        })
    }

    fn apply(&self, x: &Matrix, heads: usize, observe: &mut dyn FnMut(Site, &Matrix)) -> Matrix {
        let context = self.attend(x, heads, observe);
        let attended = self.attention.apply(&context).plus(x);
        observe(Site::Attended, &attended);
        let middle = self.attention_norm.apply(attended);
        observe(Site::Middle, &middle);
        let hidden = self.rise.apply(&middle);
        observe(Site::Hidden, &hidden);
        let active = hidden.map(gelu);
        observe(Site::Active, &active);
        let output = self.fall.apply(&active).plus(&middle);
        observe(Site::Output, &output);
        self.output_norm.apply(output)
    }

    fn attend(&self, x: &Matrix, heads: usize, observe: &mut dyn FnMut(Site, &Matrix)) -> Matrix {
        let (query, key) = (self.query.apply(x), self.key.apply(x));
        let value = self.value.apply(x);
        observe(Site::Query, &query);
        observe(Site::Key, &key);
        observe(Site::Value, &value);
        let width = x.cols / heads;
        let root = (width as f64).sqrt();
        let mut context = Matrix::zeros(x.rows, x.cols);
        for head in 0..heads {
            let (from, to) = (head * width, (head + 1) * width);
            let keys = Panels::new(&key.columns(from, to));
            let scores = keys.product(&query.columns(from, to));
            let mut scores = scores.map(|score| score / root);
            observe(Site::Scores, &scores);
            scores.data.chunks_exact_mut(x.rows).for_each(softmax);
            let values = Panels::new(&value.columns(from, to).transposed());
            for (row, part) in values.product(&scores).iter().enumerate() {
                context.row_mut(row)[from..to].copy_from_slice(part);
            }
        }
        observe(Site::Context, &context);
        context
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_have_their_known_values() {
        assert_eq!(gelu(0.0), 0.0);
        assert!((gelu(1.0) - 0.841_344_746_068_543).abs() < 1e-14);
        assert!((gelu(-1.0) + 0.158_655_253_931_457).abs() < 1e-14);
        let mut row = [0.0, core::f64::consts::LN_2];
        softmax(&mut row);
        assert!((row[0] - 1.0 / 3.0).abs() < 1e-15 && (row[1] - 2.0 / 3.0).abs() < 1e-15);
    }
}
