//! The watcher: checks submitted results and convicts wrong ones.
//!
//! [`Watcher::run`] follows jobs whose results may be refuted and examines each submission until its state is final:
//!
//! 1. Program, weights and inputs are fetched and compared with the roots in model and job; for jobs and clients that were
//!    named already before there is a result, so that nobody can take them away in between.
//! 2. The published trace, if it has the committed root, is verified with private randomness; a wrong value is convicted.
//! 3. Otherwise the watcher computes the result itself. If its root is the committed one, the result is right (delivery is
//!    not what is refereed). If not, it *demands* data from the trace root down, along the first difference from its own
//!    result, and convicts what is revealed, or the silence.
//! 4. Recorded convictions are paid out, and what lies in the watcher's own demands comes back.
//!
//! It trusts nobody, and it keeps nothing that the chain does not know: every step begins with reading the chain, so it may
//! be killed at any moment, and any number of watchers may look at the same job. Whatever others have asked is used, and
//! being second is an outcome, not a failure. How it is put together:
//!
//! - [`Settings`], [`Watcher`]: the loop;
//! - `case`: one step of one case;
//! - `material`: the data of a case; `kept` and `memory`: what is kept of them;
//! - `chain`, `fate`: what it asks of the chain and sends to it;
//! - `verdict`: how a case ends.

mod case;
mod chain;
mod fate;
mod kept;
mod material;
mod memory;
#[cfg(test)]
mod tests;
mod verdict;

pub use {
    chain::{Asked, Conviction, RpcWatchChain, WatchChain},
    verdict::{Fate, Report, Verdict, reason_name},
};

use {
    crate::{
        data::FetchLimits,
        error::{NodeError, Result},
    },
    case::Next,
    futures::StreamExt,
    material::{Materials, Trouble},
    memory::Memory,
    quern_client::{
        Pubkey,
        quern::state::{Assurance, Job, JobState},
    },
    quern_proof::question::Question,
    std::{
        collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque},
        path::PathBuf,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
        time::Duration,
    },
    tokio::{task::JoinSet, time::Instant},
};

/// How a watcher works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Only jobs of these clients; empty means of all.
    pub clients: BTreeSet<Pubkey>,
    /// Only these jobs; empty means all. They are followed whoever the client is.
    pub jobs: BTreeSet<Pubkey>,
    /// How it fetches.
    pub fetch: FetchLimits,
    /// Own sources of weights, used before what the chain says.
    pub weights: BTreeMap<Pubkey, String>,
    /// A folder in which finished cases and checked data survive a restart.
    pub state: Option<PathBuf>,
    /// Largest trace to fetch or to compute, in bytes.
    pub max_trace_bytes: u64,
    /// Most weights, inputs and own results to keep in memory, in bytes.
    pub max_kept_bytes: u64,
    /// Most demand fees for one submission, in lamports.
    pub max_fee_lamports: u64,
    /// How long after a submission its data are waited for before they are demanded, but no longer than a quarter of the
    /// review.
    pub publication_grace: Duration,
    /// Whether recorded convictions are paid out and what lies in own demands is taken back.
    pub settle: bool,
    /// Most cases that are worked on at a time.
    pub concurrency: usize,
    /// Time between two looks at the chain.
    pub poll: Duration,
    /// Shortest time until a failed step is tried again; it doubles with every failure, up to ten minutes.
    pub retry: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clients: BTreeSet::new(),
            jobs: BTreeSet::new(),
            fetch: FetchLimits::default(),
            weights: BTreeMap::new(),
            state: None,
            max_trace_bytes: 1 << 30,
            max_kept_bytes: 2 << 30,
            max_fee_lamports: 10_000_000,
            publication_grace: Duration::from_secs(30),
            settle: true,
            concurrency: 4,
            poll: Duration::from_secs(5),
            retry: Duration::from_secs(5),
        }
    }
}

