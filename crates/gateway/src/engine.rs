//! The gateway itself: keeps requests, makes jobs of them, and hands out what was checked.

use {
    crate::{
        batching,
        book::{Book, Waiting},
        embedder::{Answer, Embedder, JobNote, ModelCard, Request, TokenRow},
        error::{GatewayError, Result},
        journal::Journal,
        market::{Market, Rates},
        order::{OrderId, Progress, Stage},
        record::{JobRecord, OrderRecord, ResultRecord, Unit, encode_rows},
        refusal::{Cap, Refusal},
        served::Served,
        settings::Settings,
        spending::Spending,
    },
    async_trait::async_trait,
    quern_client::Pubkey,
    quern_data::runtime::{lock, off_loop},
    quern_rules::caps::{CapKind, Exceeded},
    serde_json::Value,
    std::{
        collections::HashMap,
        sync::{Arc, Mutex},
        time::{Duration, Instant, SystemTime, UNIX_EPOCH},
    },
    tokio::sync::{Notify, watch},
};

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

/// The gateway. Clones are the same one.
#[derive(Clone)]
pub struct Engine(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub settings: Settings,
    pub served: Vec<Served>,
    pub market: Arc<dyn Market>,
    pub journal: Arc<Journal>,
    pub book: Mutex<Book>,
    pub rates: Mutex<HashMap<Pubkey, Rates>>,
    /// Something for the loop to do.
    pub wake: Notify,
    /// Counts changes of requests.
    changes: watch::Sender<u64>,
    pub stopping: watch::Sender<Stopping>,
    /// One job at a time gets its number.
    pub creating: tokio::sync::Mutex<()>,
}

