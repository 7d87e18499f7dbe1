//! An imported model's folder: what `quern model import` writes, and what registering, running and embedding read.

use {
    crate::{
        data,
        error::{Error, Result},
        files::{self, Role},
    },
    quern_client::config,
    quern_import::Tokenizer,
    quern_proof::{Tensor, file, hash::hash},
    serde::{Deserialize, Serialize},
    serde_json::Value,
    std::{
        env,
        path::{Path, PathBuf},
    },
};

/// The graph.
pub const GRAPH: &str = "graph.qmodel";
/// The weights in the graph's order, as a bundle.
pub const WEIGHTS: &str = "weights.bin";
/// The tokenizer of a model of texts.
pub const TOKENIZER: &str = "tokenizer.json";
/// What it is and what it was made of. It is written last: a folder without it is not complete.
pub const CARD: &str = "model.json";

/// Where imported models lie, each in a folder of its name.
pub const MODELS_ENV: &str = "QUERN_MODELS";
/// Where they lie without that.
const MODELS: &str = "~/.local/share/quern/models";

/// What an imported model is.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Card {
    /// Its name, as it is registered.
    pub name: String,
    /// SHA-256 of the graph.
    pub graph_sha256: String,
    /// Tokens of a text, in a model of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<usize>,
    /// A real input is an integer times this, in a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_scale: Option<f64>,
    /// A result times this is real, in a network that answers with values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_scale: Option<f64>,
    /// What it lost, on what did not calibrate it.
    pub quality: Value,
    /// The files that it was made of, by name, with their SHA-256.
    pub made_of: Vec<Source>,
}

/// A file that a model was made of.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Source {
    /// Its name.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
}

impl Source {
    /// A file that was read.
    pub fn of(path: &Path, bytes: &[u8]) -> Self {
        let name = path.file_name().unwrap_or(path.as_os_str());
        Self {
            file: name.to_string_lossy().into_owned(),
            sha256: sha256(bytes),
        }
    }
}

/// In hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(hash(&[bytes]))
}

/// What is written of an import.
pub struct Made<'m> {
    /// The graph.
    pub graph: &'m [u8],
    /// The weights.
    pub weights: &'m [Tensor],
    /// The tokenizer's file, in a model of texts.
    pub tokenizer: Option<&'m [u8]>,
    /// What it is.
    pub card: &'m Card,
}

impl Made<'_> {
    /// Writes the folder.
    ///
    /// # Errors
    /// `File`.
    pub fn write(&self, folder: &Path, option: &str) -> Result<()> {
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::file(folder, format!("{error}; correct {option}")))?;
        let write = |name: &str, bytes: &[u8]| files::write(&folder.join(name), bytes, option);
        write(GRAPH, self.graph)?;
        write(WEIGHTS, &file::encode_bundle(self.weights))?;
        if let Some(tokenizer) = self.tokenizer {
            write(TOKENIZER, tokenizer)?;
        }
        let card = serde_json::to_vec_pretty(self.card)
            .map_err(|error| Error::file(&folder.join(CARD), error))?;
        write(CARD, &card)
    }
}

/// An imported model's folder.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub card: Card,
    /// The graph's bytes, which can be sealed and are those of the card.
    pub graph: Vec<u8>,
}

impl ModelFolder {
    /// Whether a path is such a folder.
    pub fn is(path: &Path) -> bool {
        path.join(CARD).is_file()
    }

    /// The folder that is named by its path, or by its name among the imported models.
    ///
    /// # Errors
    /// That there is none, and how to make one; or what is wrong with it.
    pub fn find(text: &str) -> Result<Self> {
        let models = env::var_os(MODELS_ENV).filter(|value| !value.is_empty());
        let models = models.map_or_else(|| config::expand(MODELS), PathBuf::from);
        let places = [PathBuf::from(text), models.join(text)];
        match places.iter().find(|place| Self::is(place)) {
            Some(place) => Self::read(place),
            None => Err(Error::Other(format!(
                "no imported model lies at {} or {}; make one with `quern model import`, or name its folder with --model",
                places[0].display(),
                places[1].display()
            ))),
        }
    }

    /// Reads card and graph.
    ///
    /// # Errors
    /// `File`: what is missing, or does not belong together.
    pub fn read(path: &Path) -> Result<Self> {
        let card_path = path.join(CARD);
        let bytes = std::fs::read(&card_path).map_err(|error| Error::file(&card_path, error))?;
        let card: Card = serde_json::from_slice(&bytes).map_err(|error| {
            Error::file(
                &card_path,
                format!("it is no card of a model ({error}); import the model again"),
            )
        })?;
        let graph = data::read_graph(&path.join(GRAPH), "the model's folder")?;
        if sha256(&graph) != card.graph_sha256 {
            return Err(Error::file(
                &path.join(GRAPH),
                format!("it is not the graph that {CARD} names; import the model again"),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            card,
            graph,
        })
    }

    /// The tokenizer for this graph's texts.
    ///
    /// # Errors
    /// That it is no model of texts, or that the tokenizer is none.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let Some(sequence) = self.card.sequence else {
            return Err(Error::Other(format!(
                "the model at {} reads no texts; give it tensors with --input",
                self.path.display()
            )));
        };
        let bytes = Role::tokenizer("the model's folder").read(&self.path.join(TOKENIZER))?;
        Ok(Tokenizer::new(&bytes, sequence)?)
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, quern_proof::graph::Graph};

    #[test]
    fn a_folder_is_read_as_it_was_written() {
        let emitted = quern_import::tiny::tiny().unwrap();
        let card = Card {
            name: "Tiny".to_owned(),
            graph_sha256: sha256(&emitted.graph),
            sequence: Some(16),
            input_scale: None,
            output_scale: None,
            quality: Value::Null,
            made_of: vec![Source::of(Path::new("a/x.safetensors"), b"x")],
        };
        let made = Made {
            graph: &emitted.graph,
            weights: &emitted.weights,
            tokenizer: Some(b"{}"),
            card: &card,
        };
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tiny");
        assert!(!ModelFolder::is(&place));
        made.write(&place, "--out").unwrap();
        let read = ModelFolder::find(place.to_str().unwrap()).unwrap();
        assert_eq!(
            (read.card.name.as_str(), &read.graph),
            ("Tiny", &emitted.graph)
        );
        assert_eq!(read.card.made_of[0].file, "x.safetensors");
        let graph = Graph::parse(&read.graph).unwrap();
        let weights = data::read_weights(&place.join(WEIGHTS), &graph).unwrap();
        assert_eq!(weights, emitted.weights);
        // A tokenizer that is none is said to be none.
        assert!(read.tokenizer().is_err());

        // Another graph in its place.
        let mut other = emitted.graph.clone();
        let last = other.len() - 1;
        other[last] ^= 1;
        std::fs::write(place.join(GRAPH), other).unwrap();
        assert!(ModelFolder::read(&place).is_err());
        let missing = ModelFolder::find("no-such-model").unwrap_err().to_string();
        assert!(missing.contains("quern model import"), "{missing}");
    }
}
