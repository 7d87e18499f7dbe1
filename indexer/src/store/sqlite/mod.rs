//! SQLite: one file, one writer, many readers (write-ahead log).

mod account;
mod audit;
mod bulk;
mod checkpoint;
mod columns;
mod file;
mod number;
mod numbers;
mod read;
mod scored;
mod write;

pub(super) use file::path_of;

use {
    self::{
        account::Accounts,
        checkpoint::{Checkpointer, Log},
        numbers::Numbers,
        scored::Scored,
    },
    super::{
        role::Role,
        rows::{Engine, Queries, Rows},
        version,
    },
    crate::error::{IndexerError, Result},
    async_trait::async_trait,
    sqlx::{
        Connection, Sqlite as Driver, SqliteConnection, Transaction, TransactionManager,
        migrate::Migrator,
        sqlite::{
            SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
            SqliteSynchronous, SqliteTransactionManager,
        },
    },
    std::{fs::File, path::Path, sync::Arc, time::Duration},
};

/// Connections that only read.
const READERS: u32 = 4;
/// Page cache of the connection that writes. What a write changes is more, and most of it comes at the end of tables: that leaves the
/// cache as soon as it is full and is not missed. SQLite reads a negative number as KiB.
const WRITER_CACHE_KIB: &str = "-16384";
/// Page cache of each connection that reads; the system keeps pages, too.
const READER_CACHE_KIB: &str = "-8192";
/// Pages of the log from which on a commit moves those to the file that were not moved beside it, so that the log begins anew.
const CHECKPOINT_PAGES: &str = "131072";

/// Rows that the database's thread may be ahead of whoever reads them.
const ROWS_UNDER_WAY: usize = 512;

/// Pause between looks of a process that waits for the file.
const STANDBY_PAUSE: Duration = Duration::from_millis(500);

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/sqlite/migrations");

/// The default engine.
pub struct Sqlite {
    /// None in a process that only reads.
    writer: Option<SqlitePool>,
    reader: SqlitePool,
    checkpointer: Option<Checkpointer>,
    /// Held as long as the store is open: a second writer would project the same events twice.
    lock: Option<File>,
}

impl Sqlite {
    /// Opens the database in this file, creating file and tables if needed unless the role is to read only.
    ///
    /// # Errors
    /// If the file cannot be opened, is another version's or not a store, or another process writes to it.
    pub async fn open(path: &Path, role: Role) -> Result<Self> {
        let path = &file::real_path(path)?;
        let failed = |source| IndexerError::OpenDatabase {
            path: path.display().to_string(),
            source,
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Safe with a write-ahead log: a power cut may undo the last batches, rows and cursor together.
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", WRITER_CACHE_KIB)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .row_buffer_size(ROWS_UNDER_WAY)
            .statement_cache_capacity(200);
        if role == Role::Replica {
            return Self::open_to_read(path, failed).await;
        }
        let lock = lock(path, role).await?;
        file::refuse_others(path).await?;
        let writer = pool(1, options.clone()).await.map_err(failed)?;
        version::upgrade(&mut *writer.acquire().await.map_err(failed)?, &MIGRATIONS).await?;
        let checkpointer = Checkpointer::start(&options).await.map_err(failed)?;
        let reading = options
            .read_only(true)
            .pragma("cache_size", READER_CACHE_KIB);
        let reader = pool(READERS, reading).await.map_err(failed)?;
        Ok(Self {
            writer: Some(writer),
            reader,
            checkpointer: Some(checkpointer),
            lock: Some(lock),
        })
    }

    /// Opens what another process writes, or wrote. The file stays as it is.
    async fn open_to_read(
        path: &Path,
        failed: impl Fn(sqlx::Error) -> IndexerError,
    ) -> Result<Self> {
        if !path.is_file() {
            return Err(IndexerError::NoStore(path.display().to_string()));
        }
        file::refuse_others(path).await?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(10))
            .pragma("cache_size", READER_CACHE_KIB);
        let mut first = SqliteConnection::connect_with(&options)
            .await
            .map_err(&failed)?;
        version::check(&mut first, &MIGRATIONS).await?;
        first.close().await?;
        let reader = pool(READERS, options).await.map_err(failed)?;
        Ok(Self {
            writer: None,
            reader,
            checkpointer: None,
            lock: None,
        })
    }
}

