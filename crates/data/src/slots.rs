//! Slots for downloads that strangers cause. Identities and hosts cost nothing, so no slot is anybody's: where all are taken,
//! one that has been slow for longer than its patience makes place for the next that waits, before others one of those that
//! share their client or host with a slower one. Where there is room, nobody is cut off.
//!
//! What was cut off begins again, so patience doubles with every attempt: a large file from an honest server gets through.
//! Those that begin again have half of the slots: a server that stalls costs the others a part of the time, never all of it.

use {
    crate::runtime::lock,
    std::{
        cmp::Reverse,
        sync::{Arc, Mutex},
        time::Duration,
    },
    tokio::{sync::Notify, time::Instant},
};

/// Longest patience, in times of the shortest.
const MOST_PATIENCE: u32 = 64;

/// Who is behind a running download.
struct Running {
    id: u64,
    keys: Vec<String>,
    since: Instant,
    patience: Duration,
    begins_again: bool,
    cut: Arc<Notify>,
}

impl Running {
    fn overdue(&self, now: Instant) -> Option<Duration> {
        now.checked_duration_since(self.since + self.patience)
    }

    fn is_related_to(&self, other: &Self) -> bool {
        self.id != other.id && self.keys.iter().any(|key| other.keys.contains(key))
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
    /// The first to come is the first to get a slot, among first attempts and among those that begin again.
    gates: [tokio::sync::Mutex<()>; 2],
}

/// A slot, as long as its download runs.
pub struct DownloadSlot<'a> {
    slots: &'a DownloadSlots,
    id: u64,
    cut: Arc<Notify>,
}

impl DownloadSlots {
    /// So many slots, whose first attempts are safe for `patience`.
    pub fn new(most: usize, patience: Duration) -> Self {
        Self {
            most: most.max(1),
            patience,
            state: Mutex::default(),
            freed: Notify::new(),
            gates: Default::default(),
        }
    }

    /// Waits for a slot, on whose account `who` says; `attempts` were made before.
    pub async fn enter(&self, who: &str, attempts: u32) -> DownloadSlot<'_> {
        let factor = 1u32.checked_shl(attempts).unwrap_or(MOST_PATIENCE);
        let patience = self.patience.saturating_mul(factor.clamp(1, MOST_PATIENCE));
        let begins_again = attempts > 0;
        let _turn = self.gates[usize::from(begins_again)].lock().await;
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on no slot is freed without a word.
            freed.as_mut().enable();
            let wait = match self.try_enter(who, patience, begins_again) {
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
    fn try_enter(
        &self,
        who: &str,
        patience: Duration,
        begins_again: bool,
    ) -> Result<DownloadSlot<'_>, Instant> {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let again = state.running.iter().filter(|one| one.begins_again).count();
        let has_no_share = begins_again && again >= (self.most / 2).max(1);
        if has_no_share || state.running.len() >= self.most {
            let may_go = |one: &Running| !has_no_share || one.begins_again;
            match displaced(&state.running, now, may_go) {
                Some(at) => state.running.swap_remove(at).cut.notify_one(),
                None => {
                    let all = state.running.iter().filter(|one| may_go(one));
                    let ends = all.map(|one| one.since + one.patience);
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
            begins_again,
            cut: Arc::clone(&cut),
        });
        Ok(DownloadSlot {
            slots: self,
            id,
            cut,
        })
    }
}

/// Which of those that may go makes place: the one that is overdue the longest, but before that one whose client or host has
/// another one that is overdue for longer.
fn displaced(
    running: &[Running],
    now: Instant,
    may_go: impl Fn(&Running) -> bool,
) -> Option<usize> {
    let overdue = |one: &Running| one.overdue(now).map(|by| (by, Reverse(one.id)));
    let is_second = |one: &Running| {
        let mut slower = running.iter().filter(|other| overdue(other) > overdue(one));
        slower.any(|other| other.is_related_to(one))
    };
    let all = running.iter().enumerate().filter(|(_, one)| may_go(one));
    let late = all.filter_map(|(at, one)| Some((is_second(one), overdue(one)?, at)));
    late.max().map(|(_, _, at)| at)
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
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.cut.notified() => None,
        }
    }
}

