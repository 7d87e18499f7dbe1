//! Quern's graphs: deterministic integer arithmetic that a whole transformer can commit to and that one
//! transaction can judge.
//!
//! The on-chain program, the provider, the watcher and the client all call this crate, so that there is one
//! implementation of every rule. It has two halves:
//!
//! | half | modules | needs |
//! | --- | --- | --- |
//! | what the chain calls | [`limits`], [`hash`], [`path`], [`shape`], [`node`], [`refusal`], [`ops`], [`kernel::dot`], [`graph`], [`evidence`], [`demand`] | nothing: no heap, no `std` |
//! | whole tensors | [`Tensor`], [`builder`], [`commit`], [`eval`], [`file`], [`published`], [`verify`], [`witness`] | the feature `std` (on by default) |
//!
//! The workspace dependency switches the default features off; a crate that runs off chain asks for
//! `features = ["std"]`. Nothing here touches a file, a clock or a network: loaders take bytes.
//!
//! Integers are little-endian everywhere.
#![no_std]
#![deny(unsafe_code)] // `kernel::tiles` alone has some, and the program leaves it out: docs/decisions/033 says why.

#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod builder;
pub mod demand;
pub mod evidence;
pub mod graph;
pub mod hash;
pub mod kernel;
pub mod limits;
pub mod node;
pub mod ops;
pub mod path;
pub mod refusal;
pub mod shape;

#[cfg(feature = "std")]
pub mod commit;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
pub mod eval;
#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "std")]
pub mod published;
#[cfg(any(test, feature = "random"))]
pub mod random;
#[cfg(feature = "std")]
mod tensor;
#[cfg(feature = "std")]
pub mod verify;
#[cfg(feature = "std")]
pub mod witness;

pub use evidence::{Case, Charge, Refusal, judge};
pub use graph::{Graph, Sealed};
pub use hash::Hash;
pub use node::{NodeId, Operand, Tree};
pub use ops::Op;
pub use refusal::SealError;
pub use shape::{DType, Geometry, Scope, Shape, TraceGeometry};

#[cfg(feature = "std")]
pub use {error::Error, tensor::Tensor};
