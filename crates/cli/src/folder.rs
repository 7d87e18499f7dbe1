//! An imported model's folder, as the command line reads it.

use {
    crate::error::{Error, Result},
    quern_import::Tokenizer,
    std::path::{Path, PathBuf},
};

pub use quern_data::{
    model::{Card, GRAPH, Made, ModelFolder, Source, TOKENIZER, WEIGHTS, sha256},
    models::{MODELS_ENV, Models},
};

/// Where a graph lies, for clap: a file as it is named, otherwise the folder of an imported model, which its name may say.
///
/// # Errors
/// None: what is not there is said where it is read.
pub fn graph_place(text: &str) -> std::result::Result<PathBuf, std::convert::Infallible> {
    Ok(place_in(&Models::usual(), text))
}

fn place_in(models: &Models, text: &str) -> PathBuf {
    let named = PathBuf::from(text);
    match named.is_file() {
        true => named,
        false => models.place(text).unwrap_or(named),
    }
}

/// The tokenizer for the texts of a model.
///
/// # Errors
/// That it reads no texts, or that the tokenizer is none.
pub fn tokenizer(folder: &ModelFolder) -> Result<Tokenizer> {
    if folder.card.sequence.is_none() {
        return Err(Error::Other(format!(
            "the model at {} reads no texts; give it tensors with --input",
            folder.path.display()
        )));
    }
    let (bytes, sequence) = folder.tokenizer_file()?;
    Ok(Tokenizer::new(&bytes, sequence)?)
}

/// A graph's file and that of its weights.
pub struct GraphFiles {
    /// The graph.
    pub graph: PathBuf,
    /// Its weights, where they were named.
    pub weights: Option<PathBuf>,
}

impl GraphFiles {
    /// The named files; of an imported model's folder, those in it.
    pub fn of(graph: &Path, weights: Option<&Path>) -> Self {
        let is_folder = ModelFolder::is(graph);
        let within = |name: &str| is_folder.then(|| graph.join(name));
        Self {
            graph: within(GRAPH).unwrap_or_else(|| graph.to_owned()),
            weights: weights.map(Path::to_owned).or_else(|| within(WEIGHTS)),
        }
    }
}
