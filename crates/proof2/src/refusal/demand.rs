//! Why a demand can't be opened.

use core::fmt;

/// Why a demand can't be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DemandError {
    /// There is no such tree or node, or no step of four levels starts there.
    NoSuchNode,
    /// The node lies wholly in missing positions: what it must be is known.
    Missing,
}

impl DemandError {
    /// What is wrong and what to do.
    pub const fn message(self) -> &'static str {
        match self {
            Self::NoSuchNode => {
                "no such demand: name a node of a tree of this job, at level 0, 4, 8 ... or its leaves"
            }
            Self::Missing => {
                "the node lies wholly in missing positions, so what it must be is known: convict it by its padding"
            }
        }
    }
}

impl fmt::Display for DemandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for DemandError {}
