//! What an engine implements: rows in, rows out, in one transaction. Everything that these rows mean stands elsewhere and
//! once: which rows follow from an event in `project`, how they are merged in `apply`, what a request needs in `snapshot`.

use {
    super::{
        audit::AuditRow,
        score::{ScorePlace, ScoreRow},
    },
    crate::{
        error::Result,
        project::{
            Concern, EntityKey, EntityRow, Event, EventId, Measure, PartyRow, Settlement, StepKind,
            Total, TotalKey, program::QuernEvent,
        },
    },
    async_trait::async_trait,
    futures::stream::BoxStream,
    quern_api::{Key, Signature, Window},
    std::{collections::HashSet, path::Path},
};

/// A database.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Begins a transaction that sees one state, whatever is written meanwhile.
    async fn read(&self) -> Result<Box<dyn Queries>>;
    /// Begins the transaction that writes; a second one waits for the end of the first.
    async fn write(&self) -> Result<Box<dyn Rows>>;
    /// Whether this process writes.
    fn may_write(&self) -> bool;
    /// Writes a copy of one state to a file that is not there yet, whatever is written meanwhile.
    async fn backup(&self, to: &Path) -> Result<()>;
    /// Whether that copy is a store of SQLite.
    fn copies_itself(&self) -> bool;
    /// Finishes what runs and closes the database.
    async fn close(&self);
}

