//! The loop: asks the chain what there is to do, does it, and believes nothing else.
//!
//! A pass looks at three lists: the provider's own jobs, the journal's jobs that are no longer its own, and the open jobs.
//! For each it does as much as can be done now: take → work → publish → submit, or answer demands, or finalize, or close the
//! journal. Every step can be cut off anywhere; the next pass, or the next process, starts again from what the chain says.

mod demands;
#[cfg(test)]
pub(crate) mod tests;

use {
    crate::{
        chain::{ProviderChain, check_ready},
        error::{ProviderError, Result},
        journal::{Journal, Record, Stage},
        policy::{Means, Policy, Refusal},
        worker::{CheckedTensors, IntegerWorker, Output, WorkOrder, Worker},
    },
    quern_client::{
        ClientError, Pubkey,
        accounts::ModelAccount,
        history::uri_hash,
        instructions::{NOBODY, job_address},
        quern::{
            clock::Moment,
            error::QuernError,
            state::{Assurance, Job, JobKind, JobState},
        },
    },
    quern_data::{FetchLimits, Fetcher, Publisher, fetch, files::failed, sizes},
    quern_proof::{Tensor, graph::Graph},
    quern_rules::deadline::{FinalizeGate, finalize_gate, in_time},
    std::{
        collections::{BTreeMap, HashMap, HashSet},
        path::{Path, PathBuf},
        sync::{
            Arc, Mutex, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    },
    tokio::{
        sync::{OwnedSemaphorePermit, Semaphore},
        task::JoinSet,
    },
};

/// How an agent works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The provider's owner.
    pub owner: Pubkey,
    /// The agent's folder.
    pub home: PathBuf,
    /// Which jobs it wants.
    pub policy: Policy,
    /// How it fetches.
    pub fetch: FetchLimits,
    /// Where it publishes.
    pub publisher: Publisher,
    /// The owner's own sources of weights, used before what the chain says.
    pub weights: BTreeMap<Pubkey, String>,
    /// Time between two passes.
    pub poll: Duration,
    /// Shortest time until a failed job is tried again; it doubles with every failure, up to ten minutes.
    pub retry: Duration,
    /// How long, by the cluster's clock, a job must stay gone from this provider before its data are dropped.
    pub keep_ended_secs: u32,
    /// Most memory for tensors: half of it for new work, half of it for answers. A job that needs more than a half is not
    /// taken.
    pub memory_bytes: u64,
}

impl Settings {
    /// The usual settings.
    pub fn new(owner: Pubkey, home: PathBuf, publisher: Publisher) -> Self {
        Self {
            owner,
            home,
            policy: Policy::default(),
            fetch: FetchLimits::default(),
            publisher,
            weights: BTreeMap::new(),
            poll: Duration::from_secs(5),
            retry: Duration::from_secs(5),
            keep_ended_secs: 600,
            memory_bytes: 8 << 30,
        }
    }
}

impl Settings {
    /// Half of the memory.
    fn memory_units(&self) -> u32 {
        let units = self.memory_bytes / 2 / MEMORY_UNIT_BYTES;
        u32::try_from(units)
            .unwrap_or(u32::MAX >> 3)
            .clamp(1, u32::MAX >> 3)
    }
}

/// Longest time until a failed job is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// The same for demands: an answer has to come in time.
const LONGEST_ANSWER_RETRY: Duration = Duration::from_secs(30);
/// How long a transaction whose outcome is unknown may still land: its blockhash is valid for 150 blocks.
const UNKNOWN_FATE_SECS: i64 = 120;
/// Most milestones that are finalized at a time.
const MAX_CRANKS: usize = 16;
/// Fewer lamports than this in the signer's wallet, and nothing new is taken: most of a milli-SOL is the account's rent, the
/// rest pays for a job's transactions and the first thousand answers, which earn their own fees.
const LEAST_LAMPORTS: u64 = 10_000_000;
/// How often a lack of lamports is said.
const SAY_AGAIN: Duration = Duration::from_secs(60);
/// What memory is counted in.
const MEMORY_UNIT_BYTES: u64 = 1 << 20;
/// How long a stopping agent waits for what it is doing; what is cut off then is picked up at the next start.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The provider agent.
pub struct Agent {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    chain: Arc<dyn ProviderChain>,
    journal: Journal,
    fetcher: Fetcher,
    integer: IntegerWorker,
    worker: Option<Arc<dyn Worker>>,
    /// Jobs that failed, and at what: how often, and when they may be tried again.
    resting: Mutex<HashMap<(Pubkey, Errand), (u32, Instant)>>,
    /// Data of submissions that were asked about.
    asked: Mutex<Vec<demands::Kept>>,
    /// What has been said about a job in this state, so that it is said once.
    said: Mutex<HashSet<(Pubkey, u64)>>,
    /// Models whose weights are being fetched or checked: jobs of one model wait for the first of them.
    at_weights: Mutex<HashMap<Pubkey, Arc<tokio::sync::Mutex<()>>>>,
    /// Whether the agent has been told to stop: then it takes nothing new.
    is_stopping: AtomicBool,
    /// Jobs of the journal that are no longer this provider's, and since when every look has said so.
    gone: Mutex<HashMap<Pubkey, i64>>,
    /// When a lack of lamports was said.
    said_poor: Mutex<Option<Instant>>,
    /// Memory for work.
    working: Arc<Semaphore>,
    /// Memory for answers: whatever work does, they get theirs.
    answering: Arc<Semaphore>,
}

