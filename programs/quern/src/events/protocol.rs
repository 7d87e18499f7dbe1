//! The protocol, its mints and its rewards.

use {crate::state::Change, anchor_lang::prelude::*};

/// The protocol and the emission exist now.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ProtocolInitialized {
    pub at: i64,
    pub changes: Vec<Change>,
}

/// Settings or the pending authority changed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ProtocolUpdated {
    pub at: i64,
    pub changes: Vec<Change>,
}

/// The proposed authority took over.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct AuthorityAccepted {
    pub at: i64,
    /// The new authority.
    pub authority: Address,
    pub changes: Vec<Change>,
}

/// New models, jobs and takes were stopped or allowed again.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct PauseSet {
    pub at: i64,
    /// Whether they are stopped.
    pub paused: bool,
    pub changes: Vec<Change>,
}

/// A mint was registered and its vault created.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct MintRegistered {
    pub at: i64,
    pub mint: Address,
    pub changes: Vec<Change>,
}

/// A mint's rates changed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct MintUpdated {
    pub at: i64,
    pub mint: Address,
    pub changes: Vec<Change>,
}

/// Rewards were configured.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct EmissionConfigured {
    pub at: i64,
    pub changes: Vec<Change>,
}
