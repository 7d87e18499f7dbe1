//! What is asked for embeddings and what is answered, by itself and in the lines of batches.

mod input;
mod list;

pub use {
    input::{EmbeddingRequest, Encoding},
    list::list,
};
