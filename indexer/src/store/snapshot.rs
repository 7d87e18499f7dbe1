//! One state of the store, for as long as a request lasts: everything read from it agrees.

use {
    super::{
        audit::AuditRow,
        boards::Boards,
        ledgers::{self, Ledger, Ledgers},
        rows::{
            BoardQuery, Cursor, Entity, Gap, Holes, JobsQuery, Meta, Projected, Projection,
            Queries, StepEnd, Steps, TimelineStep,
        },
        score::{Score, ScorePlace, ScoreRow},
        scores::unpack,
        version,
    },
    crate::{
        error::Result,
        project::{
            ALL_TIME, EventId, Settlement, Subject, Total, TotalKey,
            program::{EntityKind, MintConfig, read},
            window_bucket,
        },
    },
    futures::TryStreamExt,
    quern_api::{Key, MAX_PAGE_ROWS, Window},
    std::{collections::HashMap, fmt, sync::Arc},
    tokio::sync::{OwnedRwLockReadGuard, RwLock},
};

/// Gaps that a status names.
const GAPS_NAMED: u32 = 20;
/// Milestones that a provider's page shows.
const MILESTONES_SHOWN: u32 = 20;

/// A state of the store.
pub struct Snapshot {
    pub(super) rows: Box<dyn Queries>,
    meta: Meta,
    holes: Holes,
    mints: Vec<MintConfig>,
    boards: Arc<RwLock<Boards>>,
    ledgers: Arc<Ledgers>,
}

/// Whether everything that ever happened is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wholeness {
    holes: Holes,
    walk_due: bool,
    dead_letters: u64,
}

impl Wholeness {
    /// Whether nothing shows that something is missing.
    pub fn is_whole(&self) -> bool {
        self.is_all_read() && self.dead_letters == 0
    }

    /// Whether another look at the chain would find nothing: what was not understood is here already.
    pub fn is_all_read(&self) -> bool {
        self.holes == Holes::default() && !self.walk_due
    }
}

impl fmt::Display for Wholeness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holes { gaps, headless } = self.holes;
        let mut reasons = Vec::new();
        if headless {
            reasons.push("the protocol's first event is missing".to_owned());
        }
        if gaps > 0 {
            reasons.push(format!("{gaps} accounts miss changes"));
        }
        if self.walk_due {
            reasons.push("the history is to be walked again".to_owned());
        }
        if self.dead_letters > 0 {
            let letters = self.dead_letters;
            reasons.push(format!(
                "{letters} events are not understood; a newer quern-indexer may understand them"
            ));
        }
        f.write_str(&reasons.join("; "))
    }
}

/// Counts for a status.
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

/// A row of a leaderboard.
#[derive(Clone, Debug)]
pub struct BoardRow {
    /// The provider's owner, the model or the client.
    pub subject: Key,
    /// What it is ranked by.
    pub value: u128,
    /// Its account, if it has one and it is known.
    pub account: Option<Entity>,
    /// Its other numbers of the same window and assurance level.
    pub scores: Vec<Score>,
}

/// Everything about a provider.
#[derive(Clone, Debug)]
pub struct ProviderRecord {
    /// Its account.
    pub account: Entity,
    /// Its owner's purses.
    pub purses: Vec<Entity>,
    /// Its numbers over all time.
    pub scores: Vec<Score>,
    /// Its latest settled milestones.
    pub milestones: Vec<(EventId, Settlement)>,
}

/// Which part of a job's lists.
#[derive(Clone, Copy, Debug)]
pub struct JobQuery {
    /// Only steps behind this one.
    pub steps_after: Option<StepEnd>,
    /// Only submissions behind this one.
    pub submissions_after: Option<StepEnd>,
    /// Only demands behind this one.
    pub demands_after: Option<Key>,
    /// Most rows of each list.
    pub limit: u32,
}

/// A job and a part of its time line.
#[derive(Clone, Debug)]
pub struct JobRecord {
    /// Its account, as it was last.
    pub account: Entity,
    /// The latest step of all.
    pub last_step: Option<TimelineStep>,
    /// How many of its milestones were paid in full.
    pub settled: u32,
    /// Steps, in order.
    pub steps: Vec<TimelineStep>,
    /// Submissions, in order.
    pub submissions: Vec<TimelineStep>,
    /// Demands about it, in the order of their addresses.
    pub demands: Vec<Entity>,
}

impl Snapshot {
    pub(super) async fn new(
        mut rows: Box<dyn Queries>,
        boards: Arc<RwLock<Boards>>,
        ledgers: Arc<Ledgers>,
    ) -> Result<Self> {
        let meta = rows.meta().await?;
        // A newer version may have taken the store over since it was opened.
        version::check_tables(&meta)?;
        let holes = rows.holes().await?;
        let values: Vec<Vec<u8>> = rows
            .values(EntityKind::MintConfig as u8)
            .try_collect()
            .await?;
        let mut mints: Vec<MintConfig> = values.iter().filter_map(|bytes| read(bytes)).collect();
        mints.sort_by_key(|config| config.mint);
        Ok(Self {
            rows,
            meta,
            holes,
            mints,
            boards,
            ledgers,
        })
    }

