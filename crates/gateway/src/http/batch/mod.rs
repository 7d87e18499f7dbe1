//! Working on batches: lines are read in chunks, each chunk is one request to the engine, its answers are written and only then
//! the next place in the input is noted. A kill in between repeats a chunk under the name that the engine knows: it is paid once.

mod chunk;
mod lines;
mod output;
mod runner;
mod work;

pub use runner::Runner;

/// Where the lines of a batch go.
pub const ENDPOINT: &str = "/v1/embeddings";
/// The time that a batch has, in OpenAI's word.
pub const WINDOW: &str = "24h";
/// The same, in seconds.
pub const WINDOW_SECS: i64 = 24 * 3600;
