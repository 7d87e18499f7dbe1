//! How many connections there may be, in all and of one address, and which one ends when there are too many.

use {
    std::{
        collections::HashMap,
        net::{IpAddr, Ipv6Addr},
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    },
    tokio::sync::oneshot,
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

/// Hands out places. When there is none, the one whose client has been longest without a request in work is taken from it:
/// so nobody keeps others out by holding connections, whatever it sends on them.
#[derive(Clone, Debug)]
pub struct Gate {
    limits: Limits,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    /// Counts places and waits; orders both.
    turn: u64,
    places: HashMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    network: IpAddr,
    /// Since which turn no request of it is in work.
    waits_since: Option<u64>,
    /// Tells its connection to end, and when it has ended; used once.
    eviction: Option<Eviction>,
}

#[derive(Debug)]
struct Eviction {
    leave: oneshot::Sender<()>,
    gone: oneshot::Receiver<()>,
}

impl Gate {
    /// With all places free.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Arc::default(),
        }
    }

    /// A place for a client, if need be that of the connection that has waited longest. None if requests are in work on all.
    pub async fn enter(&self, client: IpAddr) -> Option<(Place, Leave)> {
        let network = network_of(client);
        loop {
            let gone = {
                let mut open = self.lock();
                let Some(crowd) = open.crowd(self.limits, network) else {
                    return Some(self.place(&mut open, network));
                };
                open.evict(crowd)?
            };
            // Either way the place is free: nothing is ever sent.
            let _ = gone.await;
        }
    }

    fn place(&self, open: &mut Open, network: IpAddr) -> (Place, Leave) {
        let (leave, told) = oneshot::channel();
        let (ended, gone) = oneshot::channel();
        let id = open.next_turn();
        let held = Held {
            network,
            waits_since: Some(id),
            eviction: Some(Eviction { leave, gone }),
        };
        open.places.insert(id, held);
        let place = Place {
            gate: self.clone(),
            id,
            _ended: ended,
        };
        (place, Leave(told))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Every change is one insertion or removal, whole whatever panicked elsewhere.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Among which connections one must end before another one may come.
#[derive(Clone, Copy, Debug)]
enum Crowd {
    All,
    Of(IpAddr),
}

impl Open {
    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn crowd(&self, limits: Limits, network: IpAddr) -> Option<Crowd> {
        let places = self.places.values();
        let of_network = places.filter(|held| held.network == network).count();
        if of_network >= limits.of_address {
            return Some(Crowd::Of(network));
        }
        (self.places.len() >= limits.all).then_some(Crowd::All)
    }

    /// Tells the connection that has waited longest to end. None if none waits.
    fn evict(&mut self, crowd: Crowd) -> Option<oneshot::Receiver<()>> {
        let places = self.places.values_mut();
        let waiting = places.filter(|held| match crowd {
            Crowd::All => true,
            Crowd::Of(network) => held.network == network,
        });
        let (_, held) = waiting
            .filter_map(|held| Some((held.waits_since?, held)))
            .filter(|(_, held)| held.eviction.is_some())
            .min_by_key(|(since, _)| *since)?;
        let Eviction { leave, gone } = held.eviction.take()?;
        // Nobody listens if it ends by itself right now.
        let _ = leave.send(());
        Some(gone)
    }
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    gate: Gate,
    id: u64,
    /// Its end is the message.
    _ended: oneshot::Sender<()>,
}

impl Place {
    /// Keeps the place while a request is in work.
    pub fn work(self: &Arc<Self>) -> Work {
        self.note(None);
        Work(Arc::clone(self))
    }

    fn note(&self, waits_since: Option<u64>) {
        if let Some(held) = self.gate.lock().places.get_mut(&self.id) {
            held.waits_since = waits_since;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.lock().places.remove(&self.id);
    }
}

/// A request in work; dropped with its answer.
#[derive(Debug)]
pub struct Work(Arc<Place>);

impl Drop for Work {
    fn drop(&mut self) {
        let turn = self.0.gate.lock().next_turn();
        self.0.note(Some(turn));
    }
}

/// Told when a connection's place is needed for another one.
#[derive(Debug)]
pub struct Leave(oneshot::Receiver<()>);

impl Leave {
    /// Waits until then.
    pub async fn told(self) {
        // The sender lives as long as the place.
        let _ = self.0.await;
    }
}

/// What counts as one address: of IPv6 the first half, for a client chooses the other one.
pub(super) fn network_of(client: IpAddr) -> IpAddr {
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

    use {super::*, std::sync::Weak};

    const ONE: &str = "10.0.0.1";
    const OTHER: &str = "10.0.0.2";
    const THIRD: &str = "10.0.0.3";

    /// The place of a connection that ends when it is told to; none if it was turned away.
    async fn connect(gate: &Gate, from: &str) -> Option<Weak<Place>> {
        let (place, leave) = gate.enter(from.parse().unwrap()).await?;
        let place = Arc::new(place);
        let seen = Arc::downgrade(&place);
        tokio::spawn(async move {
            leave.told().await;
            drop(place);
        });
        Some(seen)
    }

    fn is_open(place: &Weak<Place>) -> bool {
        place.strong_count() > 0
    }

    #[tokio::test]
    async fn the_connection_that_waited_longest_ends_for_a_new_one() {
        let gate = Gate::new(Limits {
            all: 3,
            of_address: 2,
        });
        let first = connect(&gate, OTHER).await.unwrap();
        let second = connect(&gate, ONE).await.unwrap();
        let third = connect(&gate, ONE).await.unwrap();
        // An address beyond its limit makes room among its own.
        let fourth = connect(&gate, ONE).await.unwrap();
        assert!(is_open(&first) && !is_open(&second) && is_open(&third));
        // Beyond the limit of all, among all.
        let fifth = connect(&gate, THIRD).await.unwrap();
        assert!(!is_open(&first) && is_open(&third) && is_open(&fourth));
        assert_eq!(gate.lock().places.len(), 3);

        // What works stays, and has waited for no time when it is done.
        let work = third.upgrade().unwrap().work();
        let sixth = connect(&gate, OTHER).await.unwrap();
        assert!(is_open(&third) && !is_open(&fourth) && is_open(&fifth));
        drop(work);
        let seventh = connect(&gate, OTHER).await.unwrap();
        assert!(is_open(&third) && !is_open(&fifth) && is_open(&sixth));

        // Where all work, nobody has to go.
        let all = [&third, &sixth, &seventh].map(|place| place.upgrade().unwrap().work());
        assert!(connect(&gate, THIRD).await.is_none());
        drop(all);
        assert!(connect(&gate, THIRD).await.is_some());
        assert_eq!(gate.lock().places.len(), 3);
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
