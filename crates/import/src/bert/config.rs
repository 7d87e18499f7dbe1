//! The shape of an encoder: the part of its `config.json` that matters here.

use serde::Deserialize;

use crate::{Error, Result};

/// What a BERT encoder is made of.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Config {
    /// Values of a token's vector.
    #[serde(rename = "hidden_size")]
    pub width: usize,
    /// Attention heads of a layer.
    #[serde(rename = "num_attention_heads")]
    pub heads: usize,
    /// Layers.
    #[serde(rename = "num_hidden_layers")]
    pub layers: usize,
    /// Hidden units of a layer's feed-forward part.
    #[serde(rename = "intermediate_size")]
    pub units: usize,
    /// Tokens that the model knows.
    #[serde(rename = "vocab_size")]
    pub vocabulary: usize,
    /// Positions that the model knows.
    #[serde(rename = "max_position_embeddings")]
    pub positions: usize,
    /// Kinds of segments; only the first is used.
    #[serde(rename = "type_vocab_size")]
    pub segments: usize,
    /// What LayerNorm adds to a variance.
    #[serde(rename = "layer_norm_eps")]
    pub epsilon: f64,
    #[serde(rename = "hidden_act")]
    activation: String,
    #[serde(default = "bert")]
    model_type: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
}

fn bert() -> String {
    "bert".into()
}

fn absolute() -> String {
    "absolute".into()
}

impl Config {
    /// Reads a `config.json`.
    ///
    /// # Errors
    /// It can't be read, or is no encoder that is imported.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        let config: Self = serde_json::from_slice(json)?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<()> {
        let words = [
            ("model_type", &self.model_type, "bert"),
            ("hidden_act", &self.activation, "gelu"),
            (
                "position_embedding_type",
                &self.position_embedding_type,
                "absolute",
            ),
        ];
        for (what, found, supported) in words {
            if found != supported {
                return Err(Error::Unsupported {
                    what,
                    found: found.clone(),
                    supported,
                });
            }
        }
        let counts = [
            ("hidden_size", self.width),
            ("num_attention_heads", self.heads),
            ("num_hidden_layers", self.layers),
            ("intermediate_size", self.units),
            ("vocab_size", self.vocabulary),
            ("max_position_embeddings", self.positions),
            ("type_vocab_size", self.segments),
        ];
        for (what, found) in counts {
            // The limits of graphs: no tensor may have more columns or rows than these.
            if found == 0 || found > quern_proof::limits::MAX_COLS as usize {
                return Err(Error::Unsupported {
                    what,
                    found: found.to_string(),
                    supported: "1 to 1,048,576",
                });
            }
        }
        // JSON has no other numbers than finite ones.
        if self.epsilon < 0.0 {
            return Err(Error::Unsupported {
                what: "layer_norm_eps",
                found: self.epsilon.to_string(),
                supported: "0 or more",
            });
        }
        if !self.width.is_multiple_of(self.heads) {
            return Err(Error::Unsupported {
                what: "hidden_size",
                found: self.width.to_string(),
                supported: "a multiple of num_attention_heads",
            });
        }
        Ok(())
    }

    /// Values of one head's vector.
    pub const fn head_width(&self) -> usize {
        self.width / self.heads
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const MINILM: &str = r#"{"hidden_act":"gelu","hidden_size":384,"intermediate_size":1536,
        "layer_norm_eps":1e-12,"max_position_embeddings":512,"model_type":"bert","num_attention_heads":12,
        "num_hidden_layers":6,"position_embedding_type":"absolute","type_vocab_size":2,"vocab_size":30522}"#;

    #[test]
    fn what_is_not_imported_is_refused() {
        let config = Config::from_json(MINILM.as_bytes()).unwrap();
        assert_eq!(config.head_width(), 32);
        for (from, to) in [
            ("\"gelu\"", "\"swish\""),
            ("\"bert\"", "\"llama\""),
            ("absolute", "relative_key"),
            ("_heads\":12", "_heads\":5"),
            ("_layers\":6", "_layers\":0"),
            ("_size\":384", "_size\":1048577"),
            ("_size\":384", "_size\":-384"),
            ("_eps\":1e-12", "_eps\":-1e-12"),
            ("_eps\":1e-12", "_eps\":1e999"),
        ] {
            let json = MINILM.replace(from, to);
            assert_ne!(json, MINILM);
            assert!(Config::from_json(json.as_bytes()).is_err(), "{to}");
        }
    }
}
