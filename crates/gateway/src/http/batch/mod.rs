//! Working on batches: lines are read in chunks, each chunk is one request to the engine, its answers are written and only then
//! the next place in the input is noted. A kill in between repeats a chunk under the name that the engine knows: it is paid once.

mod chunk;
mod lines;
mod output;
mod runner;
mod shared;
mod signals;
mod terms;
mod work;

pub use {
    runner::Runner,
    terms::{ENDPOINT, WINDOW, WINDOW_SECS},
};