    /// Whether everything that ever happened is in it.
    pub fn wholeness(&self) -> Wholeness {
        Wholeness {
            holes: self.holes,
            walk_due: self.meta.walk_due,
            dead_letters: self.meta.dead_letters,
        }
    }

    /// Names this state: another one has another name, as an HTTP entity tag. Weak, for how far the node is ahead is no part of it.
    pub fn version(&self) -> String {
        let meta = &self.meta;
        let slot = meta.cursor.map_or(0, |cursor| cursor.slot);
        let gaps = self.holes.gaps;
        let letters = meta.dead_letters;
        let (events, due) = (meta.events, u8::from(meta.walk_due));
        format!("W/\"{slot}-{events}-{letters}-{gaps}-{due}\"")
    }

    /// How far the store is; none before the first whole walk.
    pub fn cursor(&self) -> Option<Cursor> {
        self.meta.cursor
    }

    /// The settings of every mint that the program takes, in the order of their addresses.
    pub fn mints(&self) -> &[MintConfig] {
        &self.mints
    }

    /// Counts of what is stored.
    ///
    /// # Errors
    /// That the database failed, or holds something impossible.
    pub async fn counts(&mut self) -> Result<Counts> {
        let (gaps, first_gaps) = self.rows.gaps(GAPS_NAMED).await?;
        Ok(Counts {
            events: self.meta.events,
            transactions: self.meta.transactions,
            dead_letters: self.meta.dead_letters,
            gaps,
            first_gaps,
        })
    }

