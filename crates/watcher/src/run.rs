//! The loop: looks at the chain every few seconds and does what there is to do, until it is told to stop.

use {
    crate::{
        case::{Case, CaseId, Next},
        chain::WatcherChain,
        error::{Result, StepError, WatcherError},
        prepare,
        schedule::{self, MOST_TASKS, Scheduled, Task},
        settings::Settings,
        settle,
        state::State,
        step::step,
        survey::survey,
        tidy,
        verdict::{Report, Verdict},
    },
    futures::StreamExt,
    quern_client::{Outcome, Pubkey, quern::state::JobState},
    quern_data::{
        TensorStore,
        runtime::{LONGEST_RETRY, Retry, SaidSeldom, Tasks, or_stopped, unless_broken_off},
    },
    std::{
        collections::{HashSet, VecDeque},
        convert::Infallible,
        ops::ControlFlow,
        sync::{Arc, atomic::Ordering},
        time::Duration,
    },
    tokio::time::Instant,
};

/// Failures after which [`Until::NothingOpen`] gives a case up, or looking at all.
const MOST_FAILURES: u32 = 3;
/// How often the end of a job is looked up before it counts as unknown: a node may be behind.
const LOOKS_FOR_OUTCOME: u32 = 5;

/// How long a watcher goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Until it is told to stop, or all named jobs have ended.
    Stopped,
    /// Until every case that is submitted now is final, which may take as long as demands may take to be answered. What cannot
    /// be fetched after three attempts counts as not checked.
    NothingOpen,
}

/// What [`Watcher::follow`] tells about a job.
#[derive(Clone, Debug)]
pub enum Followed {
    /// It is in another state than before.
    State(JobState),
    /// One of its submissions has been examined.
    Verdict(Box<Report>),
    /// The chain cannot be read, and is asked again. It is told seldom.
    NoAnswer(String),
}

/// What one look did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pass {
    /// Cases that have become final.
    pub reports: Vec<Report>,
    /// Cases that are not.
    pub waiting: usize,
}

/// The watcher.
pub struct Watcher {
    pub(crate) state: Arc<State>,
}

impl Watcher {
    /// A watcher over a chain.
    ///
    /// # Errors
    /// `Data` if its folder cannot be made, or another watcher uses it.
    pub fn new(settings: Settings, chain: Arc<dyn WatcherChain>) -> Result<Self> {
        let state = Arc::new(State::new(settings, chain, None)?);
        Ok(Self { state })
    }

