//! A campaign: a pot that a sponsor reserves for work that it wants, and what each provider has scored in it.

use {
    crate::state::{Assurance, Entity, EntityKind, JobKind},
    anchor_lang::prelude::*,
    quern_rules::campaign::Times,
};

/// A pot, what scores, and when. It closes when the rest of the pot goes back.
#[account]
#[derive(Debug)]
pub struct Campaign {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Which kinds of work score: bit `code - 1` for each [`JobKind`].
    pub kinds: u8,
    /// Zero.
    pub reserved: [u8; 5],
    /// Change counter.
    pub seq: PodU64,
    /// Number of the campaign in its sponsor's purse.
    pub n: PodU64,
    /// Whose pot it is; gets the rest of it and the rent.
    pub sponsor: Address,
    /// In which mint: that of its jobs, too.
    pub mint: Address,
    /// The only model whose work scores, or nobody.
    pub model: Address,
    /// What is shared out.
    pub pot_atoms: PodU64,
    /// What was claimed of it.
    pub claimed_atoms: PodU64,
    /// The sum of all scores.
    pub total_score: PodU64,
    /// Results submitted from here on score.
    pub start: PodI64,
    /// Results submitted from here on do not.
    pub end: PodI64,
    /// What settles later scores nothing.
    pub settle_by: PodI64,
    /// Last moment for claims.
    pub claim_by: PodI64,
    /// What a refereed milestone scores, as a share of its fee.
    pub refereed_bps: PodU16,
    /// What a reviewed milestone scores, as a share of its fee.
    pub reviewed_bps: PodU16,
    /// Zero.
    pub reserved_tail: [u8; 20],
}

impl Campaign {
    /// First seed.
    pub const SEED: &'static [u8] = b"campaign";

    /// Address and bump for the n-th that was opened from a sponsor's purse.
    pub fn find_address(program_id: &Address, sponsor_purse: &Address, n: u64) -> (Address, u8) {
        Address::find_program_address(
            &[Self::SEED, sponsor_purse.as_ref(), &n.to_le_bytes()],
            program_id,
        )
    }

    /// When it counts, and when it pays.
    pub fn times(&self) -> Times {
        Times {
            start: self.start.get(),
            end: self.end.get(),
            settle_by: self.settle_by.get(),
            claim_by: self.claim_by.get(),
        }
    }

    /// Whether a kind of work scores.
    pub fn takes_kind(&self, kind: JobKind) -> bool {
        self.kinds & kind_bit(kind) != 0
    }

    /// What a milestone of this assurance scores, as a share of its fee in basis points.
    pub fn weight_bps(&self, assurance: Assurance) -> u16 {
        match assurance {
            Assurance::Refereed => self.refereed_bps.get(),
            Assurance::Reviewed => self.reviewed_bps.get(),
        }
    }

    /// What is left of the pot.
    pub fn left_atoms(&self) -> Option<u64> {
        self.pot_atoms.get().checked_sub(self.claimed_atoms.get())
    }
}

/// The bit of a kind of work in [`Campaign::kinds`].
pub const fn kind_bit(kind: JobKind) -> u8 {
    1 << (kind.code() - 1)
}

impl Entity for Campaign {
    const KIND: EntityKind = EntityKind::Campaign;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.claimed_atoms <= self.pot_atoms
    }
}

/// What one provider has scored in a campaign. It closes with its claim.
#[account]
#[derive(Debug)]
pub struct Entry {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Zero.
    pub reserved: [u8; 6],
    /// Change counter.
    pub seq: PodU64,
    /// The campaign.
    pub campaign: Address,
    /// The provider's owner.
    pub provider: Address,
    /// Who paid the rent and gets it back.
    pub payer: Address,
    /// What its milestones have scored.
    pub score: PodU64,
}

impl Entry {
    /// First seed.
    pub const SEED: &'static [u8] = b"entry";

    /// Address and bump for a provider's owner in a campaign.
    pub fn find_address(
        program_id: &Address,
        campaign: &Address,
        owner: &Address,
    ) -> (Address, u8) {
        Address::find_program_address(&[Self::SEED, campaign.as_ref(), owner.as_ref()], program_id)
    }
}

impl Entity for Entry {
    const KIND: EntityKind = EntityKind::Entry;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        true
    }
}
