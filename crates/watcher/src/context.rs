//! What every step of every case works with.

use {
    crate::{chain::WatcherChain, error::Result, results::OwnResults, settings::Settings},
    quern_data::{Folder, TensorStore},
    std::sync::Arc,
};

/// Settings, chain, tensors, and own results of open cases.
pub(crate) struct Context {
    pub settings: Settings,
    pub chain: Arc<dyn WatcherChain>,
    pub store: TensorStore,
    pub results: OwnResults,
}

impl Context {
    pub(crate) fn new(settings: Settings, chain: Arc<dyn WatcherChain>) -> Result<Self> {
        let folder = settings.state.as_ref().map(|state| Folder {
            path: state.join("tensors"),
            user: "watcher".to_owned(),
            is_required: false,
        });
        let store = TensorStore::open(settings.fetch.clone(), settings.memory_bytes, folder)?;
        Ok(Self {
            settings,
            chain,
            store,
            results: OwnResults::default(),
        })
    }
}
