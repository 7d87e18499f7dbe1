//! Data of jobs and models: fetched within limits, compared with the roots on chain, published. What provider and watcher
//! share; the command line uses it, too.
//!
//! - [`fetch`]: what others have published, and the convention for it; `reach`: which machines it is fetched from;
//! - [`publish`]: results for others;
//! - [`sizes`]: how large the data of a graph are, known before anything is fetched;
//! - [`files`]: files that are whole or not there.

mod error;
pub mod fetch;
pub mod files;
pub mod publish;
mod reach;
pub mod sizes;

pub use {
    error::{DataError, Result, excerpt},
    fetch::{FetchLimits, Fetcher},
    publish::Publisher,
};