/// Takes the file for this process, at once or once it is free.
async fn lock(path: &Path, role: Role) -> Result<File> {
    let mut is_told = false;
    loop {
        match file::lock(path) {
            Err(IndexerError::StoreInUse(store)) if role == Role::Standby => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::info!(store, "standing by: another process writes");
                }
                tokio::time::sleep(STANDBY_PAUSE).await;
            }
            other => return other,
        }
    }
}

/// Connections of which none is used again unless it left its transaction.
async fn pool(most: u32, options: SqliteConnectOptions) -> sqlx::Result<SqlitePool> {
    SqlitePoolOptions::new()
        .max_connections(most)
        .after_release(|connection, _| Box::pin(has_left_transaction(connection)))
        .connect_with(options)
        .await
}

/// After a commit that failed (a full disk, a failed write), SQLite may have ended the transaction by itself or not, and the
/// driver counts on as if it were open: what is written on such a connection is not kept, and what is read is old. It is
/// closed, and the next transaction begins on a new one.
async fn has_left_transaction(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // Fails within a transaction.
    sqlx::query("BEGIN").execute(&mut *connection).await?;
    sqlx::query("ROLLBACK").execute(&mut *connection).await?;
    Ok(SqliteTransactionManager::get_transaction_depth(connection) == 0)
}

#[async_trait]
impl Engine for Sqlite {
    async fn read(&self) -> Result<Box<dyn Queries>> {
        Ok(Box::new(SqliteRows::new(self.reader.begin().await?)))
    }

    async fn write(&self) -> Result<Box<dyn Rows>> {
        let writer = self.writer.as_ref().ok_or(IndexerError::ReadOnlyStore)?;
        let begun = writer.begin_with("BEGIN IMMEDIATE").await?;
        let rows = SqliteRows::new(begun);
        let checkpointer = self.checkpointer.as_ref();
        Ok(Box::new(SqliteRows {
            log: checkpointer.map(Checkpointer::log),
            ..rows
        }))
    }

    fn may_write(&self) -> bool {
        self.writer.is_some()
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        let to = to.to_str().ok_or_else(|| IndexerError::Backup {
            to: to.display().to_string(),
            reason: "the path is not text".to_owned(),
            by_hand: "name another file".to_owned(),
        })?;
        sqlx::query("VACUUM INTO ?")
            .bind(to)
            .execute(&self.reader)
            .await?;
        Ok(())
    }

    fn copies_itself(&self) -> bool {
        true
    }

    async fn close(&self) {
        self.reader.close().await;
        if let Some(checkpointer) = &self.checkpointer {
            checkpointer.stop().await;
        }
        if let Some(writer) = &self.writer {
            writer.close().await;
        }
        if let Some(Err(error)) = self.lock.as_ref().map(File::unlock) {
            tracing::debug!(%error, "the lock stays until the store is let go of");
        }
    }
}

/// Rows in one transaction; its state is that of its first query.
struct SqliteRows {
    transaction: Transaction<'static, Driver>,
    numbers: Numbers,
    accounts: Accounts,
    scored: Scored,
    /// Events recorded here.
    events: usize,
    /// Of the connection that writes.
    log: Option<Arc<Log>>,
}

