//! All rows that a set of events makes, ready to be merged into the tables.

use {
    crate::project::{
        EntityKey, EntityRow, Event, EventId, Total, TotalKey, clients,
        entity::text_for,
        key,
        ledger::{Concern, parties},
        measure::{Added, Measure, added},
        money,
        program::{EntityKind, MilestoneSettled, QuernEvent},
    },
    quern_api::{Key, Window},
    std::collections::BTreeMap,
};

/// The bucket that holds everything. Those of windows follow it; all others are hours since 1970.
pub const ALL_TIME: i64 = i64::MIN;
/// From here on buckets are hours; no hour is that old.
pub const FIRST_HOUR: i64 = ALL_TIME + 8;
/// Seconds in a bucket.
const BUCKET_SECS: i64 = 3_600;

/// Which number of whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScoreKey {
    /// Hour since 1970, [`ALL_TIME`], or a window ([`window_bucket`]).
    pub bucket: i64,
    /// A provider's owner, a model, a client; none for the network. It stands before what is counted: one milestone changes several
    /// numbers of one provider.
    pub subject: Key,
    /// What it counts, and of whom.
    pub measure: Measure,
    /// Code of the assurance level; numbers of different levels are never added.
    pub assurance: u8,
    /// The mint of an amount, otherwise none.
    pub mint: Key,
}

/// That an event concerns a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartyRow {
    /// Whom.
    pub party: Key,
    /// Why.
    pub concern: Concern,
    /// When it happened.
    pub at: i64,
    /// The event.
    pub event: EventId,
}

/// A milestone that was paid in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The slot.
    pub slot: u64,
    /// When, in seconds.
    pub at: i64,
    /// The job.
    pub job: Key,
    /// The provider's owner.
    pub provider: Key,
    /// Who paid.
    pub client: Key,
    /// The model, or nobody.
    pub model: Key,
    /// In which mint.
    pub mint: Key,
    /// The campaign, or nobody.
    pub campaign: Key,
    /// Code of the assurance level.
    pub assurance: u8,
    /// Which milestone, from 0.
    pub milestone: u8,
    /// Work.
    pub work: u64,
    /// Price.
    pub price_atoms: u64,
    /// Protocol fee.
    pub fee_atoms: u64,
    /// Royalty.
    pub royalty_atoms: u64,
    /// What the provider earned.
    pub provider_atoms: u64,
    /// Reward accrued, in atoms of the reward mint.
    pub reward_atoms: u64,
    /// When the result was submitted, in seconds.
    pub submitted_at: i64,
    /// What it added to the campaign's score.
    pub score: u64,
}

impl Settlement {
    fn of(event: &MilestoneSettled, slot: u64) -> Self {
        Self {
            slot,
            at: event.at,
            job: key(&event.job),
            provider: key(&event.provider),
            client: key(&event.client),
            model: key(&event.model),
            mint: key(&event.mint),
            campaign: key(&event.campaign),
            assurance: event.assurance,
            milestone: event.milestone,
            work: event.work,
            price_atoms: event.price_atoms,
            fee_atoms: event.fee_atoms,
            royalty_atoms: event.royalty_atoms,
            provider_atoms: event.provider_atoms,
            reward_atoms: event.reward_atoms,
            submitted_at: event.submitted_at,
            score: event.score,
        }
    }
}

/// Steps in a job's time line that are looked up or counted alone. Stores keep the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepKind {
    /// A result was submitted.
    Submission = 1,
    /// A milestone was paid in full.
    Settlement = 2,
}

impl StepKind {
    fn of(event: &QuernEvent) -> Option<Self> {
        match event {
            QuernEvent::ResultSubmitted(_) => Some(Self::Submission),
            QuernEvent::MilestoneSettled(_) => Some(Self::Settlement),
            _ => None,
        }
    }

    /// The kind with a number.
    pub fn from_code(code: u8) -> Option<Self> {
        let kinds = [Self::Submission, Self::Settlement];
        kinds.into_iter().find(|kind| *kind as u8 == code)
    }
}

/// Rows to merge into the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Latest values of accounts.
    pub entities: BTreeMap<EntityKey, EntityRow>,
    /// Numbers of providers, models, clients and the network.
    pub scores: BTreeMap<ScoreKey, u128>,
    /// Sums over everything.
    pub totals: BTreeMap<TotalKey, Total>,
    /// In the order of events, as all lists here. Time lines of jobs, campaigns and entries: the account, its `seq`, the event, and what jobs are asked for of it.
    pub steps: Vec<(Key, u64, EventId, Option<StepKind>)>,
    /// Settled milestones.
    pub settlements: BTreeMap<EventId, Settlement>,
    /// Whom the events concern.
    pub parties: Vec<PartyRow>,
}

impl Delta {
    /// Adds what follows from one event. The caller sees to it that no event is added twice.
    pub fn add(&mut self, event: &Event) {
        let body = &event.body;
        for change in body.changes() {
            let address = key(&change.address);
            let row = EntityRow::of(change, event.id, event.slot, text_for(body, change));
            self.merge_entity((change.kind, address), row);
            if has_time_line(change.kind) {
                let kind = StepKind::of(body).filter(|_| change.kind == EntityKind::Job as u8);
                self.steps.push((address, change.seq, event.id, kind));
            }
        }
        for (category, assurance, mint, atoms) in money::flows(body) {
            let total = Total {
                atoms: u128::from(atoms),
                count: 1,
            };
            self.totals
                .entry(TotalKey {
                    category,
                    assurance,
                    mint,
                })
                .or_default()
                .merge(total);
        }
        let (at, all) = added(body);
        for one in all.into_iter().chain(clients::added(body)) {
            self.add_score(&one, at);
        }
        for (party, concern) in parties(body) {
            self.parties.push(PartyRow {
                party,
                concern,
                at,
                event: event.id,
            });
        }
        if let QuernEvent::MilestoneSettled(settled) = body {
            let settlement = Settlement::of(settled, event.slot);
            self.settlements.insert(event.id, settlement);
        }
    }

    fn merge_entity(&mut self, key: EntityKey, row: EntityRow) {
        match self.entities.get_mut(&key) {
            Some(known) => known.merge(row),
            None => drop(self.entities.insert(key, row)),
        }
    }

    fn add_score(&mut self, added: &Added, at: i64) {
        // Hours serve windows, and those numbers have none.
        let hour = (!added.measure.metric.is_of_clients_alone()).then(|| hour_of(at));
        for bucket in [Some(ALL_TIME), hour].into_iter().flatten() {
            let score = self
                .scores
                .entry(ScoreKey {
                    measure: added.measure,
                    assurance: added.assurance,
                    mint: added.mint,
                    bucket,
                    subject: added.subject,
                })
                .or_default();
            *score = score.saturating_add(u128::from(added.value));
        }
    }
}

/// Whether the steps of such an account are kept.
pub fn has_time_line(kind: u8) -> bool {
    use EntityKind::{Campaign, Entry, Job};
    matches!(EntityKind::from_code(kind), Some(Job | Campaign | Entry))
}

/// The bucket of a window's sums.
pub fn window_bucket(window: Window) -> i64 {
    ALL_TIME + window as i64
}

/// Whether a bucket is an hour.
pub fn is_hour(bucket: i64) -> bool {
    bucket >= FIRST_HOUR
}

/// The first hour of the window that ends with this one; none for all time.
pub fn first_hour(window: Window, hour: i64) -> Option<i64> {
    Some(hour - window.hours()? + 1)
}

/// The hour in which a time lies.
pub fn hour_of(at: i64) -> i64 {
    at.div_euclid(BUCKET_SECS)
}
