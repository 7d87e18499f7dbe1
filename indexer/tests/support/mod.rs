//! What the tests of the indexer share.
#![allow(dead_code, unused_imports)]

pub mod browser;
pub mod history;
pub mod node;
pub mod pages;
pub mod process;
pub mod served;
pub mod simulated;
pub mod transaction;

pub use history::*;