impl SqliteRows {
    fn new(transaction: Transaction<'static, Driver>) -> Self {
        Self {
            transaction,
            numbers: Numbers::default(),
            accounts: Accounts::default(),
            scored: Scored::default(),
            events: 0,
            log: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::{
            project::{
                EntityRow, EventId,
                program::{Change, EntityKind, Provider},
            },
            store::{Batch, Cursor, Store},
        },
        bytemuck::Zeroable,
        quern_api::{Key, Signature},
        quern_client::Pubkey,
        std::sync::atomic::{AtomicBool, Ordering},
        tempfile::TempDir,
    };

    /// What is written, and how readers see that it was.
    #[derive(Clone, Copy, Debug)]
    enum Place {
        Bind,
        Write,
        Rebuild,
        Again,
    }

    async fn write(store: &Store, place: Place) -> Result<()> {
        match place {
            Place::Bind => store.bind(&Key([7; 32]), Some("genesis")).await,
            Place::Write => {
                let batch = Batch {
                    transactions: vec![(Signature([3; 64]), 9)],
                    cursor: Some(Cursor {
                        slot: 9,
                        chain_time: 1,
                        origin: None,
                    }),
                    ..Batch::default()
                };
                store.write(&batch).await.map(drop)
            }
            Place::Rebuild => store.rebuild().await.map(drop),
            Place::Again => store.walk_again().await,
        }
    }

    /// SQLite ends the transaction of such a commit by itself: ending it again fails.
    #[tokio::test(flavor = "multi_thread")]
    async fn after_commits_that_failed_everything_is_written_and_seen_again() {
        for place in [Place::Bind, Place::Write, Place::Rebuild, Place::Again] {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("db");
            let engine = Sqlite::open(&path, Role::Leader).await.unwrap();
            let fails = Arc::new(AtomicBool::new(true));
            let writer = engine.writer.clone().unwrap();
            let store = Store::new(engine).await.unwrap();
            for _ in 0..3 {
                let mut connection = writer.acquire().await.unwrap();
                let fails = Arc::clone(&fails);
                let mut handle = connection.lock_handle().await.unwrap();
                handle.set_commit_hook(move || !fails.load(Ordering::SeqCst));
                drop(handle);
                drop(connection);
                assert!(write(&store, place).await.is_err(), "{place:?}");
            }
            fails.store(false, Ordering::SeqCst);
            write(&store, place).await.unwrap();
            let seen = store.engine.read().await.unwrap().meta().await.unwrap();
            match place {
                Place::Bind => assert_eq!(seen.genesis.as_deref(), Some("genesis")),
                Place::Write => assert_eq!(seen.cursor.unwrap().slot, 9),
                Place::Rebuild => {}
                Place::Again => assert!(seen.walk_due),
            }
            // Nothing is left open: another process gets its turn at once.
            let options = SqliteConnectOptions::new().filename(&path);
            let mut other = sqlx::ConnectOptions::connect(&options.busy_timeout(Duration::ZERO))
                .await
                .unwrap();
            sqlx::query("BEGIN IMMEDIATE")
                .execute(&mut other)
                .await
                .unwrap();
            sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
        }
    }

    /// What is written of an account whose owner stays leaves the index of owners alone.
    #[tokio::test]
    async fn an_account_that_gets_another_owner_is_found_by_it_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("db");
        let engine = Sqlite::open(&path, Role::Leader).await.unwrap();
        let mut rows = engine.write().await.unwrap();
        rows.remake().await.unwrap();
        rows.commit().await.unwrap();
        let kind = EntityKind::Provider as u8;
        let key = (kind, Key([1; 32]));
        let cause = EventId {
            signature: Signature([2; 64]),
            instruction: 0,
            inner: 0,
        };
        for (seq, owner) in [(1, 5), (2, 5), (3, 6)] {
            let mut account = Provider::zeroed();
            account.owner = Pubkey::new_from_array([owner; 32]);
            let change = Change {
                kind,
                address: Pubkey::new_from_array([1; 32]),
                seq,
                after: bytemuck::bytes_of(&account).to_vec(),
            };
            let row = EntityRow::of(&change, cause, seq, None);
            let mut rows = engine.write().await.unwrap();
            let read = (cause.signature, 1, 1);
            rows.insert_transactions(&[read]).await.unwrap();
            // Whoever changes an account need not have looked it up.
            if seq == 2 {
                rows.entities(&[key]).await.unwrap();
            }
            rows.put_entities(&[(key, row)]).await.unwrap();
            for other in [5, 6] {
                let found = rows.entities_of(kind, &[Key([other; 32])]).await.unwrap();
                let found: Vec<u64> = found.iter().map(|entity| entity.row.seq).collect();
                let wanted: &[u64] = if other == owner { &[seq] } else { &[] };
                assert_eq!(found, wanted, "owner {other} after change {seq}");
            }
            rows.commit().await.unwrap();
        }
    }
}
