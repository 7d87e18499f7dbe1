//! Providers: their entries and their rewards.

use {crate::state::Change, anchor_lang::prelude::*};

/// A provider registered.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ProviderRegistered {
    pub at: i64,
    /// Its owner.
    pub owner: Address,
    /// How to reach it.
    pub endpoint: String,
    pub changes: Vec<Change>,
}

/// A provider changed its entry.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct ProviderUpdated {
    pub at: i64,
    /// Its owner.
    pub owner: Address,
    /// How to reach it.
    pub endpoint: String,
    pub changes: Vec<Change>,
}

/// Accrued rewards were claimed.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct RewardsClaimed {
    pub at: i64,
    /// The provider's owner.
    pub owner: Address,
    /// The reward mint.
    pub mint: Address,
    /// How much.
    pub amount_atoms: u64,
    pub changes: Vec<Change>,
}