impl Engine {
    /// Opens the folder and takes up what lies in it.
    pub(crate) async fn over(
        settings: Settings,
        served: Vec<Served>,
        market: Arc<dyn Market>,
    ) -> Result<Self> {
        check_names(&served)?;
        let journal = Journal::open(&settings.state)?;
        journal.bind(&market.genesis().await?)?;
        let inner = Arc::new(Inner {
            book: Mutex::new(read_book(&journal)?),
            settings,
            served,
            market,
            journal: Arc::new(journal),
            rates: Mutex::default(),
            wake: Notify::new(),
            changes: watch::channel(0).0,
            stopping: watch::channel(Stopping::No).0,
            creating: tokio::sync::Mutex::default(),
        });
        inner.read_rates().await?;
        inner.wait_again()?;
        Ok(Self(inner))
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Who pays, in base58.
    pub fn wallet(&self) -> String {
        self.0.market.wallet().to_string()
    }
}

/// Refuses two models that an application could not tell apart.
fn check_names(served: &[Served]) -> Result<()> {
    if served.is_empty() {
        return Err(GatewayError::NotReady(
            "no model is named; name one with --model".to_owned(),
        ));
    }
    for (index, one) in served.iter().enumerate() {
        if served[..index].iter().any(|other| other.name == one.name) {
            return Err(GatewayError::NotReady(format!(
                "two models are called {}; serve one of them",
                one.name
            )));
        }
    }
    Ok(())
}

fn read_book(journal: &Journal) -> Result<Book> {
    let mut book = Book::default();
    book.experience = journal.experience()?;
    let mut orders = journal.orders()?;
    orders.sort_by_key(|order| order.placed_at);
    orders.into_iter().for_each(|order| book.put_order(order));
    journal
        .jobs()?
        .into_iter()
        .for_each(|job| book.put_job(job));
    Ok(book)
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

    fn named(&self, model: &str) -> std::result::Result<&Served, Refusal> {
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
        let quoted = rates.quote(rows as u64, self.settings.price_bps);
        let (price, _) = quoted.map_err(|error| GatewayError::NotReady(error.to_string()))?;
        Ok(price)
    }

    /// Puts rows of kept requests into the queue that no job has.
    fn wait_again(&self) -> Result<()> {
        let mut all = Vec::new();
        {
            let book = lock(&self.book);
            let running = book.orders.values();
            let running = running.filter(|order| order.stage == Stage::Running);
            for order in running {
                for (from, rows) in book.uncovered(order) {
                    all.push((order.clone(), from, rows));
                }
            }
        }
        all.sort_by_key(|(order, from, _)| (order.placed_at, order.id.clone(), *from));
        for (order, from, rows) in all {
            let waiting = self.units(&order, from, rows)?;
            let kept = waiting.into_iter().map(|one| Waiting {
                is_kept: true,
                ..one
            });
            lock(&self.book).waiting.extend(kept);
        }
        Ok(())
    }

    /// Rows of a request, in parts that a job may have.
    fn units(&self, order: &OrderRecord, from: usize, rows: usize) -> Result<Vec<Waiting>> {
        let parts = batching::parts(from, rows, self.settings.job_rows);
        let waiting = parts.into_iter().map(|(from, rows)| {
            Ok(Waiting {
                unit: Unit {
                    order: order.id.clone(),
                    from,
                    rows,
                },
                model: order.model,
                is_batch: order.is_batch,
                is_kept: false,
                atoms: self.price(&order.model, rows)?,
                since: Instant::now(),
            })
        });
        waiting.collect()
    }

    /// Writes a job's record, then believes it.
    pub(crate) async fn save_job(&self, job: &JobRecord) -> Result<()> {
        let (journal, record) = (Arc::clone(&self.journal), job.clone());
        off_loop(move || journal.save_job(&record)).await??;
        lock(&self.book).put_job(job.clone());
        Ok(())
    }

    /// Writes a request's record, then believes it.
    pub(crate) async fn save_order(&self, order: OrderRecord) -> Result<()> {
        let (journal, record) = (Arc::clone(&self.journal), order.clone());
        off_loop(move || journal.save_order(&record)).await??;
        lock(&self.book).put_order(order);
        self.changed();
        Ok(())
    }

    /// Ends requests of a job that still run.
    pub(crate) async fn fail_orders(&self, job: &JobRecord, refusal: &Refusal) -> Result<()> {
        for unit in &job.units {
            let order = lock(&self.book).orders.get(&unit.order).cloned();
            if let Some(order) = order.filter(|order| order.stage == Stage::Running) {
                self.end_order(order, Stage::Failed, Some(refusal.clone()))
                    .await?;
            }
        }
        Ok(())
    }

    async fn end_order(
        &self,
        mut order: OrderRecord,
        stage: Stage,
        refusal: Option<Refusal>,
    ) -> Result<()> {
        order.stage = stage;
        order.refusal = refusal;
        order.ended_at = Some(self.now());
        let id = order.id.clone();
        self.save_order(order).await?;
        lock(&self.book)
            .waiting
            .retain(|waiting| waiting.unit.order != id);
        Ok(())
    }

    /// Ends a request whose rows all have vectors.
    pub(crate) async fn answer_if_whole(&self, id: &OrderId) -> Result<()> {
        let order = {
            let book = lock(&self.book);
            let order = book.orders.get(id).cloned();
            order.filter(|order| order.stage == Stage::Running && book.answered(id) >= order.rows)
        };
        match order {
            Some(order) => self.end_order(order, Stage::Answered, None).await,
            None => {
                self.changed();
                Ok(())
            }
        }
    }

    /// Refuses what the caps do not leave.
    pub(crate) fn admit(
        &self,
        atoms: u64,
        exceeded: std::result::Result<(), Exceeded>,
    ) -> std::result::Result<(), Refusal> {
        let mint = self.market.mint().to_string();
        exceeded.map_err(|why| Refusal::OverCap {
            cap: match why.kind {
                CapKind::Request => Cap::Request,
                CapKind::Hour => Cap::Hour,
                CapKind::Day => Cap::Day,
            },
            atoms,
            left_atoms: why.left_atoms,
            cap_atoms: why.cap_atoms,
            mint,
            retry_after_secs: why.retry_after_secs,
        })
    }

    /// The order of a request that may be made, not written yet.
    fn drafted(
        &self,
        request: &Request,
    ) -> std::result::Result<(OrderRecord, Vec<Waiting>), Refusal> {
        let served = self.named(&request.model)?;
        let most = match request.is_batch {
            true => self.settings.most_batch_rows,
            false => self.settings.request_rows,
        };
        match request.rows.len() {
            0 => return Err(Refusal::NoRows),
            rows if rows > most => return Err(Refusal::TooManyRows { rows, most }),
            _ => {}
        }
        served.check(&request.rows)?;
        let order = OrderRecord {
            id: request.id.clone(),
            body_sha256: request.body_sha256,
            model: served.address,
            rows: request.rows.len(),
            tokens: request.rows.iter().map(|row| row.ids.len() as u64).sum(),
            is_batch: request.is_batch,
            most_atoms: request.most_atoms,
            placed_at: self.now(),
            ended_at: None,
            stage: Stage::Running,
            refusal: None,
        };
        let waiting = self.units(&order, 0, order.rows)?;
        Ok((order, waiting))
    }

    /// Reserves what a request may cost, or says why it may not. Where the same is kept already nothing is reserved.
    fn reserve(
        &self,
        order: &OrderRecord,
        waiting: Vec<Waiting>,
    ) -> std::result::Result<bool, Refusal> {
        let atoms = waiting
            .iter()
            .fold(0u64, |sum, one| sum.saturating_add(one.atoms));
        let mut book = lock(&self.book);
        match book.orders.get(&order.id) {
            Some(known) if known.body_sha256 != order.body_sha256 => {
                return Err(Refusal::KeyReused {
                    id: order.id.to_string(),
                });
            }
            Some(_) => return Ok(false),
            // It was forgotten, and its jobs are not yet.
            None if book.jobs_of(&order.id).next().is_some() => {
                return Err(Refusal::KeyReused {
                    id: order.id.to_string(),
                });
            }
            None => {}
        }
        if let Some(most_atoms) = order.most_atoms.filter(|most| atoms > *most) {
            return Err(Refusal::OverRequest { atoms, most_atoms });
        }
        let rows: usize = book.waiting.iter().map(|one| one.unit.rows).sum();
        if rows.saturating_add(order.rows) > self.settings.waiting_rows {
            return Err(Refusal::QueueFull {
                waiting: rows,
                most: self.settings.waiting_rows,
            });
        }
        let now = order.placed_at;
        let spent = book.spent(now, None);
        self.admit(atoms, self.settings.caps.admit(&spent, now, atoms))?;
        book.put_order(order.clone());
        book.waiting.extend(waiting);
        Ok(true)
    }

    /// The vectors of a request that was answered.
    async fn answer(&self, id: &OrderId) -> std::result::Result<Answer, Refusal> {
        let (order, jobs) = {
            let book = lock(&self.book);
            let order = book.orders.get(id).cloned();
            let jobs: Vec<JobRecord> = book.jobs_of(id).cloned().collect();
            (order, jobs)
        };
        let order = order.ok_or_else(|| unknown(id))?;
        let journal = Arc::clone(&self.journal);
        let built = off_loop(move || built(&journal, &order, &jobs)).await;
        Ok(built.map_err(GatewayError::from)??)
    }
}

fn unknown(id: &OrderId) -> Refusal {
    Refusal::NoSuchRequest { id: id.to_string() }
}

/// The answer of a request from the results of its jobs.
fn built(journal: &Journal, order: &OrderRecord, jobs: &[JobRecord]) -> Result<Answer> {
    let mut vectors = vec![Vec::new(); order.rows];
    let mut notes = Vec::new();
    for job in jobs {
        let (Some(result), Some(attempt)) = (&job.result, job.current()) else {
            continue;
        };
        notes.push(note(job, &attempt.job, attempt.provider, result));
        let tensor = journal.answer(&job.id)?;
        let floats = quern_import::units(&tensor).map_err(|row| {
            GatewayError::NotReady(format!(
                "row {row} of the job {} is zero and has no direction",
                attempt.job
            ))
        })?;
        let cols = (tensor.cols() as usize).max(1);
        for (index, unit) in job.units.iter().enumerate() {
            if unit.order != order.id {
                continue;
            }
            let start = job.start_of(index);
            for row in 0..unit.rows {
                let from = (start + row) * cols;
                if let (Some(vector), Some(values)) = (
                    vectors.get_mut(unit.from + row),
                    floats.get(from..from + cols),
                ) {
                    *vector = values.to_vec();
                }
            }
        }
    }
    match vectors.iter().position(Vec::is_empty) {
        None => Ok(Answer {
            vectors,
            tokens: order.tokens,
            jobs: notes,
        }),
        Some(row) => Err(GatewayError::NotReady(format!(
            "row {row} of the request {} has no vector on disk",
            order.id
        ))),
    }
}

fn note(
    job: &JobRecord,
    address: &Pubkey,
    provider: Option<Pubkey>,
    result: &ResultRecord,
) -> JobNote {
    JobNote {
        job: address.to_string(),
        provider: provider.map_or_else(String::new, |owner| owner.to_string()),
        assurance: "refereed".to_owned(),
        items: job.items,
        checked: result.recomputed + result.verified,
    }
}

#[async_trait]
impl Embedder for Engine {
    fn models(&self) -> Vec<ModelCard> {
        self.0.served.iter().map(Served::card).collect()
    }

