//! An imported model's folder: what `quern model import` writes, and what registering, running, embedding and serving read.

use {
    crate::{
        error::{DataError, Result},
        files,
        publish::Publisher,
        sizes,
    },
    quern_proof::{Tensor, file, graph::Graph, hash::hash},
    serde::{Deserialize, Serialize},
    serde_json::Value,
    std::path::{Path, PathBuf},
};

/// The graph.
pub const GRAPH: &str = "graph.qmodel";
/// The weights in the graph's order, as a bundle.
pub const WEIGHTS: &str = "weights.bin";
/// The tokenizer of a model of texts.
pub const TOKENIZER: &str = "tokenizer.json";
/// What it is and what it was made of. It is written last: a folder without it is not complete.
pub const CARD: &str = "model.json";

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
    /// `Files`, or `DiskFull`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let write = |name: &str, bytes: &[u8]| files::write(&folder.join(name), bytes);
        write(GRAPH, self.graph)?;
        write(WEIGHTS, &file::encode_bundle(self.weights))?;
        if let Some(tokenizer) = self.tokenizer {
            write(TOKENIZER, tokenizer)?;
        }
        let card = serde_json::to_vec_pretty(self.card)
            .map_err(|error| files::failed(&folder.join(CARD), &error))?;
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

    /// Reads card and graph.
    ///
    /// # Errors
    /// `Model`: what is missing, or does not belong together.
    pub fn read(path: &Path) -> Result<Self> {
        let wrong = |name: &str, why: String| DataError::Model {
            path: path.join(name),
            why,
        };
        let bytes = whole(path, CARD)?;
        let card: Card = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(CARD, format!("it is no card of a model ({error})")))?;
        let graph = whole(path, GRAPH)?;
        if sha256(&graph) != card.graph_sha256 {
            return Err(wrong(
                GRAPH,
                format!("it is not the graph that {CARD} names"),
            ));
        }
        let is_sealable = Graph::load(&graph).and_then(|graph| Ok(graph.check()?));
        is_sealable.map_err(|error| wrong(GRAPH, format!("it could not be sealed: {error}")))?;
        Ok(Self {
            path: path.to_owned(),
            card,
            graph,
        })
    }

    /// The tokenizer's file and the tokens of a text.
    ///
    /// # Errors
    /// `Model`: it reads no texts, or the file is missing.
    pub fn tokenizer_file(&self) -> Result<(Vec<u8>, usize)> {
        let Some(sequence) = self.card.sequence else {
            return Err(DataError::Model {
                path: self.path.clone(),
                why: "it reads no texts".to_owned(),
            });
        };
        Ok((whole(&self.path, TOKENIZER)?, sequence))
    }

    /// The weights, compared with the roots in the graph.
    ///
    /// # Errors
    /// `Model`, or how they differ.
    pub fn weights(&self) -> Result<Vec<Tensor>> {
        let graph = Graph::load(&self.graph)?;
        sizes::checked_weights(&graph, &whole(&self.path, WEIGHTS)?)
    }

    /// The address of the weights' file, for readers on this machine.
    ///
    /// # Errors
    /// A folder that is gone, or whose path is too long for an address.
    pub fn weights_uri(&self) -> Result<String> {
        Publisher::folder(&self.path, None)?.uri(WEIGHTS)
    }
}

/// A file of the folder.
fn whole(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    files::read(&path)?.ok_or_else(|| DataError::Model {
        path,
        why: "it is missing".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        quern_proof::{DType, builder::GraphBuilder},
    };

    #[test]
    fn a_folder_is_read_as_it_was_written() {
        let weight = Tensor::from_i8(1, 4, &[1, 2, 3, 4]).unwrap();
        let mut builder = GraphBuilder::new();
        let input = builder.input_item(DType::I8, 1, 4);
        let table = builder.weight(&weight);
        builder.dot(input, table).push();
        let graph = builder.finish().unwrap();
        let card = Card {
            name: "Tiny".to_owned(),
            graph_sha256: sha256(&graph),
            sequence: Some(16),
            input_scale: None,
            output_scale: None,
            quality: Value::Null,
            made_of: vec![Source::of(Path::new("a/x.safetensors"), b"x")],
        };
        let made = Made {
            graph: &graph,
            weights: std::slice::from_ref(&weight),
            tokenizer: Some(b"{}"),
            card: &card,
        };
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("tiny");
        assert!(!ModelFolder::is(&place));
        made.write(&place).unwrap();
        let read = ModelFolder::find(place.to_str().unwrap()).unwrap();
        assert_eq!((read.card.name.as_str(), &read.graph), ("Tiny", &graph));
        assert_eq!(read.card.made_of[0].file, "x.safetensors");
        assert_eq!(read.weights().unwrap(), [weight]);
        assert_eq!(read.tokenizer_file().unwrap(), (b"{}".to_vec(), 16));

        // Another graph in its place.
        let mut other = graph.clone();
        let last = other.len() - 1;
        other[last] ^= 1;
        std::fs::write(place.join(GRAPH), other).unwrap();
        assert!(ModelFolder::read(&place).is_err());
        let missing = ModelFolder::find("no-such-model").unwrap_err().to_string();
        assert!(missing.contains("quern model import"), "{missing}");
    }
}
