//! What the tests of the indexer share.
#![allow(dead_code, unused_imports)]

pub mod history;
pub mod node;
pub mod postgres;
pub mod process;
#[macro_use]
pub mod tested;

pub use {history::*, tested::*};
