//! A purse: what one owner has in one mint. Tokens lie in the mint's vault; purses say whose they are.

use {
    crate::state::{Entity, EntityKind},
    anchor_lang::prelude::*,
};

/// A ledger entry; never closes.
#[account]
#[derive(Debug)]
pub struct Purse {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// Change counter.
    pub seq: PodU64,
    /// Whose it is; may be any address, a PDA too.
    pub owner: Address,
    /// In which mint.
    pub mint: Address,
    /// What the owner may withdraw, escrow or bond.
    pub free_atoms: PodU64,
    /// What stands behind jobs, bonds, deposits, campaigns or rewards (P2).
    pub reserved_atoms: PodU64,
    /// What was opened from this purse: jobs now, campaigns and channels later. Numbers the next one.
    pub opened: PodU64,
    /// Bonds of live takes that the operator signed.
    pub operator_reserved_atoms: PodU64,
    /// Most that the operator's takes may have reserved and lost together; 0 at first.
    pub operator_limit_atoms: PodU64,
    /// What was lost from the bonds of the operator's takes, ever: no repeated command gives it back.
    pub operator_lost_atoms: PodU64,
    /// Zero.
    pub reserved_tail: [u8; 8],
}

impl Purse {
    /// First seed.
    pub const SEED: &'static [u8] = b"purse";
    /// Seed of the owner of burnt amounts: a PDA for which nothing signs.
    pub const BURN_SEED: &'static [u8] = b"burn";

    /// Address and bump for an owner and mint.
    pub fn find_address(program_id: &Address, owner: &Address, mint: &Address) -> (Address, u8) {
        Address::find_program_address(&[Self::SEED, owner.as_ref(), mint.as_ref()], program_id)
    }

    /// The owner of burnt amounts.
    pub fn find_burn_owner(program_id: &Address) -> (Address, u8) {
        Address::find_program_address(&[Self::BURN_SEED], program_id)
    }
}

impl Entity for Purse {
    const KIND: EntityKind = EntityKind::Purse;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.operator_reserved_atoms <= self.reserved_atoms
            && self
                .free_atoms
                .get()
                .checked_add(self.reserved_atoms.get())
                .is_some()
    }
}
