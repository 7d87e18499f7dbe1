//! A campaign: a pot that a sponsor reserves for work that it wants, and what each provider has scored in it.

use {
    crate::{
        constants::is_nobody,
        state::{Assurance, Entity, EntityKind, JobKind},
    },
    anchor_lang::{address_eq, prelude::*},
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

    /// Why a job that is created now may not name the campaign, if it may not.
    pub fn misfit(&self, job: &CampaignCandidate<'_>, now: i64) -> Option<CampaignMisfit> {
        let times = self.times();
        let is_of_model = is_nobody(&self.model) || address_eq(&self.model, job.model);
        let checks = [
            (address_eq(&self.mint, job.mint), CampaignMisfit::Mint),
            (self.takes_kind(job.kind), CampaignMisfit::Kind),
            (is_of_model, CampaignMisfit::Model),
            (times.is_open(now), CampaignMisfit::Over),
            (
                times.leaves_room_for(job.longest_review_secs),
                CampaignMisfit::Review,
            ),
        ];
        let failed = checks.into_iter().find(|(fits, _)| !fits);
        failed.map(|(_, misfit)| misfit)
    }

    /// What is left of the pot.
    pub fn left_atoms(&self) -> Option<u64> {
        self.pot_atoms.get().checked_sub(self.claimed_atoms.get())
    }
}

/// What a campaign asks about a job that names it.
#[derive(Clone, Copy, Debug)]
pub struct CampaignCandidate<'a> {
    /// In which mint it is paid.
    pub mint: &'a Address,
    /// What kind of work it is.
    pub kind: JobKind,
    /// Its model, or nobody.
    pub model: &'a Address,
    /// The longest that its result may be under review, in seconds: [`Terms::longest_review`](super::Terms::longest_review).
    pub longest_review_secs: u64,
}

/// Why a job may not name a campaign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignMisfit {
    /// The job is paid in another mint.
    Mint,
    /// This kind of work does not score.
    Kind,
    /// Only another model's work scores.
    Model,
    /// No job may name it any more.
    Over,
    /// The review may last longer than the campaign waits after its end.
    Review,
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

#[cfg(test)]
mod tests {
    use {super::*, crate::state::Terms, bytemuck::Zeroable};

    const MINT: Address = Address::new_from_array([3; 32]);
    const MODEL: Address = Address::new_from_array([4; 32]);

    #[test]
    fn a_misfit_says_what_does_not_fit() {
        let mut campaign = Campaign::zeroed();
        (campaign.mint, campaign.model, campaign.kinds) = (MINT, MODEL, 0b001);
        campaign.end = 200.into();
        campaign.settle_by = 525.into();
        let terms = Terms {
            response_secs: 10.into(),
            react_secs: 5.into(),
            ..Terms::default()
        };
        let refereed =
            |with_tokens, secs| terms.longest_review(Assurance::Refereed, with_tokens, secs);
        let fitting = CampaignCandidate {
            mint: &MINT,
            kind: JobKind::Inference,
            model: &MODEL,
            // 15 questions of 15 seconds each: exactly the room that there is.
            longest_review_secs: refereed(false, 100),
        };
        let nobody = Address::default();
        let of_model = |model| CampaignCandidate { model, ..fitting };
        let longest = |longest_review_secs| CampaignCandidate {
            longest_review_secs,
            ..fitting
        };
        // A reviewed job has no questions.
        let reviewed = terms.longest_review(Assurance::Reviewed, true, 325);
        for (job, now, found) in [
            (fitting, 199, None),
            (fitting, 0, None),
            (fitting, 200, Some(CampaignMisfit::Over)),
            (
                CampaignCandidate {
                    mint: &MODEL,
                    ..fitting
                },
                0,
                Some(CampaignMisfit::Mint),
            ),
            (
                CampaignCandidate {
                    kind: JobKind::Training,
                    ..fitting
                },
                0,
                Some(CampaignMisfit::Kind),
            ),
            (of_model(&nobody), 0, Some(CampaignMisfit::Model)),
            (of_model(&MINT), 0, Some(CampaignMisfit::Model)),
            (
                longest(refereed(false, 101)),
                0,
                Some(CampaignMisfit::Review),
            ),
            (
                longest(refereed(true, 100)),
                0,
                Some(CampaignMisfit::Review),
            ),
            (longest(reviewed), 0, None),
        ] {
            assert_eq!(campaign.misfit(&job, now), found, "{job:?} at {now}");
        }
        assert_eq!(refereed(true, 100), 100 + 24 * 15);
        // Of any model, if it names none.
        campaign.model = nobody;
        for model in [&nobody, &MINT] {
            assert_eq!(campaign.misfit(&of_model(model), 0), None);
        }
    }
}
