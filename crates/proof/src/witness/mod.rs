//! Building evidence: from whole tensors, or from a recomputation and what a provider revealed of its own commitment.

mod layers;
mod patched;
mod whole;
mod write;

pub use patched::{Patched, Step};
pub use whole::Whole;
pub use write::{Openings, evidence};
