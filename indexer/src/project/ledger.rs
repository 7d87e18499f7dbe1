//! Which amounts an event gave to or took from whom, and whose jobs it is about.

use {
    crate::project::{
        entity::changed_campaign,
        key,
        program::{CampaignClaimed, QuernEvent},
    },
    quern_api::{Key, LedgerKind},
};

/// Why an event is listed with a party. Stores keep the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Concern {
    /// It moved the party's money.
    Money = 0,
    /// It began the party's part in a job: its client and its model when it was created, its provider when it was taken.
    Job = 1,
    /// It began the party's part in a campaign: its sponsor's when it was created, a provider's when it joined.
    Campaign = 2,
}

impl Concern {
    /// The concern with a number.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Money, Self::Job, Self::Campaign]
            .get(usize::from(code))
            .copied()
    }
}

/// An amount that came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Whose.
    pub party: Key,
    /// Why.
    pub kind: LedgerKind,
    /// Whether it went.
    pub is_out: bool,
    /// How much.
    pub atoms: u64,
    /// In which mint.
    pub mint: Key,
    /// For which job.
    pub job: Option<Key>,
}

/// Every amount that an event moved for good. What is only reserved, or given back, is nobody's gain or loss.
pub fn moved(event: &QuernEvent) -> Vec<Moved> {
    use LedgerKind::*;
    const IN: bool = false;
    const OUT: bool = true;
    let (mint, job, rows) = match event {
        QuernEvent::Deposited(e) => (&e.mint, None, vec![(&e.owner, Deposit, IN, e.amount_atoms)]),
        QuernEvent::Withdrawn(e) => {
            let row = (&e.owner, Withdrawal, OUT, e.amount_atoms);
            (&e.mint, None, vec![row])
        }
        QuernEvent::RewardsClaimed(e) => {
            (&e.mint, None, vec![(&e.owner, Reward, IN, e.amount_atoms)])
        }
        QuernEvent::MilestoneSettled(e) => {
            let rows = vec![
                (&e.client, Payment, OUT, e.price_atoms),
                (&e.provider, Earning, IN, e.provider_atoms),
                (&e.royalty_owner, Royalty, IN, e.royalty_atoms),
            ];
            (&e.mint, Some(&e.job), rows)
        }
        QuernEvent::JobResolved(e) => {
            let paid_atoms = e.price_atoms.saturating_sub(e.client_atoms);
            let lost_atoms = u64::from(e.deposit_to_provider) * e.deposit_atoms;
            let rows = vec![
                (&e.client, Payment, OUT, paid_atoms),
                (&e.provider, Earning, IN, e.provider_atoms),
                (&e.arbiter, Arbitration, IN, e.arbiter_atoms),
                (&e.provider, Penalty, OUT, e.penalty_atoms),
                (&e.client, Penalty, IN, e.penalty_atoms),
                (&e.client, RejectDeposit, OUT, lost_atoms),
                (&e.provider, RejectDeposit, IN, lost_atoms),
            ];
            (&e.mint, Some(&e.job), rows)
        }
        QuernEvent::JobExpired(e) => {
            let rows = vec![
                (&e.provider, Penalty, OUT, e.penalty_atoms),
                (&e.client, Penalty, IN, e.penalty_atoms),
            ];
            (&e.mint, Some(&e.job), rows)
        }
        QuernEvent::ConvictionSettled(e) => {
            let bond_atoms = e.prover_atoms.saturating_add(e.client_atoms);
            let bond_atoms = bond_atoms.saturating_add(e.treasury_atoms);
            let rows = vec![
                (&e.provider, Slash, OUT, bond_atoms),
                (&e.prover, Bounty, IN, e.prover_atoms),
                (&e.client, Slash, IN, e.client_atoms),
            ];
            (&e.mint, Some(&e.job), rows)
        }
        QuernEvent::CampaignClaimed(e) => return of_claim(event, e),
        _ => return Vec::new(),
    };
    rows.into_iter()
        .filter(|(.., atoms)| *atoms > 0)
        .filter_map(|(party, kind, is_out, atoms)| {
            Some(Moved {
                party: key(party).some()?,
                kind,
                is_out,
                atoms,
                mint: key(mint),
                job: job.map(key),
            })
        })
        .collect()
}

/// A claim from a campaign goes from its sponsor to a provider. What only closed an entry of a campaign that is gone moved nothing.
fn of_claim(event: &QuernEvent, claimed: &CampaignClaimed) -> Vec<Moved> {
    let Some((_, campaign)) = changed_campaign(event).filter(|_| claimed.amount_atoms > 0) else {
        return Vec::new();
    };
    let parties = [(&campaign.sponsor, true), (&claimed.provider, false)];
    parties
        .map(|(party, is_out)| Moved {
            party: key(party),
            kind: LedgerKind::Campaign,
            is_out,
            atoms: claimed.amount_atoms,
            mint: key(&campaign.mint),
            job: None,
        })
        .to_vec()
}

/// Whom an event concerns, and why.
pub fn parties(event: &QuernEvent) -> Vec<(Key, Concern)> {
    use Concern::{Campaign, Job, Money};
    let begun = match event {
        QuernEvent::JobCreated(event) => vec![(&event.client, Job), (&event.model, Job)],
        QuernEvent::JobTaken(event) => vec![(&event.provider, Job)],
        QuernEvent::CampaignCreated(event) => vec![(&event.sponsor, Campaign)],
        QuernEvent::CampaignJoined(event) => vec![(&event.provider, Campaign)],
        _ => Vec::new(),
    };
    let begun = begun
        .into_iter()
        .filter_map(|(party, concern)| Some((key(party).some()?, concern)));
    let money = moved(event).into_iter().map(|moved| (moved.party, Money));
    begun.chain(money).collect()
}
