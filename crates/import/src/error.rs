//! What can go wrong when a model is imported, and what to do about it.

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of weights can't be read.
    #[error("the file of weights can't be read: {0}; give a whole .safetensors file")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// The ONNX file can't be read.
    #[error("not an ONNX file: {0}; give a whole .onnx file")]
    Onnx(String),
    /// A tensor that the model needs is missing.
    #[error("there is no tensor {0}: give all weights of the model")]
    NoTensor(String),
    /// A tensor has values of a type that is not read.
    #[error("{name} holds {found}: convert it to F32, F16 or BF16")]
    FloatType {
        /// The tensor.
        name: String,
        /// What it holds.
        found: String,
    },
    /// A tensor doesn't have the shape that the configuration implies.
    #[error(
        "{name} is {found:?}, not {expected:?}: weights and configuration must be of one model"
    )]
    Shape {
        /// The tensor.
        name: String,
        /// What it should be.
        expected: Vec<usize>,
        /// What it is.
        found: Vec<usize>,
    },
    /// The configuration can't be read.
    #[error("the configuration can't be read: {0}; give the model's config.json")]
    Json(#[from] serde_json::Error),
    /// A recipe can't be read.
    #[error("the recipe can't be read: {0}; give a recipe.json of models/")]
    Recipe(#[source] serde_json::Error),
    /// A file of a recipe can't be read.
    #[error("cannot read {}: {source}; fetch the model's files first", path.display())]
    Read {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a recipe is another one.
    #[error("{path} has SHA-256 {found}, not {expected}: fetch the file that the recipe names")]
    Hash {
        /// The file.
        path: String,
        /// What the recipe says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A recipe names a line that has no text.
    #[error("line {line} of {path} has no text: correct the recipe")]
    NoText {
        /// The file.
        path: String,
        /// The line, from 0.
        line: usize,
    },
    /// The configuration asks for something that is not imported.
    #[error(
        "{what} is {found}: only {supported} is imported; see docs/MODELS.md, What can be imported"
    )]
    Unsupported {
        /// The setting.
        what: &'static str,
        /// What it is.
        found: String,
        /// What it may be.
        supported: &'static str,
    },
    /// The tokenizer can't be read or fails.
    #[error("the tokenizer failed: {0}; give the model's tokenizer.json")]
    Tokenizer(String),
    /// A sequence is longer than the model's positions or the limits.
    #[error("a sequence of {wanted} tokens: use {least} to {most}")]
    Sequence {
        /// What was asked for.
        wanted: usize,
        /// The shortest.
        least: usize,
        /// The longest.
        most: usize,
    },
    /// There are too few texts to calibrate on, or to measure with.
    #[error("{found} {what} texts or items: give at least {least}")]
    FewTexts {
        /// "calibration" or "held-out".
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// A text that is to measure the model has calibrated it.
    #[error("what is held out also calibrates ({0:?}): measure with others")]
    NotHeldOut(String),
    /// A number leaves the range of the integer that should hold it.
    #[error(
        "{what} is {value}, outside what its integer holds: check the weights for huge or broken values"
    )]
    Range {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: f64,
    },
    /// A figure of the quality is no number.
    #[error("the quality can't be measured: {0}; nothing is written")]
    Unmeasured(&'static str),
    /// The graph could not be built, sealed or evaluated.
    #[error(transparent)]
    Proof(#[from] quern_proof::Error),
}

/// A result of this crate.
pub type Result<T, E = Error> = core::result::Result<T, E>;
