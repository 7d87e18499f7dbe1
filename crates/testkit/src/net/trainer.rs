//! The reviewed work of the demo: training a linear classifier of digits from scratch, one pass over the client's images a
//! milestone. It is small, real and exact: integers only, so whoever continues from a checkpoint gets the very numbers that
//! one machine alone would have got, and the client can tell.

use {
    anyhow::{Context, Result, ensure},
    async_trait::async_trait,
    quern_data::Fetcher,
    quern_proof::{Tensor, commit::data_root, file},
    quern_provider::{Output, ProviderError, WorkOrder, WorkResult, Worker},
};

/// Classes.
const DIGITS: usize = 10;
/// Name of a published checkpoint.
const CHECKPOINT_FILE: &str = "checkpoint.qten";

/// A provider's training software.
#[derive(Debug)]
pub struct Trainer {
    /// Fetches the checkpoint that a milestone continues from.
    pub fetcher: Fetcher,
}

#[async_trait]
impl Worker for Trainer {
    async fn work(&self, order: &WorkOrder) -> quern_provider::Result<WorkResult> {
        let failed = |error: anyhow::Error| ProviderError::Worker(format!("{error:#}"));
        let path = order
            .input_file
            .as_ref()
            .ok_or_else(|| ProviderError::Worker("the job names no images".to_owned()))?;
        let bytes = std::fs::read(path).map_err(|error| failed(error.into()))?;
        let start = match (&order.checkpoint_root, &order.checkpoint_uri) {
            (Some(root), Some(uri)) => {
                Some(checkpoint(root, &self.fetcher.fetch(uri, None).await?).map_err(failed)?)
            }
            _ => None,
        };
        let trained = tokio::task::spawn_blocking(move || train_on(&bytes, start.as_ref())).await;
        let trained = trained
            .map_err(|error| ProviderError::Worker(error.to_string()))?
            .map_err(failed)?;
        let files = vec![(CHECKPOINT_FILE.to_owned(), file::encode_tensor(&trained))];
        Ok(WorkResult {
            root: data_root(&trained),
            tokens_root: [0; 32],
            output: Output::Files(files),
        })
    }
}

/// A published checkpoint, if it is the one that was committed to.
fn checkpoint(root_hex: &str, bytes: &[u8]) -> Result<Tensor> {
    let tensor = file::decode_tensor(bytes)?;
    let root = data_root(&tensor);
    let found: String = root.iter().map(|byte| format!("{byte:02x}")).collect();
    ensure!(
        found == root_hex,
        "the published checkpoint does not match its commitment"
    );
    Ok(tensor)
}

fn train_on(bundle: &[u8], start: Option<&Tensor>) -> Result<Tensor> {
    let inputs = file::decode_bundle(bundle)?;
    let [images, labels] = inputs.as_slice() else {
        anyhow::bail!("the job's input must be two tensors, images and labels");
    };
    train(images, &labels.to_i8()?, start)
}

/// One pass of the perceptron rule over the images, from a checkpoint or from zero: where the best class is not the
/// label, the image is added to the label's row and taken from the other's.
///
/// # Errors
/// Tensors that do not fit each other.
pub fn train(images: &Tensor, labels: &[i8], start: Option<&Tensor>) -> Result<Tensor> {
    let columns = images.cols() as usize;
    let mut weights = match start {
        Some(start) => start.to_i32()?,
        None => vec![0; DIGITS * columns],
    };
    ensure!(
        weights.len() == DIGITS * columns,
        "the checkpoint has another shape than the images need"
    );
    let pixels = images.to_i8()?;
    for (image, label) in pixels.chunks_exact(columns).zip(labels) {
        let label = usize::try_from(*label)
            .ok()
            .filter(|label| *label < DIGITS)
            .context("a label is no digit")?;
        let found = classify(&weights, image);
        if found != label {
            let row = |digit: usize| digit * columns..(digit + 1) * columns;
            for (weight, pixel) in weights[row(label)].iter_mut().zip(image) {
                *weight = weight.saturating_add(i32::from(*pixel));
            }
            for (weight, pixel) in weights[row(found)].iter_mut().zip(image) {
                *weight = weight.saturating_sub(i32::from(*pixel));
            }
        }
    }
    Ok(Tensor::from_i32(DIGITS as u32, images.cols(), &weights)?)
}

/// How many images a checkpoint recognises.
///
/// # Errors
/// Tensors that do not fit each other.
pub fn count_right(images: &Tensor, labels: &[i8], weights: &Tensor) -> Result<usize> {
    let (columns, weights, pixels) = (images.cols() as usize, weights.to_i32()?, images.to_i8()?);
    ensure!(
        weights.len() == DIGITS * columns,
        "the checkpoint has another shape than the images need"
    );
    let found = pixels
        .chunks_exact(columns)
        .map(|image| classify(&weights, image));
    Ok(found
        .zip(labels)
        .filter(|(found, label)| i8::try_from(*found).ok() == Some(**label))
        .count())
}

/// The first of the classes with the largest product.
fn classify(weights: &[i32], image: &[i8]) -> usize {
    let mut best = (0, i64::MIN);
    for (digit, row) in weights.chunks_exact(image.len()).enumerate() {
        let score = row
            .iter()
            .zip(image)
            .map(|(weight, pixel)| i64::from(*weight) * i64::from(*pixel))
            .sum();
        if score > best.1 {
            best = (digit, score);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use {super::*, crate::net::Digits};

    #[test]
    fn three_milestones_by_two_machines_equal_three_by_one() {
        let digits = Digits::load().unwrap();
        let (images, labels) = (
            digits.images(0..700).unwrap(),
            digits.labels(0..700).unwrap(),
        );
        let mut alone: Option<Tensor> = None;
        let mut handed_over: Option<Tensor> = None;
        for _ in 0..3 {
            alone = Some(train(&images, labels, alone.as_ref()).unwrap());
            // What the second machine gets is what was published and committed to, nothing else.
            let start = handed_over
                .map(|tensor| file::decode_tensor(&file::encode_tensor(&tensor)).unwrap());
            handed_over = Some(train(&images, labels, start.as_ref()).unwrap());
        }
        let (alone, handed_over) = (alone.unwrap(), handed_over.unwrap());
        assert_eq!(data_root(&alone), data_root(&handed_over));
        // It learns: far better than one in ten on images that it has not seen.
        let right = count_right(
            &digits.images(700..1000).unwrap(),
            digits.labels(700..1000).unwrap(),
            &alone,
        )
        .unwrap();
        assert!(right > 210, "{right}");
    }

    #[test]
    fn other_checkpoints_are_refused() {
        let tensor = Tensor::from_i32(2, 2, &[1, 2, 3, 4]).unwrap();
        let root: String = data_root(&tensor)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(checkpoint(&root, &file::encode_tensor(&tensor)).is_ok());
        let other = Tensor::from_i32(2, 2, &[1, 2, 3, 5]).unwrap();
        assert!(checkpoint(&root, &file::encode_tensor(&other)).is_err());
    }
}
