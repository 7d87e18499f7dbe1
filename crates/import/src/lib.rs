//! Float models into graphs of integers.
//!
//! What is refereed on chain is the graph that comes out of here, not the float model that went in. So this crate measures
//! what was lost on texts that it did not calibrate with, and makes no model whose figures it could not measure.
//!
//! Only this crate knows foreign formats. It opens no file and no connection: callers give bytes. The same bytes give the
//! same integers on every machine: calibration sums in a fixed order, and elementary functions come from `libm`.
//!
//! | from | module |
//! | --- | --- |
//! | BERT-like encoders | [`bert`](mod@bert) |
//! | small networks out of ONNX | [`onnx`], [`network`] |
//! | a recipe of `models/` | [`recipe`] |
//! | nothing: random weights, for tests | [`tiny`] |
//!
//! ```no_run
//! use quern_import::{Texts, Tokenizer, Weights, bert};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (calibration, held_out): (Vec<String>, Vec<String>) = Default::default();
//! let weights = Weights::from_safetensors(&std::fs::read("model.safetensors")?)?;
//! let config = bert::Config::from_json(&std::fs::read("config.json")?)?;
//! let tokenizer = Tokenizer::new(&std::fs::read("tokenizer.json")?, 128)?;
//! let texts = Texts { calibration: &calibration, held_out: &held_out };
//! let model = bert::bert(&weights, &config, &tokenizer, texts, bert::Settings::default())?;
//! println!("{}", model.quality);
//! let inputs = tokenizer.tokenize(&["The mill grinds slowly."])?;
//! # let _ = inputs;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod bert;
mod emitter;
mod error;
mod fixed;
mod layers;
mod matrix;
pub mod network;
pub mod onnx;
pub mod quality;
pub mod recipe;
pub mod tiny;
mod tokenize;
mod vectors;
mod weights;

pub use bert::{Imported, Texts};
pub use emitter::Emitted;
pub use error::{Error, Result};
pub use fixed::{Linear, Norm, Parameters, Scale};
pub use layers::{Dense, LayerNorm};
pub use matrix::{Matrix, Panels};
pub use quality::Quality;
pub use recipe::Recipe;
pub use tokenize::{LEAST_SEQUENCE, Tokenized, Tokenizer};
pub use vectors::{unit_rows, units};
pub use weights::Weights;