impl Drop for DownloadSlot<'_> {
    fn drop(&mut self) {
        lock(&self.slots.state)
            .running
            .retain(|one| one.id != self.id);
        self.slots.freed.notify_waiters();
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

    async fn stall(slots: &DownloadSlots, who: &str, attempts: u32) -> bool {
        let slot = slots.enter(who, attempts).await;
        slot.run(std::future::pending::<()>()).await.is_none()
    }

    #[tokio::test]
    async fn those_that_stall_make_place_for_those_that_wait() {
        let slots = DownloadSlots::new(2, SHORT);
        let stalls = (0..6).map(|number| {
            let slots = &slots;
            async move { stall(slots, &number.to_string(), 0).await }
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

    /// Nor are several of one client and host.
    #[tokio::test]
    async fn nobody_is_cut_off_where_there_is_room() {
        let slots = DownloadSlots::new(8, SHORT);
        let slow = (0..8).map(|number| {
            let slots = &slots;
            async move {
                // Half of them begin again.
                let slot = slots.enter("a", number / 4).await;
                slot.is_by("host".to_owned());
                slot.run(tokio::time::sleep(SHORT * 20)).await
            }
        });
        let done = futures::future::join_all(slow).await;
        assert_eq!(done, [Some(()); 8]);
    }

    #[tokio::test]
    async fn of_one_client_or_host_the_second_slow_one_goes_first() {
        for by_host in [false, true] {
            let slots = DownloadSlots::new(3, SHORT);
            let enter = async |who: &str, host: &str| {
                let slot = slots.enter(who, 0).await;
                slot.is_by(host.to_owned());
                tokio::time::sleep(Duration::from_millis(1)).await;
                slot
            };
            let slowest = enter("a", "one").await;
            let first = enter("b", "two").await;
            let second = match by_host {
                true => enter("c", "two").await,
                false => enter("b", "three").await,
            };
            tokio::time::sleep(SHORT).await;
            let _waits = slots.enter("d", 0).await;
            let stays = async |slot: &DownloadSlot<'_>| {
                let work = tokio::time::sleep(SHORT);
                slot.run(work).await.is_some()
            };
            let stay = tokio::join!(stays(&slowest), stays(&first), stays(&second));
            assert_eq!(stay, (true, true, false), "by host: {by_host}");
        }
    }

    /// However patient they are by now, and however many of them wait.
    #[tokio::test]
    async fn those_that_begin_again_leave_half_of_the_slots_to_others() {
        let slots = DownloadSlots::new(4, LONG);
        let stalls = (0..20).map(|number| {
            let slots = &slots;
            async move { stall(slots, &number.to_string(), 9).await }
        });
        let honest = async {
            tokio::task::yield_now().await;
            let first = slots.enter("honest", 0).await;
            let second = slots.enter("another", 0).await;
            tokio::join!(first.run(async { 7 }), second.run(async { 8 }))
        };
        tokio::select! {
            _ = futures::future::join_all(stalls) => unreachable!("two of them stay"),
            found = honest => assert_eq!(found, (Some(7), Some(8))),
            () = tokio::time::sleep(Duration::from_secs(60)) => unreachable!("two slots are free"),
        }
    }

    #[tokio::test]
    async fn patience_grows_with_the_attempts() {
        let slots = DownloadSlots::new(1, SHORT);
        for (attempts, times) in [(0, 1), (2, 4), (99, MOST_PATIENCE)] {
            let _slot = slots.enter("a", attempts).await;
            assert_eq!(lock(&slots.state).running[0].patience, SHORT * times);
        }
    }
}
