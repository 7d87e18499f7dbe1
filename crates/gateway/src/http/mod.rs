//! The HTTP front: OpenAI's routes over an [`Embedder`], for programs of this machine.
//!
//! A request passes, in this order: its name ([`request_id`]), its host and origin ([`guard`]), its API key ([`token`]), a place
//! among those that are worked on, its route ([`openai`], [`quern`]). Bodies, queues, lists and waits are bounded; what is kept
//! ([`store`]) lies in the gateway's state folder, so that a restart goes on with batches ([`batch`]).

mod ask;
mod batch;
mod error;
mod guard;
mod ids;
mod json;
mod openai;
mod quern;
mod request_id;
mod router;
mod server;
mod store;
mod token;

pub use {
    error::ApiError,
    router::router,
    server::{HttpError, HttpServer, HttpSettings, TOKEN_FILE},
    token::Token,
};

use {
    crate::embedder::{Embedder, ModelCard},
    batch::Runner,
    std::{path::Path, sync::Arc, time::Duration},
    store::{BatchStore, FileStore},
    tokio::sync::Semaphore,
};

/// Uploads at a time: each may take the disk's whole speed.
const UPLOADS: usize = 4;

/// What handlers need.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    embedder: Arc<dyn Embedder>,
    patience: Duration,
    files: Arc<FileStore>,
    batches: Arc<BatchStore>,
    runner: Runner,
    uploads: Semaphore,
}

impl App {
    /// Opens what is kept in a folder, and goes on with the batches in it. A request waits for its answer as long as `patience`.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub fn open(
        embedder: Arc<dyn Embedder>,
        folder: &Path,
        patience: Duration,
    ) -> Result<Self, quern_data::DataError> {
        let files = Arc::new(FileStore::open(&folder.join("files"))?);
        let batches = Arc::new(BatchStore::open(&folder.join("batches"))?);
        files.keep_parts_of(&batches.parts())?;
        let runner = Runner::start(
            Arc::clone(&embedder),
            Arc::clone(&files),
            Arc::clone(&batches),
        );
        Ok(Self(Arc::new(Inner {
            embedder,
            patience,
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

    fn embedder(&self) -> &dyn Embedder {
        self.0.embedder.as_ref()
    }

    fn patience(&self) -> Duration {
        self.0.patience
    }

    fn files(&self) -> &Arc<FileStore> {
        &self.0.files
    }

    fn batches(&self) -> &Arc<BatchStore> {
        &self.0.batches
    }

    fn runner(&self) -> &Runner {
        &self.0.runner
    }

    fn uploads(&self) -> &Semaphore {
        &self.0.uploads
    }

    fn model(&self, name: &str) -> Result<ModelCard, ApiError> {
        find_model(self.embedder(), name)
    }
}

/// The model of a name or an address.
fn find_model(embedder: &dyn Embedder, name: &str) -> Result<ModelCard, ApiError> {
    let mut models = embedder.models().into_iter();
    models
        .find(|card| card.name == name || card.address == name)
        .ok_or_else(|| {
            let name = json::shown(name);
            ApiError::not_found(
                "model_not_found",
                format!("the model `{name}` does not exist here; /v1/models lists those that do"),
            )
            .param("model")
        })
}
