//! The gateway itself: keeps requests, makes jobs of them, and hands out what was checked.

mod answers;
mod embedder;
mod inner;
mod kept;
mod opening;
mod orders;

pub(crate) use inner::{Inner, Stopping};
pub use opening::Engine;
