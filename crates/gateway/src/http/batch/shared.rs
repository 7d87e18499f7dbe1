//! What the work on a batch needs.

use {
    crate::{
        embedder::Embedder,
        http::store::{BatchStore, FileStore},
    },
    std::sync::Arc,
};

#[allow(missing_docs)]
pub struct Shared {
    pub embedder: Arc<dyn Embedder>,
    pub files: Arc<FileStore>,
    pub batches: Arc<BatchStore>,
}
