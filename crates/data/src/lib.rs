//! Data of jobs and models: fetched within limits, compared with the roots on chain, published. What provider and watcher
//! share; the command line uses it, too.
//!
//! - [`fetch`]: what others have published, and the convention for it; `http`, `reach`: how, and from which machines;
//! - [`publish`]: results for others;
//! - [`sizes`]: how large the data of a graph are, known before anything is fetched;
//! - [`slots`]: how many downloads of strangers' data run at a time, and who has to make place;
//! - [`any_file`]: what stands for a file that is no tensor;
//! - [`store`]: tensors named by their roots, in memory, in a folder, fetched; [`budget`]: the memory that they may take;
//! - [`model`]: the folder of an imported model;
//! - [`files`]: files that are whole or not there; [`runtime`]: what every loop that follows the chain is made of.

pub mod any_file;
pub mod budget;
pub mod checked;
mod error;
pub mod fetch;
pub mod files;
mod http;
mod limits;
pub mod model;
pub mod models;
pub mod publish;
mod reach;
pub mod runtime;
pub mod sizes;
pub mod slots;
pub mod store;

pub use {
    budget::{MemoryBudget, Reservation, Share},
    error::{DataError, Result, excerpt},
    fetch::{Fetcher, check_uri},
    limits::FetchLimits,
    model::ModelFolder,
    publish::Publisher,
    slots::{DownloadSlot, DownloadSlots},
    store::{Download, Folder, TensorList, TensorStore, Wanted},
};
