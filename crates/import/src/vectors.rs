//! What an encoder's integers mean to an application: directions.

use quern_proof::Tensor;

/// Rows at length 1, one after the other. An integer vector means nothing but its direction.
///
/// # Errors
/// The first row of zeros, which has none.
pub fn units(vectors: &Tensor) -> Result<Vec<f32>, usize> {
    let cols = (vectors.cols() as usize).max(1);
    let mut all = Vec::with_capacity(cols * vectors.rows() as usize);
    for (row, values) in vectors.values().chunks(cols).enumerate() {
        let squares = values.iter().map(|value| f64::from(*value).powi(2));
        let length = squares.sum::<f64>().sqrt();
        if length == 0.0 {
            return Err(row);
        }
        all.extend(
            values
                .iter()
                .map(|value| (f64::from(*value) / length) as f32),
        );
    }
    Ok(all)
}
