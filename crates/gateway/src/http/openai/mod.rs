//! OpenAI's routes.

pub mod batches;
pub mod embeddings;
pub mod files;
pub mod list;
pub mod models;
pub mod unsupported;
