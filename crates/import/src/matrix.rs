//! Matrices of `f64`, and a product that gives the same bits on every machine.
//!
//! Each sum is taken in the order of its terms, without fused operations, so calibration does not depend on the processor
//! or on the number of threads: the same files give the same integers, and with them the same roots.

/// A matrix, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    /// Its rows.
    pub rows: usize,
    /// Its columns, at least one.
    pub cols: usize,
    /// All values.
    pub data: Vec<f64>,
}

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, cols: usize) -> Self {
        Self {
            rows,
            cols,
            data: vec![0.0; rows * cols],
        }
    }

    /// Row `row`.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// Row `row`, to change it.
    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.data[row * self.cols..(row + 1) * self.cols]
    }

    /// All rows, in order.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f64> {
        self.data.chunks_exact(self.cols)
    }

    /// Columns `from..to` of all rows.
    pub fn columns(&self, from: usize, to: usize) -> Self {
        Self {
            rows: self.rows,
            cols: to - from,
            data: self
                .iter()
                .flat_map(|row| &row[from..to])
                .copied()
                .collect(),
        }
    }

    /// Rows and columns swapped.
    pub fn transposed(&self) -> Self {
        let mut out = Self::zeros(self.cols, self.rows);
        for (i, row) in self.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                out.data[j * self.rows + i] = *value;
            }
        }
        out
    }

    /// Adds a matrix of the same shape.
    pub fn plus(mut self, other: &Self) -> Self {
        for (to, from) in self.data.iter_mut().zip(&other.data) {
            *to += from;
        }
        self
    }

    /// Applies a function to every value.
    pub fn map(mut self, function: impl Fn(f64) -> f64) -> Self {
        for value in &mut self.data {
            *value = function(*value);
        }
        self
    }
}

/// Columns of a result that one step of a product computes together.
const LANES: usize = 4;
/// Rows of a result that one step of a product computes together.
const ROWS: usize = 4;

/// A right operand, `N x K` by output column as models store it, laid out so that a product reads it in order.
#[derive(Clone, Debug)]
pub struct Panels {
    inner: usize,
    cols: usize,
    data: Vec<[f64; LANES]>,
}

impl Panels {
    /// Lays out an `N x K` matrix.
    pub fn new(matrix: &Matrix) -> Self {
        let (inner, cols) = (matrix.cols, matrix.rows);
        let mut data = vec![[0.0; LANES]; cols.div_ceil(LANES) * inner];
        for (j, row) in matrix.iter().enumerate() {
            let panel = &mut data[j / LANES * inner..][..inner];
            for (to, from) in panel.iter_mut().zip(row) {
                to[j % LANES] = *from;
            }
        }
        Self { inner, cols, data }
    }

    /// `a` (R x K) times the transpose of what was laid out: R x N.
    pub fn product(&self, a: &Matrix) -> Matrix {
        debug_assert_eq!(a.cols, self.inner);
        let mut out = Matrix::zeros(a.rows, self.cols);
        for first in (0..a.rows).step_by(ROWS) {
            // Behind the last row the last one is computed again and not written.
            let rows = [0, 1, 2, 3].map(|r| a.row((first + r).min(a.rows - 1)));
            for (p, panel) in self.data.chunks_exact(self.inner).enumerate() {
                let sums = tile(rows, panel);
                let cols = (self.cols - p * LANES).min(LANES);
                for (row, sums) in (first..a.rows).zip(&sums) {
                    out.row_mut(row)[p * LANES..][..cols].copy_from_slice(&sums[..cols]);
                }
            }
        }
        out
    }
}

#[inline]
fn tile(rows: [&[f64]; ROWS], panel: &[[f64; LANES]]) -> [[f64; LANES]; ROWS] {
    let mut sums = [[0.0; LANES]; ROWS];
    let [r0, r1, r2, r3] = rows;
    for ((((b, a0), a1), a2), a3) in panel.iter().zip(r0).zip(r1).zip(r2).zip(r3) {
        for (sums, a) in sums.iter_mut().zip([a0, a1, a2, a3]) {
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum += a * b;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_the_plain_sum_in_its_order() {
        for (rows, inner, cols) in [(1, 1, 1), (3, 5, 2), (4, 8, 4), (9, 13, 11)] {
            let fill =
                |n: usize, seed: usize| (0..n).map(move |i| ((i * 37 + seed) % 101) as f64 / 7.0);
            let a = Matrix {
                rows,
                cols: inner,
                data: fill(rows * inner, 3).collect(),
            };
            let b = Matrix {
                rows: cols,
                cols: inner,
                data: fill(cols * inner, 50).collect(),
            };
            let out = Panels::new(&b).product(&a);
            for i in 0..rows {
                for j in 0..cols {
                    let mut sum = 0.0;
                    for k in 0..inner {
                        sum += a.row(i)[k] * b.row(j)[k];
                    }
                    assert_eq!(out.row(i)[j], sum, "{rows} {inner} {cols}: {i} {j}");
                }
            }
        }
    }
}
