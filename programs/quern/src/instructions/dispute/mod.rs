//! Disputes of reviewed jobs: a client rejects, an arbiter decides, or stays silent.

mod reject;
mod resolve;
mod silence;

pub(crate) use silence::expire_rejected;
pub use {reject::*, resolve::*};
