//! Harness of the tests: the built program in a virtual machine, with checks that run after every transaction.

// A harness stops a test where something is not as it must be; there is nobody to hand an error to.
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod bench;
#[cfg(feature = "e2e")]
pub mod demo;
pub mod payoffs;
pub mod svm;