    /// A watcher that keeps its tensors with others: the weights of a model are read once for all of them. How much memory and
    /// disk they take, and from where they are fetched, the store's owner has said.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn sharing(
        settings: Settings,
        chain: Arc<dyn WatcherChain>,
        store: Arc<TensorStore>,
    ) -> Result<Self> {
        let state = Arc::new(State::new(settings, chain, Some(store))?);
        Ok(Self { state })
    }

    /// Watches until `until` says or `shutdown` is ready, and says of every submission how it ended. Failures of single cases
    /// are logged and do not end it.
    ///
    /// # Errors
    /// That the cluster cannot be reached at the start, or cannot be looked at by a watcher that would stop.
    pub async fn run(
        &self,
        until: Until,
        mut on_report: impl FnMut(&Report),
        shutdown: impl Future<Output = ()>,
    ) -> Result<()> {
        let state = &self.state;
        tokio::pin!(shutdown);
        // Whoever gave a wrong URL should hear of it.
        let Some(reached) = or_stopped(&mut shutdown, state.context.chain.moment()).await else {
            return Ok(());
        };
        reached?;
        state.check_cluster().await?;
        tracing::info!(signer = %state.context.chain.signer(), "watching");
        let mut watch = Loop::new(Arc::clone(state), until);
        let done = or_stopped(&mut shutdown, watch.until_done(&mut on_report)).await;
        if done.is_none() {
            let on_done = |report: Option<Report>| {
                if let Some(report) = report {
                    on_report(&report);
                }
            };
            watch.tasks.drain(on_done).await;
        }
        done.unwrap_or(Ok(()))
    }

    /// Looks at everything once, does a step of every case, and tidies up.
    #[cfg(test)]
    pub(crate) async fn pass(&self) -> Result<Pass> {
        let pass = self.look(true).await?;
        tidy::tidy(&self.state).await;
        Ok(pass)
    }

    /// One look and a step of every case; `all` includes what rests after a failure.
    async fn look(&self, all: bool) -> Result<Pass> {
        let state = &self.state;
        let found = unless_broken_off(survey(state, &HashSet::new(), all)).await??;
        let reports = futures::stream::iter(found)
            .map(|scheduled| attempt(state, scheduled.task, Until::Stopped))
            .buffer_unordered(MOST_TASKS)
            .filter_map(|report| async { report })
            .collect()
            .await;
        Ok(Pass {
            reports,
            waiting: state.cases.waiting(),
        })
    }

    /// Follows one job from whatever state it is in until its account is gone, examining its submissions on the way, and says
    /// what became of it. The job must be in the settings' scope.
    ///
    /// # Errors
    /// That the cluster cannot be reached at the start.
    pub async fn follow(&self, job: &Pubkey, mut on: impl FnMut(Followed)) -> Result<Outcome> {
        let on = |what| {
            on(what);
            ControlFlow::<Infallible>::Continue(())
        };
        match self.follow_until(job, on).await? {
            ControlFlow::Continue(outcome) => Ok(outcome),
            ControlFlow::Break(never) => match never {},
        }
    }

    /// The same until `on` has heard enough.
    ///
    /// # Errors
    /// As [`Self::follow`].
    pub async fn follow_until<T>(
        &self,
        job: &Pubkey,
        mut on: impl FnMut(Followed) -> ControlFlow<T>,
    ) -> Result<ControlFlow<T, Outcome>> {
        let context = &self.state.context;
        let mut known = context.chain.job(job).await?;
        let mut job_state = None;
        let mut looks = 0;
        let mut said = SaidSeldom::default();
        loop {
            let mut failed = None;
            let now = known.and_then(|job| JobState::from_code(job.state));
            if let Some(now) = now.filter(|now| job_state != Some(*now)) {
                job_state = Some(now);
                if let ControlFlow::Break(enough) = on(Followed::State(now)) {
                    return Ok(ControlFlow::Break(enough));
                }
            }
            match self.look_at(job, known.is_some()).await {
                Ok((reports, outcome)) => {
                    for report in reports.into_iter().filter(|report| report.job == *job) {
                        if let ControlFlow::Break(enough) = on(Followed::Verdict(Box::new(report)))
                        {
                            return Ok(ControlFlow::Break(enough));
                        }
                    }
                    looks += 1;
                    // A node may not know yet of a job that was created a moment ago, or of the transaction that ended it.
                    let is_known = |outcome: &Outcome| {
                        *outcome != Outcome::Unknown || looks >= LOOKS_FOR_OUTCOME
                    };
                    if let Some(outcome) = outcome.filter(is_known) {
                        tidy::tidy(&self.state).await;
                        tidy::say_locked_rent(&self.state).await;
                        return Ok(ControlFlow::Continue(outcome));
                    }
                }
                Err(error) => failed = Some(error.to_string()),
            }
            tokio::time::sleep(context.settings.poll).await;
            match context.chain.job(job).await {
                Ok(now) => {
                    if now.is_some() {
                        looks = 0;
                    }
                    known = now;
                }
                Err(error) => failed = Some(error.to_string()),
            }
            if let Some(why) = failed.filter(|_| said.is_due(Instant::now()))
                && let ControlFlow::Break(enough) = on(Followed::NoAnswer(why))
            {
                return Ok(ControlFlow::Break(enough));
            }
        }
    }

    /// One look, and how the job ended if it has and nothing is left to examine.
    async fn look_at(&self, job: &Pubkey, is_live: bool) -> Result<(Vec<Report>, Option<Outcome>)> {
        let pass = self.look(false).await?;
        if is_live || pass.waiting > 0 {
            return Ok((pass.reports, None));
        }
        let outcome = self.state.context.chain.outcome(job).await?;
        Ok((pass.reports, Some(outcome)))
    }
}

/// The loop of [`Watcher::run`] between two moments.
struct Loop {
    state: Arc<State>,
    until: Until,
    tasks: Tasks<Scheduled, Option<Report>>,
    queue: VecDeque<Scheduled>,
    next_look: Instant,
    next_tidy: Instant,
    has_looked: bool,
    /// Looks that failed before the first that did not.
    failed_looks: u32,
    said: SaidSeldom,
}

impl Loop {
    fn new(state: Arc<State>, until: Until) -> Self {
        Self {
            state,
            until,
            tasks: Tasks::default(),
            queue: VecDeque::new(),
            next_look: Instant::now(),
            next_tidy: Instant::now(),
            has_looked: false,
            failed_looks: 0,
            said: SaidSeldom::default(),
        }
    }