/// Longest time until a failed step is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// How long a stopping watcher waits for what it is doing.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Time between two looks at own demands, at recorded convictions that could not be paid out, and for data that are not there.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Failures after which [`Watcher::run_once`] gives a case up.
const MOST_FAILURES: u32 = 3;
/// How often the end of a job is looked up before it counts as unknown.
const LOOKS_FOR_FATE: u32 = 5;
/// More cases than this are not remembered as finished: strangers create jobs.
const MOST_FINISHED: usize = 100_000;

/// The watcher.
pub struct Watcher {
    inner: Arc<Inner>,
}

/// What one look did.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Cases that have become final.
    pub reports: Vec<Report>,
    /// Cases that are not.
    pub waiting: usize,
}

/// What [`Watcher::follow`] tells about a job.
#[derive(Clone, Debug)]
pub enum Followed {
    /// It is in another state than before.
    State(JobState),
    /// One of its submissions has been examined.
    Verdict(Box<Report>),
}

/// One submission of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CaseId {
    job: Pubkey,
    submission: u32,
}

/// What is known of a case while it is open. All of it can be found out again.
#[derive(Clone, Debug)]
struct Case {
    client: Pubkey,
    provider: Pubkey,
    /// The end of the review: the nearest one comes first.
    deadline: i64,
    /// Time to refute the result.
    review_secs: u32,
    /// The question that the case waits for.
    waits_for: Option<Question>,
    /// Fees of this watcher's questions.
    fees_lamports: u64,
    /// What was said last, so that it is said once.
    last: Option<String>,
    failures: u32,
    not_before: Option<Instant>,
}

struct Inner {
    settings: Settings,
    chain: Arc<dyn WatchChain>,
    materials: Materials,
    memory: Memory,
    open: Mutex<HashMap<CaseId, Case>>,
    finished: Mutex<HashSet<CaseId>>,
    /// Recorded convictions that could not be paid out, and when that is tried again.
    unsettled: Mutex<HashMap<Pubkey, Instant>>,
    /// Jobs without a result whose data have been looked for, and when that is tried again, if it failed.
    prepared: Mutex<HashMap<Pubkey, Option<Instant>>>,
    tidying: tokio::sync::Mutex<()>,
}

/// Something to do.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// A step of a case.
    Examine(CaseId),
    /// A recorded conviction to be paid out.
    Settle(Pubkey),
    /// Data to be fetched while they are there.
    Prepare(Pubkey),
}

impl Task {
    fn job(&self) -> Pubkey {
        match self {
            Self::Examine(id) => id.job,
            Self::Settle(job) | Self::Prepare(job) => *job,
        }
    }
}

/// How long a watcher goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Stopped,
    NothingOpen,
}