    /// A page of a leaderboard.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn board(&mut self, query: &BoardQuery) -> Result<Vec<BoardRow>> {
        let kind = query.measure.subject;
        let boards = self.boards().await?;
        let ranked = boards.page(query).into_iter();
        let mut board: Vec<BoardRow> = ranked
            .map(|(value, subject)| BoardRow {
                subject,
                value,
                account: None,
                scores: boards.of(kind, &subject, query.window, query.assurance),
            })
            .collect();
        drop(boards);
        let subjects: Vec<Key> = board.iter().map(|row| row.subject).collect();
        let mut accounts = self.accounts_of(kind, &subjects).await?;
        for row in &mut board {
            row.account = accounts.remove(&row.subject);
        }
        Ok(board)
    }

    /// The boards of this state.
    async fn boards(&mut self) -> Result<OwnedRwLockReadGuard<Boards>> {
        let wanted = Some(self.meta.change);
        let known = Arc::clone(&self.boards).read_owned().await;
        if known.change() == wanted {
            return Ok(known);
        }
        drop(known);
        let mut known = Arc::clone(&self.boards).write_owned().await;
        if known.change() > wanted {
            // Another request saw a later state meanwhile. This one answers for its own, and holds up nobody.
            drop(known);
            let mut own = Boards::default();
            own.follow(&mut *self.rows, &self.meta).await?;
            return Ok(Arc::new(RwLock::new(own)).read_owned().await);
        }
        known.follow(&mut *self.rows, &self.meta).await?;
        Ok(known.downgrade())
    }

    /// The accounts of these owners or with these addresses.
    async fn accounts_of(
        &mut self,
        subject: Subject,
        addresses: &[Key],
    ) -> Result<HashMap<Key, Entity>> {
        let mut accounts = HashMap::new();
        match subject {
            Subject::Provider => {
                let kind = EntityKind::Provider as u8;
                for account in self.rows.entities_of(kind, addresses).await? {
                    if let Some(owner) = account.row.indexed(kind).owner {
                        accounts.entry(owner).or_insert(account);
                    }
                }
            }
            Subject::Model => {
                let kind = EntityKind::Model as u8;
                let keys: Vec<_> = addresses.iter().map(|address| (kind, *address)).collect();
                for ((_, address), row) in self.rows.entities(&keys).await? {
                    accounts.insert(address, Entity { address, row });
                }
            }
            Subject::Client | Subject::Network => {}
        }
        Ok(accounts)
    }

    /// All numbers of a subject in a window, in a fixed order.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn scores_of(
        &mut self,
        subject: Subject,
        address: Key,
        window: Window,
    ) -> Result<Vec<Score>> {
        let mut scores = Vec::new();
        for row in self.rows.scores(&[ScorePlace::of_sums(address)]).await? {
            scores.extend(self::scores_of(&row, subject, window_bucket(window))?);
        }
        Ok(scores)
    }

    /// A page of those of whom there are numbers, in the order of their addresses: each with its numbers over all time as one kind
    /// of subject, which may be none.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn numbered(
        &mut self,
        subject: Subject,
        after: Option<&Key>,
        limit: u32,
    ) -> Result<Vec<(Key, Vec<Score>)>> {
        let rows = self.rows.sums_behind(after, limit).await?;
        let each = rows.iter().map(|row| {
            let scores = self::scores_of(row, subject, ALL_TIME)?;
            Ok((row.0.subject, scores))
        });
        each.collect()
    }

    pub(super) async fn at(&mut self, kind: EntityKind, address: &Key) -> Result<Option<Entity>> {
        let row = self.rows.entity(&(kind as u8, *address)).await?;
        Ok(row.map(|row| Entity {
            address: *address,
            row,
        }))
    }

    /// A provider, by its owner or its account.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn provider(&mut self, address: &Key) -> Result<Option<ProviderRecord>> {
        let kind = EntityKind::Provider as u8;
        let account = match self.at(EntityKind::Provider, address).await? {
            Some(account) => account,
            None => {
                let owned = self.rows.owned(kind, address, None, 1).await?;
                let Some(account) = owned.into_iter().next() else {
                    return Ok(None);
                };
                account
            }
        };
        let Some(owner) = account.row.indexed(kind).owner else {
            return Ok(None);
        };
        let purses = self
            .rows
            .owned(EntityKind::Purse as u8, &owner, None, MAX_PAGE_ROWS)
            .await?;
        let scores = self
            .scores_of(Subject::Provider, owner, Window::All)
            .await?;
        let milestones = self.rows.settlements_of(&owner, MILESTONES_SHOWN).await?;
        Ok(Some(ProviderRecord {
            account,
            purses,
            scores,
            milestones,
        }))
    }

    /// A job with a part of its time line.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn job(&mut self, address: &Key, query: &JobQuery) -> Result<Option<JobRecord>> {
        let Some(account) = self.at(EntityKind::Job, address).await? else {
            return Ok(None);
        };
        let rows = &mut self.rows;
        let (steps, submissions) = (query.steps_after, query.submissions_after);
        let limit = query.limit;
        Ok(Some(JobRecord {
            account,
            last_step: rows.last_step_of(address).await?,
            settled: rows.settled_of(address).await?,
            steps: rows
                .steps_of(address, Steps::All, steps.as_ref(), limit)
                .await?,
            submissions: rows
                .steps_of(address, Steps::Submissions, submissions.as_ref(), limit)
                .await?,
            demands: rows
                .owned(
                    EntityKind::Demand as u8,
                    address,
                    query.demands_after.as_ref(),
                    limit,
                )
                .await?,
        }))
    }

    /// Jobs, the ones that changed last first.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn jobs(&mut self, query: &JobsQuery) -> Result<Vec<Entity>> {
        self.rows.jobs(query).await
    }

    /// A purse.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn purse(&mut self, address: &Key) -> Result<Option<Entity>> {
        self.at(EntityKind::Purse, address).await
    }

    /// What the last comparison with the chain found; none before the first one.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn audit(&mut self) -> Result<Option<AuditRow>> {
        self.rows.audit().await
    }

    /// The queries themselves, for what goes through everything.
    pub fn queries(&mut self) -> &mut dyn Queries {
        &mut *self.rows
    }

    /// Every sum.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn totals(&mut self) -> Result<Vec<(TotalKey, Total)>> {
        let rows: Vec<Projected> = self.rows.scan(Projection::Total).try_collect().await?;
        let totals = rows.into_iter().filter_map(|row| match row {
            Projected::Total(key, total) => Some((key, total)),
            _ => None,
        });
        Ok(totals.collect())
    }

    /// What the purses of each mint hold, in the order of mints, as requests are told it: added up once for each state.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn known_ledgers(&mut self) -> Result<Vec<Ledger>> {
        let ledgers = Arc::clone(&self.ledgers);
        ledgers.of(&mut *self.rows, &self.meta, &self.mints).await
    }

    /// The same from the tables as they are now: what checks them must not trust the memory.
    ///
    /// # Errors
    /// See [`Self::counts`].
    pub async fn ledgers(&mut self) -> Result<Vec<Ledger>> {
        ledgers::add_up(&mut *self.rows, &self.mints).await
    }
}

/// The numbers of a row in a bucket, of one kind of subject.
pub(super) fn scores_of(row: &ScoreRow, subject: Subject, bucket: i64) -> Result<Vec<Score>> {
    let numbers = unpack(row)?.into_iter();
    let wanted = numbers.filter(|(key, _)| key.bucket == bucket && key.measure.subject == subject);
    let scores = wanted.map(|(key, value)| Score {
        measure: key.measure,
        assurance: key.assurance,
        mint: key.mint,
        value,
    });
    Ok(scores.collect())
}
