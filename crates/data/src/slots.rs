//! Slots for downloads that strangers cause. Identities and hosts cost nothing, so no slot is anybody's: one that has been
//! slow for longer than its patience makes place for the next that waits, and of one client or host only one may be slow.
//!
//! What was cut off begins again, so patience doubles with every attempt: a large file from an honest server gets through,
//! and a server that stalls costs the others a part of the time, never all of it.

use {
    crate::runtime::lock,
    std::{
        sync::{Arc, Mutex},
        time::Duration,
    },
    tokio::{sync::Notify, time::Instant},
};

/// Longest patience, in times of the shortest.
const MOST_PATIENCE: u32 = 64;
/// How often a slow download looks whether it is the only slow one of its client and host.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Who is behind a running download.
struct Running {
    id: u64,
    keys: Vec<String>,
    since: Instant,
    patience: Duration,
    cut: Arc<Notify>,
}

impl Running {
    fn overdue(&self, now: Instant) -> Option<Duration> {
        now.checked_duration_since(self.since + self.patience)
    }
}

#[derive(Default)]
struct State {
    running: Vec<Running>,
    next_id: u64,
}

/// The slots.
pub struct DownloadSlots {
    most: usize,
    patience: Duration,
    state: Mutex<State>,
    freed: Notify,
    /// The first to come is the first to get a slot.
    gate: tokio::sync::Mutex<()>,
}

/// A slot, as long as its download runs.
pub struct DownloadSlot<'a> {
    slots: &'a DownloadSlots,
    id: u64,
    cut: Arc<Notify>,
    patience: Duration,
}

impl DownloadSlots {
    /// So many slots, whose first attempts are safe for `patience`.
    pub fn new(most: usize, patience: Duration) -> Self {
        Self {
            most: most.max(1),
            patience,
            state: Mutex::default(),
            freed: Notify::new(),
            gate: tokio::sync::Mutex::default(),
        }
    }

    /// Waits for a slot, on whose account `who` says; `attempts` were made before.
    pub async fn enter(&self, who: &str, attempts: u32) -> DownloadSlot<'_> {
        let factor = 1u32.checked_shl(attempts).unwrap_or(MOST_PATIENCE);
        let patience = self.patience.saturating_mul(factor.clamp(1, MOST_PATIENCE));
        let _turn = self.gate.lock().await;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on no slot is freed without a word.
            freed.as_mut().enable();
            let wait = match self.try_enter(who, patience) {
                Ok(slot) => return slot,
                Err(wait) => wait,
            };
            tokio::select! {
                () = freed => {}
                () = tokio::time::sleep_until(wait) => {}
            }
        }
    }

    /// A free slot, or that of the one that is overdue the longest; otherwise when there may be one.
    fn try_enter(&self, who: &str, patience: Duration) -> Result<DownloadSlot<'_>, Instant> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        if state.running.len() >= self.most {
            let all = state.running.iter().enumerate();
            let overdue = all.filter_map(|(at, one)| Some((one.overdue(now)?, at)));
            match overdue.max() {
                Some((_, at)) => state.running.swap_remove(at).cut.notify_one(),
                None => {
                    let ends = state.running.iter().map(|one| one.since + one.patience);
                    return Err(ends.min().unwrap_or(now));
                }
            }
        }
        state.next_id += 1;
        let (id, cut) = (state.next_id, Arc::new(Notify::new()));
        state.running.push(Running {
            id,
            keys: vec![who.to_owned()],
            since: now,
            patience,
            cut: Arc::clone(&cut),
        });
        Ok(DownloadSlot {
            slots: self,
            id,
            cut,
            patience,
        })
    }

    /// Whether another one of the same client or host has been slow for longer.
    fn is_second_slow_one(&self, id: u64) -> bool {
        let now = Instant::now();
        let state = lock(&self.state);
        let Some(own) = state.running.iter().find(|one| one.id == id) else {
            return false;
        };
        let own_overdue = own.overdue(now);
        state.running.iter().any(|other| {
            let is_related = other.keys.iter().any(|key| own.keys.contains(key));
            let is_slower = (other.overdue(now), own.id) > (own_overdue, other.id);
            other.id != id && is_related && other.overdue(now).is_some() && is_slower
        })
    }
}

impl DownloadSlot<'_> {
    /// Names another party that is behind this download, such as the host.
    pub fn is_by(&self, key: String) {
        let mut state = lock(&self.slots.state);
        let own = state.running.iter_mut().find(|one| one.id == self.id);
        if let Some(own) = own.filter(|own| !own.keys.contains(&key)) {
            own.keys.push(key);
        }
    }

    /// Does the work, unless it has to make place for another: then there is nothing.
    pub async fn run<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let second = async {
            tokio::time::sleep(self.patience).await;
            while !self.slots.is_second_slow_one(self.id) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.cut.notified() => None,
            () = second => None,
        }
    }
}

impl Drop for DownloadSlot<'_> {
    fn drop(&mut self) {
        lock(&self.slots.state)
            .running
            .retain(|one| one.id != self.id);
        self.slots.freed.notify_one();
    }
}

impl std::fmt::Debug for DownloadSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DownloadSlots")
            .field("most", &self.most)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);
    const SHORT: Duration = Duration::from_millis(20);

    async fn stall(slots: &DownloadSlots, who: &str) -> bool {
        let slot = slots.enter(who, 0).await;
        slot.run(std::future::pending::<()>()).await.is_none()
    }

    #[tokio::test]
    async fn those_that_stall_make_place_for_those_that_wait() {
        let slots = DownloadSlots::new(2, SHORT);
        let stalls = (0..6).map(|number| {
            let slots = &slots;
            async move { stall(slots, &number.to_string()).await }
        });
        let honest = async {
            tokio::task::yield_now().await;
            slots.enter("honest", 0).await.run(async { 7 }).await
        };
        tokio::select! {
            _ = futures::future::join_all(stalls) => unreachable!("two of them stay"),
            found = honest => assert_eq!(found, Some(7)),
        }
        assert!(lock(&slots.state).running.len() <= 2);
    }

    #[tokio::test]
    async fn nobody_is_cut_off_where_there_is_room() {
        let slots = DownloadSlots::new(2, Duration::ZERO);
        let slow = async {
            let slot = slots.enter("a", 0).await;
            let work = tokio::time::sleep(Duration::from_millis(50));
            slot.run(work).await
        };
        assert_eq!(slow.await, Some(()));
    }

    #[tokio::test]
    async fn one_client_and_one_host_have_one_slow_download() {
        let slots = DownloadSlots::new(8, SHORT);
        let by_client = async { tokio::join!(biased; stall(&slots, "a"), stall(&slots, "a")) };
        let cut = tokio::time::timeout(Duration::from_millis(600), by_client).await;
        assert!(cut.is_err(), "one of them stays");
        let at = async |who: &str| {
            let slot = slots.enter(who, 0).await;
            slot.is_by("host".to_owned());
            slot.run(std::future::pending::<()>()).await
        };
        let first = tokio::time::timeout(LONG, at("b"));
        tokio::select! {
            biased;
            _ = first => unreachable!("it was there before"),
            cut = async { tokio::time::sleep(SHORT).await; at("c").await } => assert!(cut.is_none()),
        }
    }

    #[tokio::test]
    async fn patience_grows_with_the_attempts() {
        let slots = DownloadSlots::new(1, SHORT);
        assert_eq!(slots.enter("a", 0).await.patience, SHORT);
        assert_eq!(slots.enter("a", 2).await.patience, SHORT * 4);
        assert_eq!(slots.enter("a", 99).await.patience, SHORT * MOST_PATIENCE);
    }
}
