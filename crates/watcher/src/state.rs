//! What a watcher knows between two looks at the chain. All of it can be found out again.

use {
    crate::{
        archive::Archive,
        cases::Cases,
        chain::WatcherChain,
        context::Context,
        error::Result,
        schedule::Schedule,
        settings::{Scope, Settings},
    },
    quern_client::Pubkey,
    quern_data::runtime::lock,
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, atomic::AtomicU32},
    },
    tokio::time::Instant,
};

pub(crate) struct State {
    pub context: Context,
    pub cases: Cases,
    /// Recorded convictions that could not be paid out, and when that is tried again.
    pub unsettled: Mutex<HashMap<Pubkey, Instant>>,
    /// Jobs without a result whose data have been looked for, and when that is tried again, if it failed.
    pub prepared: Mutex<HashMap<Pubkey, Option<Instant>>>,
    pub tidying: tokio::sync::Mutex<()>,
    /// Looks in a row at which none of the named jobs existed.
    pub looks_without_jobs: AtomicU32,
}

impl State {
    pub(crate) fn new(settings: Settings, chain: Arc<dyn WatcherChain>) -> Result<Self> {
        Ok(Self {
            cases: Cases::new(Archive::open(settings.state.as_deref())?),
            context: Context::new(settings, chain)?,
            unsettled: Mutex::default(),
            prepared: Mutex::default(),
            tidying: tokio::sync::Mutex::default(),
            looks_without_jobs: AtomicU32::new(0),
        })
    }

    /// How slots are shared.
    pub(crate) fn schedule(&self) -> Schedule {
        let settings = &self.context.settings;
        Schedule {
            slots: settings.concurrency,
            is_for_all: settings.scope == Scope::All,
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
