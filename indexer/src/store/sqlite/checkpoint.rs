//! Moving what the log holds to the file beside the writer: within its commits that took as long as writing the log.

use {
    sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions},
    std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    tokio::{
        sync::{Mutex, Notify},
        task::JoinSet,
    },
};

/// Events in the log from which on its pages are moved. Few are not: a page that changes often is then written to the file less often.
const DUE_EVENTS: usize = 8_192;

/// What the writer tells.
#[derive(Default)]
pub(super) struct Log {
    /// Events since pages were moved last.
    events: AtomicUsize,
    due: Notify,
    over: Notify,
}

impl Log {
    /// Takes note of a commit.
    pub(super) fn grew(&self, events: usize) {
        let before = self.events.fetch_add(events, Ordering::Relaxed);
        if before + events >= DUE_EVENTS {
            self.events.store(0, Ordering::Relaxed);
            self.due.notify_one();
        }
    }
}

/// A connection of its own, and the task that uses it.
pub(super) struct Checkpointer {
    log: Arc<Log>,
    /// Dropped, it ends.
    task: Mutex<JoinSet<()>>,
}

impl Checkpointer {
    pub(super) async fn start(options: &SqliteConnectOptions) -> sqlx::Result<Self> {
        let connection = options.connect().await?;
        let log = Arc::new(Log::default());
        let mut task = JoinSet::new();
        task.spawn(run(connection, Arc::clone(&log)));
        Ok(Self {
            log,
            task: Mutex::new(task),
        })
    }

    pub(super) fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log)
    }

    /// Finishes what runs and closes the connection: the last one that is closed removes the log.
    pub(super) async fn stop(&self) {
        self.log.over.notify_one();
        while self.task.lock().await.join_next().await.is_some() {}
    }
}

async fn run(mut connection: SqliteConnection, log: Arc<Log>) {
    loop {
        tokio::select! {
            () = log.due.notified() => {}
            () = log.over.notified() => break,
        }
        // Waits for nobody: what readers still need stays where it is.
        let done = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .execute(&mut connection)
            .await;
        if let Err(error) = done {
            tracing::debug!(%error, "the log was not moved to the file; later commits try it again");
        }
    }
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the connection that moves the log was not closed");
    }
}
