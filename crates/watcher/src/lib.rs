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
//! - `lanes`: which case is next, so that nobody keeps the others waiting;
//! - `material`: the data of a case; `room`: the memory that it takes; `kept` and `memory`: what is kept of them;
//! - `chain`, `outcome`: what it asks of the chain and sends to it;
//! - `verdict`: how a case ends.

mod case;
mod chain;
mod error;
mod kept;
mod lanes;
mod material;
mod memory;
mod room;
#[cfg(test)]
mod tests;
mod verdict;

pub use {
    chain::{Conviction, LockedRent, OpenedDemand, RpcWatcherChain, WatcherChain},
    error::{Result, WatcherError},
    verdict::{Report, Verdict},
};

use {
    case::Next,
    futures::StreamExt,
    lanes::{Lanes, Todo},
    material::{Materials, Purpose, Trouble},
    memory::Memory,
    quern_client::{
        Outcome, Pubkey,
        quern::state::{Assurance, Job, JobState},
    },
    quern_data::FetchLimits,
    quern_proof::{Hash, demand::NodeId, evidence::Charge},
    std::{
        collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque, hash_map::Entry},
        path::PathBuf,
        pin::Pin,
        sync::{
            Arc, Mutex, MutexGuard, PoisonError,
            atomic::{AtomicU32, Ordering},
        },
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
    /// Most work to do for one result, in MACs.
    pub max_macs: u64,
    /// Most memory for all results that are being examined at a time, in bytes.
    pub max_memory_bytes: u64,
    /// Most weights, inputs and own results to keep in memory between steps, in bytes; half of it is for the results.
    pub max_kept_bytes: u64,
    /// Least bonds by mint, in atoms: what is below is not examined.
    pub min_bonds: BTreeMap<Pubkey, u64>,
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
            max_macs: 10_000_000_000_000,
            max_memory_bytes: 4 << 30,
            max_kept_bytes: 4 << 30,
            min_bonds: BTreeMap::new(),
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
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Time between two looks at own demands, at recorded convictions that could not be paid out, and for data that are not there.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Failures after which [`Watcher::run_once`] gives a case up.
const MOST_FAILURES: u32 = 3;
/// How often the end of a job is looked up before it counts as unknown.
const LOOKS_FOR_FATE: u32 = 5;
/// How long a case whose job went on is looked for: behind one address there may be several nodes, and one may be behind.
const LEFT_FOR: Duration = Duration::from_secs(600);
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

/// One submission of a job. What was committed to is part of it: a submission may be rolled back, and another cluster has other
/// jobs at the same addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CaseId {
    job: Pubkey,
    submission: u32,
    /// When the job was created.
    created_at: i64,
    /// What the submission commits to.
    trace_root: Hash,
}

impl CaseId {
    fn of(address: Pubkey, job: &Job) -> Self {
        Self {
            job: address,
            submission: job.submissions.get(),
            created_at: job.created_at.get(),
            trace_root: job.trace_root,
        }
    }
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
    /// The demand that the case waits for.
    waits_for: Option<NodeId>,
    /// What was answered on the way there.
    answered: Vec<OpenedDemand>,
    /// Why it is not known where the trace is, and when that is looked up again.
    lost_trace: Option<(String, Instant)>,
    /// Fees of this watcher's demands.
    fees_lamports: u64,
    /// Whether the result is known to be wrong, and what of it, if that is known.
    is_wrong: bool,
    charge: Option<Charge>,
    /// What was said last, so that it is said once.
    last: Option<String>,
    failures: u32,
    not_before: Option<Instant>,
}

impl Case {
    fn report(self, id: CaseId, verdict: Verdict) -> Report {
        let verdict = match verdict {
            // What is known to be wrong is not merely unchecked.
            Verdict::CouldNotCheck { why } if self.is_wrong => Verdict::Wrong {
                charge: self.charge,
                why,
            },
            verdict => verdict,
        };
        Report {
            job: id.job,
            submission: id.submission,
            client: self.client,
            provider: self.provider,
            verdict,
            fees_lamports: self.fees_lamports,
        }
    }
}

