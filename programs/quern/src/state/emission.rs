//! Token rewards: how much an epoch may grant, and how much is granted but not claimed.

use {
    crate::{
        constants::is_nobody,
        state::{Assurance, Entity, EntityKind},
    },
    anchor_lang::prelude::*,
};

/// The one emission account; its purse in the reward mint holds what can be granted.
#[account]
#[derive(Debug)]
pub struct Emission {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Weight of refereed work in basis points.
    pub refereed_weight_bps: PodU16,
    /// Weight of reviewed work in basis points.
    pub reviewed_weight_bps: PodU16,
    /// Zero.
    pub reserved: [u8; 2],
    /// Change counter.
    pub seq: PodU64,
    /// What rewards are paid in; nobody until configured, then fixed.
    pub reward_mint: Address,
    /// Length of an epoch, fixed with the mint.
    pub epoch_secs: PodU32,
    /// Zero.
    pub reserved_mid: [u8; 4],
    /// Most that the current epoch may grant.
    pub cap_atoms: PodU64,
    /// Most that the next epoch may grant.
    pub next_cap_atoms: PodU64,
    /// Index of the current epoch: unix time / epoch_secs.
    pub epoch_index: PodU64,
    /// Granted in the current epoch (P5).
    pub spent_atoms: PodU64,
    /// Granted and not yet claimed: the reserved part of the emission's purse.
    pub outstanding_atoms: PodU64,
    /// Zero.
    pub reserved_tail: [u8; 32],
}

impl Emission {
    /// Seed of the only emission account.
    pub const SEED: &'static [u8] = b"emission";

    /// Its address and bump.
    pub fn find_address(program_id: &Address) -> (Address, u8) {
        Address::find_program_address(&[Self::SEED], program_id)
    }

    /// Whether a reward mint has been set.
    pub fn is_configured(&self) -> bool {
        !is_nobody(&self.reward_mint)
    }

    /// Weight of an assurance level in basis points.
    pub fn weight_bps(&self, assurance: Assurance) -> u16 {
        match assurance {
            Assurance::Refereed => self.refereed_weight_bps.get(),
            Assurance::Reviewed => self.reviewed_weight_bps.get(),
        }
    }

    /// The highest weight, for P12.
    pub fn highest_weight_bps(&self) -> u16 {
        self.refereed_weight_bps
            .get()
            .max(self.reviewed_weight_bps.get())
    }
}

impl Entity for Emission {
    const KIND: EntityKind = EntityKind::Emission;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.spent_atoms.get() <= self.cap_atoms.get()
    }
}
