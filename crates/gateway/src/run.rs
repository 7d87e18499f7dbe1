//! The loop: forms jobs, works on them, follows what is paid later, and stops in good order.

use {
    crate::{
        batching::{self, When},
        book::Waiting,
        engine::{Engine, Inner, Stopping},
        error::{GatewayError, Result},
        order::Stage,
        record::{JobRecord, Step, Unit},
        settle,
        work::{self, Paused},
    },
    quern_data::runtime::{lock, off_loop},
    std::{
        collections::{HashMap, HashSet},
        sync::Arc,
        time::{Duration, Instant},
    },
    tokio::{
        task::{self, JoinSet},
        time::sleep_until,
    },
};

/// How long a job rests that failed because of this machine or the chain.
const REST: Duration = Duration::from_secs(2);
/// How often the loop looks around when nothing happens.
const IDLE: Duration = Duration::from_secs(1);
/// How often it looks what became of jobs that were answered.
const SETTLE_EVERY: Duration = Duration::from_secs(5);
/// How long a stop waits for what was cancelled, after it has waited for what could be finished.
const LEAVE: Duration = Duration::from_secs(10);

impl Engine {
    /// Works until `stop` is ready; then takes nothing new, waits for jobs as long as the settings say, cancels those that nobody
    /// has taken, and leaves the rest to the next start.
    pub async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let inner = &self.0;
        let mut running = Running::default();
        tokio::pin!(stop);
        loop {
            if let Err(error) = form_all(inner).await {
                tracing::warn!(%error, "cannot form a job now; retrying");
            }
            running.start(inner);
            tokio::select! {
                () = inner.wake.notified() => {}
                () = sleep_until(next_look(inner).into()) => {}
                () = running.next(inner) => {}
                () = &mut stop => break,
            }
        }
        inner.stopping.send_replace(Stopping::Draining);
        running.drain(inner, inner.settings.grace).await;
        inner.stopping.send_replace(Stopping::Leaving);
        inner.changed();
        // Whatever is still open on chain is cancelled where that is possible.
        running.start(inner);
        running.drain(inner, LEAVE).await;
        running.tasks.abort_all();
        let left = lock(&inner.book)
            .jobs
            .values()
            .filter(|job| job.step != Step::Ended)
            .count();
        if left > 0 {
            tracing::info!(left, "jobs are left to the next start");
        }
    }
}

/// Tasks of jobs.
#[derive(Default)]
struct Running {
    tasks: JoinSet<std::result::Result<(), Paused>>,
    /// Which job each of them works on.
    ids: HashMap<task::Id, String>,
    settling: JoinSet<()>,
    settled_at: Option<Instant>,
}

impl Running {
    /// Starts as many jobs as there are places for.
    fn start(&mut self, inner: &Arc<Inner>) {
        let now = Instant::now();
        let busy: HashSet<String> = self.ids.values().cloned().collect();
        let places = inner.settings.jobs.max(1);
        let startable = lock(&inner.book).startable(&busy, places, now);
        for id in startable {
            let (inner, job) = (Arc::clone(inner), id.clone());
            let task = self
                .tasks
                .spawn(async move { work::work(&inner, &job).await });
            self.ids.insert(task.id(), id);
        }
        let is_time = self
            .settled_at
            .is_none_or(|at| at.elapsed() >= SETTLE_EVERY.min(inner.settings.poll * 5));
        if is_time && self.settling.is_empty() && inner.stopping() == Stopping::No {
            self.settled_at = Some(now);
            let inner = Arc::clone(inner);
            self.settling.spawn(async move {
                if let Err(error) = settle::settle(&inner).await {
                    tracing::debug!(%error, "cannot look what became of jobs now; retrying");
                }
            });
        }
    }