impl Watcher {
    /// A watcher over a chain.
    ///
    /// # Errors
    /// `Files` if its folder cannot be made.
    pub fn new(settings: Settings, chain: Arc<dyn WatchChain>) -> Result<Self> {
        let inner = Inner {
            materials: Materials::new(&settings),
            memory: Memory::open(settings.state.as_deref())?,
            settings,
            chain,
            open: Mutex::default(),
            finished: Mutex::default(),
            unsettled: Mutex::default(),
            prepared: Mutex::default(),
            tidying: tokio::sync::Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Watches until `shutdown` is ready, and says of every submission how it ended. Failures of single cases are logged and
    /// do not end it.
    ///
    /// # Errors
    /// That the cluster cannot be reached at the start.
    pub async fn run(
        &self,
        on_report: impl FnMut(&Report),
        shutdown: impl Future<Output = ()>,
    ) -> Result<()> {
        self.drive(Until::Stopped, on_report, shutdown).await
    }

    /// Examines what is submitted now until every case is final, which may take as long as demands may take to be answered.
    /// What cannot be fetched after three attempts counts as not checked.
    ///
    /// # Errors
    /// That the cluster cannot be reached at the start.
    pub async fn run_once(
        &self,
        mut on_report: impl FnMut(&Report),
        shutdown: impl Future<Output = ()>,
    ) -> Result<Vec<Report>> {
        let mut reports = Vec::new();
        let collect = |report: &Report| {
            on_report(report);
            reports.push(report.clone());
        };
        self.drive(Until::NothingOpen, collect, shutdown).await?;
        Ok(reports)
    }

    /// Looks at everything once and does a step of every case.
    ///
    /// # Errors
    /// That the chain cannot be read.
    pub async fn pass(&self) -> Result<Pass> {
        let pass = self.look(true).await?;
        self.inner.tidy().await;
        Ok(pass)
    }

    /// `all` includes what rests after a failure.
    async fn look(&self, all: bool) -> Result<Pass> {
        let inner = &self.inner;
        let found = inner.survey(&HashSet::new(), all).await?;
        let reports = futures::stream::iter(found)
            .map(|task| inner.attempt(task, Until::Stopped))
            .buffer_unordered(inner.settings.concurrency.max(1))
            .filter_map(|report| async { report })
            .collect()
            .await;
        Ok(Pass {
            reports,
            waiting: lock(&inner.open).len(),
        })
    }

    /// Follows one job from whatever state it is in until its account is gone, examining its submissions on the way, and says
    /// what became of it. The job must be in the settings' scope.
    ///
    /// # Errors
    /// That the cluster cannot be reached at the start.
    pub async fn follow(&self, job: &Pubkey, mut on: impl FnMut(Followed)) -> Result<Fate> {
        let inner = &self.inner;
        let mut known = inner.chain.job(job).await?;
        let mut state = None;
        let mut looks = 0;
        loop {
            let now = known.and_then(|job| JobState::from_code(job.state));
            if let Some(now) = now.filter(|now| state != Some(*now)) {
                state = Some(now);
                on(Followed::State(now));
            }
            let looked = async {
                let pass = self.look(false).await?;
                if known.is_some() || pass.waiting > 0 {
                    return Ok((pass.reports, None));
                }
                let fate = inner.chain.fate(job).await?;
                Ok::<_, NodeError>((pass.reports, Some(fate)))
            };
            match looked.await {
                Ok((reports, fate)) => {
                    for report in reports.into_iter().filter(|report| report.job == *job) {
                        on(Followed::Verdict(Box::new(report)));
                    }
                    looks += 1;
                    // A node may not know yet of a job that was created a moment ago, or of the transaction that ended it.
                    if let Some(fate) =
                        fate.filter(|fate| *fate != Fate::Unknown || looks >= LOOKS_FOR_FATE)
                    {
                        inner.tidy().await;
                        return Ok(fate);
                    }
                }
                Err(error) => tracing::warn!(%error, "the chain cannot be read; it is tried again"),
            }
            tokio::time::sleep(inner.settings.poll).await;
            match inner.chain.job(job).await {
                Ok(now) => {
                    if now.is_some() {
                        looks = 0;
                    }
                    known = now;
                }
                Err(error) => tracing::warn!(%error, "the chain cannot be read; it is tried again"),
            }
        }
    }

    async fn drive(
        &self,
        until: Until,
        mut on_report: impl FnMut(&Report),
        shutdown: impl Future<Output = ()>,
    ) -> Result<()> {
        let inner = &self.inner;
        // Whoever gave a wrong URL should hear of it.
        inner.chain.moment().await?;
        tracing::info!(signer = %inner.chain.signer(), "watching");
        tokio::pin!(shutdown);
        let mut tasks: JoinSet<Option<Report>> = JoinSet::new();
        let mut busy: HashMap<tokio::task::Id, Pubkey> = HashMap::new();
        let mut queue: VecDeque<Task> = VecDeque::new();
        let mut next_look = Instant::now();
        let mut next_tidy = Instant::now();
        let mut has_looked = false;
        loop {
            if Instant::now() >= next_look {
                let at_work = busy.values().copied().collect();
                match inner.survey(&at_work, false).await {
                    Ok(found) => {
                        queue = found.into();
                        has_looked = true;
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the chain cannot be read; it is tried again");
                    }
                }
                next_look = Instant::now() + inner.settings.poll;
            }
            while tasks.len() < inner.settings.concurrency.max(1)
                && let Some(task) = queue.pop_front()
            {
                let inner = Arc::clone(inner);
                let handle = tasks.spawn(async move { inner.attempt(task, until).await });
                busy.insert(handle.id(), task.job());
            }
            let is_idle = tasks.is_empty() && queue.is_empty();
            let is_done = until == Until::NothingOpen
                && has_looked
                && is_idle
                && lock(&inner.open).is_empty();
            if is_done || Instant::now() >= next_tidy {
                inner.tidy().await;
                next_tidy = Instant::now() + TIDY_EVERY;
            }
            if is_done {
                return Ok(());
            }
            tokio::select! {
                () = &mut shutdown => {
                    tracing::info!(running = tasks.len(), "stopping");
                    let drained = async {
                        while let Some(done) = tasks.join_next().await {
                            if let Ok(Some(report)) = done {
                                on_report(&report);
                            }
                        }
                    };
                    if tokio::time::timeout(LAST_WORDS, drained).await.is_err() {
                        tasks.abort_all();
                    }
                    return Ok(());
                }
                () = tokio::time::sleep_until(next_look) => {}
                Some(done) = tasks.join_next_with_id() => match done {
                    Ok((id, report)) => {
                        busy.remove(&id);
                        if let Some(report) = report {
                            // What was recorded is paid out at once, and own questions are closed, whoever was faster.
                            if report.verdict.is_slash() {
                                next_look = Instant::now();
                                next_tidy = Instant::now();
                            }
                            on_report(&report);
                        }
                    }
                    Err(error) => {
                        // Nothing panics by intent; if something does, the others go on and it is tried again.
                        tracing::error!(%error, "a case's task broke off");
                        busy.remove(&error.id());
                    }
                },
            }
        }
    }
}

impl Inner {
    /// What there is to do now, the nearest deadline first. Jobs in `busy` are being worked on; `all` includes those that
    /// rest.
    async fn survey(&self, busy: &HashSet<Pubkey>, all: bool) -> Result<Vec<Task>> {
        let (mut settle, mut prepare) = (Vec::new(), Vec::new());
        for (address, job) in self.jobs().await? {
            if job.assurance != Assurance::Refereed as u8 {
                continue;
            }
            let state = JobState::from_code(job.state);
            match state {
                Some(JobState::Submitted | JobState::Slashed) => {
                    let id = CaseId {
                        job: address,
                        submission: job.submissions.get(),
                    };
                    self.note(id, &job);
                }
                Some(JobState::Open | JobState::Taken) => prepare.push(address),
                Some(JobState::Rejected) | None => {}
            }
            if state == Some(JobState::Slashed) && self.settings.settle {
                settle.push(address);
            }
        }
        let now = Instant::now();
        let is_due = |at: Option<Instant>| all || at.is_none_or(|at| at <= now);
        let mut due: Vec<(i64, CaseId)> = lock(&self.open)
            .iter()
            .filter(|(id, case)| !busy.contains(&id.job) && is_due(case.not_before))
            .map(|(id, case)| (case.deadline, *id))
            .collect();
        due.sort_by_key(|(deadline, id)| (*deadline, id.job));
        let mut found: Vec<Task> = due.into_iter().map(|(_, id)| Task::Examine(id)).collect();
        let mut unsettled = lock(&self.unsettled);
        unsettled.retain(|address, _| settle.contains(address));
        for address in settle {
            if !busy.contains(&address) && is_due(unsettled.get(&address).copied()) {
                found.push(Task::Settle(address));
            }
        }
        let mut prepared = lock(&self.prepared);
        let open = lock(&self.open);
        prepared.retain(|address, _| {
            let is_kept = prepare.contains(address);
            if !is_kept && open.keys().all(|id| id.job != *address) {
                // It ended without a result.
                self.memory.drop_inputs(address);
            }
            is_kept
        });
        drop(open);
        for address in prepare {
            let is_new = match prepared.get(&address) {
                None => true,
                Some(again) => again.is_some_and(|again| is_due(Some(again))),
            };
            if is_new && !busy.contains(&address) {
                found.push(Task::Prepare(address));
            }
        }
        Ok(found)
    }

    /// Jobs in the settings' scope.
    async fn jobs(&self) -> Result<Vec<(Pubkey, Job)>> {
        let mut found = Vec::new();
        if !self.settings.jobs.is_empty() {
            for address in &self.settings.jobs {
                if let Some(job) = self.chain.job(address).await? {
                    found.push((*address, job));
                }
            }
            return Ok(found);
        }
        let with_results = [JobState::Submitted, JobState::Slashed];
        if self.settings.clients.is_empty() {
            for state in with_results {
                found.extend(self.chain.jobs(state, None).await?);
            }
        }
        let all = with_results
            .into_iter()
            .chain([JobState::Open, JobState::Taken]);
        for state in all {
            for client in &self.settings.clients {
                found.extend(self.chain.jobs(state, Some(*client)).await?);
            }
        }
        Ok(found)
    }

    /// Opens a case that is new.
    fn note(&self, id: CaseId, job: &Job) {
        let mut open = lock(&self.open);
        if let Some(case) = open.get_mut(&id) {
            case.deadline = job.deadline.get();
            return;
        }
        let mut finished = lock(&self.finished);
        if finished.contains(&id) {
            return;
        }
        if self.memory.is_finished(&id.job, id.submission) {
            finished.insert(id);
            return;
        }
        let case = Case {
            client: job.client,
            provider: job.provider,
            deadline: job.deadline.get(),
            review_secs: job.review_secs.get(),
            waits_for: None,
            fees_lamports: 0,
            last: None,
            failures: 0,
            not_before: None,
        };
        open.insert(id, case);
    }

    /// Does a task; a case that has become final is reported.
    async fn attempt(&self, task: Task, until: Until) -> Option<Report> {
        match task {
            Task::Examine(id) => self.examine(id, until).await,
            Task::Settle(address) => {
                self.settle(&address).await;
                None
            }
            Task::Prepare(address) => {
                self.prepare(&address).await;
                None
            }
        }
    }

    async fn examine(&self, id: CaseId, until: Until) -> Option<Report> {
        let verdict = match self.step(id).await {
            Ok(Next::Done(verdict)) => verdict,
            Ok(Next::Wait) => {
                self.with_case(id, |case| {
                    case.failures = 0;
                    case.not_before = None;
                });
                return None;
            }
            Err(Trouble::Final(why)) => Verdict::CouldNotCheck { why },
            Err(Trouble::Again(error)) => {
                let failures = self.rest(id, error.to_string());
                let rests = failures < MOST_FAILURES || until == Until::Stopped;
                tracing::warn!(job = %id.job, submission = id.submission, %error, failures, "the result cannot be checked now");
                if rests {
                    return None;
                }
                Verdict::CouldNotCheck {
                    why: error.to_string(),
                }
            }
        };
        self.finish(id, verdict)
    }

    /// Lets a failed case rest, longer every time, but not for a large part of the review.
    fn rest(&self, id: CaseId, why: String) -> u32 {
        self.with_case(id, |case| {
            let rest = self
                .settings
                .retry
                .saturating_mul(1 << case.failures.min(10))
                .min(LONGEST_RETRY)
                .min(Duration::from_secs(u64::from(case.review_secs)) / 20);
            case.failures = case.failures.saturating_add(1);
            case.not_before = Some(Instant::now() + rest);
            case.last = Some(why);
            case.failures
        })
        .unwrap_or(u32::MAX)
    }

    fn finish(&self, id: CaseId, verdict: Verdict) -> Option<Report> {
        let case = lock(&self.open).remove(&id)?;
        self.materials.forget(&self.memory, (id.job, id.submission));
        let report = Report {
            job: id.job,
            submission: id.submission,
            client: case.client,
            provider: case.provider,
            verdict,
            fees_lamports: case.fees_lamports,
        };
        {
            let mut finished = lock(&self.finished);
            if finished.len() >= MOST_FINISHED {
                finished.clear();
            }
            finished.insert(id);
        }
        self.memory.finish(&report);
        let (verdict, details) = (report.verdict.name(), report.verdict.details());
        if report.verdict.is_slash() {
            tracing::warn!(job = %id.job, submission = id.submission, verdict, details, "examined");
        } else {
            tracing::info!(job = %id.job, submission = id.submission, verdict, details, "examined");
        }
        Some(report)
    }

    /// Fetches and keeps what a result will be checked with. That it fails is no verdict yet.
    async fn prepare(&self, address: &Pubkey) {
        let tried = async {
            if let Some(job) = self.chain.job(address).await? {
                let (chain, memory) = (self.chain.as_ref(), &self.memory);
                self.materials.given(chain, memory, address, &job).await?;
            }
            Ok(())
        };
        let again = match tried.await {
            Ok(()) => {
                tracing::debug!(job = %address, "its data are here");
                None
            }
            Err(Trouble::Final(why)) => {
                tracing::warn!(job = %address, why, "its result will not be checked");
                None
            }
            Err(Trouble::Again(error)) => {
                tracing::warn!(job = %address, %error, "its data cannot be fetched now");
                Some(Instant::now() + TIDY_EVERY)
            }
        };
        lock(&self.prepared).insert(*address, again);
    }

    /// Has a recorded conviction paid out.
    async fn settle(&self, address: &Pubkey) {
        match self.try_settle(address).await {
            Ok(true) => self.tidy().await,
            Ok(false) => {
                lock(&self.unsettled).insert(*address, Instant::now() + TIDY_EVERY);
            }
            Err(error) => {
                tracing::warn!(job = %address, %error, "the conviction cannot be paid out now");
                lock(&self.unsettled).insert(*address, Instant::now() + TIDY_EVERY);
            }
        }
    }

    /// Whether a conviction is paid out, by whomever.
    async fn try_settle(&self, address: &Pubkey) -> Result<bool> {
        let Some(job) = self.chain.job(address).await? else {
            return Ok(true);
        };
        let prover = job.slash_prover;
        match self.chain.settle_slash(address, &job).await {
            Ok(true) => tracing::info!(job = %address, %prover, "the conviction is paid out"),
            Ok(false) => {
                tracing::debug!(job = %address, %prover, "the prover has no purse yet");
                return Ok(false);
            }
            Err(error) => {
                if self.chain.job(address).await?.is_some() {
                    return Err(error);
                }
                tracing::debug!(job = %address, "somebody else had the conviction paid out");
            }
        }
        Ok(true)
    }

    /// Takes back what lies in own demands, unless that is being done.
    async fn tidy(&self) {
        let Ok(_turn) = self.tidying.try_lock() else {
            return;
        };
        if !self.settings.settle {
            return;
        }
        match self.chain.tidy().await {
            Ok(0) => {}
            Ok(closed) => tracing::info!(
                closed,
                "own demands and evidence are closed; their rent is back"
            ),
            Err(error) => tracing::warn!(%error, "own demands cannot be closed now"),
        }
    }

    fn with_case<T>(&self, id: CaseId, change: impl FnOnce(&mut Case) -> T) -> Option<T> {
        lock(&self.open).get_mut(&id).map(change)
    }

    /// Says something about a case, unless it was the last thing that was said.
    fn say(&self, id: CaseId, what: String) {
        let is_new = self.with_case(id, |case| {
            let is_new = case.last.as_ref() != Some(&what);
            case.last = Some(what.clone());
            is_new
        });
        if is_new == Some(true) {
            tracing::info!(job = %id.job, submission = id.submission, "{what}");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