/// What every state of the store answers.
#[async_trait]
pub trait Queries: Send {
    /// What the store follows and how far it is.
    async fn meta(&mut self) -> Result<Meta>;
    /// What shows that the history is not whole.
    async fn holes(&mut self) -> Result<Holes>;
    /// Counts every row of the record; an event without its transaction is none.
    async fn tally(&mut self) -> Result<Tally>;
    /// What the database itself finds wrong with its files.
    async fn faults(&mut self) -> Result<Vec<String>>;
    /// Which of these transactions were read already.
    async fn known(&mut self, signatures: &[Signature]) -> Result<HashSet<Signature>>;
    /// Which of these events are recorded.
    async fn recorded(&mut self, ids: &[EventId]) -> Result<HashSet<EventId>>;
    /// The next events, in an order that stays.
    async fn events(&mut self, after: Option<&EventId>, limit: u32) -> Result<Vec<Event>>;
    /// The last event in that order.
    async fn last_event(&mut self) -> Result<Option<EventId>>;
    /// Every row of a projection, in the order of its key.
    fn scan(&mut self, projection: Projection) -> BoxStream<'_, Result<Projected>>;
    /// The last values of every account of a kind, in no order; accounts whose values are unknown are left out.
    fn values(&mut self, kind: u8) -> BoxStream<'_, Result<Vec<u8>>>;
    /// Every account of a kind that is not closed, in the order of their addresses.
    fn live(&mut self, kind: u8) -> BoxStream<'_, Result<Entity>>;
    /// What is known of these accounts, in no order.
    async fn entities(&mut self, keys: &[EntityKey]) -> Result<Vec<(EntityKey, EntityRow)>>;
    /// What is known of an account.
    async fn entity(&mut self, key: &EntityKey) -> Result<Option<EntityRow>>;
    /// The accounts of a kind that belong to these owners ([`crate::project::Indexed::owner`]), in the order of their addresses.
    async fn entities_of(&mut self, kind: u8, owners: &[Key]) -> Result<Vec<Entity>>;
    /// A page of the accounts of a kind that belong to an owner, in the order of their addresses.
    async fn owned(
        &mut self,
        kind: u8,
        owner: &Key,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<Entity>>;
    /// A page of the accounts of a kind, in the order of their addresses.
    async fn accounts(&mut self, kind: u8, after: Option<&Key>, limit: u32) -> Result<Vec<Entity>>;
    /// How many accounts miss changes, and the first of them.
    async fn gaps(&mut self, limit: u32) -> Result<(u64, Vec<Gap>)>;
    /// Every row of numbers in these buckets, first and last included, in no order.
    fn scores_between(&mut self, first: i64, last: i64) -> BoxStream<'_, Result<ScoreRow>>;
    /// The rows of sums that changed after this change of the store, in no order.
    async fn sums_since(&mut self, change: i64) -> Result<Vec<ScoreRow>>;
    /// A page of the rows of sums, in the order of their subjects.
    async fn sums_behind(&mut self, after: Option<&Key>, limit: u32) -> Result<Vec<ScoreRow>>;
    /// Those of these rows of numbers that there are, in no order.
    async fn scores(&mut self, places: &[ScorePlace]) -> Result<Vec<ScoreRow>>;
    /// The rows of a subject's hours from `first` to `last`, in order.
    async fn hours_of(&mut self, subject: &Key, first: i64, last: i64) -> Result<Vec<ScoreRow>>;
    /// A page of the events that concern a party: by time, events of one time in an order that stays.
    async fn party_events(&mut self, query: &PartyQuery) -> Result<Vec<Event>>;
    /// A provider's latest settled milestones, the latest first.
    async fn settlements_of(
        &mut self,
        provider: &Key,
        limit: u32,
    ) -> Result<Vec<(EventId, Settlement)>>;
    /// The next provider's owner with settled milestones of jobs that name a campaign, in the order of addresses.
    async fn next_provider_of(
        &mut self,
        campaign: &Key,
        after: Option<&Key>,
    ) -> Result<Option<Key>>;
    /// A page of a provider's settled milestones of jobs that name a campaign, by slot, those of one slot in an order that stays.
    async fn milestones_of(&mut self, query: &MilestonesQuery) -> Result<Vec<Milestone>>;
    /// Things not understood in these slots, the first and last one included, in the order of slots.
    async fn dead_letters_between(
        &mut self,
        first: u64,
        last: u64,
        limit: u32,
    ) -> Result<Vec<DeadLetter>>;
    /// A page of the steps of a job, campaign or entry, in their order.
    async fn steps_of(
        &mut self,
        job: &Key,
        kind: Steps,
        after: Option<&StepEnd>,
        limit: u32,
    ) -> Result<Vec<TimelineStep>>;
    /// A job's latest step.
    async fn last_step_of(&mut self, job: &Key) -> Result<Option<TimelineStep>>;
    /// How many of a job's milestones were paid in full.
    async fn settled_of(&mut self, job: &Key) -> Result<u32>;
    /// A page of jobs, the ones that changed last first.
    async fn jobs(&mut self, query: &JobsQuery) -> Result<Vec<Entity>>;
    /// What the last comparison with the chain found; none before the first one.
    async fn audit(&mut self) -> Result<Option<AuditRow>>;
}

/// What a writing transaction does besides. Dropped without [`Rows::commit`], it changes nothing.
#[async_trait]
pub trait Rows: Queries {
    /// Replaces what the store follows and how far it is.
    async fn put_meta(&mut self, meta: &Meta) -> Result<()>;
    /// Notes transactions as read, each with its slot and how many events and dead letters it had; how many are new.
    async fn insert_transactions(&mut self, read: &[(Signature, u64, u32)]) -> Result<u64>;
    /// Forgets that transactions were read of which something is missing, and events of which the transaction is: a walk fetches
    /// them again.
    async fn forget_incomplete(&mut self) -> Result<()>;
    /// Records events of which none is recorded yet.
    async fn insert_events(&mut self, events: &[&Event]) -> Result<()>;
    /// Records what was not understood; whether that is new.
    async fn insert_dead_letter(&mut self, letter: &DeadLetter) -> Result<bool>;
    /// Everything that was not understood.
    async fn dead_letters(&mut self) -> Result<Vec<DeadLetter>>;
    /// Forgets a dead letter.
    async fn delete_dead_letter(&mut self, id: &EventId) -> Result<()>;
    /// Inserts or replaces accounts.
    async fn put_entities(&mut self, entities: &[(EntityKey, EntityRow)]) -> Result<()>;
    /// Inserts or replaces rows of numbers, with the change of the store that did it.
    async fn put_scores(&mut self, scores: &[ScoreRow], change: i64) -> Result<()>;
    /// Those of these sums that there are, in no order.
    async fn totals(&mut self, keys: &[TotalKey]) -> Result<Vec<(TotalKey, Total)>>;
    /// Inserts or replaces sums.
    async fn put_totals(&mut self, totals: &[(TotalKey, Total)]) -> Result<()>;
    /// Adds steps to the time lines of jobs.
    async fn insert_steps(&mut self, steps: &[StepRow]) -> Result<()>;
    /// Adds settled milestones.
    async fn insert_settlements(&mut self, settlements: &[(EventId, Settlement)]) -> Result<()>;
    /// Notes whom events concern.
    async fn insert_parties(&mut self, parties: &[PartyRow]) -> Result<()>;
    /// Replaces what the last comparison with the chain found.
    async fn put_audit(&mut self, audit: &AuditRow) -> Result<()>;
    /// Deletes every row of a projection.
    async fn clear(&mut self, projection: Projection) -> Result<()>;
    /// Drops the tables of all projections, whatever their form, and makes them as this version has them, empty.
    async fn remake(&mut self) -> Result<()>;
    /// Makes everything since the beginning permanent, all of it at once.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// A table that follows from the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Projection {
    Entity,
    Score,
    Total,
    Step,
    Settlement,
    Party,
}

impl Projection {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Entity,
        Self::Score,
        Self::Total,
        Self::Step,
        Self::Settlement,
        Self::Party,
    ];
}

