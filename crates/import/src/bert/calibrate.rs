//! Calibration: how large values become, column by column, over a few hundred texts.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::float::{Encoder, Site};
use crate::matrix::Matrix;

/// The least and the greatest value of each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Least values.
    pub least: Vec<f64>,
    /// Greatest values.
    pub most: Vec<f64>,
}

impl Range {
    fn empty(cols: usize) -> Self {
        Self {
            least: vec![f64::INFINITY; cols],
            most: vec![f64::NEG_INFINITY; cols],
        }
    }

    fn see(&mut self, row: &[f64]) {
        for ((least, most), value) in self.least.iter_mut().zip(&mut self.most).zip(row) {
            *least = least.min(*value);
            *most = most.max(*value);
        }
    }

    /// The largest size of each column; never 0, so that a column that was silent can be divided by it.
    pub fn sizes(&self) -> Vec<f64> {
        let pairs = self.least.iter().zip(&self.most);
        pairs
            .map(|(least, most)| most.max(-least).max(1e-6))
            .collect()
    }

    /// The largest size of all columns.
    pub fn size(&self) -> f64 {
        largest(&self.sizes())
    }
}

/// The largest of some values.
pub(crate) fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// What calibration saw at every place of every layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    places: BTreeMap<(usize, Site), Range>,
}

impl Ranges {
    /// Runs the encoder over these rows of ids, without padding.
    pub fn measure(encoder: &Encoder, rows: &[Vec<u32>]) -> Self {
        let one = |ids: &Vec<u32>| {
            let mut ranges = Self::default();
            encoder.embed(ids, &mut |layer, site, values| {
                ranges.see(layer, site, values)
            });
            ranges
        };
        rows.par_iter().map(one).reduce(Self::default, Self::join)
    }

    fn see(&mut self, layer: usize, site: Site, values: &Matrix) {
        // Scores have a column for each key, and as many as the text has tokens: they are one column here.
        let cols = match site {
            Site::Scores => 1,
            _ => values.cols,
        };
        let range = self.places.entry((layer, site));
        let range = range.or_insert_with(|| Range::empty(cols));
        values
            .data
            .chunks_exact(cols)
            .for_each(|row| range.see(row));
    }

    fn join(mut self, other: Self) -> Self {
        for (place, range) in other.places {
            let cols = range.least.len();
            let mine = self.places.entry(place);
            let mine = mine.or_insert_with(|| Range::empty(cols));
            mine.see(&range.least);
            mine.see(&range.most);
        }
        self
    }

    /// What was seen at a place. `None` if nothing was.
    pub fn at(&self, layer: usize, site: Site) -> Option<&Range> {
        self.places.get(&(layer, site))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn ranges_are_those_of_all_rows_in_any_order() {
        let part = |data: &[f64]| {
            let mut ranges = Ranges::default();
            let values = Matrix {
                rows: data.len() / 2,
                cols: 2,
                data: data.to_vec(),
            };
            ranges.see(0, Site::Input, &values);
            ranges.see(0, Site::Scores, &values);
            ranges
        };
        let (a, b) = (part(&[1.0, -7.0, 2.0, 0.0]), part(&[-3.0, 0.0]));
        let joined = a.clone().join(b.clone());
        assert_eq!(joined, b.join(a));
        let range = joined.at(0, Site::Input).unwrap();
        assert_eq!(
            (&range.least[..], &range.most[..]),
            (&[-3.0, -7.0][..], &[2.0, 0.0][..])
        );
        assert_eq!(range.sizes(), [3.0, 7.0]);
        assert_eq!(joined.at(0, Site::Scores).unwrap().sizes(), [7.0]);
        assert!(joined.at(1, Site::Input).is_none());
    }
}