    async fn until_done(&mut self, on_report: &mut impl FnMut(&Report)) -> Result<()> {
        loop {
            if Instant::now() >= self.next_look {
                self.look().await?;
            }
            self.start_tasks();
            let is_done = self.is_done();
            if is_done || Instant::now() >= self.next_tidy {
                tidy::tidy(&self.state).await;
                self.next_tidy = Instant::now() + tidy::TIDY_EVERY;
            }
            if is_done {
                tidy::say_locked_rent(&self.state).await;
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.next_look) => {}
                report = self.tasks.next() => {
                    if let Some(report) = report.flatten() {
                        // What was recorded is paid out at once, and own demands are closed, also where another watcher was faster.
                        if report.verdict.is_conviction() {
                            self.next_look = Instant::now();
                            self.next_tidy = Instant::now();
                        }
                        on_report(&report);
                    }
                }
            }
        }
    }

    /// One look. A watcher that goes on survives every failure; one that would stop ends with the last, as long as it has not
    /// seen anything yet: a node that refuses such a look never answers it.
    async fn look(&mut self) -> Result<()> {
        let busy = self.tasks.running().map(|one| one.task.job()).collect();
        // Nothing that a node says may end a watcher.
        let looked = unless_broken_off(survey(&self.state, &busy, false)).await;
        match looked.map_err(WatcherError::from).flatten() {
            Ok(found) => {
                self.queue = found.into();
                self.has_looked = true;
            }
            Err(error) => {
                self.failed_looks += u32::from(!self.has_looked);
                let would_stop = self.until == Until::NothingOpen;
                if would_stop && self.failed_looks >= MOST_FAILURES {
                    return Err(error);
                }
                if self.said.is_due(Instant::now()) {
                    tracing::warn!(%error, "cannot read the chain; retrying");
                }
            }
        }
        self.next_look = Instant::now() + self.state.context.settings.poll;
        Ok(())
    }

    /// Starts as many tasks as there are slots for.
    fn start_tasks(&mut self) {
        loop {
            let running: Vec<Scheduled> = self.tasks.running().copied().collect();
            let Some(next) = schedule::next(&mut self.queue, &running) else {
                return;
            };
            let (state, until) = (Arc::clone(&self.state), self.until);
            let work = async move { attempt(&state, next.task, until).await };
            self.tasks.spawn(next, work);
        }
    }

    fn is_done(&self) -> bool {
        let looks_without_jobs = self.state.looks_without_jobs.load(Ordering::Relaxed);
        let is_over = self.until == Until::NothingOpen || looks_without_jobs >= LOOKS_FOR_OUTCOME;
        let is_idle = self.tasks.is_empty() && self.queue.is_empty();
        is_over && self.has_looked && is_idle && self.state.cases.waiting() == 0
    }
}

/// Does a task; a case that has become final is reported.
async fn attempt(state: &State, task: Task, until: Until) -> Option<Report> {
    match task {
        Task::Examine(id) => examine(state, id, until).await,
        Task::Settle(address) => {
            settle::settle(state, &address).await;
            None
        }
        Task::Prepare(address) => {
            prepare::prepare(state, &address).await;
            None
        }
    }
}

/// Does a step of a case, and keeps what it has found out.
async fn examine(state: &State, id: CaseId, until: Until) -> Option<Report> {
    let mut case = state.cases.get(&id)?;
    let stepped = step(&state.context, &mut case).await;
    let report = match stepped {
        Ok(Next::Wait) => {
            case.retry = Retry::default();
            state.cases.put(case);
            return None;
        }
        Ok(Next::Gone(why)) => {
            state.context.results.forget((id.job, id.submission));
            return state.cases.leave(case, why);
        }
        Ok(Next::Done(verdict)) => state.cases.finish(case, verdict),
        Err(StepError::Final(why)) => state.cases.finish(case, Verdict::CouldNotCheck { why }),
        Err(StepError::Again(error)) => {
            let shortest = state.context.settings.poll;
            let is_said = state.context.is_full_disk(&error);
            rest(&mut case, &error, shortest, is_said);
            if case.retry.failures() < MOST_FAILURES || until == Until::Stopped {
                state.cases.put(case);
                return None;
            }
            let why = error.to_string();
            state.cases.finish(case, Verdict::CouldNotCheck { why })
        }
    };
    state.context.results.forget((id.job, id.submission));
    state.release(&id.job);
    report
}

/// Lets a failed case rest, longer every time, but not for a large part of the review.
fn rest(case: &mut Case, error: &WatcherError, shortest: Duration, is_said: bool) {
    let part = Duration::from_secs(u64::from(case.review_secs)) / 20;
    case.retry.failed(shortest, LONGEST_RETRY.min(part));
    if is_said {
        return;
    }
    let (job, submission) = (case.id.job, case.id.submission);
    match (case.is_news(&error.to_string()), case.is_wrong) {
        (true, true) => {
            tracing::warn!(%job, submission, %error, "the result is WRONG and cannot be convicted now; do not use it");
        }
        (true, false) => {
            tracing::warn!(%job, submission, %error, "cannot check the result now; retrying");
        }
        (false, _) => {
            let failures = case.retry.failures();
            tracing::debug!(%job, submission, %error, failures, "cannot check the result; retrying");
        }
    }
}
