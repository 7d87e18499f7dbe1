//! The built program in a virtual machine: `<instruction>.rs` holds what is special about one instruction.

#![allow(clippy::unwrap_used, clippy::panic)]

mod bytecode;
mod edges;
mod errors;
mod fuzz;
mod golden;
mod harness;
mod jobs;
mod kit;
mod referee;
mod roles;
mod setup;
