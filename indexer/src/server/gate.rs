//! How many connections there may be, in all and of one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Descriptors that clients never get: the store takes about 20, the node one a fetch and some for notices and log.
const KEPT_DESCRIPTORS: usize = 128;
/// Connections that there may be however few descriptors the system grants.
const FEWEST: usize = 16;

/// Most connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub all: usize,
    /// Of one address.
    pub of_address: usize,
}

impl Limits {
    /// No more in all than the system's descriptors allow.
    pub fn within_descriptors(self) -> Self {
        let granted = granted_descriptors().unwrap_or(usize::MAX);
        let all = self
            .all
            .min(granted.saturating_sub(KEPT_DESCRIPTORS).max(FEWEST));
        Self { all, ..self }
    }
}

/// Descriptors that this process may open, where the system says so (Linux).
fn granted_descriptors() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Hands out places.
#[derive(Clone, Debug)]
pub struct Gate {
    limits: Limits,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    of_address: HashMap<IpAddr, usize>,
}

impl Gate {
    /// With all places free.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Arc::default(),
        }
    }

    /// A place for a client, if there is one.
    pub fn enter(&self, client: IpAddr) -> Option<Place> {
        let network = network_of(client);
        let mut open = self.lock();
        let of_address = open.of_address.get(&network).copied().unwrap_or_default();
        if open.all >= self.limits.all || of_address >= self.limits.of_address {
            return None;
        }
        open.all += 1;
        open.of_address.insert(network, of_address + 1);
        Some(Place {
            gate: self.clone(),
            network,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Counts are whole whatever panicked elsewhere.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    gate: Gate,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.gate.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(of_address) = open.of_address.get_mut(&self.network) {
            *of_address = of_address.saturating_sub(1);
            if *of_address == 0 {
                open.of_address.remove(&self.network);
            }
        }
    }
}

/// What counts as one address: of IPv6 the first half, for a client chooses the other one.
fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let half = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(half))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_address_and_given_back() {
        let gate = Gate::new(Limits {
            all: 3,
            of_address: 2,
        });
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let first = gate.enter(one).unwrap();
        let _second = gate.enter(one).unwrap();
        assert!(gate.enter(one).is_none());
        let _third = gate.enter(other).unwrap();
        assert!(gate.enter(other).is_none());
        drop(first);
        assert!(gate.enter(one).is_some());
        assert_eq!(gate.lock().of_address.len(), 2);
    }

    #[test]
    fn the_half_of_an_address_that_a_client_chooses_does_not_count() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
        assert_ne!(network("10.0.0.1"), network("10.0.0.2"));
    }

    #[test]
    fn some_descriptors_are_kept_back() {
        let limits = Limits {
            all: usize::MAX,
            of_address: 1,
        };
        if let Some(granted) = granted_descriptors() {
            let most = granted.saturating_sub(KEPT_DESCRIPTORS).max(FEWEST);
            assert_eq!(limits.within_descriptors().all, most);
        }
    }
}
