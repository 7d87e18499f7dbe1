//! What an encoder's integers mean to an application: directions.

use quern_proof::Tensor;

/// Rows at length 1, one after the other. An integer vector means nothing but its direction.
///
/// # Errors
/// The first row of zeros, which has none.
pub fn units(vectors: &Tensor) -> Result<Vec<f32>, usize> {
    let rows = unit_rows(vectors).into_iter().enumerate();
    let found = rows.map(|(row, unit)| unit.ok_or(row));
    let all = found.collect::<Result<Vec<_>, _>>()?;
    Ok(all.concat())
}

/// Each row at length 1; none for a row of zeros, which has no direction.
pub fn unit_rows(vectors: &Tensor) -> Vec<Option<Vec<f32>>> {
    let cols = (vectors.cols() as usize).max(1);
    vectors.values().chunks(cols).map(unit).collect()
}

fn unit(values: &[i32]) -> Option<Vec<f32>> {
    let squares = values.iter().map(|value| f64::from(*value).powi(2));
    let length = squares.sum::<f64>().sqrt();
    let scaled = values
        .iter()
        .map(|value| (f64::from(*value) / length) as f32);
    (length > 0.0).then(|| scaled.collect())
}