    /// Waits until a job's task is done.
    async fn next(&mut self, inner: &Arc<Inner>) {
        while self.settling.try_join_next().is_some() {}
        let (task, rest) = match self.tasks.join_next_with_id().await {
            Some(Ok((task, Ok(()) | Err(Paused::Stopping)))) => (task, None),
            Some(Ok((task, Err(Paused::Later(rest))))) => (task, Some(rest)),
            Some(Ok((task, Err(Paused::Failed(error))))) => {
                tracing::warn!(job = self.ids.get(&task), %error, "cannot go on with a job now; retrying");
                (task, Some(REST))
            }
            Some(Err(error)) => {
                let task = error.id();
                tracing::error!(job = self.ids.get(&task), %error, "a job's task broke off");
                (task, Some(REST))
            }
            None => return std::future::pending().await,
        };
        if let (Some(id), Some(rest)) = (self.ids.remove(&task), rest) {
            lock(&inner.book).resting.insert(id, Instant::now() + rest);
        }
    }

    /// Waits until all tasks are done, but no longer than that.
    async fn drain(&mut self, inner: &Arc<Inner>, most: Duration) {
        let all = async {
            while !self.tasks.is_empty() {
                self.next(inner).await;
            }
        };
        if tokio::time::timeout(most, all).await.is_err() {
            tracing::debug!("jobs are still at work");
        }
    }
}

/// When the loop looks around at the latest.
fn next_look(inner: &Inner) -> Instant {
    let idle = Instant::now() + IDLE;
    let waiting = batching::next_due(&lock(&inner.book).waiting, when(inner));
    waiting.map_or(idle, |due| due.min(idle))
}

fn when(inner: &Inner) -> When {
    When {
        rows: inner.settings.full_rows,
        time: inner.settings.batch_time,
        most_rows: inner.settings.job_rows,
    }
}

/// Makes jobs of what has waited enough.
async fn form_all(inner: &Arc<Inner>) -> Result<()> {
    while let Some((job, parts)) = form_one(inner)? {
        if let Err(error) = inner.save_job(&job).await {
            // Its file may be there although the folder's flush failed.
            let (journal, id) = (Arc::clone(&inner.journal), job.id.clone());
            let removed = off_loop(move || journal.remove_job(&id)).await;
            let removed = removed.map_err(GatewayError::from).flatten();
            let mut book = lock(&inner.book);
            if let Err(left) = removed {
                // Then it is kept, for it would be found again.
                tracing::warn!(job = %job.id, error = %left, "cannot remove a job that was not written in full");
                return Err(error);
            }
            book.remove_job(&job.id);
            let is_wanted = |part: &Waiting| {
                let order = book.orders.get(&part.unit.order);
                order.is_some_and(|order| order.stage == Stage::Running)
            };
            let wanted: Vec<Waiting> = parts.into_iter().filter(is_wanted).collect();
            book.waiting.extend(wanted);
            return Err(error);
        }
    }
    Ok(())
}

/// Makes a job of what has waited enough, and knows it before it is on disk: a request that fails now and is taken up again finds
/// its rows given. Nobody works on the job before.
fn form_one(inner: &Inner) -> Result<Option<(JobRecord, Vec<Waiting>)>> {
    let mut book = lock(&inner.book);
    let Some(indices) = batching::due(&book.waiting, when(inner), Instant::now()) else {
        return Ok(None);
    };
    let parts = indices.iter().filter_map(|index| book.waiting.get(*index));
    let parts: Vec<Waiting> = parts.cloned().collect();
    let Some(first) = parts.first() else {
        return Ok(None);
    };
    let units: Vec<Unit> = parts.iter().map(|part| part.unit.clone()).collect();
    let rows: usize = units.iter().map(|unit| unit.rows).sum();
    let job = JobRecord {
        id: new_id()?,
        model: first.model,
        items: u32::try_from(rows).unwrap_or(u32::MAX),
        is_batch: first.is_batch,
        formed_at: inner.now(),
        step: Step::Waiting,
        reserved_atoms: inner.price(&first.model, rows)?,
        input_uri: None,
        attempts: Vec::new(),
        result: None,
        units,
    };
    // The job's reservation stands for theirs.
    book.waiting.retain(|one| !job.units.contains(&one.unit));
    book.put_job(job.clone());
    Ok(Some((job, parts)))
}

/// A name that no other job has, of this gateway or of another one: the address of the inputs ends with it.
fn new_id() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        GatewayError::NotReady(format!("the operating system gives no randomness: {error}"))
    })?;
    Ok(hex::encode(bytes))
}
