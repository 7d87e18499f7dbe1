//! What is computed for the documents: exact figures of the built program, and what strategies pay.

// What cannot be measured stops the measurement; there is nobody to hand an error to.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod bench;
pub mod payoffs;
