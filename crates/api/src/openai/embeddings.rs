//! Vectors of texts.

use serde::{Deserialize, Serialize};

/// The answer to a request for embeddings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingList {
    /// Always `list`.
    pub object: String,
    /// One for each input, in order.
    pub data: Vec<Embedding>,
    /// The model's name, as it is registered.
    pub model: String,
    #[allow(missing_docs)]
    pub usage: Usage,
}

/// The vector of one input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: String,
    /// Which input, from 0.
    pub index: usize,
    #[allow(missing_docs)]
    pub embedding: Vector,
}

/// A vector of length 1, in the encoding that was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Vector {
    /// Its numbers.
    Floats(Vec<f32>),
    /// Its numbers as little-endian float32, in base64.
    Base64(String),
}

/// Tokens that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Of the inputs, the special ones included.
    pub prompt_tokens: u64,
    /// The same: embeddings generate none.
    pub total_tokens: u64,
}
