//! SQLite: one file, one writer, many readers (write-ahead log).

mod columns;
mod read;
mod write;

use {
    super::rows::{Engine, Queries, Rows},
    crate::error::{IndexerError, Result},
    async_trait::async_trait,
    sqlx::{
        Sqlite as Driver, Transaction,
        sqlite::{
            SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
            SqliteSynchronous,
        },
    },
    std::{
        fs::File,
        path::{Path, PathBuf},
        time::Duration,
    },
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
    /// If the file cannot be opened or is newer, or another process has it.
    pub async fn open(path: &Path) -> Result<Self> {
        let lock = lock(path)?;
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
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        sqlx::migrate!("src/store/sqlite/migrations")
            .run(&writer)
            .await?;
        let reader = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true))
            .await
            .map_err(failed)?;
        Ok(Self {
            writer,
            reader,
            _lock: lock,
        })
    }
}

/// The file that `sqlite:PATH` names.
pub(super) fn path_of(name: &str) -> Result<&Path> {
    name.strip_prefix("sqlite:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest))
        .filter(|path| !path.is_empty())
        .map(Path::new)
        .ok_or_else(|| IndexerError::BadStore(name.to_owned()))
}

fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let failed = |source| IndexerError::OpenStore {
        path: path.display().to_string(),
        source,
    };
    let file = File::create(&lock_path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(IndexerError::StoreInUse(path.display().to_string()))
        }
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn read(&self) -> Result<Box<dyn Queries>> {
        Ok(Box::new(SqliteRows(self.reader.begin().await?)))
    }

    async fn write(&self) -> Result<Box<dyn Rows>> {
        Ok(Box::new(SqliteRows(self.writer.begin().await?)))
    }

    async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Rows in one transaction; its state is that of its first query.
struct SqliteRows(Transaction<'static, Driver>);
