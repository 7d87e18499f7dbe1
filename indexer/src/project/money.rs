//! Sums of everything that moved, one category at a time, never mixing mints or assurance levels.

use {
    crate::project::{
        entity::{changed_campaign, reward_mint},
        key,
        program::{EntityKind, Job, QuernEvent, read},
    },
    quern_api::{Category, Key},
};

/// Which sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TotalKey {
    /// Why the atoms moved.
    pub category: Category,
    /// Code of the assurance level, 0 where none is told.
    pub assurance: u8,
    /// In which mint.
    pub mint: Key,
}

/// A sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// Atoms in all.
    pub atoms: u128,
    /// How many events added to it.
    pub count: u64,
}

impl Total {
    /// Both in one.
    pub fn merge(&mut self, other: Self) {
        self.atoms = self.atoms.saturating_add(other.atoms);
        self.count = self.count.saturating_add(other.count);
    }
}

/// What an event adds to which sums. Zero amounts count too where the event always names them.
pub(super) fn flows(event: &QuernEvent) -> Vec<(Category, u8, Key, u64)> {
    use Category::*;
    match event {
        QuernEvent::Deposited(event) => vec![(Deposited, 0, key(&event.mint), event.amount_atoms)],
        QuernEvent::Withdrawn(event) => vec![(Withdrawn, 0, key(&event.mint), event.amount_atoms)],
        QuernEvent::RewardsClaimed(event) => {
            vec![(RewardsClaimed, 0, key(&event.mint), event.amount_atoms)]
        }
        QuernEvent::JobCreated(event) => vec![(Escrowed, 0, key(&event.mint), event.escrow_atoms)],
        QuernEvent::JobCancelled(event) => {
            vec![(Refunds, 0, key(&event.mint), event.released_atoms)]
        }
        QuernEvent::MilestoneSettled(settled) => {
            let (assurance, mint) = (settled.assurance, key(&settled.mint));
            let mut flows = vec![
                (Settled, assurance, mint, settled.price_atoms),
                (Earnings, assurance, mint, settled.provider_atoms),
                (Royalties, assurance, mint, settled.royalty_atoms),
                (Fees, assurance, mint, settled.fee_atoms),
            ];
            if let Some(reward_mint) = reward_mint(event).filter(|_| settled.reward_atoms > 0) {
                flows.push((Rewards, assurance, reward_mint, settled.reward_atoms));
            }
            flows
        }
        QuernEvent::JobResolved(event) => {
            let (assurance, mint) = (event.assurance, key(&event.mint));
            let refund_atoms = event.client_atoms.saturating_add(event.released_atoms);
            let lost_atoms = if event.deposit_to_provider {
                event.deposit_atoms
            } else {
                0
            };
            vec![
                (Resolved, assurance, mint, event.price_atoms),
                (Earnings, assurance, mint, event.provider_atoms),
                (Royalties, assurance, mint, event.royalty_atoms),
                (Fees, assurance, mint, event.fee_atoms),
                (Arbiters, assurance, mint, event.arbiter_atoms),
                (Burnt, assurance, mint, event.burn_atoms),
                (Refunds, assurance, mint, refund_atoms),
                (Penalties, assurance, mint, event.penalty_atoms),
                (RejectDepositsLost, assurance, mint, lost_atoms),
            ]
        }
        QuernEvent::JobExpired(event) => {
            let mint = key(&event.mint);
            vec![
                (Refunds, 0, mint, event.released_atoms),
                (Penalties, 0, mint, event.penalty_atoms),
            ]
        }
        QuernEvent::ConvictionSettled(event) => {
            let mint = key(&event.mint);
            vec![
                (Refunds, 0, mint, event.released_atoms),
                (SlashedToProvers, 0, mint, event.prover_atoms),
                (SlashedToClients, 0, mint, event.client_atoms),
                (SlashedToTreasury, 0, mint, event.treasury_atoms),
            ]
        }
        QuernEvent::JobTaken(taken) => {
            job_mint(event).map_or_else(Vec::new, |mint| vec![(Bonded, 0, mint, taken.bond_atoms)])
        }
        QuernEvent::JobRejected(rejected) => job_mint(event).map_or_else(Vec::new, |mint| {
            vec![(RejectDeposits, 0, mint, rejected.deposit_atoms)]
        }),
        other => of_campaigns(other),
    }
}

/// What an event of a campaign adds to which sums.
fn of_campaigns(event: &QuernEvent) -> Vec<(Category, u8, Key, u64)> {
    use Category::{CampaignClaims, CampaignPots, CampaignsSwept};
    match event {
        QuernEvent::CampaignCreated(event) => {
            vec![(CampaignPots, 0, key(&event.mint), event.pot_atoms)]
        }
        QuernEvent::CampaignClaimed(claimed) => {
            changed_campaign(event).map_or_else(Vec::new, |(_, campaign)| {
                let mint = key(&campaign.mint);
                vec![(CampaignClaims, 0, mint, claimed.amount_atoms)]
            })
        }
        QuernEvent::CampaignSwept(event) => {
            vec![(CampaignsSwept, 0, key(&event.mint), event.released_atoms)]
        }
        _ => Vec::new(),
    }
}

/// The mint of the job that an event changed, for events that do not name it.
fn job_mint(event: &QuernEvent) -> Option<Key> {
    let change = event
        .changes()
        .iter()
        .find(|change| change.kind == EntityKind::Job as u8)?;
    Some(key(&read::<Job>(&change.after)?.mint))
}
