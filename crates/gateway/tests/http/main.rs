//! The HTTP front against OpenAI's published shapes, over a real socket and an engine in memory.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod batches;
mod double;
mod embeddings;
mod files;
mod fuzz;
mod guard;
mod limits;
mod models;
mod reference;
mod retries;
mod server;
mod spending;
