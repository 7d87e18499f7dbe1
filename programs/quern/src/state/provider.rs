//! A provider of compute: its keys, how to reach it, and what it has done.

use {
    crate::state::{Assurance, Entity, EntityKind},
    anchor_lang::{address_eq, prelude::*},
};

/// A registered provider; never closes.
#[account]
#[derive(Debug)]
pub struct Provider {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Whether it may take jobs.
    pub active: PodBool,
    /// Zero.
    pub reserved: [u8; 5],
    /// Change counter.
    pub seq: PodU64,
    /// The wallet that owns bonds, earnings and rewards.
    pub owner: Address,
    /// The hot key that may take, submit and reveal.
    pub operator: Address,
    /// UTF-8, padded with zero bytes.
    pub name: [u8; 32],
    /// SHA-256 of the endpoint; the event carries the text.
    pub endpoint_hash: [u8; 32],
    /// Jobs taken.
    pub taken: PodU64,
    /// Milestones settled in its favour.
    pub settled: PodU64,
    /// Deadlines missed.
    pub late: PodU64,
    /// Convictions settled.
    pub convicted: PodU64,
    /// Work of settled refereed jobs.
    pub refereed_work: PodU64,
    /// Work of settled reviewed jobs, where a graph says it.
    pub reviewed_work: PodU64,
    /// Rewards accrued over all time, in atoms of the reward mint.
    pub rewards_accrued_atoms: PodU64,
    /// Rewards claimed over all time.
    pub rewards_claimed_atoms: PodU64,
    /// Zero.
    pub reserved_tail: [u8; 32],
}

impl Provider {
    /// First seed.
    pub const SEED: &'static [u8] = b"provider";

    /// Address and bump for an owner.
    pub fn find_address(program_id: &Address, owner: &Address) -> (Address, u8) {
        Address::find_program_address(&[Self::SEED, owner.as_ref()], program_id)
    }

    /// Whether this key may act for the provider on jobs.
    #[inline(never)]
    pub fn is_party(&self, key: &Address) -> bool {
        address_eq(key, &self.owner) || address_eq(key, &self.operator)
    }

    /// Counts a settled milestone. Counters saturate: they inform, they never block a payment.
    pub fn count_settled(&mut self, assurance: Assurance, work: u64) {
        self.settled = self.settled.saturating_add(1);
        match assurance {
            Assurance::Refereed => self.refereed_work = self.refereed_work.saturating_add(work),
            Assurance::Reviewed => self.reviewed_work = self.reviewed_work.saturating_add(work),
        }
    }
}

impl Entity for Provider {
    const KIND: EntityKind = EntityKind::Provider;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.rewards_claimed_atoms <= self.rewards_accrued_atoms
    }
}
