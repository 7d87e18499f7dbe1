//! Events, the tables that follow from them, and the cursor.
//!
//! [`Rows`] is what an engine implements; only engines (`sqlite/`, `postgres/`) write SQL. What a batch changes (`apply`), how
//! everything is made again (`rebuild`), which form the tables have (`version`), whether they follow from the events (`check`),
//! what their hash is (`digest`) and what a request reads ([`Snapshot`]) is written once over it.

mod apply;
mod audit;
mod backup;
mod boards;
mod check;
mod digest;
mod ledgers;
mod numbered;
mod pages;
mod postgres;
mod rebuild;
mod role;
mod rows;
mod score;
mod scores;
mod snapshot;
mod sqlite;
mod version;
mod windows;
mod writing;

pub use {
    apply::{Batch, Written},
    audit::{AuditRow, DIFFERENCES_KEPT, DifferenceRow},
    check::Checked,
    ledgers::Ledger,
    postgres::Postgres,
    rebuild::{Loss, Rebuilt, Replayed},
    role::Role,
    rows::{
        BoardQuery, Cursor, DeadLetter, Engine, Entity, Gap, Holes, JobsQuery, Meta, Milestone,
        MilestonesQuery, Origin, PartyQuery, Projected, Projection, Queries, Recorded, Rows,
        StepEnd, StepRow, Steps, Tally, TimelineStep,
    },
    score::{Score, ScorePlace, ScoreRow},
    scores::Numbers,
    snapshot::{BoardRow, Counts, JobQuery, JobRecord, ProviderRecord, Snapshot, Wholeness},
    sqlite::Sqlite,
    writing::Writing,
};

use {
    crate::error::{IndexerError, Result},
    quern_api::{Key, Signature},
    std::{collections::HashSet, path::Path, sync::Arc},
    tokio::sync::RwLock,
};

/// Where events, tables and cursor are kept.
pub struct Store {
    engine: Box<dyn Engine>,
    /// What the last request for a leaderboard knew.
    boards: Arc<RwLock<boards::Boards>>,
    /// What the last request for totals knew.
    ledgers: Arc<ledgers::Ledgers>,
}

impl Store {
    /// A store in this database. Tables of an older version are made again from the events.
    ///
    /// # Errors
    /// If its tables are those of another version and cannot be made again; or see [`Self::read`].
    pub async fn new(engine: impl Engine) -> Result<Self> {
        let store = Self {
            engine: Box::new(engine),
            boards: Arc::default(),
            ledgers: Arc::default(),
        };
        let meta = store.engine.read().await?.meta().await?;
        match version::check_tables(&meta) {
            Err(IndexerError::OlderStore) if store.engine.may_write() => store.upgrade().await?,
            other => other?,
        }
        Ok(store)
    }

    async fn upgrade(&self) -> Result<()> {
        let mut rows = self.engine.write().await?;
        let events = rebuild::upgrade(&mut *rows).await?;
        rows.commit().await?;
        if events > 0 {
            tracing::info!(
                events,
                "upgraded: the tables were made again from the events"
            );
        }
        Ok(())
    }

    /// Opens the store that `--store` names to write, creating what is not there.
    ///
    /// # Errors
    /// See [`Self::open_as`].
    pub async fn open(name: &str) -> Result<Self> {
        Self::open_as(name, Role::Leader).await
    }

    /// Opens the store that `--store` names. Only a replica creates nothing.
    ///
    /// # Errors
    /// If the name is not understood, the database cannot be opened, is a newer version's or no store, or another process writes
    /// to it and this one shall write and not wait.
    pub async fn open_as(name: &str, role: Role) -> Result<Self> {
        match postgres::is_postgres(name) {
            true => Self::new(Postgres::open(name, role).await?).await,
            false => Self::new(Sqlite::open(sqlite::path_of(name)?, role).await?).await,
        }
    }

    /// Opens the store that `--store` names to write, which must be there; creates nothing otherwise.
    ///
    /// # Errors
    /// If it is not there, or see [`Self::open_as`].
    pub async fn open_existing(name: &str) -> Result<Self> {
        let is_there = match postgres::is_postgres(name) {
            true => Postgres::exists(name).await?,
            false => sqlite::path_of(name)?.is_file(),
        };
        match is_there {
            true => Self::open(name).await,
            false => Err(IndexerError::NoStore(shown(name))),
        }
    }

    /// Finishes what runs and closes the database; another process may write from now on.
    pub async fn close(&self) {
        self.engine.close().await;
    }

    /// The store's state now; what is written later does not show in it.
    ///
    /// # Errors
    /// That the database failed, or holds something impossible.
    pub async fn read(&self) -> Result<Snapshot> {
        let rows = self.engine.read().await?;
        Snapshot::new(rows, Arc::clone(&self.boards), Arc::clone(&self.ledgers)).await
    }

    /// Binds an empty store to a program and network, or checks that it is theirs.
    ///
    /// # Errors
    /// `WrongStore` if it is another's; or see [`Self::read`].
    pub async fn bind(&self, program: &Key, genesis: Option<&str>) -> Result<()> {
        let meta = self.belongs_to(program, genesis).await?;
        let is_named = meta.program.is_some() && (meta.genesis.is_some() || genesis.is_none());
        if is_named {
            return Ok(());
        }
        let mut rows = self.engine.write().await?;
        let meta = Meta {
            program: Some(*program),
            genesis: meta.genesis.or_else(|| genesis.map(str::to_owned)),
            ..rows.meta().await?
        };
        rows.put_meta(&meta).await?;
        rows.commit().await
    }

