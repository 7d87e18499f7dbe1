//! How many requests an address may make: a steady rate with some in advance.

use {
    governor::{
        DefaultDirectRateLimiter, Quota, RateLimiter,
        clock::{Clock, DefaultClock},
        state::keyed::HashMapStateStore,
    },
    std::{
        net::IpAddr,
        num::NonZeroU32,
        sync::{Arc, Mutex, PoisonError},
        time::{Duration, Instant},
    },
};

/// Addresses that are remembered at most. Those beyond share one part, so that no number of addresses takes more memory.
const MOST_ADDRESSES: usize = 50_000;
/// Seconds of requests that an address has in advance.
const ADVANCE_SECS: u32 = 4;
/// Least pause between two looks for addresses that can be forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(1);

type Each = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>;

/// The part of each address.
#[derive(Clone)]
pub struct Shares(Arc<Inner>);

struct Inner {
    each: Each,
    others: DefaultDirectRateLimiter,
    most: usize,
    forgot_at: Mutex<Option<Instant>>,
}

impl Shares {
    /// With this many requests a second for each address.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self::remembering(per_second, MOST_ADDRESSES)
    }

    fn remembering(per_second: NonZeroU32, most: usize) -> Self {
        let burst = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(ADVANCE_SECS - 1));
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Self(Arc::new(Inner {
            each: RateLimiter::hashmap(quota),
            others: RateLimiter::direct(quota),
            most,
            forgot_at: Mutex::new(None),
        }))
    }

    /// Takes a request from the part of an address.
    ///
    /// # Errors
    /// How long the address has to wait.
    pub fn take(&self, client: IpAddr) -> Result<(), Duration> {
        let Inner { each, others, .. } = &*self.0;
        let now = DefaultClock::default().now();
        let taken = match self.has_room() {
            true => each.check_key(&super::gate::network_of(client)),
            false => others.check(),
        };
        taken.map_err(|not_until| not_until.wait_time_from(now))
    }

    /// Whether another address may be remembered; forgets those that have their whole part again.
    fn has_room(&self) -> bool {
        let inner = &*self.0;
        if inner.each.len() < inner.most {
            return true;
        }
        let forgot_at = inner.forgot_at.lock();
        let mut forgot_at = forgot_at.unwrap_or_else(PoisonError::into_inner);
        if forgot_at.is_none_or(|at| at.elapsed() >= FORGET_EVERY) {
            *forgot_at = Some(Instant::now());
            inner.each.retain_recent();
        }
        inner.each.len() < inner.most
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn client(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn an_address_has_its_part_and_no_more() {
        let shares = Shares::remembering(NonZeroU32::new(2).unwrap(), 10);
        for _ in 0..8 {
            shares.take(client(1)).unwrap();
        }
        let wait = shares.take(client(1)).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        shares.take(client(2)).unwrap();
    }

    #[test]
    fn however_many_addresses_come_few_are_remembered() {
        let shares = Shares::remembering(NonZeroU32::new(1).unwrap(), 3);
        let taken = (0..100).filter(|last| shares.take(client(*last)).is_ok());
        // Each of the first three, and the others' part of four together.
        assert_eq!(taken.count(), 3 + 4);
        assert!(shares.0.each.len() <= 3);
    }
}
