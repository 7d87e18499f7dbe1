//! Seats for replies that go on for long: when all are taken, who has most of them gives the oldest one up.

use {
    std::{
        collections::{BTreeMap, HashMap},
        net::IpAddr,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
    },
    tokio::sync::watch,
};

/// All seats.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    most: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    /// Counts seats; orders them.
    turn: u64,
    by_turn: BTreeMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    network: IpAddr,
    /// Dropped, it tells the reply to end.
    _keeps: watch::Sender<()>,
}

/// A reply's seat; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    turn: u64,
    kept: watch::Receiver<()>,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: Arc::default(),
        }
    }

    /// A seat for a client. None if all are taken and nobody else has two more than this client.
    pub(super) fn take(&self, network: IpAddr) -> Option<Seat> {
        let mut taken = self.lock();
        if taken.by_turn.len() >= self.most {
            let oldest = taken.oldest_of_others(network)?;
            taken.by_turn.remove(&oldest);
        }
        taken.turn += 1;
        let turn = taken.turn;
        let (keeps, kept) = watch::channel(());
        let held = Held {
            network,
            _keeps: keeps,
        };
        taken.by_turn.insert(turn, held);
        Some(Seat {
            seats: self.clone(),
            turn,
            kept,
        })
    }

    pub(super) fn taken(&self) -> usize {
        self.lock().by_turn.len()
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Every change is one insertion or removal, whole whatever panicked elsewhere.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// The oldest seat of the one who has most, unless this client would then have as many.
    fn oldest_of_others(&self, network: IpAddr) -> Option<u64> {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for held in self.by_turn.values() {
            *counts.entry(held.network).or_default() += 1;
        }
        let own = counts.get(&network).copied().unwrap_or_default();
        let most = counts.values().copied().max()?;
        if most < own + 2 {
            return None;
        }
        let mut seats = self.by_turn.iter();
        let (turn, _) = seats.find(|(_, held)| counts.get(&held.network) == Some(&most))?;
        Some(*turn)
    }
}

impl Seat {
    /// Whether others are to have it.
    pub(super) fn is_wanted(&self) -> bool {
        self.kept.has_changed().is_err()
    }

    /// Completes when others are to have it.
    pub(super) async fn wanted(&mut self) {
        // Nothing is ever sent.
        let _ = self.kept.changed().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().by_turn.remove(&self.turn);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn network(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test]
    async fn nobody_has_all_seats_while_others_want_some() {
        let seats = Seats::new(6);
        let mut greedy: Vec<Seat> = (0..6).map(|_| seats.take(network(1)).unwrap()).collect();
        assert!(seats.take(network(1)).is_none(), "of itself");
        let others: Vec<Seat> = (0..3).map(|_| seats.take(network(2)).unwrap()).collect();
        assert!(seats.take(network(2)).is_none(), "three each");
        assert!(seats.take(network(1)).is_none(), "three each");
        // The oldest were told, the others not.
        for seat in &mut greedy[..3] {
            seat.wanted().await;
        }
        assert!(greedy[2].is_wanted() && !greedy[3].is_wanted());
        assert_eq!(seats.taken(), 6);
        // A third gets its seat; one that was given up frees none when it ends.
        let third = seats.take(network(3)).unwrap();
        greedy.remove(0);
        assert_eq!(seats.taken(), 6);
        drop((third, others, greedy));
        assert_eq!(seats.taken(), 0);
    }
}