    async fn tokenize(
        &self,
        model: &str,
        texts: Vec<String>,
    ) -> std::result::Result<Vec<TokenRow>, Refusal> {
        let served = self.0.named(model)?.clone();
        let rows = off_loop(move || served.tokenize(&texts)).await;
        rows.map_err(GatewayError::from)?
    }

    async fn place(&self, request: Request) -> std::result::Result<(), Refusal> {
        let inner = &self.0;
        if inner.stopping() != Stopping::No {
            return Err(Refusal::ShuttingDown);
        }
        let (order, waiting) = inner.drafted(&request)?;
        if !inner.reserve(&order, waiting)? {
            return Ok(());
        }
        let (journal, id) = (Arc::clone(&inner.journal), order.id.clone());
        let rows = request.rows;
        let written = off_loop(move || {
            journal.save_rows(&order.id, &encode_rows(&rows))?;
            // From here on it is kept.
            journal.save_order(&order)
        });
        let written = written.await.map_err(GatewayError::from).flatten();
        if let Err(error) = written {
            lock(&inner.book).remove_order(&id);
            return Err(error.into());
        }
        let mut book = lock(&inner.book);
        let own = book.waiting.iter_mut().filter(|one| one.unit.order == id);
        own.for_each(|one| one.is_kept = true);
        drop(book);
        inner.wake.notify_one();
        Ok(())
    }

