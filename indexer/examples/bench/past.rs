//! A long history, told piece by piece.

use {
    crate::support::{History, START, address},
    quern_api::Signature,
    quern_indexer::{project::Event, store::Batch},
};

/// The days that it fills.
const DAYS: u64 = 30;
const DAY_SECS: u64 = 86_400;
const CLIENTS: u64 = 1_000;
/// Enough for every job of a client.
const FUNDS_ATOMS: u64 = 1_000_000_000_000_000;

/// When they are over.
pub const END: i64 = START + (DAYS * DAY_SECS) as i64;

/// A history of jobs, spread evenly over 30 days.
pub struct Past {
    history: History,
    jobs: u64,
    told: u64,
    signatures: u64,
}

impl Past {
    /// With this many jobs of this many providers.
    pub fn new(jobs: u64, providers: u64) -> Self {
        let mut history = History::new(1);
        history.crowd_of_providers(providers.saturating_sub(history.providers.len() as u64));
        history.clients = (0..CLIENTS).map(|n| address(30, n)).collect();
        for client in history.clients.clone() {
            history.deposit(&client, FUNDS_ATOMS);
        }
        Self {
            history,
            jobs,
            told: 0,
            signatures: 0,
        }
    }

    /// Events of the next few jobs, at least this many unless there are no more.
    pub fn next(&mut self, least: usize) -> Vec<Event> {
        while self.history.events.len() < least && self.told < self.jobs {
            self.history.at = START + (self.told * DAYS * DAY_SECS / self.jobs) as i64;
            self.history.job(1 + (self.told % 2) as u8);
            self.told += 1;
        }
        self.signed()
    }

    /// Events of jobs of this second after the past, at least this many.
    pub fn now(&mut self, second: i64, least: usize) -> Vec<Event> {
        while self.history.events.len() < least {
            self.history.at = END + second;
            self.history.job(1 + (self.told % 2) as u8);
            self.told += 1;
        }
        self.signed()
    }

    fn signed(&mut self) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.history.events);
        for event in &mut events {
            self.signatures += 1;
            event.id.signature = scattered(self.signatures);
        }
        events
    }
}

/// Signatures have no order that follows the chain's.
fn scattered(n: u64) -> Signature {
    let mut bytes = [0; 64];
    for (word, place) in bytes.chunks_exact_mut(8).zip(1_u64..) {
        let mixed = (n ^ place << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word.copy_from_slice(&(mixed ^ mixed >> 32).to_be_bytes());
    }
    Signature(bytes)
}

/// A batch of these events.
pub fn batch(events: Vec<Event>) -> Batch {
    let transactions = events
        .iter()
        .map(|event| (event.id.signature, event.slot))
        .collect();
    Batch {
        transactions,
        events,
        ..Batch::default()
    }
}
