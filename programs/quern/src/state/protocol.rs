//! The protocol's settings: who may change them, and what new jobs copy.

use {
    crate::{
        constants::{
            MAX_ARBITER_BPS, MAX_DEMAND_FEE_LAMPORTS, MAX_FEE_BPS, MAX_LATE_PENALTY_BPS,
            MAX_REJECT_BPS, MAX_WINDOW_SECS, MIN_REFEREED_BOND_BPS, is_nobody,
        },
        error::QuernError,
        state::{Assurance, Entity, EntityKind, Terms},
    },
    anchor_lang::prelude::*,
};

/// Everything that the authority may set, as an argument: people, what new jobs copy, and what bounds new jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct ProtocolSettings {
    /// Who may pause (and later veto a campaign's root).
    pub guardian: Address,
    /// Whose purses receive fees.
    pub treasury_owner: Address,
    /// Protocol fee in basis points of the price, at most 1,000.
    pub fee_bps: u16,
    /// Late penalty in basis points of the bond.
    pub late_penalty_bps: u16,
    /// Reject deposit in basis points of the price.
    pub reject_bps: u16,
    /// The arbiter's share in basis points of the price.
    pub arbiter_bps: u16,
    /// Least bond of a refereed job in basis points of the price, at least 20,000.
    pub refereed_bond_bps: u32,
    /// Least bond of a reviewed job in basis points of a milestone's price.
    pub reviewed_bond_bps: u32,
    /// Shortest review window of a refereed job.
    pub refereed_review_secs: u32,
    /// Shortest review window of a reviewed job.
    pub reviewed_review_secs: u32,
    /// Price of a demand in lamports.
    pub demand_fee_lamports: u64,
    /// Time to answer a demand.
    pub response_secs: u32,
    /// Time to react to an answer.
    pub react_secs: u32,
    /// Time for the arbiter.
    pub resolve_secs: u32,
    /// Time in which only the provider may finalize.
    pub grace_secs: u32,
    /// What a cluster restart adds to deadlines.
    pub restart_grace_secs: u32,
    /// Shortest time for the claims of a campaign.
    pub campaign_claim_secs: u32,
}

/// The protocol's one settings account.
#[account]
#[derive(Debug)]
pub struct Protocol {
    /// Layout version.
    pub version: u8,
    /// Canonical bump.
    pub bump: u8,
    /// Whether new models, jobs and takes are stopped.
    pub paused: PodBool,
    /// Zero.
    pub reserved: [u8; 5],
    /// Change counter.
    pub seq: PodU64,
    /// Who may change settings.
    pub authority: Address,
    /// Who may become the authority by signing, or nobody.
    pub pending_authority: Address,
    /// Who may pause (and later veto a campaign's root).
    pub guardian: Address,
    /// Whose purses receive fees.
    pub treasury_owner: Address,
    /// What new jobs copy.
    pub terms: Terms,
    /// Least bond of a refereed job, share of the price.
    pub refereed_bond_bps: PodU32,
    /// Least bond of a reviewed job, share of a milestone's price.
    pub reviewed_bond_bps: PodU32,
    /// Shortest review of a refereed job.
    pub refereed_review_secs: PodU32,
    /// Shortest review of a reviewed job.
    pub reviewed_review_secs: PodU32,
    /// Shortest time for the claims of a campaign.
    pub campaign_claim_secs: PodU32,
    /// Hash of the cluster's genesis block, set at initialization for ever: tools refuse to work on another cluster.
    pub cluster: [u8; 32],
}

impl Protocol {
    /// Seed of the only protocol account.
    pub const SEED: &'static [u8] = b"protocol";

    /// Its address and bump.
    pub fn find_address(program_id: &Address) -> (Address, u8) {
        Address::find_program_address(&[Self::SEED], program_id)
    }

    /// Writes checked settings.
    pub fn apply(&mut self, settings: &ProtocolSettings) -> Result<()> {
        settings.validate()?;
        self.guardian = settings.guardian;
        self.treasury_owner = settings.treasury_owner;
        self.terms = Terms {
            demand_fee_lamports: settings.demand_fee_lamports.into(),
            response_secs: settings.response_secs.into(),
            react_secs: settings.react_secs.into(),
            resolve_secs: settings.resolve_secs.into(),
            grace_secs: settings.grace_secs.into(),
            restart_grace_secs: settings.restart_grace_secs.into(),
            fee_bps: settings.fee_bps.into(),
            late_penalty_bps: settings.late_penalty_bps.into(),
            reject_bps: settings.reject_bps.into(),
            arbiter_bps: settings.arbiter_bps.into(),
        };
        self.refereed_bond_bps = settings.refereed_bond_bps.into();
        self.reviewed_bond_bps = settings.reviewed_bond_bps.into();
        self.refereed_review_secs = settings.refereed_review_secs.into();
        self.reviewed_review_secs = settings.reviewed_review_secs.into();
        self.campaign_claim_secs = settings.campaign_claim_secs.into();
        Ok(())
    }

    /// Least bond share and shortest review of an assurance level.
    pub fn floors(&self, assurance: Assurance) -> (u32, u32) {
        match assurance {
            Assurance::Refereed => (
                self.refereed_bond_bps.get(),
                self.refereed_review_secs.get(),
            ),
            Assurance::Reviewed => (
                self.reviewed_bond_bps.get(),
                self.reviewed_review_secs.get(),
            ),
        }
    }
}

impl ProtocolSettings {
    /// Bounds that protect users from the settings themselves.
    pub fn validate(&self) -> Result<()> {
        require!(!is_nobody(&self.treasury_owner), QuernError::NoTreasury);
        require!(self.fee_bps <= MAX_FEE_BPS, QuernError::ShareTooHigh);
        for (share, most) in [
            (self.late_penalty_bps, MAX_LATE_PENALTY_BPS),
            (self.reject_bps, MAX_REJECT_BPS),
            (self.arbiter_bps, MAX_ARBITER_BPS),
        ] {
            require!(share <= most, QuernError::ShareTooHigh);
        }
        require!(
            self.demand_fee_lamports <= MAX_DEMAND_FEE_LAMPORTS,
            QuernError::ShareTooHigh
        );
        require!(
            self.refereed_bond_bps >= MIN_REFEREED_BOND_BPS,
            QuernError::BondTooLow
        );
        for bond in [self.refereed_bond_bps, self.reviewed_bond_bps] {
            require!(bond <= 1_000_000, QuernError::ShareTooHigh);
        }
        for secs in [
            self.refereed_review_secs,
            self.reviewed_review_secs,
            self.response_secs,
            self.react_secs,
            self.resolve_secs,
            self.grace_secs,
            self.restart_grace_secs,
            self.campaign_claim_secs,
        ] {
            require!(
                (1..=MAX_WINDOW_SECS).contains(&secs),
                QuernError::BadTimeSpan
            );
        }
        Ok(())
    }
}

impl Entity for Protocol {
    const KIND: EntityKind = EntityKind::Protocol;
    fn seq_mut(&mut self) -> &mut PodU64 {
        &mut self.seq
    }
    fn invariant(&self) -> bool {
        self.terms.fee_bps.get() <= MAX_FEE_BPS
            && self.refereed_bond_bps.get() >= MIN_REFEREED_BOND_BPS
    }
}
