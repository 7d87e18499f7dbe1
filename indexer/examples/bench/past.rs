//! A long history, told piece by piece.

use {
    crate::support::{History, START},
    quern_api::Signature,
    quern_client::{Pubkey, quern::events::QuernEvent},
    quern_indexer::{project::Event, store::Batch},
};

/// The days that it fills.
const DAYS: u64 = 30;
const DAY_SECS: u64 = 86_400;
const CLIENTS: u64 = 1_000;
/// Enough for every job of a client.
const FUNDS_ATOMS: u64 = 1_000_000_000_000_000;
/// Milestones of a long job.
const LONG_MILESTONES: u8 = 8;

/// When they are over.
pub const END: i64 = START + (DAYS * DAY_SECS) as i64;

/// A history of jobs, spread evenly over 30 days.
pub struct Past {
    history: History,
    jobs: u64,
    signatures: u64,
    /// Milestones settled so far.
    pub settled: u64,
}

impl Past {
    /// With this many providers.
    pub fn new(providers: u64) -> Self {
        let mut history = History::new(1);
        history.naming = named;
        history.crowd_of_providers(providers.saturating_sub(history.providers.len() as u64));
        history.clients = (0..CLIENTS).map(|n| named(30, n)).collect();
        for client in history.clients.clone() {
            history.deposit(&client, FUNDS_ATOMS);
        }
        Self {
            history,
            jobs: 0,
            signatures: 0,
            settled: 0,
        }
    }

    /// Events of the next few jobs, at least this many, as long as fewer than `all` were told.
    pub fn next(&mut self, least: usize, all: u64) -> Vec<Event> {
        while self.history.events.len() < least && self.told() < all {
            let told = self.told();
            self.history.at = START + (told * DAYS * DAY_SECS / all) as i64;
            self.jobs += 1;
            self.history.job(1 + (self.jobs % 2) as u8);
        }
        self.signed()
    }

    /// Events of the next few long jobs, at least this many, as long as fewer than `all` milestones are settled: the days once
    /// more from their beginning to their end.
    pub fn settle(&mut self, least: usize, from: u64, all: u64) -> Vec<Event> {
        let mut settled = self.settled;
        while self.history.events.len() < least && settled < all {
            let days = (settled - from) * DAYS * DAY_SECS / (all - from);
            self.history.at = START + days as i64;
            self.jobs += 1;
            let level = 1 + (self.jobs % 2) as u8;
            self.history.job_of_milestones(level, LONG_MILESTONES);
            settled += u64::from(LONG_MILESTONES);
        }
        self.signed()
    }

    /// Events of jobs of this second after the past, at least this many.
    pub fn now(&mut self, second: i64, least: usize) -> Vec<Event> {
        while self.history.events.len() < least {
            self.history.at = END + second;
            self.jobs += 1;
            self.history.job(1 + (self.jobs % 2) as u8);
        }
        self.signed()
    }

    fn told(&self) -> u64 {
        self.signatures + self.history.events.len() as u64
    }

    fn signed(&mut self) -> Vec<Event> {
        let mut events = std::mem::take(&mut self.history.events);
        for event in &mut events {
            self.signatures += 1;
            event.id.signature = Signature(scattered(self.signatures));
            self.settled += u64::from(matches!(event.body, QuernEvent::MilestoneSettled(_)));
        }
        events
    }
}

/// An address that, like those of the chain, looks like nothing.
fn named(kind: u8, n: u64) -> Pubkey {
    Pubkey::new_from_array(scattered(u64::from(kind) << 48 | n))
}

/// Bytes that have no order.
fn scattered<const N: usize>(n: u64) -> [u8; N] {
    let mut bytes = [0; N];
    for (word, place) in bytes.chunks_exact_mut(8).zip(1_u64..) {
        let mixed = (n ^ place << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word.copy_from_slice(&(mixed ^ mixed >> 32).to_be_bytes());
    }
    bytes
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
