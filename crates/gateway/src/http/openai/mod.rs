//! OpenAI's routes.

pub mod batches;
pub mod embeddings;
pub mod files;
mod input;
pub mod list;
pub mod models;
pub mod unsupported;

pub use input::{EmbeddingRequest, Encoding};
