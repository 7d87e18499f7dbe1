//! Which batches are worked on, and their ends from outside.

use {
    super::{shared::Shared, signals::Signals, work},
    crate::{
        embedder::Embedder,
        http::store::{BatchStore, FileStore},
    },
    quern_data::runtime::lock,
    std::{
        collections::HashMap,
        sync::{Arc, Mutex},
        time::Duration,
    },
    tokio::{
        sync::{Semaphore, watch},
        task::JoinSet,
    },
};

/// Batches worked on at a time: each holds some chunks in memory. The others wait in the order in which they came.
const RUNNING: usize = 4;
/// How long a stop waits for what is being written.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Works on batches.
pub struct Runner {
    shared: Arc<Shared>,
    running: Arc<Semaphore>,
    cancels: Arc<Mutex<HashMap<String, watch::Sender<bool>>>>,
    tasks: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl Runner {
    /// Goes on with every batch that has not ended.
    pub fn start(
        embedder: Arc<dyn Embedder>,
        files: Arc<FileStore>,
        batches: Arc<BatchStore>,
    ) -> Self {
        let open = batches.open_ids();
        let shared = Shared {
            embedder,
            files,
            batches,
        };
        let runner = Self {
            shared: Arc::new(shared),
            running: Arc::new(Semaphore::new(RUNNING)),
            cancels: Arc::default(),
            tasks: Mutex::default(),
            stop: watch::channel(false).0,
        };
        open.iter().for_each(|id| runner.begin(id));
        runner
    }

    /// Works on a batch as soon as there is place.
    pub fn begin(&self, id: &str) {
        let cancel = watch::channel(false).0;
        let signals = Signals::new(self.stop.subscribe(), cancel.subscribe());
        lock(&self.cancels).insert(id.to_owned(), cancel);
        let (shared, running) = (Arc::clone(&self.shared), Arc::clone(&self.running));
        let (cancels, id) = (Arc::clone(&self.cancels), id.to_owned());
        let mut tasks = lock(&self.tasks);
        // What has ended makes room.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            in_turn(&shared, &running, &id, signals).await;
            lock(&cancels).remove(&id);
        });
    }

    /// Tells the work on a batch that it was cancelled, which stands in its record already.
    pub fn cancel(&self, id: &str) {
        if let Some(cancel) = lock(&self.cancels).get(id) {
            cancel.send_replace(true);
        }
    }

    /// Ends all work where it is.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        let ended = async { while tasks.join_next().await.is_some() {} };
        // What is cut off then is done again at the next start.
        let _ = tokio::time::timeout(STOP_TIMEOUT, ended).await;
    }
}

/// Works on a batch when it has a place.
async fn in_turn(shared: &Shared, running: &Semaphore, id: &str, mut signals: Signals) {
    // A batch that is to end needs no place.
    let place = tokio::select! {
        place = running.acquire() => Some(place),
        _ = signals.interrupted(None) => None,
    };
    work::work(shared, id, signals).await;
    drop(place);
}
