//! Events, the tables that follow from them, and the cursor. The only part that writes SQL.

mod sqlite;

pub use sqlite::SqliteStore;

use {
    crate::{
        error::Result,
        key::{EventId, Key, Signature},
        project::{EntityRow, Event, Metric, Settlement, Total},
    },
    async_trait::async_trait,
    std::collections::HashSet,
};

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

/// What is written in one database transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Transactions that were read, with their slots.
    pub transactions: Vec<(Signature, u64)>,
    /// Their events.
    pub events: Vec<Event>,
    /// What was not understood.
    pub dead_letters: Vec<DeadLetter>,
    /// The new cursor, if this ends a whole walk.
    pub cursor: Option<Cursor>,
}

/// What a write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events that were new.
    pub events: u64,
    /// Dead letters that were new.
    pub dead_letters: u64,
}

/// What a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events projected.
    pub events: u64,
    /// Dead letters that are understood now.
    pub revived: u64,
    /// Hash of the tables before.
    pub before: [u8; 32],
    /// Hash of the tables after.
    pub after: [u8; 32],
}

/// A mint that the program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mint {
    /// The mint.
    pub mint: Key,
    /// Its decimals.
    pub decimals: u8,
}

/// An answer and the state of the store that it was read from.
#[derive(Clone, Debug)]
pub struct Snapshot<T> {
    /// The cursor; none before the first whole walk.
    pub cursor: Option<Cursor>,
    /// Every registered mint.
    pub mints: Vec<Mint>,
    /// The answer.
    pub value: T,
}

/// An account and its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// Its address.
    pub address: Key,
    /// What is known of it.
    pub row: EntityRow,
}

/// An account whose changes are not all there.
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

/// Counts for `/v1/status`.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Events stored.
    pub events: u64,
    /// Transactions read.
    pub transactions: u64,
    /// Things not understood.
    pub dead_letters: u64,
    /// Accounts with missing changes.
    pub gaps: u64,
    /// The first of them.
    pub first_gaps: Vec<Gap>,
}

/// Which leaderboard.
#[derive(Clone, Copy, Debug)]
pub struct BoardQuery {
    /// Ranked by what.
    pub metric: Metric,
    /// Code of the assurance level.
    pub assurance: u8,
    /// The mint of an amount, otherwise none.
    pub mint: Key,
    /// The first hour that counts; none for all time.
    pub from_hour: Option<i64>,
    /// Only rows behind this one.
    pub after: Option<(u128, Key)>,
    /// Most rows.
    pub limit: u32,
}

/// A provider's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// What it counts.
    pub metric: Metric,
    /// Code of the assurance level.
    pub assurance: u8,
    /// The mint of an amount, otherwise none.
    pub mint: Key,
    /// The number.
    pub value: u128,
}

/// A row of a leaderboard.
#[derive(Clone, Debug)]
pub struct BoardRow {
    /// The provider's owner.
    pub provider: Key,
    /// What it is ranked by.
    pub value: u128,
    /// Its account, if known.
    pub account: Option<Entity>,
    /// Its other numbers of the same window and assurance level.
    pub scores: Vec<Score>,
}

/// Everything about a provider.
#[derive(Clone, Debug)]
pub struct ProviderView {
    /// Its account.
    pub account: Entity,
    /// Its owner's purses.
    pub purses: Vec<Entity>,
    /// Its numbers over all time.
    pub scores: Vec<Score>,
    /// Its latest settled milestones.
    pub milestones: Vec<(EventId, Settlement)>,
}

/// A step in a job's time line.
#[derive(Clone, Debug)]
pub struct TimelineStep {
    /// The job's change counter.
    pub seq: u64,
    /// The event.
    pub event: Event,
}

/// A job and its time line.
#[derive(Clone, Debug)]
pub struct JobView {
    /// Its account, as it was last.
    pub account: Entity,
    /// Every step, in order.
    pub steps: Vec<TimelineStep>,
    /// Every demand that was asked about it, in no order.
    pub demands: Vec<Entity>,
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

/// A sum with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalRow {
    /// Why the atoms moved.
    pub category: String,
    /// Code of the assurance level, 0 where none is told.
    pub assurance: u8,
    /// In which mint.
    pub mint: Key,
    /// The sum.
    pub total: Total,
}

/// All purses of a mint in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// The mint's settings.
    pub config: Entity,
    /// How many purses.
    pub purses: u64,
    /// Their free atoms.
    pub free_atoms: u128,
    /// Their reserved atoms.
    pub reserved_atoms: u128,
}

/// Sums over everything.
#[derive(Clone, Debug)]
pub struct Totals {
    /// One row a category, assurance level and mint.
    pub rows: Vec<TotalRow>,
    /// One row a mint.
    pub ledgers: Vec<Ledger>,
}

/// Where events, tables and cursor are kept. Every reading method answers from one consistent state.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Binds an empty store to a program and network, or checks that it is theirs.
    async fn bind(&self, program: &Key, genesis: Option<&str>) -> Result<()>;
    /// How far the store is.
    async fn cursor(&self) -> Result<Option<Cursor>>;
    /// Which of these transactions were read already.
    async fn known(&self, signatures: &[Signature]) -> Result<HashSet<Signature>>;
    /// Writes a batch in one transaction: all of it or nothing.
    async fn write(&self, batch: &Batch) -> Result<Written>;
    /// Drops every projection and makes it again from the events, dead letters that are understood now included.
    async fn rebuild(&self) -> Result<Rebuilt>;
    /// SHA-256 over all projections.
    async fn digest(&self) -> Result<[u8; 32]>;

    /// Counts of what is stored.
    async fn counts(&self) -> Result<Snapshot<Counts>>;
    /// Nothing but the state itself.
    async fn head(&self) -> Result<Snapshot<()>>;
    /// A page of each of these leaderboards, all from the same state.
    async fn boards(&self, queries: &[BoardQuery]) -> Result<Snapshot<Vec<Vec<BoardRow>>>>;
    /// A provider, by its owner or its account.
    async fn provider(&self, address: &Key) -> Result<Snapshot<Option<ProviderView>>>;
    /// A job with its time line.
    async fn job(&self, address: &Key) -> Result<Snapshot<Option<JobView>>>;
    /// Jobs, the ones that changed last first.
    async fn jobs(&self, query: &JobsQuery) -> Result<Snapshot<Vec<Entity>>>;
    /// A purse.
    async fn purse(&self, address: &Key) -> Result<Snapshot<Option<Entity>>>;
    /// Sums over everything.
    async fn totals(&self) -> Result<Snapshot<Totals>>;
}
