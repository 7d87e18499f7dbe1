//! How much memory the tensors of a process may take: one number, half of it for work and half of it for demands.
//!
//! Strangers create jobs: what bounds one of them bounds nothing if several are worked on at a time. And work must never keep
//! a demand waiting, because a demand has a deadline and a bond behind it; so each has a half of its own.

use {
    crate::error::{DataError, Result},
    std::{sync::Arc, time::Duration},
    tokio::sync::{OwnedSemaphorePermit, Semaphore},
};

/// What is accounted for at once.
const UNIT_BYTES: u64 = 1 << 10;
/// How often a reservation that waits looks for something to give up.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What memory is reserved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Computing and checking results, and tensors that are kept for it.
    Work,
    /// What open demands need.
    Demands,
}

/// Reserved memory, free again when it is dropped.
#[derive(Debug)]
pub struct Reservation(#[allow(dead_code)] OwnedSemaphorePermit);

/// Memory for all tensors of a process. The first to ask is the first to get: a large request waits, but not for ever.
#[derive(Debug)]
pub struct MemoryBudget {
    share_units: u32,
    work: Arc<Semaphore>,
    demands: Arc<Semaphore>,
}

impl MemoryBudget {
    /// This much memory, rounded down to whole KiB.
    pub fn new(max_bytes: u64) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let units = u32::try_from(max_bytes / 2 / UNIT_BYTES).unwrap_or(u32::MAX);
        let share_units = units.min(most);
        let share = || Arc::new(Semaphore::new(share_units as usize));
        Self {
            share_units,
            work: share(),
            demands: share(),
        }
    }

    /// The most that one job may take, in bytes: a share.
    pub const fn share_bytes(&self) -> u64 {
        self.share_units as u64 * UNIT_BYTES
    }

    /// Refuses what never fits.
    ///
    /// # Errors
    /// `Memory`.
    pub fn check(&self, bytes: u64) -> Result<()> {
        self.units(bytes).map(drop)
    }

    fn units(&self, bytes: u64) -> Result<u32> {
        match u32::try_from(bytes.div_ceil(UNIT_BYTES)) {
            Ok(units) if units <= self.share_units => Ok(units),
            _ => Err(DataError::Memory {
                needed_bytes: bytes,
                limit_bytes: self.share_bytes().saturating_mul(2),
            }),
        }
    }

    const fn share(&self, share: Share) -> &Arc<Semaphore> {
        match share {
            Share::Work => &self.work,
            Share::Demands => &self.demands,
        }
    }

    /// This much memory, if it is free now.
    pub fn try_reserve(&self, share: Share, bytes: u64) -> Option<Reservation> {
        let units = self.units(bytes).ok()?;
        let permit = Arc::clone(self.share(share)).try_acquire_many_owned(units);
        permit.ok().map(Reservation)
    }

    /// Waits for this much memory. `give_up` drops something that is only kept, if there is anything, and says so.
    ///
    /// # Errors
    /// `Memory` if it never fits.
    pub async fn reserve(
        &self,
        share: Share,
        bytes: u64,
        give_up: impl Fn() -> bool,
    ) -> Result<Reservation> {
        let units = self.units(bytes)?;
        let permit = Arc::clone(self.share(share)).acquire_many_owned(units);
        tokio::pin!(permit);
        loop {
            let look = async {
                if !give_up() {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
            };
            tokio::select! {
                biased;
                permit = &mut permit => {
                    return permit
                        .map(Reservation)
                        .map_err(|error| DataError::Broken(error.to_string()));
                }
                () = look => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, futures::FutureExt, std::cell::RefCell};

    #[tokio::test]
    async fn what_is_reserved_at_a_time_fits_in_sum() {
        let budget = MemoryBudget::new(20 << 20);
        let refused = budget
            .reserve(Share::Work, (10 << 20) + 1, || false)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains("--memory-limit"), "{refused}");
        let first = budget.reserve(Share::Work, 6 << 20, || false).await;
        let second = budget.reserve(Share::Work, 4 << 20, || false).await;
        let waiting = budget.reserve(Share::Work, 1, || false);
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(budget.try_reserve(Share::Work, 1).is_none());
        // Demands have a share of their own.
        assert!(budget.try_reserve(Share::Demands, 10 << 20).is_some());
        drop((first, second));
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn what_is_only_kept_is_given_up_for_what_waits() {
        let budget = MemoryBudget::new(2 << 20);
        let take = || budget.try_reserve(Share::Work, 1 << 18).unwrap();
        let kept = RefCell::new(vec![take(), take(), take(), take()]);
        let give_up = || kept.borrow_mut().pop().is_some();
        let reserved = budget.reserve(Share::Work, 1 << 19, give_up).await;
        assert_eq!(kept.borrow().len(), 2, "no more than needed");
        drop(reserved);
    }
}
