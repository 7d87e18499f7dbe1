//! The digits model and its held-out images, as they lie in the repository.

use {
    super::work::Work,
    anyhow::{Context, Result, ensure},
    quern_proof::{Tensor, file, graph::Graph, published, shape::DType},
    std::{fs, ops::Range, path::PathBuf},
};

/// Everything that a client or an owner of the model has.
#[derive(Debug)]
pub struct Digits {
    /// The graph.
    pub graph: Vec<u8>,
    /// Its weights, as a bundle.
    pub weights: Vec<u8>,
    /// What the training script found: images of the whole held-out set that it recognises.
    pub expected_right: usize,
    images: Tensor,
    labels: Vec<i8>,
}

impl Digits {
    /// Reads the model's folder.
    ///
    /// # Errors
    /// The file that is missing or damaged.
    pub fn load() -> Result<Self> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/digits");
        let read = |name: &str| {
            fs::read(folder.join(name)).with_context(|| format!("cannot read models/digits/{name}"))
        };
        let expected: serde_json::Value = serde_json::from_slice(&read("expected.json")?)?;
        let expected_right = expected["right"]
            .as_u64()
            .context("models/digits/expected.json lacks `right`")?;
        let images = file::decode_tensor(&read("test-images.bin")?)?;
        let labels = file::decode_tensor(&read("test-labels.bin")?)?.to_i8()?;
        ensure!(
            images.rows() as usize == labels.len(),
            "images and labels of models/digits differ in number"
        );
        let (graph, weights) = (read("digits.qmodel")?, read("weights.bin")?);
        Ok(Self {
            graph,
            weights,
            expected_right: usize::try_from(expected_right)?,
            images,
            labels,
        })
    }

    /// How many held-out images there are.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// Some of the images.
    ///
    /// # Errors
    /// A range beyond the last image.
    pub fn images(&self, range: Range<usize>) -> Result<Tensor> {
        let columns = self.images.cols() as usize;
        let bytes = self
            .images
            .data()
            .get(range.start * columns..range.end * columns);
        let bytes = bytes.with_context(|| format!("there are only {} images", self.count()))?;
        Ok(Tensor::from_bytes(
            DType::I8,
            u32::try_from(range.len())?,
            self.images.cols(),
            bytes.to_vec(),
        )?)
    }

    /// Their labels.
    ///
    /// # Errors
    /// A range beyond the last image.
    pub fn labels(&self, range: Range<usize>) -> Result<&[i8]> {
        self.labels
            .get(range)
            .with_context(|| format!("there are only {} images", self.count()))
    }

    /// Checks a published result against its commitment and every item root against a run of the client's own, and counts the
    /// images of `range` that the result recognises.
    ///
    /// # Errors
    /// What does not fit.
    pub fn judge(
        &self,
        range: Range<usize>,
        committed: &[u8; 32],
        result: Vec<u8>,
        roots: &[u8],
    ) -> Result<usize> {
        let work = Work::digits(self, range.clone())?;
        let graph = Graph::load(&self.graph)?;
        let published = published::check(&graph, work.items, committed, result, roots)
            .context("what is published does not lead to its commitment")?;
        ensure!(
            work.honest()?.commitment.item_roots == published.tree.item_roots(),
            "the provider's intermediate results differ from the client's own"
        );
        let found = published.result.to_i32()?;
        let labels = self.labels(range)?;
        let pairs = found.iter().zip(labels);
        Ok(pairs
            .filter(|(found, label)| **found == i32::from(**label))
            .count())
    }
}

impl Work {
    /// The digits network on some of the held-out images.
    ///
    /// # Errors
    /// A range beyond the last image.
    pub fn digits(digits: &Digits, range: Range<usize>) -> Result<Self> {
        Ok(Self {
            graph: digits.graph.clone(),
            items: u32::try_from(range.len())?,
            inputs: vec![digits.images(range)?],
            weights: file::decode_bundle(&digits.weights)?,
        })
    }
}
