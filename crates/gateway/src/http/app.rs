//! What handlers need.

use {
    super::{
        batch::Runner,
        catalog::find_model,
        error::ApiError,
        settings::{HttpSettings, Waits},
        store::{BatchStore, FileStore},
    },
    crate::embedder::{Embedder, ModelCard},
    std::{sync::Arc, time::Duration},
    tokio::sync::Semaphore,
};

/// Where files and batches are.
const FILES: &str = "files";
/// See [`FILES`].
const BATCHES: &str = "batches";
/// All that is kept beside the key.
pub(crate) const PARTS: [&str; 2] = [FILES, BATCHES];
/// Uploads at a time: each may take the disk's whole speed.
const UPLOADS: usize = 4;

/// What handlers need.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    embedder: Arc<dyn Embedder>,
    patience: Duration,
    waits: Waits,
    files: Arc<FileStore>,
    batches: Arc<BatchStore>,
    runner: Runner,
    uploads: Semaphore,
}

impl App {
    /// Opens what is kept in the folder, and goes on with the batches in it.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn open(
        embedder: Arc<dyn Embedder>,
        settings: &HttpSettings,
    ) -> Result<Self, quern_data::DataError> {
        let folder = &settings.state;
        let files = Arc::new(FileStore::open(&folder.join(FILES))?);
        let batches = Arc::new(BatchStore::open(&folder.join(BATCHES))?);
        files.keep_parts_of(&batches.parts())?;
        let runner = Runner::start(
            Arc::clone(&embedder),
            Arc::clone(&files),
            Arc::clone(&batches),
        );
        Ok(Self(Arc::new(Inner {
            embedder,
            patience: settings.patience,
            waits: settings.waits,
            files,
            batches,
            runner,
            uploads: Semaphore::new(UPLOADS),
        })))
    }

    /// Stops working on batches; a later start goes on with them.
    pub async fn stop(&self) {
        self.0.runner.stop().await;
    }

    pub(super) fn embedder(&self) -> &dyn Embedder {
        self.0.embedder.as_ref()
    }

    pub(super) fn patience(&self) -> Duration {
        self.0.patience
    }

    pub(super) fn waits(&self) -> Waits {
        self.0.waits
    }

    pub(super) fn files(&self) -> &Arc<FileStore> {
        &self.0.files
    }

    pub(super) fn batches(&self) -> &Arc<BatchStore> {
        &self.0.batches
    }

    pub(super) fn runner(&self) -> &Runner {
        &self.0.runner
    }

    pub(super) fn uploads(&self) -> &Semaphore {
        &self.0.uploads
    }

    pub(super) fn model(&self, name: &str) -> Result<ModelCard, ApiError> {
        find_model(self.embedder(), name)
    }
}
