//! Models: from registration to a new owner.

use {crate::state::Change, anchor_lang::prelude::*};

/// A model was registered.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ModelRegistered {
    pub at: i64,
    /// Its creator and first owner.
    pub creator: Address,
    /// The creator's number for it.
    pub id: u64,
    /// Where weights and description are.
    pub uri: String,
    pub changes: Vec<Change>,
}

/// A piece of a graph was written.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ModelWritten {
    pub at: i64,
    pub model: Address,
    /// Where the piece begins.
    pub offset: u32,
    /// Its length.
    pub length: u32,
    pub changes: Vec<Change>,
}

/// A graph was checked and fixed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ModelSealed {
    pub at: i64,
    pub model: Address,
    /// SHA-256 of the graph.
    pub graph_hash: [u8; 32],
    pub changes: Vec<Change>,
}

/// A model's settings or its pending owner changed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ModelUpdated {
    pub at: i64,
    pub model: Address,
    /// Where weights and description are from now on; nothing where the settings stay.
    pub uri: Option<String>,
    pub changes: Vec<Change>,
}

/// The proposed owner took over.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ModelOwnerAccepted {
    pub at: i64,
    pub model: Address,
    /// The new owner.
    pub owner: Address,
    pub changes: Vec<Change>,
}