    async fn wait(&self, id: &OrderId, patience: Duration) -> std::result::Result<Answer, Refusal> {
        let inner = &self.0;
        let mut changes = inner.changes.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let order = lock(&inner.book).orders.get(id).cloned();
                let order = order.ok_or_else(|| unknown(id))?;
                match order.stage {
                    Stage::Answered => return inner.answer(id).await,
                    Stage::Cancelled => return Err(Refusal::Cancelled),
                    Stage::Failed => {
                        return Err(order.refusal.unwrap_or(Refusal::Cancelled));
                    }
                    Stage::Running if inner.stopping() == Stopping::Leaving => {
                        return Err(Refusal::ShuttingDown);
                    }
                    Stage::Running => {}
                }
                if changes.changed().await.is_err() {
                    return Err(Refusal::ShuttingDown);
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(done) => done,
            Err(_) => Err(Refusal::TimedOut {
                secs: patience.as_secs(),
            }),
        }
    }

    fn progress(&self, id: &OrderId) -> Option<Progress> {
        lock(&self.0.book).progress(id)
    }

    fn find(&self, body_sha256: &[u8; 32]) -> Option<OrderId> {
        lock(&self.0.book).find(body_sha256)
    }

    async fn cancel(&self, id: &OrderId) -> std::result::Result<Progress, Refusal> {
        let order = lock(&self.0.book).orders.get(id).cloned();
        let order = order.ok_or_else(|| unknown(id))?;
        if order.stage == Stage::Running {
            self.0.end_order(order, Stage::Cancelled, None).await?;
            self.0.wake.notify_one();
        }
        self.progress(id).ok_or_else(|| unknown(id))
    }

    async fn forget(&self, id: &OrderId) -> std::result::Result<(), Refusal> {
        let order = lock(&self.0.book).orders.get(id).cloned();
        let order = order.ok_or_else(|| unknown(id))?;
        // Jobs that it shares with others need its rows.
        if order.stage == Stage::Running || lock(&self.0.book).is_at_work(id) {
            return Err(Refusal::NotEnded { id: id.to_string() });
        }
        Ok(self.0.forget_order(id).await?)
    }

    fn spending(&self, before: Option<u64>, most: usize) -> Vec<Spending> {
        let mint = self.0.market.mint();
        lock(&self.0.book).spending(before, most, (&mint, self.0.decimals()))
    }

    fn receipt(&self, job: &str) -> Option<Value> {
        // What is no address is no name of a file.
        let address: Pubkey = job.parse().ok()?;
        self.0.journal.receipt(&address.to_string())
    }
}

impl Inner {
    pub(crate) fn decimals(&self) -> u8 {
        let rates = lock(&self.rates);
        rates.values().next().map_or(0, |rates| rates.decimals)
    }

    /// Removes a request, and the jobs that were for it alone and are settled.
    pub(crate) async fn forget_order(&self, id: &OrderId) -> Result<()> {
        let (journal, order) = (Arc::clone(&self.journal), id.clone());
        off_loop(move || journal.remove_order(&order)).await??;
        lock(&self.book).remove_order(id);
        Ok(())
    }
}