/// A row of a projection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Projected {
    Entity(EntityKey, EntityRow),
    Score(ScoreRow),
    Total(TotalKey, Total),
    Step(StepRow),
    Settlement(EventId, Settlement),
    Party(PartyRow),
}

/// A step in the time line of a job, campaign or entry, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRow {
    /// The job, campaign or entry.
    pub job: Key,
    /// Its change counter.
    pub seq: u64,
    /// The event.
    pub event: EventId,
    /// What jobs are asked for of it.
    pub kind: Option<StepKind>,
}

/// Which of a job's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Steps {
    All,
    Submissions,
    /// Payments in full of milestones.
    Payments,
}

/// Where a page of steps ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepEnd {
    /// The job's change counter.
    pub seq: u64,
    /// The event.
    pub event: EventId,
}

/// What shows that a stored history is not whole. Every account's counter begins with 1, and the protocol's comes first of
/// all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holes {
    /// Accounts that miss changes.
    pub gaps: u64,
    /// Whether there are accounts, but not the protocol's.
    pub headless: bool,
}

/// Rows of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Transactions.
    pub transactions: u64,
    /// Events.
    pub events: u64,
    /// Things not understood.
    pub dead_letters: u64,
    /// Transactions of which something is missing.
    pub incomplete: u64,
}

/// What a store follows and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The program, once the store is bound to one.
    pub program: Option<Key>,
    /// The network's genesis hash, once a node named it.
    pub genesis: Option<String>,
    /// How far the store is; none before the first whole walk.
    pub cursor: Option<Cursor>,
    /// Transactions read. Counted here because counting millions of rows takes too long for a status page.
    pub transactions: u64,
    /// Events recorded.
    pub events: u64,
    /// Things not understood.
    pub dead_letters: u64,
    /// Whether the whole history is to be walked again.
    pub walk_due: bool,
    /// The hour that windows end with; none before they are made.
    pub window_hour: Option<i64>,
    /// The version of the projections; 0 before they are made.
    pub tables: u32,
    /// How often numbers were written. Each row of sums says when that was last.
    pub change: i64,
    /// The change that made all of them again: rows of before may be gone.
    pub remade: i64,
}

impl Meta {
    /// Counts one more change of the numbers.
    pub(super) fn next_change(&mut self) -> i64 {
        self.change += 1;
        self.change
    }
}

/// How far the store is: everything finalized up to `slot` is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The finalized slot that the last whole walk started from.
    pub slot: u64,
    /// The cluster's clock at about that slot, in seconds.
    pub chain_time: i64,
    /// The program's first transaction, once there is one.
    pub origin: Option<Origin>,
}

