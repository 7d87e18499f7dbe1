//! What the tests of the indexer share.
#![allow(dead_code, unused_imports)]

pub mod browser;
pub mod history;
pub mod node;
pub mod pages;
pub mod postgres;
pub mod process;
pub mod served;
pub mod simulated;
#[macro_use]
pub mod tested;
pub mod transaction;
#[cfg(feature = "yellowstone")]
pub mod yellowstone;

pub use {history::*, tested::*};