/// Notes how a case ended. Whoever runs the watcher gets the report, and shows it.
fn told(report: Report) -> Report {
    let (job, submission) = (report.job, report.submission);
    let (verdict, details) = (report.verdict.name(), report.verdict.details());
    tracing::debug!(%job, submission, verdict, details, "examined");
    report
}

struct Inner {
    settings: Settings,
    chain: Arc<dyn WatcherChain>,
    materials: Materials,
    memory: Memory,
    open: Mutex<HashMap<CaseId, Case>>,
    finished: Mutex<HashSet<CaseId>>,
    /// Cases whose jobs seem to have gone on, and since when: if they have not, they are opened again.
    left: Mutex<HashMap<CaseId, Instant>>,
    /// Recorded convictions that could not be paid out, and when that is tried again.
    unsettled: Mutex<HashMap<Pubkey, Instant>>,
    /// Jobs without a result whose data have been looked for, and when that is tried again, if it failed.
    prepared: Mutex<HashMap<Pubkey, Option<Instant>>>,
    tidying: tokio::sync::Mutex<()>,
    /// Looks in a row at which none of the named jobs existed.
    looks_without_jobs: AtomicU32,
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
    /// `Files` if its folder cannot be made, `Locked` if another watcher uses it.
    pub fn new(settings: Settings, chain: Arc<dyn WatcherChain>) -> Result<Self> {
        let inner = Inner {
            materials: Materials::new(&settings),
            memory: Memory::open(settings.state.as_deref())?,
            settings,
            chain,
            open: Mutex::default(),
            finished: Mutex::default(),
            left: Mutex::default(),
            unsettled: Mutex::default(),
            prepared: Mutex::default(),
            tidying: tokio::sync::Mutex::default(),
            looks_without_jobs: AtomicU32::new(0),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Watches until `shutdown` is ready, or all named jobs have ended, and says of every submission how it ended. Failures of
    /// single cases are logged and do not end it.
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
            .map(|todo| inner.attempt(todo.task, Until::Stopped))
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
    pub async fn follow(&self, job: &Pubkey, mut on: impl FnMut(Followed)) -> Result<Outcome> {
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
                let outcome = inner.chain.outcome(job).await?;
                Ok::<_, WatcherError>((pass.reports, Some(outcome)))
            };
            match looked.await {
                Ok((reports, outcome)) => {
                    for report in reports.into_iter().filter(|report| report.job == *job) {
                        on(Followed::Verdict(Box::new(report)));
                    }
                    looks += 1;
                    // A node may not know yet of a job that was created a moment ago, or of the transaction that ended it.
                    if let Some(outcome) = outcome
                        .filter(|outcome| *outcome != Outcome::Unknown || looks >= LOOKS_FOR_FATE)
                    {
                        inner.tidy().await;
                        inner.tell_locked_rent().await;
                        return Ok(outcome);
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
        tokio::pin!(shutdown);
        // Whoever gave a wrong URL should hear of it.
        let Some(reached) = unless(&mut shutdown, inner.chain.moment()).await else {
            return Ok(());
        };
        reached?;
        tracing::info!(signer = %inner.chain.signer(), "watching");
        let mut tasks: JoinSet<Option<Report>> = JoinSet::new();
        let mut busy: HashMap<tokio::task::Id, Todo> = HashMap::new();
        let mut queue: VecDeque<Todo> = VecDeque::new();
        let lanes = inner.lanes();
        let mut next_look = Instant::now();
        let mut next_tidy = Instant::now();
        let mut has_looked = false;
        loop {
            if Instant::now() >= next_look {
                let at_work = busy.values().map(|todo| todo.task.job()).collect();
                let Some(found) = unless(&mut shutdown, inner.survey(&at_work, false)).await else {
                    drain(tasks, on_report).await;
                    return Ok(());
                };
                match found {
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
            loop {
                let running: Vec<Todo> = busy.values().copied().collect();
                let Some(todo) = lanes.next(&mut queue, &running) else {
                    break;
                };
                let inner = Arc::clone(inner);
                let handle = tasks.spawn(async move { inner.attempt(todo.task, until).await });
                busy.insert(handle.id(), todo);
            }
            let is_idle = tasks.is_empty() && queue.is_empty();
            let looks_without_jobs = inner.looks_without_jobs.load(Ordering::Relaxed);
            let is_over = until == Until::NothingOpen || looks_without_jobs >= LOOKS_FOR_FATE;
            let is_done = is_over && has_looked && is_idle && lock(&inner.open).is_empty();
            if is_done || Instant::now() >= next_tidy {
                let tidied = async {
                    inner.tidy().await;
                    if is_done {
                        inner.tell_locked_rent().await;
                    }
                };
                if unless(&mut shutdown, tidied).await.is_none() {
                    drain(tasks, on_report).await;
                    return Ok(());
                }
                next_tidy = Instant::now() + TIDY_EVERY;
            }
            if is_done {
                return Ok(());
            }
            tokio::select! {
                () = &mut shutdown => {
                    drain(tasks, on_report).await;
                    return Ok(());
                }
                () = tokio::time::sleep_until(next_look) => {}
                Some(done) = tasks.join_next_with_id() => match done {
                    Ok((id, report)) => {
                        busy.remove(&id);
                        if let Some(report) = report {
                            // What was recorded is paid out at once, and own demands are closed, whoever was faster.
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

/// Does some work, unless it is time to stop: a node that hangs keeps nobody here.
async fn unless<T>(
    shutdown: &mut Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        () = shutdown => None,
        done = work => Some(done),
    }
}

/// Waits a little for what is being done.
async fn drain(mut tasks: JoinSet<Option<Report>>, mut on_report: impl FnMut(&Report)) {
    tracing::info!(running = tasks.len(), "stopping");
    let drained = async {
        while let Some(done) = tasks.join_next().await {
            if let Ok(Some(report)) = done {
                on_report(&report);
            }
        }
    };
    if tokio::time::timeout(SHUTDOWN_GRACE, drained).await.is_err() {
        tasks.abort_all();
    }
}

impl Inner {
    /// How slots are shared.
    fn lanes(&self) -> Lanes {
        Lanes {
            slots: self.settings.concurrency,
            is_for_all: self.settings.clients.is_empty() && self.settings.jobs.is_empty(),
        }
    }

    /// What there is to do now: first what this watcher has asked about, where the time for the next demand may run, then
    /// the nearest deadline, and what failed after everything else. Jobs in `busy` are being
    /// worked on; `all` includes those that rest.
    async fn survey(&self, busy: &HashSet<Pubkey>, all: bool) -> Result<Vec<Todo>> {
        let (mut settle, mut prepare) = (Vec::new(), Vec::new());
        for (address, job) in self.jobs().await? {
            if job.assurance != Assurance::Refereed as u8 {
                continue;
            }
            let state = JobState::from_code(job.state);
            match state {
                Some(JobState::Submitted | JobState::Convicted) => {
                    self.note(CaseId::of(address, &job), &job);
                }
                Some(JobState::Open | JobState::Taken) => prepare.push((address, job.client)),
                Some(JobState::Rejected) | None => {}
            }
            if state == Some(JobState::Convicted) && self.settings.settle {
                settle.push((address, job.client));
            }
        }
        self.forget_left();
        let now = Instant::now();
        let is_due = |at: Option<Instant>| all || at.is_none_or(|at| at <= now);
        let mut due = Vec::new();
        for (id, case) in lock(&self.open).iter() {
            let todo = Todo {
                task: Task::Examine(*id),
                client: case.client,
                has_failed: case.failures > 0,
            };
            if !busy.contains(&id.job) && is_due(case.not_before) {
                let is_new = case.fees_lamports == 0;
                due.push(((todo.has_failed, is_new, case.deadline, id.job), todo));
            }
        }
        due.sort_by_key(|(order, _)| *order);
        let mut found: Vec<Todo> = due.into_iter().map(|(_, todo)| todo).collect();
        let failed = found.split_off(found.partition_point(|todo| !todo.has_failed));
        found.extend(self.to_settle(settle, busy, is_due));
        found.extend(self.to_prepare(prepare, busy, is_due));
        found.extend(failed);
        Ok(found)
    }

    /// Recorded convictions that may be paid out now.
    fn to_settle(
        &self,
        slashed: Vec<(Pubkey, Pubkey)>,
        busy: &HashSet<Pubkey>,
        is_due: impl Fn(Option<Instant>) -> bool,
    ) -> Vec<Todo> {
        let mut unsettled = lock(&self.unsettled);
        unsettled.retain(|address, _| slashed.iter().any(|(known, _)| known == address));
        let due = slashed.into_iter().filter(|(address, _)| {
            !busy.contains(address) && is_due(unsettled.get(address).copied())
        });
        due.map(|(address, client)| Todo {
            task: Task::Settle(address),
            client,
            has_failed: false,
        })
        .collect()
    }

    /// Jobs without a result whose data are to be fetched now.
    fn to_prepare(
        &self,
        waiting: Vec<(Pubkey, Pubkey)>,
        busy: &HashSet<Pubkey>,
        is_due: impl Fn(Option<Instant>) -> bool,
    ) -> Vec<Todo> {
        let mut prepared = lock(&self.prepared);
        let open = lock(&self.open);
        prepared.retain(|address, _| {
            let is_kept = waiting.iter().any(|(known, _)| known == address);
            if !is_kept && open.keys().all(|id| id.job != *address) {
                // It ended without a result.
                self.memory.drop_inputs(address);
            }
            is_kept
        });
        drop(open);
        let mut found = Vec::new();
        for (address, client) in waiting {
            let known = prepared.get(&address).copied();
            let is_new = match known {
                None => true,
                Some(again) => again.is_some_and(|again| is_due(Some(again))),
            };
            if is_new && !busy.contains(&address) {
                found.push(Todo {
                    task: Task::Prepare(address),
                    client,
                    has_failed: known.is_some(),
                });
            }
        }
        found
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
            if found.is_empty() {
                self.looks_without_jobs.fetch_add(1, Ordering::Relaxed);
            } else {
                self.looks_without_jobs.store(0, Ordering::Relaxed);
            }
            return Ok(found);
        }
        let with_results = [JobState::Submitted, JobState::Convicted];
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
        if self.memory.is_finished(&id) {
            finished.insert(id);
            return;
        }
        let case = Case {
            client: job.client,
            provider: job.provider,
            deadline: job.deadline.get(),
            review_secs: job.review_secs.get(),
            waits_for: None,
            answered: Vec::new(),
            lost_trace: None,
            fees_lamports: 0,
            is_wrong: false,
            charge: None,
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
            Ok(Next::Gone(why)) => return self.leave(id, why),
            Ok(Next::Wait) => {
                self.with_case(id, |case| {
                    case.failures = 0;
                    case.not_before = None;
                });
                return None;
            }
            Err(Trouble::Final(why)) => Verdict::CouldNotCheck { why },
            Err(Trouble::Again(error)) => {
                let (failures, is_new) = self.rest(id, error.to_string());
                let rests = failures < MOST_FAILURES || until == Until::Stopped;
                let is_wrong = self.with_case(id, |case| case.is_wrong) == Some(true);
                let (job, submission) = (id.job, id.submission);
                match (is_new, is_wrong) {
                    (true, true) => {
                        tracing::warn!(%job, submission, %error, "the result is WRONG and cannot be convicted now; do not use it");
                    }
                    (true, false) => {
                        tracing::warn!(%job, submission, %error, "the result cannot be checked now");
                    }
                    (false, _) => tracing::debug!(%job, submission, %error, failures, "again"),
                }
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

    /// Lets a failed case rest, longer every time, but not for a large part of the review. Returns how often it has failed, and
    /// whether this is another failure than the last one.
    fn rest(&self, id: CaseId, why: String) -> (u32, bool) {
        self.with_case(id, |case| {
            let rest = self
                .settings
                .retry
                .saturating_mul(1 << case.failures.min(10))
                .min(LONGEST_RETRY)
                .min(Duration::from_secs(u64::from(case.review_secs)) / 20);
            case.failures = case.failures.saturating_add(1);
            case.not_before = Some(Instant::now() + rest);
            let is_new = case.last.as_ref() != Some(&why);
            case.last = Some(why);
            (case.failures, is_new)
        })
        .unwrap_or((u32::MAX, true))
    }

    fn finish(&self, id: CaseId, verdict: Verdict) -> Option<Report> {
        let case = lock(&self.open).remove(&id)?;
        lock(&self.left).remove(&id);
        self.close(id);
        let report = case.report(id, verdict);
        self.memory.finish(&id, &report);
        Some(told(report))
    }

    /// Leaves a case whose job seems to have gone on. Its inputs are kept, and if a later survey shows the submission, it is
    /// opened again; if that, too, leads nowhere, it is not reported twice.
    fn leave(&self, id: CaseId, why: String) -> Option<Report> {
        let case = lock(&self.open).remove(&id)?;
        self.materials.forget_own((id.job, id.submission));
        match lock(&self.left).entry(id) {
            Entry::Occupied(mut known) => {
                known.insert(Instant::now());
                None
            }
            Entry::Vacant(new) => {
                new.insert(Instant::now());
                Some(told(case.report(id, Verdict::CouldNotCheck { why })))
            }
        }
    }

    /// Forgets what was left long ago and did not come back.
    fn forget_left(&self) {
        let gone: Vec<CaseId> = {
            let open = lock(&self.open);
            let is_over = |(id, since): &(&CaseId, &mut Instant)| {
                since.elapsed() >= LEFT_FOR && !open.contains_key(id)
            };
            let mut left = lock(&self.left);
            let gone = left.iter_mut().filter(is_over).map(|(id, _)| *id);
            let gone: Vec<CaseId> = gone.collect();
            left.retain(|id, _| !gone.contains(id));
            gone
        };
        gone.into_iter().for_each(|id| self.close(id));
    }

    /// Nothing will be done about this case any more.
    fn close(&self, id: CaseId) {
        self.materials.forget_own((id.job, id.submission));
        let is_last = lock(&self.open).keys().all(|other| other.job != id.job);
        if is_last {
            self.materials.forget_inputs(&self.memory, &id.job);
        }
        let mut finished = lock(&self.finished);
        if finished.len() >= MOST_FINISHED {
            finished.clear();
        }
        finished.insert(id);
    }

    /// Fetches and keeps what a result will be checked with. That it fails is no verdict yet.
    async fn prepare(&self, address: &Pubkey) {
        let tried = async {
            if let Some(job) = self.chain.job(address).await? {
                let (chain, memory) = (self.chain.as_ref(), &self.memory);
                let given = self
                    .materials
                    .given(chain, memory, address, &job, Purpose::Keep);
                let (_given, _occupied) = given.await?;
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
        let prover = job.prover;
        // Where the money of those lies who are watched for, a purse's rent is cheap.
        let opens_purses = job.client == self.chain.signer()
            || self.settings.clients.contains(&job.client)
            || self.settings.jobs.contains(address);
        match self
            .chain
            .settle_conviction(address, &job, opens_purses)
            .await
        {
            Ok(true) => tracing::info!(job = %address, %prover, "the conviction is paid out"),
            Ok(false) => {
                // Once is enough.
                if !lock(&self.unsettled).contains_key(address) {
                    let mint = job.mint;
                    tracing::warn!(job = %address, "a conviction is not paid out, because its prover has no purse; whoever wants it paid opens one: quern purse open --mint {mint} --owner {prover}");
                }
                return Ok(false);
            }
            Err(error) => {
                if self.chain.job(address).await?.is_some() {
                    return Err(error.into());
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

    /// Says what of the wallet's lamports is still locked when a watcher ends.
    async fn tell_locked_rent(&self) {
        if !self.settings.settle {
            return;
        }
        match self.chain.locked_rent().await {
            Ok(Some(LockedRent {
                lamports,
                free_in_secs,
            })) => tracing::warn!(
                "{lamports} lamports of rent lie in evidence that an interrupted conviction left behind; a watcher with this wallet, also `--once`, gets them back in {free_in_secs} seconds, not before"
            ),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "own evidence cannot be looked up now"),
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