/// The program's first transaction: where a walk through the whole history ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The transaction.
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
}

/// Something of the program that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it stands.
    pub id: EventId,
    /// The slot.
    pub slot: u64,
    /// Why it was not understood.
    pub reason: String,
    /// The bytes behind the event tag.
    pub data: Vec<u8>,
}

/// An account and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its address.
    pub address: Key,
    /// What is known of it.
    pub row: EntityRow,
}

/// An account of which changes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Code of its kind.
    pub kind: u8,
    /// Its address.
    pub address: Key,
    /// The highest change counter seen.
    pub seq: u64,
    /// How many changes were seen.
    pub seen: u64,
}

/// Which leaderboard.
#[derive(Clone, Copy, Debug)]
pub struct BoardQuery {
    /// Ranked by what, and who.
    pub measure: Measure,
    /// Code of the assurance level.
    pub assurance: u8,
    /// The mint of an amount, otherwise none.
    pub mint: Key,
    /// Over which time.
    pub window: Window,
    /// Only rows behind this one.
    pub after: Option<(u128, Key)>,
    /// Most rows.
    pub limit: u32,
}

/// Which events of a party.
#[derive(Clone, Copy, Debug)]
pub struct PartyQuery {
    /// Whose.
    pub party: Key,
    /// Why they concern it.
    pub concern: Concern,
    /// From this second on.
    pub from: i64,
    /// To this second.
    pub to: i64,
    /// Only events behind this one, which concerns the party at this time.
    pub after: Option<(i64, EventId)>,
    /// Whether the latest comes first.
    pub newest_first: bool,
    /// Most rows.
    pub limit: u32,
}

impl PartyQuery {
    /// The first and the last second of what is behind `after`: an index begins there, and does not pass over what was shown before.
    pub fn seconds(&self) -> (i64, i64) {
        match (self.after, self.newest_first) {
            (None, _) => (self.from, self.to),
            (Some((at, _)), false) => (self.from.max(at), self.to),
            (Some((at, _)), true) => (self.from, self.to.min(at)),
        }
    }
}

/// Which milestones of a campaign.
#[derive(Clone, Copy, Debug)]
pub struct MilestonesQuery {
    /// The campaign that their jobs name.
    pub campaign: Key,
    /// The provider's owner.
    pub provider: Key,
    /// Only milestones behind this one: its slot and event.
    pub after: Option<(u64, EventId)>,
    /// Most rows.
    pub limit: u32,
}

/// A settled milestone with the event that told of it.
#[derive(Clone, Debug)]
pub struct Milestone {
    /// The event's identity.
    pub id: EventId,
    /// What the tables keep of it.
    pub settlement: Settlement,
    /// The event, as far as the record has it.
    pub recorded: Recorded,
}

/// What the record has of an event that the tables refer to.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Recorded {
    Event(Box<Event>),
    /// Its bytes are no event that this version knows.
    Undecodable,
    /// It is gone.
    Missing,
}

impl Recorded {
    /// From the bytes in the record, if there are any.
    pub(super) fn of(id: EventId, slot: u64, data: Option<&[u8]>) -> Self {
        match data.map(QuernEvent::decode) {
            None => Self::Missing,
            Some(None) => Self::Undecodable,
            Some(Some(body)) => Self::Event(Box::new(Event { id, slot, body })),
        }
    }
}

/// Which jobs.
#[derive(Clone, Copy, Debug)]
pub struct JobsQuery {
    /// Code of the state (0: closed); none for all.
    pub state: Option<u8>,
    /// Only jobs behind this one: the slot of its last change and its address.
    pub after: Option<(u64, Key)>,
    /// Most rows.
    pub limit: u32,
}

/// A step in a job's time line and its event.
#[derive(Clone, Debug)]
pub struct TimelineStep {
    /// The job's change counter.
    pub seq: u64,
    /// The event.
    pub event: Event,
}
