//! Every money and deadline decision of Quern, as pure checked functions.
//!
//! The on-chain program and the indexer call the same code, so a number that the chain settled can be recomputed by
//! anybody. Nothing in here reads a clock, an account or a file: time and amounts come in as arguments.
//!
//! Conventions, which hold for every function:
//! - amounts are atoms of one mint (`u64`), shares are basis points of [`BPS`], times are Unix seconds (`i64`);
//! - shares are floored, a price or a bond per unit of work is rounded up; what rounding leaves over goes to the
//!   party that the function's documentation names, so parts always sum to the whole;
//! - every function is total: it returns a value or a [`RuleError`], and never panics, whatever the arguments.
//!
//! Only `u64` and `u128` integer arithmetic is used, without heap, because the program pays for each instruction.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod arbitrary;
pub mod bond;
pub mod campaign;
pub mod caps;
pub mod deadline;
pub mod epoch;
mod error;
pub mod gwork;
pub mod late;
pub mod price;
pub mod quote;
pub mod reject;
pub mod reward;
pub mod settle;
pub mod share;
pub mod slash;

pub use error::RuleError;

/// Basis points in one whole: a share of 10,000 is everything.
pub const BPS: u64 = 10_000;
