//! PostgreSQL: a server for many processes, of which one writes.
//!
//! The connection that writes holds an advisory lock for as long as it lives: the process that has the lock leads. When that
//! connection dies, its open transaction and its lock end together, so nobody ever writes without the lock.

mod audit;
mod backup;
mod columns;
mod name;
mod read;
mod write;

pub(super) use name::{is_postgres, shown};

use {
    super::{
        role::Role,
        rows::{Engine, Queries, Rows},
        version,
    },
    crate::error::{IndexerError, Result},
    async_trait::async_trait,
    sqlx::{
        Connection, PgConnection, Postgres as Driver, Transaction,
        migrate::Migrator,
        postgres::{PgConnectOptions, PgPool, PgPoolOptions},
    },
    std::{
        ops::{Deref, DerefMut},
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    },
};

/// Where all tables stand, so that a database may be shared with other applications. The sessions search nowhere else.
const SCHEMA: &str = "quern_indexer";
/// Connections that only read.
const READERS: u32 = 8;
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the server to take the lock back at the end.
const UNLOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause between looks of a standby. It does not wait within a statement: that would keep the server from tidying up.
const STANDBY_PAUSE: Duration = Duration::from_millis(500);
/// "Qurn": the advisory lock of the process that writes.
const LOCK: i64 = 0x5175_726e;

const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Should two ever write, the later one fails instead of adding to what it did not see.
const WRITE: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/postgres/migrations");

/// What a session is told. Every query finds its rows by an index: a plan made while a table was small must not read all of it
/// once it is large.
const SETTINGS: [(&str, &str); 9] = [
    ("search_path", SCHEMA),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    // A leader whose machine is gone gives its lock up within half a minute.
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
];

/// The engine for many readers.
pub struct Postgres {
    /// One connection; none in a process that only reads.
    writer: Option<PgPool>,
    reader: PgPool,
    /// Whether the writer's connection is new and holds no lock yet.
    is_new: Arc<AtomicBool>,
    name: String,
    shown: String,
}

impl Postgres {
    /// Opens the store in this database, creating what is not there unless the role is to read only.
    ///
    /// # Errors
    /// If the database cannot be reached, holds no store or another version's, or another process writes to it.
    pub async fn open(name: &str, role: Role) -> Result<Self> {
        let options = name::options(name)?.options(SETTINGS);
        let shown = name::shown(name);
        // A pool would try again and again and not say why.
        let mut first = connect(&options, &shown).await?;
        let is_new = Arc::new(AtomicBool::new(true));
        let writer = match role {
            Role::Replica => {
                if !has_schema(&mut first).await? {
                    return Err(IndexerError::NoStore(shown));
                }
                version::check(&mut first, &MIGRATIONS).await?;
                None
            }
            Role::Leader | Role::Standby => Some(writer(options.clone(), &is_new)),
        };
        first.close().await?;
        let reader = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_lazy_with(options);
        let engine = Self {
            writer,
            reader,
            is_new,
            name: name.to_owned(),
            shown,
        };
        if role != Role::Replica {
            engine.begin_to_lead(role).await?;
        }
        Ok(engine)
    }

    /// Whether there is a store.
    ///
    /// # Errors
    /// If the database cannot be reached.
    pub async fn exists(name: &str) -> Result<bool> {
        let options = name::options(name)?;
        let mut connection = connect(&options, &name::shown(name)).await?;
        let found = has_schema(&mut connection).await?;
        connection.close().await?;
        Ok(found)
    }

    /// Takes the lock and gives the tables of the record the form of this version.
    async fn begin_to_lead(&self, role: Role) -> Result<()> {
        let mut is_told = false;
        while !self.takes_lock().await? {
            if role != Role::Standby {
                return Err(IndexerError::StoreInUse(self.shown.clone()));
            }
            if !std::mem::replace(&mut is_told, true) {
                tracing::info!(store = self.shown, "standing by: another process writes");
            }
            tokio::time::sleep(STANDBY_PAUSE).await;
        }
        let mut connection = self.writer()?.acquire().await?;
        if !has_schema(&mut connection).await? {
            let sql = format!("CREATE SCHEMA {SCHEMA}");
            sqlx::query(&sql).execute(&mut *connection).await?;
        }
        version::upgrade(&mut *connection, &MIGRATIONS).await
    }

    /// Whether this process writes from now on.
    async fn takes_lock(&self) -> Result<bool> {
        let mut connection = self.writer()?.acquire().await?;
        // Again, should the connection have been replaced since somebody looked.
        let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await?;
        self.is_new.store(!is_ours, Ordering::SeqCst);
        Ok(is_ours)
    }

    fn writer(&self) -> Result<&PgPool> {
        self.writer.as_ref().ok_or(IndexerError::ReadOnlyStore)
    }
}

async fn connect(options: &PgConnectOptions, shown: &str) -> Result<PgConnection> {
    let failed = |source| IndexerError::Connect {
        store: shown.to_owned(),
        source,
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(options));
    let connected = connected.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
    connected.map_err(failed)
}

async fn has_schema(connection: &mut PgConnection) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
    let found = sqlx::query_scalar(sql).bind(SCHEMA);
    Ok(found.fetch_one(connection).await?)
}

/// One connection, kept for as long as it works.
fn writer(options: PgConnectOptions, is_new: &Arc<AtomicBool>) -> PgPool {
    let is_new = Arc::clone(is_new);
    PgPoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(CONNECT_TIMEOUT)
        .after_connect(move |_, _| {
            is_new.store(true, Ordering::SeqCst);
            Box::pin(async { Ok(()) })
        })
        .connect_lazy_with(options)
}

#[async_trait]
impl Engine for Postgres {
    async fn read(&self) -> Result<Box<dyn Queries>> {
        Ok(Box::new(PgRows(self.reader.begin_with(READ).await?)))
    }

    async fn write(&self) -> Result<Box<dyn Rows>> {
        let writer = self.writer()?;
        loop {
            let transaction = writer.begin_with(WRITE).await?;
            if !self.is_new.load(Ordering::SeqCst) {
                return Ok(Box::new(PgRows(transaction)));
            }
            // The old connection died. Another process may lead by now.
            drop(transaction);
            if !self.takes_lock().await? {
                return Err(IndexerError::StoreInUse(self.shown.clone()));
            }
        }
    }

    fn may_write(&self) -> bool {
        self.writer.is_some()
    }

    async fn backup(&self, to: &Path) -> Result<()> {
        backup::dump(&self.name, to).await
    }

    fn copies_itself(&self) -> bool {
        false
    }

    async fn close(&self) {
        self.reader.close().await;
        if let Some(writer) = &self.writer {
            // A write that begins now has to take the lock anew.
            self.is_new.store(true, Ordering::SeqCst);
            // The server notices only later that the connection has ended, and another process shall lead at once.
            let unlock = tokio::time::timeout(UNLOCK_TIMEOUT, async {
                let mut connection = writer.acquire().await?;
                let unlock = sqlx::query("SELECT pg_advisory_unlock_all()");
                unlock.execute(&mut *connection).await
            });
            if !matches!(unlock.await, Ok(Ok(_))) {
                tracing::debug!(
                    "the lock stays until the server notices that the connection has ended"
                );
            }
            writer.close().await;
        }
    }
}

/// Rows in one transaction.
struct PgRows(Transaction<'static, Driver>);

impl Deref for PgRows {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for PgRows {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
