//! What a model lost when it became integers, measured on texts that did not calibrate it.

use core::fmt;

use serde::Serialize;

use crate::{Error, Result};

/// Fewest held-out texts: fewer say nothing about the order of similarities.
pub const LEAST_HELD_OUT: usize = 16;

/// How near the integer model's vectors are to the float model's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Held-out texts.
    pub texts: usize,
    /// Mean cosine between a text's two vectors.
    pub mean_cosine: f64,
    /// The least of them.
    pub least_cosine: f64,
    /// Spearman's rank correlation between the similarities of all pairs of texts in both models.
    pub spearman: f64,
    /// Share of texts whose nearest other text is the same in both models.
    pub same_nearest: f64,
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            texts,
            mean_cosine,
            least_cosine,
            spearman,
            same_nearest,
        } = self;
        write!(
            f,
            "{texts} held-out texts, integers against floats: mean cosine {mean_cosine:.4} (least {least_cosine:.4}), \
             Spearman {spearman:.4}, same nearest text {:.1} %",
            same_nearest * 100.0
        )
    }
}

impl Quality {
    /// Compares the vectors of the same texts, the float model's first.
    ///
    /// # Errors
    /// Too few texts, vectors that differ in number or length, or a figure that is no number.
    pub fn measure(float: &[Vec<f64>], integer: &[Vec<f64>]) -> Result<Self> {
        if float.len() < LEAST_HELD_OUT {
            return Err(Error::FewTexts {
                what: "held-out",
                found: float.len(),
                least: LEAST_HELD_OUT,
            });
        }
        let lengths =
            |vectors: &[Vec<f64>]| -> Vec<usize> { vectors.iter().map(Vec::len).collect() };
        if lengths(float) != lengths(integer) {
            return Err(Error::Unmeasured(
                "the two models gave vectors of other lengths",
            ));
        }
        let (float, integer) = (units(float)?, units(integer)?);
        let cosines: Vec<f64> = float.iter().zip(&integer).map(|(a, b)| dot(a, b)).collect();
        let (ours, theirs) = (similarities(&integer), similarities(&float));
        let spearman = correlation(&ranks(&upper(&theirs)), &ranks(&upper(&ours)));
        let spearman = spearman.ok_or(Error::Unmeasured("all texts are equally similar"))?;
        let same = theirs.iter().zip(&ours).enumerate();
        let same = same.filter(|(i, (a, b))| nearest(a, *i) == nearest(b, *i));
        let count = float.len() as f64;
        Ok(Self {
            texts: float.len(),
            mean_cosine: cosines.iter().sum::<f64>() / count,
            least_cosine: cosines.iter().copied().fold(f64::INFINITY, f64::min),
            spearman,
            same_nearest: same.count() as f64 / count,
        })
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The vectors at length 1.
fn units(vectors: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
    let unit = |vector: &Vec<f64>| {
        let length = dot(vector, vector).sqrt();
        if length > 0.0 && length.is_finite() {
            return Ok(vector.iter().map(|value| value / length).collect());
        }
        Err(Error::Unmeasured("a text's vector is zero or no number"))
    };
    vectors.iter().map(unit).collect()
}

fn similarities(vectors: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let row = |a: &Vec<f64>| vectors.iter().map(|b| dot(a, b)).collect();
    vectors.iter().map(row).collect()
}

/// The similarities of all pairs, each once.
fn upper(square: &[Vec<f64>]) -> Vec<f64> {
    let rows = square.iter().enumerate();
    rows.flat_map(|(i, row)| &row[i + 1..]).copied().collect()
}

/// The nearest text other than `me`.
fn nearest(row: &[f64], me: usize) -> Option<usize> {
    let others = row.iter().enumerate().filter(|(at, _)| *at != me);
    others
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(at, _)| at)
}

/// The rank of each value; equal ones share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let mean = first as f64 + (group.len() - 1) as f64 / 2.0;
        for at in group {
            ranks[*at] = mean;
        }
        first += group.len();
    }
    ranks
}

/// Pearson's correlation. `None` where one side does not vary.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let count = a.len() as f64;
    let centred = |values: &[f64]| -> Vec<f64> {
        let mean = values.iter().sum::<f64>() / count;
        values.iter().map(|value| value - mean).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let size = (dot(&a, &a) * dot(&b, &b)).sqrt();
    (size > 0.0).then(|| dot(&a, &b) / size)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn fan(count: usize, bend: f64) -> Vec<Vec<f64>> {
        let angle = |i: usize| (i * i) as f64 / 300.0 + bend * ((i * 7) % 5) as f64;
        (0..count)
            .map(|i| vec![angle(i).cos(), angle(i).sin()])
            .collect()
    }

    #[test]
    fn the_same_vectors_at_another_length_lost_nothing() {
        let vectors = fan(20, 0.0);
        let long: Vec<Vec<f64>> = vectors
            .iter()
            .map(|v| v.iter().map(|x| x * 32.0).collect())
            .collect();
        let quality = Quality::measure(&vectors, &long).unwrap();
        assert!((quality.mean_cosine - 1.0).abs() < 1e-12);
        assert!((quality.spearman - 1.0).abs() < 1e-12);
        assert_eq!(quality.same_nearest, 1.0);
    }

    #[test]
    fn a_worse_model_has_worse_figures() {
        let measure = |bend| Quality::measure(&fan(20, 0.0), &fan(20, bend)).unwrap();
        let (good, bad) = (measure(0.005), measure(0.2));
        assert!(good.mean_cosine > bad.mean_cosine && good.least_cosine > bad.least_cosine);
        assert!(good.spearman > bad.spearman && bad.same_nearest < 1.0);
    }

    #[test]
    fn ranks_share_ties_and_correlate_by_hand() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
        assert_eq!(correlation(&[1.0, 2.0, 3.0], &[6.0, 4.0, 2.0]), Some(-1.0));
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let good = fan(20, 0.0);
        assert!(Quality::measure(&good[..15], &good[..15]).is_err());
        assert!(Quality::measure(&good, &good[..19]).is_err());
        for broken in [0.0, f64::NAN] {
            let mut bad = good.clone();
            bad[3] = vec![broken; 2];
            assert!(Quality::measure(&good, &bad).is_err());
        }
        let same = vec![vec![1.0, 0.0]; 20];
        assert!(Quality::measure(&same, &same).is_err());
    }
}