/// Something to do about one job.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// An open job that fits.
    Take(Job),
    /// A taken job that waits for this provider.
    Work(Job),
    /// A submitted job about which something was asked.
    Answer(Job),
    /// A submitted job whose review is over.
    Finalize,
    /// A job of the journal that is no longer this provider's.
    Close,
}

/// What a job rests from after a failure. Demands are answered whatever else went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Errand {
    Answer,
    Other,
}

impl Task {
    const fn errand(&self) -> Errand {
        match self {
            Self::Answer(_) => Errand::Answer,
            Self::Take(_) | Self::Work(_) | Self::Finalize | Self::Close => Errand::Other,
        }
    }
}

impl Agent {
    /// Opens the journal. `worker` does reviewed work; without one only refereed jobs are taken.
    ///
    /// # Errors
    /// `Files` or `Locked` if the folder cannot be used.
    pub fn new(
        settings: Settings,
        chain: Arc<dyn ProviderChain>,
        worker: Option<Arc<dyn Worker>>,
    ) -> Result<Self> {
        let journal = Journal::open(&settings.home)?;
        let fetcher = Fetcher::new(settings.fetch.clone());
        let integer = IntegerWorker {
            max_trace_bytes: settings.policy.max_trace_bytes,
        };
        let half = settings.memory_units() as usize;
        let inner = Inner {
            settings,
            chain,
            journal,
            fetcher,
            integer,
            worker,
            resting: Mutex::default(),
            asked: Mutex::default(),
            said: Mutex::default(),
            at_weights: Mutex::default(),
            is_stopping: AtomicBool::new(false),
            gone: Mutex::default(),
            said_poor: Mutex::default(),
            working: Arc::new(Semaphore::new(half)),
            answering: Arc::new(Semaphore::new(half)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Works until `shutdown` is ready. Failures of single jobs are logged and do not end it.
    ///
    /// # Errors
    /// `NotReady` if the provider cannot work at all yet, or that the cluster cannot be reached at the start.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) -> Result<()> {
        let inner = &self.inner;
        check_ready(inner.chain.as_ref(), &inner.settings.owner).await?;
        tracing::info!(owner = %inner.settings.owner, signer = %inner.chain.signer(), "the provider works");
        tokio::pin!(shutdown);
        let mut tasks: JoinSet<()> = JoinSet::new();
        let mut at_work: HashMap<tokio::task::Id, Pubkey> = HashMap::new();
        let mut busy: HashMap<Pubkey, bool> = HashMap::new();
        loop {
            match inner.survey(&busy).await {
                Ok(found) => {
                    for (address, task) in found {
                        busy.insert(address, matches!(task, Task::Take(_)));
                        let inner = Arc::clone(inner);
                        let handle = tasks.spawn(async move {
                            inner.attempt(&address, task).await;
                        });
                        at_work.insert(handle.id(), address);
                    }
                }
                Err(error) => tracing::warn!(%error, "the chain cannot be read; it is tried again"),
            }
            let pause = tokio::time::sleep(inner.settings.poll);
            tokio::pin!(pause);
            loop {
                tokio::select! {
                    () = &mut shutdown => {
                        inner.is_stopping.store(true, Ordering::SeqCst);
                        tracing::info!(running = tasks.len(), "stopping");
                        let drained = async { while tasks.join_next().await.is_some() {} };
                        if tokio::time::timeout(SHUTDOWN_GRACE, drained).await.is_err() {
                            tasks.abort_all();
                        }
                        return Ok(());
                    }
                    () = &mut pause => break,
                    Some(done) = tasks.join_next_with_id() => {
                        // Nothing panics by intent; if something does, the others go on and it is tried again.
                        let id = done.map_or_else(
                            |error| {
                                tracing::error!(%error, "a job's task broke off");
                                error.id()
                            },
                            |(id, ())| id,
                        );
                        if let Some(address) = at_work.remove(&id) {
                            busy.remove(&address);
                        }
                    }
                }
            }
        }
    }

    /// Does once everything that can be done now, and says how many jobs it touched.
    ///
    /// # Errors
    /// That the chain cannot be read.
    pub async fn pass(&self) -> Result<usize> {
        let found = self.inner.survey(&HashMap::new()).await?;
        let count = found.len();
        let all = found
            .iter()
            .map(|(address, task)| self.inner.attempt(address, *task));
        futures::future::join_all(all).await;
        Ok(count)
    }
}

impl Inner {
    /// What there is to do now. `busy` are jobs that are being worked on, and whether they are still to be taken.
    async fn survey(&self, busy: &HashMap<Pubkey, bool>) -> Result<Vec<(Pubkey, Task)>> {
        self.forget_answers();
        let owner = &self.settings.owner;
        let moment = self.chain.moment().await?;
        let own = self.chain.own_jobs(owner).await?;
        let is_free_for = |address: &Pubkey, errand| {
            !busy.contains_key(address) && !self.is_resting(address, errand)
        };
        let is_free = |address: &Pubkey| is_free_for(address, Errand::Other);
        let mut found = Vec::new();
        let mut cranks = 0;
        let mut at_work = busy.values().filter(|is_new| **is_new).count();
        for (address, job) in &own {
            let task = self.task_of(address, job, &moment);
            at_work += usize::from(job.state == JobState::Taken as u8);
            match task {
                Some(Task::Finalize) if cranks >= MAX_CRANKS => {}
                Some(task) if is_free_for(address, task.errand()) => {
                    cranks += usize::from(matches!(task, Task::Finalize));
                    found.push((*address, task));
                }
                _ => {}
            }
        }
        let is_own = |address: &Pubkey| own.iter().any(|(own, _)| own == address);
        let more = async {
            // The journal first: a job that is taken while this looks must not seem lost.
            let journal = self.journal.jobs()?;
            let offers = match self.can_pay(own.len()).await {
                true => self.offers(&moment, at_work, is_free).await?,
                false => Vec::new(),
            };
            let is_offered =
                |address: &Pubkey| offers.iter().any(|(offered, _)| offered == address);
            let left = journal
                .into_iter()
                .filter(|address| !is_own(address) && !is_offered(address) && is_free(address));
            let ended = self.ended(left, moment.now).into_iter();
            let mut more: Vec<(Pubkey, Task)> =
                ended.map(|address| (address, Task::Close)).collect();
            more.extend(offers);
            Ok(more)
        };
        match more.await {
            Ok(more) => found.extend(more),
            Err(error) if found.is_empty() => return Err(error),
            // What the own jobs need does not wait for the others: answers are due.
            Err(error) => {
                tracing::warn!(%error, "open jobs cannot be read; it is tried again");
            }
        }
        Ok(found)
    }

    /// Those of the jobs that have left that did so long ago. One look proves nothing: behind an address there may be several
    /// nodes, one of them behind the others, and what is not finalized may be taken back. After a restart the time starts anew.
    fn ended(&self, left: impl Iterator<Item = Pubkey>, now: i64) -> Vec<Pubkey> {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |address: &Pubkey| gone.get(address).copied().unwrap_or(now);
        *gone = left.map(|address| (address, since(&address))).collect();
        let keep_secs = i64::from(self.settings.keep_ended_secs);
        gone.iter()
            .filter(|(_, since)| now.saturating_sub(**since) >= keep_secs)
            .map(|(address, _)| *address)
            .collect()
    }

    /// Whether the signer can pay for what a new job brings with it; if not, it says so again and again.
    async fn can_pay(&self, live_jobs: usize) -> bool {
        let lamports = match self.chain.lamports().await {
            Ok(lamports) => lamports,
            Err(error) => {
                tracing::warn!(%error, "the wallet cannot be read, so nothing new is taken");
                return false;
            }
        };
        if lamports >= LEAST_LAMPORTS {
            return true;
        }
        let mut said = self
            .said_poor
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if said.is_none_or(|at| at.elapsed() >= SAY_AGAIN) {
            *said = Some(Instant::now());
            let wallet = self.chain.signer();
            tracing::error!(%wallet, lamports, wanted = LEAST_LAMPORTS, live_jobs, "the wallet runs out of lamports: nothing new is taken, and without fees neither results nor answers get through, which costs the bonds; fund it");
        }
        false
    }

    /// What one of the provider's own jobs needs now.
    fn task_of(&self, address: &Pubkey, job: &Job, moment: &Moment) -> Option<Task> {
        match JobState::from_code(job.state) {
            Some(JobState::Taken) if in_time(moment.now, job.effective_deadline(moment)) => {
                Some(Task::Work(*job))
            }
            Some(JobState::Taken) => {
                self.say_once(address, job, || tracing::warn!(job = %address, "too late: the deadline has passed, the late penalty is due"));
                None
            }
            Some(JobState::Submitted) if job.open_demands.get() > 0 => Some(Task::Answer(*job)),
            Some(JobState::Submitted) => {
                let gate = finalize_gate(
                    moment.now,
                    job.effective_deadline(moment),
                    job.effective_last_answer_at(moment),
                    job.terms.react_secs.get(),
                    job.terms.grace_secs.get(),
                );
                (gate != FinalizeGate::TooEarly).then_some(Task::Finalize)
            }
            Some(JobState::Rejected) => {
                self.say_once(address, job, || tracing::warn!(job = %address, arbiter = %job.arbiter, "the client rejected the result; the arbiter decides"));
                None
            }
            Some(JobState::Convicted) => {
                self.say_once(address, job, || tracing::error!(job = %address, "convicted: the bond is lost; find out why before working on"));
                None
            }
            Some(JobState::Open) | None => None,
        }
    }

    /// Open jobs that the policy wants, as many as there is room for.
    async fn offers(
        &self,
        moment: &Moment,
        at_work: usize,
        is_free: impl Fn(&Pubkey) -> bool,
    ) -> Result<Vec<(Pubkey, Task)>> {
        let mut room = self.settings.policy.max_jobs.saturating_sub(at_work);
        if room == 0 {
            return Ok(Vec::new());
        }
        let open = self.chain.open_jobs().await?;
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let owner = &self.settings.owner;
        let Some(provider) = self.chain.provider(owner).await? else {
            return Ok(Vec::new());
        };
        if !provider.active.get() {
            return Ok(Vec::new());
        }
        let mut purses = HashMap::new();
        let mut found = Vec::new();
        for (address, job) in open {
            if room == 0 {
                break;
            }
            if !is_free(&address) {
                continue;
            }
            let purse = match purses.get_mut(&job.mint) {
                Some(purse) => purse,
                None => {
                    let purse = self.chain.purse(owner, &job.mint).await?;
                    purses.entry(job.mint).or_insert(purse)
                }
            };
            let signer = &self.chain.signer();
            let means = Means {
                provider: &provider,
                signer,
                purse: purse.as_ref(),
                has_worker: self.worker.is_some(),
                moment,
            };
            match self.settings.policy.decide(&job, &means) {
                Ok(_) => {
                    room -= 1;
                    // The next decision of this pass counts with what is left.
                    if let Some(purse) = purse {
                        let bond = job.bond_atoms.get();
                        purse.free_atoms = purse.free_atoms.get().saturating_sub(bond).into();
                        if *signer != provider.owner {
                            purse.operator_reserved_atoms = purse
                                .operator_reserved_atoms
                                .get()
                                .saturating_add(bond)
                                .into();
                        }
                    }
                    found.push((address, Task::Take(job)));
                }
                Err(refusal) => self.say_once(&address, &job, || log_refusal(&address, refusal)),
            }
        }
        Ok(found)
    }

    /// Does a task; a failure is logged and the job rests for a while.
    async fn attempt(&self, address: &Pubkey, task: Task) {
        let done = match task {
            Task::Take(job) => self.with_room(&job, self.take(address, job)).await,
            Task::Work(job) => self.with_room(&job, self.work(address, job, None)).await,
            Task::Answer(job) => self.answer(address, &job).await,
            Task::Finalize => self.finalize(address).await,
            Task::Close => self.close(address).await,
        };
        match done {
            Ok(()) => {
                self.resting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&(*address, task.errand()));
            }
            Err(error) => {
                let rest = self.rest(address, task.errand());
                tracing::warn!(job = %address, %error, retry_in_secs = rest.as_secs(), "the job could not be served now");
            }
        }
    }

    /// Works when there is room in memory for the job's tensors.
    async fn with_room(
        &self,
        job: &Job,
        work: impl Future<Output = Result<()>> + Send,
    ) -> Result<()> {
        let _room = match Assurance::from_code(job.assurance) {
            Some(Assurance::Refereed) => {
                let units = self.memory_units(job).await?;
                Some(room(&self.working, units).await?)
            }
            _ => None,
        };
        work.await
    }

    /// The memory that the tensors of a refereed job take, at most all that there is.
    async fn memory_units(&self, job: &Job) -> Result<u32> {
        let account = self.chain.model(&job.model).await?;
        let bytes = sizes::memory_bytes(&parsed(&account.graph)?, job.batch_rows.get())?;
        let units = bytes.div_ceil(MEMORY_UNIT_BYTES);
        let most = self.settings.memory_units();
        Ok(u32::try_from(units).unwrap_or(most).min(most))
    }

    /// Fetches and checks everything, then takes the job, then does it.
    async fn take(&self, address: &Pubkey, job: Job) -> Result<()> {
        if job_address(&job) != *address {
            return Err(unservable(
                address,
                "its account does not lie at its address",
            ));
        }
        // An address that would be too long is found out before a bond is at stake.
        self.settings
            .publisher
            .uri(&relative(address, u32::MAX, fetch::TRACE_FILE))?;
        let prepared = self.prepare(address, &job).await?;
        if self.is_stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        match self.chain.take(&self.settings.owner, &job).await {
            Ok(()) => tracing::info!(job = %address, price_atoms = job.price_atoms.get(), "taken"),
            Err(error) if is_beaten(&error) => {
                // Or an earlier take of ours, whose outcome was unknown: then its data are needed.
                tracing::debug!(job = %address, %error, "it is no longer to be had");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        match self.chain.job(address).await? {
            Some(taken) if self.is_at_work(&taken) => {
                self.work(address, taken, Some(prepared)).await
            }
            // Not visible yet: the next pass finds it among its own.
            _ => Ok(()),
        }
    }

    fn is_at_work(&self, job: &Job) -> bool {
        job.state == JobState::Taken as u8 && job.provider == self.settings.owner
    }

    /// Brings a taken job as far as a submission.
    async fn work(&self, address: &Pubkey, job: Job, prepared: Option<Prepared>) -> Result<()> {
        let submission = job.submissions.get().saturating_add(1);
        let begun = self.journal.load(address)?.filter(|record| {
            let is_this_one = (record.milestone, record.submission) == (job.milestone, submission);
            is_this_one && !matches!(record.stage, Stage::Submitted { .. } | Stage::Ended { .. })
        });
        let mut record = match begun {
            Some(record) => record,
            None => {
                let record = Record::taken(address, job.milestone, submission);
                self.journal.save(address, &record)?;
                record
            }
        };
        if !self.has_files(address, &record) {
            record = record.at(Stage::Taken);
        }
        if record.stage == Stage::Taken {
            record = self.compute(address, &job, record, prepared).await?;
            self.journal.save(address, &record)?;
        }
        if let Stage::Computed { root, files, uri } = &record.stage {
            let uri = self
                .publish(address, &record, files, uri.as_deref())
                .await?;
            record = record.at(Stage::Published {
                root: *root,
                uri,
                sent_at: None,
            });
            self.journal.save(address, &record)?;
        }
        match record.stage.clone() {
            Stage::Published { root, uri, sent_at } => {
                self.submit(address, &job, record, root, uri, sent_at).await
            }
            _ => Ok(()),
        }
    }

    /// Whether the files that a record speaks of are still there.
    fn has_files(&self, address: &Pubkey, record: &Record) -> bool {
        match &record.stage {
            Stage::Computed { files, .. } => files.iter().all(|name| {
                self.journal
                    .submission_path(address, record.submission, name)
                    .is_file()
            }),
            _ => true,
        }
    }

    async fn compute(
        &self,
        address: &Pubkey,
        job: &Job,
        record: Record,
        prepared: Option<Prepared>,
    ) -> Result<Record> {
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => self.prepare(address, job).await?,
        };
        let order = self
            .order(address, job, record.submission, prepared)
            .await?;
        let started = Instant::now();
        let worker: &dyn Worker = match &self.worker {
            _ if order.tensors.is_some() => &self.integer,
            Some(worker) => worker.as_ref(),
            None => {
                return Err(unservable(
                    address,
                    "nothing here can do reviewed work; configure a worker",
                ));
            }
        };
        let result = worker.work(&order).await?;
        tracing::info!(
            job = %address, milestone = job.milestone, macs = job.macs.get(), root = hex::encode(result.root),
            millis = started.elapsed().as_millis() as u64, "computed"
        );
        let root = result.root;
        let (files, uri) = match result.output {
            Output::At(uri) => (Vec::new(), Some(uri)),
            Output::Files(files) => {
                let mut names = Vec::with_capacity(files.len());
                for (name, bytes) in files {
                    self.journal.write(
                        &self
                            .journal
                            .submission_path(address, record.submission, &name),
                        &bytes,
                    )?;
                    names.push(name);
                }
                (names, None)
            }
        };
        Ok(record.at(Stage::Computed { root, files, uri }))
    }

    /// Publishes the files of a submission and says where the first one is. Hints are a courtesy: without them the result is
    /// worth as much.
    async fn publish(
        &self,
        address: &Pubkey,
        record: &Record,
        files: &[String],
        uri: Option<&str>,
    ) -> Result<String> {
        let mut first = uri.map(str::to_owned);
        for name in files {
            let path = self
                .journal
                .submission_path(address, record.submission, name);
            let bytes = self
                .journal
                .read(&path)?
                .ok_or_else(|| failed(&path, &"it is gone"))?;
            let published = self
                .settings
                .publisher
                .put(&relative(address, record.submission, name), bytes)
                .await;
            match published {
                Ok(published) => {
                    first.get_or_insert(published);
                }
                Err(error) if name == fetch::HINTS_FILE => {
                    tracing::warn!(job = %address, %error, "the hints are not published; checking the result takes longer");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(first.unwrap_or_default())
    }

    /// Sends the commitment, unless an earlier transaction with it may still land and pass for the next milestone's.
    async fn submit(
        &self,
        address: &Pubkey,
        job: &Job,
        record: Record,
        root: [u8; 32],
        uri: String,
        sent_at: Option<i64>,
    ) -> Result<()> {
        let moment = self.chain.moment().await?;
        let deadline = job.effective_deadline(&moment);
        if let Some(sent_at) = sent_at.filter(|_| job.milestones > 1) {
            let lands_until = sent_at.saturating_add(UNKNOWN_FATE_SECS);
            let can_wait = lands_until < deadline.saturating_sub(UNKNOWN_FATE_SECS);
            if moment.now < lands_until && can_wait {
                tracing::debug!(job = %address, "an earlier transaction may still land; waiting for it");
                return Ok(());
            }
        }
        if job.milestones > 1 {
            // The next milestone's worker asks for it.
            let path = self.journal.uri_path(address, &checkpoint(&root));
            self.journal.write(&path, uri.as_bytes())?;
        }
        let published = |sent_at| {
            record.at(Stage::Published {
                root,
                uri: uri.clone(),
                sent_at,
            })
        };
        self.journal.save(address, &published(Some(moment.now)))?;
        match self.chain.submit(job, root, &uri).await {
            Ok(()) => {
                tracing::info!(job = %address, milestone = job.milestone, root = hex::encode(root), uri, "submitted");
                self.journal
                    .save(address, &record.at(Stage::Submitted { root }))?;
                Ok(())
            }
            Err(error) => {
                if matches!(error, ClientError::Refused(_) | ClientError::Expired { .. }) {
                    self.journal.save(address, &published(None))?;
                }
                Err(error.into())
            }
        }
    }

    async fn finalize(&self, address: &Pubkey) -> Result<()> {
        match self.chain.finalize(address).await {
            Ok(()) => tracing::info!(job = %address, "finalized: the milestone is paid"),
            // The clock that was read was ahead of the one that counts, or somebody else turned the crank.
            Err(error)
                if matches!(
                    error.quern(),
                    Some(QuernError::TooEarly | QuernError::WrongState)
                ) =>
            {
                return Ok(());
            }
            Err(ClientError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Closes the journal of a job that has ended or went to somebody else some time ago, if it is still so.
    async fn close(&self, address: &Pubkey) -> Result<()> {
        match self.chain.job(address).await? {
            Some(job) if job.provider == self.settings.owner => Ok(()),
            Some(_) => {
                tracing::info!(job = %address, "the job has left this provider");
                Ok(self
                    .journal
                    .close(address, "the job has left this provider")?)
            }
            None => {
                tracing::info!(job = %address, "the job has ended");
                Ok(self.journal.close(address, "ended")?)
            }
        }
    }

    /// Fetches what a job needs, unless it is already here, and compares it with what job and model commit to.
    async fn prepare(&self, address: &Pubkey, job: &Job) -> Result<Prepared> {
        match Assurance::from_code(job.assurance) {
            Some(Assurance::Refereed) => self.prepare_refereed(address, job).await,
            Some(Assurance::Reviewed) => self.prepare_accepted(address, job).await,
            None => Err(unservable(
                address,
                "its assurance level is unknown to this version",
            )),
        }
    }

    async fn prepare_refereed(&self, address: &Pubkey, job: &Job) -> Result<Prepared> {
        let account = self.chain.model(&job.model).await?;
        if !account.model.sealed.get() {
            return Err(unservable(address, "its model is not sealed"));
        }
        let bytes = account.graph.clone();
        let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
        graph.check().map_err(quern_proof::Error::from)?;
        graph
            .check_batch_rows(job.batch_rows.get())
            .map_err(quern_proof::Error::from)?;
        let trace_bytes = graph
            .trace_bytes(job.batch_rows.get())
            .map_err(quern_proof::Error::from)?;
        // A submitted job was taken under the limit of then; what was asked about it needs an answer.
        let is_submitted = job.state == JobState::Submitted as u8;
        if trace_bytes > self.settings.policy.max_trace_bytes && !is_submitted {
            return Err(unservable(
                address,
                &format!("its trace takes {trace_bytes} bytes, more than the limit"),
            ));
        }
        let memory_bytes = sizes::memory_bytes(&graph, job.batch_rows.get())?;
        if memory_bytes > self.settings.memory_bytes / 2 && job.state == JobState::Open as u8 {
            return Err(unservable(
                address,
                &format!(
                    "answering for it takes {memory_bytes} bytes of memory, more than half of the limit"
                ),
            ));
        }

        let weights = self.weights(job, &account, &graph).await?;

        let inputs_path = self.journal.inputs_path(address);
        let inputs_bytes = sizes::inputs_bytes(&graph, job.batch_rows.get())?;
        let roots = job
            .input_roots
            .get(..graph.input_count())
            .unwrap_or_default()
            .to_vec();
        let batch_rows = job.batch_rows.get();
        let check = |bytes: Vec<u8>| {
            let (graph, roots) = (account.graph.clone(), roots.clone());
            off_loop(move || {
                let inputs = sizes::checked_inputs(&parsed(&graph)?, batch_rows, &roots, &bytes)?;
                Ok((inputs, bytes))
            })
        };
        let inputs = match self.kept(&inputs_path, check).await? {
            Some(inputs) => inputs,
            None => {
                // Only now: nodes forget old transactions, and anybody can bury one under newer ones.
                let uri = self.input_uri(address, job).await?;
                let (inputs, bytes) =
                    check(self.fetcher.fetch(&uri, Some(inputs_bytes)).await?).await?;
                self.journal.write(&inputs_path, &bytes)?;
                inputs
            }
        };
        let tensors = CheckedTensors {
            graph: bytes,
            inputs,
            weights,
        };
        Ok(Prepared {
            input_uri: String::new(),
            input_file: Some(inputs_path),
            model_uri: String::new(),
            tensors: Some(Arc::new(tensors)),
        })
    }

    /// The weights of a job's model: kept ones, otherwise fetched and kept. Jobs of one model take turns, so that weights are
    /// fetched once however many jobs there are.
    async fn weights(
        &self,
        job: &Job,
        account: &ModelAccount,
        graph: &Graph<'_>,
    ) -> Result<Vec<Tensor>> {
        // A plain product has none, and nobody publishes nothing.
        if graph.weight_count() == 0 {
            return Ok(Vec::new());
        }
        let turn = self.weights_turn(&job.model);
        let _turn = turn.lock().await;
        let path = self.journal.weights_path(&job.model);
        let check = |bytes: Vec<u8>| {
            let graph = account.graph.clone();
            off_loop(move || {
                let weights = sizes::checked_weights(&parsed(&graph)?, &bytes)?;
                Ok((weights, bytes))
            })
        };
        if let Some(weights) = self.kept(&path, check).await? {
            return Ok(weights);
        }
        let expected = sizes::weights_bytes(graph)?;
        let own = match self.settings.weights.get(&job.model) {
            Some(uri) => self
                .fetched(uri, expected, &check)
                .await
                .inspect_err(|error| {
                    tracing::warn!(model = %job.model, %error, "the owner's source of the weights fails; the chain's is tried");
                })
                .ok(),
            None => None,
        };
        let (weights, bytes) = match own {
            Some(found) => found,
            None => {
                let uri = self.model_uri(&job.model, account).await?;
                self.fetched(&uri, expected, &check).await?
            }
        };
        self.journal.write(&path, &bytes)?;
        Ok(weights)
    }

    async fn fetched<T, F>(
        &self,
        uri: &str,
        expected_bytes: u64,
        check: &impl Fn(Vec<u8>) -> F,
    ) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        check(self.fetcher.fetch(uri, Some(expected_bytes)).await?).await
    }

    fn weights_turn(&self, model: &Pubkey) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self
            .at_weights
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Strangers make models: those that nobody waits for are forgotten.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(*model).or_default())
    }

    async fn prepare_accepted(&self, address: &Pubkey, job: &Job) -> Result<Prepared> {
        let input_uri = self.input_uri(address, job).await?;
        let model_uri = match job.model {
            NOBODY => String::new(),
            model => {
                self.model_uri(&model, &self.chain.model(&model).await?)
                    .await?
            }
        };
        let roots: Vec<[u8; 32]> = job
            .input_roots
            .iter()
            .copied()
            .take_while(|root| *root != [0; 32])
            .collect();
        if roots.is_empty() {
            return Ok(Prepared {
                input_uri,
                input_file: None,
                model_uri,
                tensors: None,
            });
        }
        let path = self.journal.inputs_path(address);
        let check = |bytes: Vec<u8>| {
            let (roots, address) = (roots.clone(), *address);
            off_loop(move || {
                let inputs = quern_proof::file::decode_bundle(&bytes)?;
                let found: Vec<[u8; 32]> =
                    inputs.iter().map(quern_proof::commit::data_root).collect();
                if found != roots {
                    return Err(unservable(
                        &address,
                        "its inputs do not match the roots that it commits to",
                    ));
                }
                Ok(((), bytes))
            })
        };
        if self.kept(&path, check).await?.is_none() {
            let ((), bytes) = check(self.fetcher.fetch(&input_uri, None).await?).await?;
            self.journal.write(&path, &bytes)?;
        }
        Ok(Prepared {
            input_uri,
            input_file: Some(path),
            model_uri,
            tensors: None,
        })
    }

    async fn input_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        let path = self.journal.uri_path(address, "inputs");
        let is_right = |uri: &str| uri_hash(uri) == job.input_uri_hash;
        self.uri(&path, is_right, self.chain.input_uri(address, job))
            .await
    }

    async fn model_uri(&self, address: &Pubkey, account: &ModelAccount) -> Result<String> {
        let path = self.journal.model_uri_path(address);
        let is_right = |uri: &str| uri_hash(uri) == account.model.uri_hash;
        self.uri(
            &path,
            is_right,
            self.chain.model_uri(address, &account.model),
        )
        .await
    }

    /// A URI: the one that is kept, if it is right; otherwise it is looked up, which takes the node's history, and kept. When
    /// that fails, an older one is better than none: data are checked wherever they come from.
    async fn uri(
        &self,
        path: &Path,
        is_right: impl Fn(&str) -> bool,
        look_up: impl Future<Output = quern_client::Result<String>>,
    ) -> Result<String> {
        let kept = self.journal.read(path)?;
        let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok());
        match kept {
            Some(uri) if is_right(&uri) => Ok(uri),
            kept => match (look_up.await, kept) {
                (Ok(uri), _) => {
                    self.journal.write(path, uri.as_bytes())?;
                    Ok(uri)
                }
                (Err(error), Some(uri)) => {
                    tracing::warn!(path = %path.display(), %error, "a URI cannot be looked up; the one before it is tried");
                    Ok(uri)
                }
                (Err(error), None) => Err(error.into()),
            },
        }
    }

    /// What is kept at a path, if it is there and still right.
    async fn kept<T, F>(&self, path: &Path, check: impl Fn(Vec<u8>) -> F) -> Result<Option<T>>
    where
        F: Future<Output = Result<(T, Vec<u8>)>>,
    {
        let Some(bytes) = self.journal.read(path)? else {
            return Ok(None);
        };
        match check(bytes).await {
            Ok((value, _)) => Ok(Some(value)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "kept data are damaged; they are fetched again");
                Ok(None)
            }
        }
    }

    async fn order(
        &self,
        address: &Pubkey,
        job: &Job,
        submission: u32,
        prepared: Prepared,
    ) -> Result<WorkOrder> {
        let moment = self.chain.moment().await?;
        let deadline = job.effective_deadline(&moment);
        let has_checkpoint = job.checkpoint != [0; 32];
        let checkpoint_uri = match has_checkpoint {
            true => {
                let path = self.journal.uri_path(address, &checkpoint(&job.checkpoint));
                let look_up = self.chain.checkpoint_uri(address, job);
                Some(self.uri(&path, |_| true, look_up).await?)
            }
            false => None,
        };
        let folder = self.journal.submission_path(address, submission, "work");
        tokio::fs::create_dir_all(&folder)
            .await
            .map_err(|error| failed(&folder, &error))?;
        Ok(WorkOrder {
            job: address.to_string(),
            client: job.client.to_string(),
            provider: job.provider.to_string(),
            model: (job.model != NOBODY).then(|| job.model.to_string()),
            kind: match JobKind::from_code(job.kind) {
                Some(JobKind::FineTuning) => "fine_tuning",
                Some(JobKind::Training) => "training",
                Some(JobKind::Inference) | None => "inference",
            },
            assurance: if prepared.tensors.is_some() {
                "refereed"
            } else {
                "accepted"
            },
            milestone: job.milestone,
            milestones: job.milestones,
            submission,
            batch_rows: job.batch_rows.get(),
            deadline,
            seconds_left: deadline.saturating_sub(moment.now).max(0),
            input_uri: prepared.input_uri,
            input_file: prepared.input_file,
            model_uri: prepared.model_uri,
            checkpoint_root: has_checkpoint.then(|| hex::encode(job.checkpoint)),
            checkpoint_uri,
            folder,
            tensors: prepared.tensors,
        })
    }

    fn is_resting(&self, address: &Pubkey, errand: Errand) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting
            .get(&(*address, errand))
            .is_some_and(|(_, until)| Instant::now() < *until)
    }

    /// Lets a failed job rest, longer every time, and says how long.
    fn rest(&self, address: &Pubkey, errand: Errand) -> Duration {
        /// More jobs than this are forgotten at once: strangers create them.
        const MOST: usize = 10_000;
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.len() >= MOST {
            resting.clear();
        }
        let key = (*address, errand);
        let failures = resting.get(&key).map_or(0, |(failures, _)| *failures);
        let longest = match errand {
            Errand::Answer => LONGEST_ANSWER_RETRY,
            Errand::Other => LONGEST_RETRY,
        };
        let rest = self
            .settings
            .retry
            .saturating_mul(1 << failures.min(10))
            .min(longest);
        resting.insert(key, (failures.saturating_add(1), Instant::now() + rest));
        rest
    }

    /// Says something about a job once for every change of it.
    fn say_once(&self, address: &Pubkey, job: &Job, say: impl FnOnce()) {
        const MOST: usize = 100_000;
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST {
            said.clear();
        }
        if said.insert((*address, job.seq.get())) {
            say();
        }
    }
}

/// What was fetched and checked for a job.
struct Prepared {
    input_uri: String,
    input_file: Option<PathBuf>,
    model_uri: String,
    tensors: Option<Arc<CheckedTensors>>,
}

/// Room in memory, in units, when there is enough; first come, first served.
async fn room(all: &Arc<Semaphore>, units: u32) -> Result<OwnedSemaphorePermit> {
    let room = Arc::clone(all).acquire_many_owned(units).await;
    room.map_err(|error| ProviderError::Worker(error.to_string()))
}

/// What the URI of a checkpoint is kept as.
fn checkpoint(root: &[u8; 32]) -> String {
    format!("checkpoint-{}", hex::encode(root))
}

/// Where a file of a submission is published, below the publisher's base.
fn relative(address: &Pubkey, submission: u32, name: &str) -> String {
    format!("{address}/{submission}/{name}")
}

fn parsed(graph: &[u8]) -> Result<Graph<'_>> {
    Ok(Graph::parse(graph).map_err(quern_proof::Error::from)?)
}

/// Hashing large tensors takes a while; meanwhile the others go on.
async fn off_loop<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ProviderError::Worker(error.to_string()))?
}

fn unservable(address: &Pubkey, why: &str) -> ProviderError {
    ProviderError::Unservable {
        job: *address,
        why: why.to_owned(),
    }
}

/// Whether a take failed because the job is no longer to be had.
fn is_beaten(error: &ClientError) -> bool {
    matches!(
        error.quern(),
        Some(QuernError::WrongState | QuernError::TooLate)
    ) || matches!(error, ClientError::NotFound { .. })
}

fn log_refusal(address: &Pubkey, refusal: Refusal) {
    if refusal.is_owners_task() {
        tracing::warn!(job = %address, "an open job is left alone: {refusal}");
    } else {
        tracing::debug!(job = %address, "an open job is left alone: {refusal}");
    }
}
