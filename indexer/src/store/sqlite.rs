//! SQLite: one file, one writer, many readers (write-ahead log).

mod read;
mod rows;
mod write;

use {
    crate::{
        error::{IndexerError, Result},
        key::{Key, Signature},
        store::{
            Batch, BoardQuery, BoardRow, Counts, Cursor, Entity, JobView, JobsQuery, ProviderView,
            Rebuilt, Snapshot, Store, Totals, Written,
        },
    },
    async_trait::async_trait,
    sqlx::sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
    std::{
        collections::HashSet,
        fs::File,
        path::{Path, PathBuf},
        time::Duration,
    },
};

/// Connections that only read.
const READERS: u32 = 4;

/// The default store.
pub struct SqliteStore {
    writer: SqlitePool,
    reader: SqlitePool,
    /// Held as long as the store is open: a second writer would project the same events twice.
    _lock: File,
}

impl SqliteStore {
    /// Opens the store named `sqlite:PATH`, creating file and tables if needed.
    ///
    /// # Errors
    /// If the name is not understood, the file cannot be opened or is newer, or another process has it.
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_path(path_of(url)?).await
    }

    /// Opens the store named `sqlite:PATH`, which must be there; creates nothing otherwise.
    ///
    /// # Errors
    /// If it is not there, or see [`Self::open`].
    pub async fn open_existing(url: &str) -> Result<Self> {
        let path = path_of(url)?;
        if !path.is_file() {
            return Err(IndexerError::NoStore(path.display().to_string()));
        }
        Self::open_path(path).await
    }

    /// Opens the store in this file.
    ///
    /// # Errors
    /// See [`Self::open`].
    pub async fn open_path(path: &Path) -> Result<Self> {
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
            .statement_cache_capacity(200);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        sqlx::migrate!("src/store/migrations").run(&writer).await?;
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

    /// Finishes what runs and closes the file.
    pub async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

fn path_of(url: &str) -> Result<&Path> {
    url.strip_prefix("sqlite:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest))
        .filter(|path| !path.is_empty())
        .map(Path::new)
        .ok_or_else(|| IndexerError::BadStore(url.to_owned()))
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
impl Store for SqliteStore {
    async fn bind(&self, program: &Key, genesis: Option<&str>) -> Result<()> {
        write::bind(&self.writer, program, genesis).await
    }

    async fn cursor(&self) -> Result<Option<Cursor>> {
        let mut connection = self.writer.acquire().await?;
        read::cursor(&mut connection).await
    }

    async fn known(&self, signatures: &[Signature]) -> Result<HashSet<Signature>> {
        let mut connection = self.writer.acquire().await?;
        read::known(&mut connection, signatures).await
    }

    async fn write(&self, batch: &Batch) -> Result<Written> {
        write::batch(&self.writer, batch).await
    }

    async fn rebuild(&self) -> Result<Rebuilt> {
        write::rebuild(&self.writer).await
    }

    async fn digest(&self) -> Result<[u8; 32]> {
        let mut transaction = self.reader.begin().await?;
        read::digest(&mut transaction).await
    }

    async fn counts(&self) -> Result<Snapshot<Counts>> {
        let mut transaction = self.reader.begin().await?;
        let value = read::counts(&mut transaction).await?;
        read::snapshot(&mut transaction, value).await
    }

    async fn head(&self) -> Result<Snapshot<()>> {
        let mut transaction = self.reader.begin().await?;
        read::snapshot(&mut transaction, ()).await
    }

    async fn boards(&self, queries: &[BoardQuery]) -> Result<Snapshot<Vec<Vec<BoardRow>>>> {
        let mut transaction = self.reader.begin().await?;
        let mut boards = Vec::with_capacity(queries.len());
        for query in queries {
            boards.push(read::board(&mut transaction, query).await?);
        }
        read::snapshot(&mut transaction, boards).await
    }

    async fn provider(&self, address: &Key) -> Result<Snapshot<Option<ProviderView>>> {
        let mut transaction = self.reader.begin().await?;
        let value = read::provider(&mut transaction, address).await?;
        read::snapshot(&mut transaction, value).await
    }

    async fn job(&self, address: &Key) -> Result<Snapshot<Option<JobView>>> {
        let mut transaction = self.reader.begin().await?;
        let value = read::job(&mut transaction, address).await?;
        read::snapshot(&mut transaction, value).await
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<Snapshot<Vec<Entity>>> {
        let mut transaction = self.reader.begin().await?;
        let value = read::jobs(&mut transaction, query).await?;
        read::snapshot(&mut transaction, value).await
    }

    async fn purse(&self, address: &Key) -> Result<Snapshot<Option<Entity>>> {
        let mut transaction = self.reader.begin().await?;
        let value = read::purse(&mut transaction, address).await?;
        read::snapshot(&mut transaction, value).await
    }

    async fn totals(&self) -> Result<Snapshot<Totals>> {
        let mut transaction = self.reader.begin().await?;
        let value = read::totals(&mut transaction).await?;
        read::snapshot(&mut transaction, value).await
    }
}