    /// Checks that a store is not another program's or network's.
    ///
    /// # Errors
    /// See [`Self::bind`].
    pub async fn belongs_to(&self, program: &Key, genesis: Option<&str>) -> Result<Meta> {
        let meta = self.engine.read().await?.meta().await?;
        if let Some(stored) = meta.program.filter(|stored| stored != program) {
            return Err(IndexerError::WrongStore {
                field: "the program",
                stored: stored.to_string(),
                found: program.to_string(),
            });
        }
        if let (Some(stored), Some(found)) = (&meta.genesis, genesis)
            && stored != found
        {
            return Err(IndexerError::WrongStore {
                field: "the genesis hash",
                stored: stored.clone(),
                found: found.to_owned(),
            });
        }
        Ok(meta)
    }

    /// How far the store is.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub async fn cursor(&self) -> Result<Option<Cursor>> {
        Ok(self.engine.read().await?.meta().await?.cursor)
    }

    /// Which of these transactions were read already.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub async fn known(&self, signatures: &[Signature]) -> Result<HashSet<Signature>> {
        let mut rows = self.engine.read().await?;
        // A first walk lists a whole history.
        match rows.meta().await?.transactions {
            0 => Ok(HashSet::new()),
            _ => rows.known(signatures).await,
        }
    }

    /// Writes a batch: all of it or nothing.
    ///
    /// # Errors
    /// See [`Self::read`]; then nothing was written.
    pub async fn write(&self, batch: &Batch) -> Result<Written> {
        self.begin().await?.add(batch).await?.finish().await
    }

    /// Begins to take in batches; whoever else writes waits for the end.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub async fn begin(&self) -> Result<Writing> {
        Writing::begin(self.engine.write().await?).await
    }

    /// Drops every projection and makes it again from the events, dead letters that are understood now included.
    ///
    /// # Errors
    /// See [`Self::read`]; then nothing was changed.
    pub async fn rebuild(&self) -> Result<Rebuilt> {
        let mut rows = self.engine.write().await?;
        let rebuilt = rebuild::rebuild(&mut *rows).await?;
        rows.commit().await?;
        Ok(rebuilt)
    }

    /// Rebuilds if something that was recorded is gone, which the next run fetches again, or if this version understands a dead
    /// letter of an older one.
    ///
    /// # Errors
    /// See [`Self::read`]; then nothing was changed.
    pub async fn mend(&self) -> Result<Option<Rebuilt>> {
        let mut rows = self.engine.write().await?;
        if !rebuild::is_due(&mut *rows).await? {
            return Ok(None);
        }
        let rebuilt = rebuild::rebuild(&mut *rows).await?;
        rows.commit().await?;
        Ok(Some(rebuilt))
    }

    /// Tries every dead letter again: those that this version understands become events.
    ///
    /// # Errors
    /// See [`Self::read`]; then nothing was changed.
    pub async fn replay(&self) -> Result<Replayed> {
        let mut rows = self.engine.write().await?;
        let replayed = rebuild::replay(&mut *rows).await?;
        rows.commit().await?;
        Ok(replayed)
    }

    /// Has the next run walk the whole history again.
    ///
    /// # Errors
    /// See [`Self::read`]; then nothing was changed.
    pub async fn walk_again(&self) -> Result<()> {
        let mut rows = self.engine.write().await?;
        let meta = Meta {
            walk_due: true,
            ..rows.meta().await?
        };
        rows.put_meta(&meta).await?;
        rows.commit().await
    }

    /// Keeps what a comparison with the chain found, in place of the one before.
    ///
    /// # Errors
    /// See [`Self::read`]; then nothing was changed.
    pub async fn put_audit(&self, audit: &AuditRow) -> Result<()> {
        let mut rows = self.engine.write().await?;
        rows.put_audit(audit).await?;
        rows.commit().await
    }

    /// Compares the tables with what the stored events make, and changes nothing.
    ///
    /// # Errors
    /// See [`Self::read`]; or that there is no room for what the events make.
    pub async fn check(&self) -> Result<Checked> {
        check::check(&mut *self.engine.read().await?).await
    }

    /// Copies one state of the store to a file, whatever is written meanwhile, and leaves no part of a copy behind if that fails.
    /// What the copy is, its engine says: a store of SQLite, which is checked, or PostgreSQL's dump.
    ///
    /// # Errors
    /// That the file is there, or the copy failed.
    pub async fn backup(&self, to: &Path) -> Result<Option<Checked>> {
        backup::backup(&*self.engine, to).await
    }

    /// SHA-256 over all projections.
    ///
    /// # Errors
    /// See [`Self::read`].
    pub async fn digest(&self) -> Result<[u8; 32]> {
        digest::digest(&mut *self.engine.read().await?).await
    }
}

/// What `--store` names, without a password.
pub fn shown(name: &str) -> String {
    match postgres::is_postgres(name) {
        true => postgres::shown(name),
        false => name.to_owned(),
    }
}
