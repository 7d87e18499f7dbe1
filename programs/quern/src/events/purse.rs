//! Purses: what came in, what went out, what an operator may reserve.

use {crate::state::Change, anchor_lang::prelude::*};

/// A purse was opened.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct PurseOpened {
    pub at: i64,
    /// Whose it is.
    pub owner: Address,
    /// In which mint.
    pub mint: Address,
    pub changes: Vec<Change>,
}

/// Tokens came in.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct Deposited {
    pub at: i64,
    /// Whose purse was credited.
    pub owner: Address,
    /// In which mint.
    pub mint: Address,
    /// Who paid.
    pub depositor: Address,
    /// What the vault received.
    pub amount_atoms: u64,
    pub changes: Vec<Change>,
}

/// Tokens went out.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct Withdrawn {
    pub at: i64,
    /// Whose purse was debited.
    pub owner: Address,
    /// In which mint.
    pub mint: Address,
    /// The token account that received them.
    pub destination: Address,
    /// How much.
    pub amount_atoms: u64,
    pub changes: Vec<Change>,
}

/// The most that an operator's takes may have reserved and lost was set.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, AnchorDeserialize)]
pub struct OperatorLimitSet {
    pub at: i64,
    /// Whose purse.
    pub owner: Address,
    pub limit_atoms: u64,
    pub changes: Vec<Change>,
}
