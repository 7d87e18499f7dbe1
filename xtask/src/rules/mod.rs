//! Rules of the house that no compiler checks.

pub mod circles;
pub mod dependencies;
pub mod instructions;
pub mod invariants;
mod sources;
pub mod words;
