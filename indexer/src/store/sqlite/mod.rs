//! SQLite: one file, one writer, many readers (write-ahead log).

mod audit;
mod bulk;
mod columns;
mod file;
mod number;
mod numbers;
mod read;
mod write;

pub(super) use file::path_of;

use {
    self::numbers::Numbers,
    super::rows::{Engine, Queries, Rows},
    crate::{
        error::{IndexerError, Result},
        project::EntityKey,
    },
    async_trait::async_trait,
    quern_api::Key,
    sqlx::{
        Sqlite as Driver, SqliteConnection, Transaction, TransactionManager,
        sqlite::{
            SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
            SqliteSynchronous, SqliteTransactionManager,
        },
    },
    std::{collections::HashMap, fs::File, path::Path, time::Duration},
};

/// Connections that only read.
const READERS: u32 = 4;
/// Page cache of a connection: SQLite reads a negative number as KiB.
const CACHE_KIB: &str = "-32768";
/// Pages of the log from which on they are moved to the file: fewer moves write a page that changes often less often.
const CHECKPOINT_PAGES: &str = "10000";

/// The default engine.
pub struct Sqlite {
    writer: SqlitePool,
    reader: SqlitePool,
    /// Held as long as the store is open: a second writer would project the same events twice.
    _lock: File,
}

impl Sqlite {
    /// Opens the database in this file, creating file and tables if needed.
    ///
    /// # Errors
    /// If the file cannot be opened, is another version's or not a store, or another process has it.
    pub async fn open(path: &Path) -> Result<Self> {
        let path = &file::real_path(path)?;
        let lock = file::lock(path)?;
        file::refuse_others(path).await?;
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
            .pragma("cache_size", CACHE_KIB)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .statement_cache_capacity(200);
        let writer = pool(1, options.clone()).await.map_err(failed)?;
        sqlx::migrate!("src/store/sqlite/migrations")
            .run(&writer)
            .await?;
        let reader = pool(READERS, options.read_only(true))
            .await
            .map_err(failed)?;
        Ok(Self {
            writer,
            reader,
            _lock: lock,
        })
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
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Box::new(SqliteRows::new(begun)))
    }

    async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Rows in one transaction; its state is that of its first query.
struct SqliteRows {
    transaction: Transaction<'static, Driver>,
    numbers: Numbers,
    /// The owners of the accounts that were looked up last.
    owners: HashMap<EntityKey, Key>,
}

impl SqliteRows {
    fn new(transaction: Transaction<'static, Driver>) -> Self {
        Self {
            transaction,
            numbers: Numbers::default(),
            owners: HashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::store::{Batch, Cursor, Store},
        quern_api::Signature,
        std::sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
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
            let engine = Sqlite::open(&path).await.unwrap();
            let fails = Arc::new(AtomicBool::new(true));
            let writer = engine.writer.clone();
            let store = Store::new(engine);
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
}
