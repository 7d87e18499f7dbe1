//! What every step of every case works with.

use {
    crate::{
        chain::WatcherChain,
        error::{Result, WatcherError},
        results::OwnResults,
        settings::Settings,
    },
    quern_data::{DataError, DownloadSlots, Folder, TensorStore, runtime::lock},
    std::{
        sync::{Arc, Mutex},
        time::{Duration, Instant},
    },
    tokio::sync::{Semaphore, SemaphorePermit},
};

/// Cases whose data are fetched at a time.
const DOWNLOADS: usize = 16;
/// How often a full disk is said.
const SAY_AGAIN: Duration = Duration::from_secs(60);

/// Settings, chain, tensors, and own results of open cases.
pub(crate) struct Context {
    pub settings: Settings,
    pub chain: Arc<dyn WatcherChain>,
    pub store: Arc<TensorStore>,
    pub results: OwnResults,
    /// Where data come in, from servers of strangers.
    pub downloads: DownloadSlots,
    /// For computing and checking.
    slots: Semaphore,
    said_full: Mutex<Option<Instant>>,
}

impl Context {
    /// With the tensors of others, or with its own: of the settings' folder and memory.
    pub(crate) fn new(
        settings: Settings,
        chain: Arc<dyn WatcherChain>,
        shared: Option<Arc<TensorStore>>,
    ) -> Result<Self> {
        let folder = settings.state.as_ref().map(|state| Folder {
            path: state.join("tensors"),
            user: "watcher".to_owned(),
            is_required: false,
            max_bytes: settings.disk_bytes,
        });
        let store = match shared {
            Some(store) => store,
            None => Arc::new(TensorStore::open(
                settings.fetch.clone(),
                settings.memory_bytes,
                folder,
            )?),
        };
        Ok(Self {
            downloads: DownloadSlots::new(DOWNLOADS, settings.patience),
            slots: Semaphore::new(settings.concurrency.max(1)),
            said_full: Mutex::default(),
            settings,
            chain,
            store,
            results: OwnResults::default(),
        })
    }

    /// Waits for a slot to compute and check in.
    pub(crate) async fn slot(&self) -> Result<SemaphorePermit<'_>> {
        let slot = self.slots.acquire().await;
        Ok(slot.map_err(|error| DataError::Broken(error.to_string()))?)
    }

    /// Whether a failure is that a disk is full. That is said once a minute, however many cases run into it.
    pub(crate) fn is_full_disk(&self, error: &WatcherError) -> bool {
        let WatcherError::Data(error @ DataError::DiskFull { .. }) = error else {
            return false;
        };
        let mut said = lock(&self.said_full);
        if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            *said = Some(Instant::now());
            tracing::error!(%error, "nothing is lost: results are checked once there is room");
        }
        true
    }
}
