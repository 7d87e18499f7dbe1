//! What every loop that follows the chain is made of: tasks that run at the same time, rests after failures, things that are
//! said once, and an orderly stop.

use {
    crate::error::{DataError, Result, excerpt},
    futures::FutureExt,
    std::{
        collections::{HashMap, HashSet},
        hash::Hash,
        panic::AssertUnwindSafe,
        pin::Pin,
        sync::{LazyLock, Mutex, MutexGuard, PoisonError},
        thread,
        time::Duration,
    },
    tokio::{sync::Semaphore, task::JoinSet, time::Instant},
};

/// How long a stopping loop waits for what it is doing; what is cut off then is picked up at the next start.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Longest time until something that failed is tried again.
pub const LONGEST_RETRY: Duration = Duration::from_secs(600);

/// Locks a mutex. Whatever it guards here is whole after every statement, so a panic elsewhere spoils nothing.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does some work, unless it is time to stop: a node that hangs keeps nobody here.
pub async fn or_stopped<T>(
    shutdown: &mut Pin<&mut impl Future<Output = ()>>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        () = shutdown => None,
        done = work => Some(done),
    }
}

/// Work that takes a while without waiting for anything, such as hashing large tensors; meanwhile the others go on.
///
/// # Errors
/// `Broken` if it panicked.
pub async fn off_loop<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| DataError::Broken(error.to_string()))
}

/// The same, but as much at a time as there are processors. What must not wait for others has no place here.
///
/// # Errors
/// `Broken` if it panicked.
pub async fn on_processor<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    static PROCESSORS: LazyLock<Semaphore> =
        LazyLock::new(|| Semaphore::new(thread::available_parallelism().map_or(1, usize::from)));
    let permit = PROCESSORS
        .acquire()
        .await
        .map_err(|error| DataError::Broken(error.to_string()))?;
    off_loop(move || {
        let _permit = permit;
        work()
    })
    .await
}

/// Work in which a library may panic because of what a node said: that ends the work and nothing else.
///
/// # Errors
/// `Broken` if it panicked.
pub async fn unless_broken_off<T>(work: impl Future<Output = T>) -> Result<T> {
    let caught = AssertUnwindSafe(work).catch_unwind().await;
    caught.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        DataError::Broken(excerpt(text.unwrap_or("a library did not like an answer")))
    })
}

/// How often something failed in a row, and when it may be tried again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retry {
    failures: u32,
    not_before: Option<Instant>,
}

impl Retry {
    /// Failures in a row.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it may be tried now.
    pub fn is_due(&self) -> bool {
        self.not_before.is_none_or(|at| at <= Instant::now())
    }

    /// Notes another failure, and says how long to rest: twice as long as the last time.
    pub fn failed(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let rest = shortest.saturating_mul(1 << self.failures.min(10));
        let rest = rest.min(longest);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(Instant::now() + rest);
        rest
    }
}

/// Says what lasts: at once, and again every half a minute.
#[derive(Debug, Default)]
pub struct SaidSeldom(Option<Instant>);

impl SaidSeldom {
    /// Time between two words about the same.
    pub const PAUSE: Duration = Duration::from_secs(30);

    /// Whether it is to be said now, at this moment.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.0.is_none_or(|last| now >= last + Self::PAUSE);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}

/// What has been said already.
#[derive(Debug)]
pub struct SaidOnce<K>(Mutex<HashSet<K>>);

impl<K> Default for SaidOnce<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> SaidOnce<K> {
    /// Whether this has not been said yet; from now on it has.
    pub fn is_new(&self, key: K) -> bool {
        /// More than this are forgotten at once: strangers create jobs.
        const MOST: usize = 100_000;
        let mut said = lock(&self.0);
        if said.len() >= MOST {
            said.clear();
        }
        said.insert(key)
    }
}

/// Tasks that run at the same time, each with what it is about.
#[derive(Debug)]
pub struct Tasks<K, T> {
    set: JoinSet<T>,
    running: HashMap<tokio::task::Id, K>,
}

impl<K, T> Default for Tasks<K, T> {
    fn default() -> Self {
        Self {
            set: JoinSet::new(),
            running: HashMap::new(),
        }
    }
}

impl<K, T: Send + 'static> Tasks<K, T> {
    /// Starts one.
    pub fn spawn(&mut self, about: K, work: impl Future<Output = T> + Send + 'static) {
        let handle = self.set.spawn(work);
        self.running.insert(handle.id(), about);
    }

    /// What those that run are about.
    pub fn running(&self) -> impl Iterator<Item = &K> {
        self.running.values()
    }

    /// Whether none runs.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Waits until one has ended; for ever if none runs. Nothing panics by intent; if something does, there is no result and
    /// the others go on.
    pub async fn next(&mut self) -> Option<T> {
        match self.set.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, done))) => {
                self.running.remove(&id);
                Some(done)
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a task broke off; trying it again");
                self.running.remove(&error.id());
                None
            }
        }
    }

    /// Waits a little for those that run, then cuts them off.
    pub async fn drain(mut self, mut on_done: impl FnMut(T)) {
        tracing::info!(running = self.running.len(), "stopping");
        let drained = async {
            while let Some(done) = self.set.join_next().await {
                if let Ok(done) = done {
                    on_done(done);
                }
            }
        };
        if tokio::time::timeout(SHUTDOWN_GRACE, drained).await.is_err() {
            self.set.abort_all();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    #[test]
    fn rests_double_up_to_the_longest() {
        let mut retry = Retry::default();
        assert!(retry.is_due());
        let secs = |secs| Duration::from_secs(secs);
        let rests: Vec<u64> = (0..5)
            .map(|_| retry.failed(secs(5), secs(30)).as_secs())
            .collect();
        assert_eq!(rests, [5, 10, 20, 30, 30]);
        assert_eq!(retry.failures(), 5);
        assert!(!retry.is_due());
        for _ in 0..100 {
            assert_eq!(
                retry.failed(secs(1), LONGEST_RETRY).min(LONGEST_RETRY),
                LONGEST_RETRY.min(secs(1 << retry.failures().saturating_sub(1).min(10)))
            );
        }
    }

    #[tokio::test]
    async fn a_task_that_breaks_off_stops_no_other() {
        let mut tasks: Tasks<u8, u8> = Tasks::default();
        tasks.spawn(1, async { panic!("by intent") });
        tasks.spawn(2, async { 7 });
        let done = [tasks.next().await, tasks.next().await];
        assert!(done.contains(&None) && done.contains(&Some(7)), "{done:?}");
        assert!(tasks.is_empty());
    }

    #[test]
    fn what_lasts_is_said_seldom() {
        let (mut said, start) = (SaidSeldom::default(), Instant::now());
        let after = |secs| start + Duration::from_secs(secs);
        let due: Vec<u64> = (0..70).filter(|secs| said.is_due(after(*secs))).collect();
        assert_eq!(due, [0, 30, 60]);
    }

    #[test]
    fn things_are_said_once() {
        let said = SaidOnce::default();
        assert!(said.is_new((1, 2)) && said.is_new((1, 3)) && !said.is_new((1, 2)));
    }
}
