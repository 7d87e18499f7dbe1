//! What all parts of the gateway share.

use {
    crate::{
        board::Board,
        book::Book,
        error::{GatewayError, Result},
        journal::Journal,
        market::{Market, Rates},
        order::OrderId,
        record::{JobRecord, OrderRecord, Step},
        refusal::Refusal,
        served::Served,
        settings::Settings,
    },
    quern_client::Pubkey,
    quern_data::runtime::{lock, off_loop},
    quern_rules::caps::job_price,
    std::{
        collections::HashMap,
        hash::{DefaultHasher, Hash, Hasher},
        sync::{Arc, Mutex},
        time::{SystemTime, UNIX_EPOCH},
    },
    tokio::sync::{Notify, OwnedMutexGuard, watch},
};

/// Requests whose records are written at the same time at most.
pub(super) const TURNS: usize = 64;

/// How far a stop has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stopping {
    #[default]
    No,
    /// Nothing new is taken; jobs go on.
    Draining,
    /// Jobs that nobody has taken are cancelled, the others are left to the next start.
    Leaving,
}

pub(crate) struct Inner {
    pub settings: Settings,
    pub served: Vec<Served>,
    pub market: Arc<dyn Market>,
    pub journal: Arc<Journal>,
    pub book: Mutex<Book>,
    /// The providers that there are.
    pub board: Board,
    pub rates: Mutex<HashMap<Pubkey, Rates>>,
    /// Something for the loop to do.
    pub wake: Notify,
    /// Counts changes of requests.
    pub changes: watch::Sender<u64>,
    pub stopping: watch::Sender<Stopping>,
    /// One job at a time gets its number.
    pub creating: tokio::sync::Mutex<()>,
    /// One note about providers at a time is written.
    pub remembering: tokio::sync::Mutex<()>,
    /// See [`Inner::turn`].
    pub turns: [Arc<tokio::sync::Mutex<()>>; TURNS],
}

impl Inner {
    /// Seconds of Unix time.
    pub(crate) fn now(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs() as i64)
    }

    pub(crate) fn stopping(&self) -> Stopping {
        *self.stopping.borrow()
    }

    /// Tells those who wait that requests have changed.
    pub(crate) fn changed(&self) {
        self.changes
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn served(&self, model: &Pubkey) -> Result<&Served> {
        let found = self.served.iter().find(|served| served.address == *model);
        found.ok_or_else(|| {
            GatewayError::NotReady(format!(
                "the model {model} is not served any more; serve it again to finish its jobs"
            ))
        })
    }

    pub(super) fn named(&self, model: &str) -> std::result::Result<&Served, Refusal> {
        let is_meant =
            |served: &&Served| served.name == model || served.address.to_string() == model;
        let found = self.served.iter().find(is_meant);
        found.ok_or_else(|| Refusal::NoSuchModel {
            model: model.chars().take(100).collect(),
        })
    }

    /// Reads what jobs cost.
    pub(crate) async fn read_rates(&self) -> Result<()> {
        for served in &self.served {
            let rates = self.market.rates(&served.address).await?;
            served.price(&rates, self.settings.price_bps, self.settings.sample);
            lock(&self.rates).insert(served.address, rates);
        }
        Ok(())
    }

    /// What a job of so many rows costs.
    pub(crate) fn price(&self, model: &Pubkey, rows: usize) -> Result<u64> {
        let rates = lock(&self.rates).get(model).copied();
        let rates = rates.ok_or_else(|| {
            GatewayError::NotReady(format!("the prices of the model {model} are not known yet"))
        })?;
        let priced = job_price(&rates.row, rows as u64, self.settings.price_bps);
        let priced = priced.map_err(|error| GatewayError::NotReady(error.to_string()))?;
        Ok(priced.price_atoms)
    }

    pub(crate) fn decimals(&self) -> u8 {
        let rates = lock(&self.rates);
        rates.values().next().map_or(0, |rates| rates.decimals)
    }

    /// Whose turn it is to change a request: what is written of it last is what is believed last. Some requests share a turn.
    pub(super) async fn turn(&self, id: &OrderId) -> OwnedMutexGuard<()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let index = hasher.finish() % TURNS as u64;
        Arc::clone(&self.turns[index as usize]).lock_owned().await
    }

    /// Writes a job's record, then believes it. The inputs of one that is over are shown no longer; rows that one leaves without
    /// vectors wait for another one, if somebody wants them: their request may have been taken up again meanwhile.
    pub(crate) async fn save_job(&self, job: &JobRecord) -> Result<()> {
        let (journal, record) = (Arc::clone(&self.journal), job.clone());
        off_loop(move || journal.save_job(&record)).await??;
        lock(&self.book).put_job(job.clone());
        if job.step == Step::Ended && !job.has_result() {
            self.wait_again()?;
            self.wake.notify_one();
        }
        match job.is_over() {
            true => self.market.unpublish(&job.id).await,
            false => Ok(()),
        }
    }

    /// Writes a request's record, then believes it.
    pub(crate) async fn save_order(&self, order: OrderRecord) -> Result<()> {
        let (journal, record) = (Arc::clone(&self.journal), order.clone());
        off_loop(move || journal.save_order(&record)).await??;
        lock(&self.book).put_order(order);
        self.changed();
        Ok(())
    }
}
