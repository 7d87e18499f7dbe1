//! A mint that the protocol takes: its vault, its prices, and the sum of all purses in it.

use {
    crate::state::{Assurance, Entity, EntityKind, Protocol},
    anchor_lang::prelude::*,
    quern_rules::quote::Floors,
};

/// Prices and rates of a mint, as an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct MintRates {
    /// Reward atoms per fee atom, times 10^9.
    pub reward_rate_e9: u64,
    /// Least price of a milestone, in atoms, at least 1.
    pub least_price_atoms: u64,
    /// Least price per 10^9 units of work, in atoms.
    pub price_per_gwork_atoms: u64,
    /// Least bond per 10^9 units of work of a refereed job, in atoms.
    pub bond_per_gwork_atoms: u64,
}

/// A registered mint.
#[account]
#[derive(Debug)]
pub struct MintConfig {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Canonical bump of the vault.
    pub vault_bump: u8,
    /// Decimals of the mint.
    pub decimals: u8,
    /// Whether new jobs may be paid in it.
    pub enabled: PodBool,
    /// Zero.
    pub reserved: [u8; 3],
    /// Change counter.
    pub seq: PodU64,
    /// The mint.
    pub mint: Address,
    /// SPL Token or Token-2022.
    pub token_program: Address,
    /// The one token account that holds all atoms of this mint.
    pub vault: Address,
    /// Sum of free and reserved over all purses (P1, P3).
    pub total_atoms: PodU64,
    /// Reward atoms per fee atom, times 10^9.
    pub reward_rate_e9: PodU64,
    /// Least price of a milestone.
    pub least_price_atoms: PodU64,
    /// Least price per 10^9 units of work.
    pub price_per_gwork_atoms: PodU64,
    /// Least bond per 10^9 units of work.
    pub bond_per_gwork_atoms: PodU64,
    /// Zero.
    pub reserved_tail: [u8; 32],
}

impl MintConfig {
    /// First seed.
    pub const SEED: &'static [u8] = b"mint";
    /// First seed of the vault.
    pub const VAULT_SEED: &'static [u8] = b"vault";

    /// Address and bump for a mint.
    pub fn find_address(program_id: &Address, mint: &Address) -> (Address, u8) {
        Address::find_program_address(&[Self::SEED, mint.as_ref()], program_id)
    }

    /// Address and bump of a mint's vault.
    pub fn find_vault(program_id: &Address, mint: &Address) -> (Address, u8) {
        Address::find_program_address(&[Self::VAULT_SEED, mint.as_ref()], program_id)
    }

    /// What this mint and the protocol ask of a job.
    pub fn floors(&self, protocol: &Protocol, assurance: Assurance) -> Floors {
        Floors {
            least_price_atoms: self.least_price_atoms.get(),
            price_per_gwork_atoms: self.price_per_gwork_atoms.get(),
            bond_bps: protocol.floors(assurance).0,
            bond_per_gwork_atoms: self.bond_per_gwork_atoms.get(),
        }
    }

    /// Writes prices and rates.
    pub fn apply(&mut self, rates: &MintRates) {
        self.reward_rate_e9 = rates.reward_rate_e9.into();
        self.least_price_atoms = rates.least_price_atoms.into();
        self.price_per_gwork_atoms = rates.price_per_gwork_atoms.into();
        self.bond_per_gwork_atoms = rates.bond_per_gwork_atoms.into();
    }
}

impl Entity for MintConfig {
    const KIND: EntityKind = EntityKind::MintConfig;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.least_price_atoms.get() >= 1
    }
}
