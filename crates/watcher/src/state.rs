//! What a watcher knows between two looks at the chain. All of it can be found out again.

use {
    crate::{
        archive::Archive,
        cases::Cases,
        chain::WatcherChain,
        context::Context,
        error::{Result, WatcherError},
        settings::Settings,
    },
    quern_client::Pubkey,
    quern_data::{TensorStore, files, runtime::lock},
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, atomic::AtomicU32},
    },
    tokio::time::Instant,
};

/// What came of looking for the data of a job without a result.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Looked {
    pub failures: u32,
    /// When they are looked for again, if it failed.
    pub again: Option<Instant>,
}

pub(crate) struct State {
    pub context: Context,
    pub cases: Cases,
    /// Recorded convictions that could not be paid out, and when that is tried again.
    pub unsettled: Mutex<HashMap<Pubkey, Instant>>,
    /// Jobs without a result whose data have been looked for.
    pub prepared: Mutex<HashMap<Pubkey, Looked>>,
    pub tidying: tokio::sync::Mutex<()>,
    /// Looks in a row at which none of the named jobs existed.
    pub looks_without_jobs: AtomicU32,
}

impl State {
    pub(crate) fn new(
        settings: Settings,
        chain: Arc<dyn WatcherChain>,
        shared: Option<Arc<TensorStore>>,
    ) -> Result<Self> {
        Ok(Self {
            cases: Cases::new(Archive::open(settings.state.as_deref())?),
            context: Context::new(settings, chain, shared)?,
            unsettled: Mutex::default(),
            prepared: Mutex::default(),
            tidying: tokio::sync::Mutex::default(),
            looks_without_jobs: AtomicU32::new(0),
        })
    }

    /// Refuses a folder with what was found out on another cluster: the same addresses mean other jobs there.
    pub(crate) async fn check_cluster(&self) -> Result<()> {
        let Some(folder) = &self.context.settings.state else {
            return Ok(());
        };
        let genesis = self.context.chain.genesis().await?;
        let is_bound = match genesis {
            Some(genesis) => files::is_bound_to(folder, &genesis)?,
            None => true,
        };
        match is_bound {
            true => Ok(()),
            false => Err(WatcherError::NotReady(format!(
                "the folder {} belongs to a watcher on another cluster; name another one with --state, or check --url",
                folder.display()
            ))),
        }
    }

    /// Lets go of a job's inputs, unless a case needs them.
    pub(crate) fn release(&self, job: &Pubkey) {
        if self.cases.is_open(job) {
            return;
        }
        if let Err(error) = self.context.store.release(job) {
            tracing::warn!(%job, %error, "cannot remove the inputs of a job that is done; they stay");
        }
    }

    /// When an unsettled conviction may be tried again.
    pub(crate) fn settles_again(&self, job: &Pubkey) -> Option<Instant> {
        lock(&self.unsettled).get(job).copied()
    }
}
