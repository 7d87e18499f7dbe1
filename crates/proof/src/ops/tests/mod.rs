//! The ops against a second implementation in this crate ([`naive`]), cell by cell and as a whole, on random and extreme graphs.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod bounds;
mod cells;
mod committed;
mod fuzz;
mod golden;
mod kinds;
mod memory;
mod naive;
mod reads;
mod tiled;
