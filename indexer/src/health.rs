//! What the follower last saw, for status and readiness.

use {
    quern_api::Key,
    std::{collections::BTreeSet, time::Instant},
    tokio::sync::watch,
};

/// Accounts that are searched for at most: one cause can make one of every account.
const MOST_SUSPECTS: usize = 1_000;

/// The follower's state.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The finalized slot that the source last named.
    pub tip_slot: Option<u64>,
    /// The slot up to which everything is stored.
    pub cursor_slot: Option<u64>,
    /// When a walk was last whole.
    pub whole_at: Option<Instant>,
    /// Why the last walk failed, if it did.
    pub error: Option<String>,
    /// Whether that is a reason to believe nothing more of the node.
    pub is_refused: bool,
    /// Walks that failed since the start.
    pub failed_walks: u64,
    /// Accounts that the audit found to miss changes; the follower searches for their transactions.
    pub suspects: BTreeSet<Key>,
    /// Events found by searching for accounts that miss changes, since the start.
    pub back_filled: u64,
    /// Calls of the program that succeeded and told no event, since the start: an error of program or indexer.
    pub silent_calls: u64,
    /// Comparisons with the chain since the start.
    pub audits: u64,
    /// Differences that the last one found.
    pub differences: u64,
}

/// Shared by the follower, which writes it, and the API.
#[derive(Clone, Debug)]
pub struct Health(watch::Sender<State>);

impl Default for Health {
    fn default() -> Self {
        Self(watch::Sender::new(State::default()))
    }
}

impl Health {
    /// The state now.
    pub fn now(&self) -> State {
        self.0.borrow().clone()
    }

    /// Changes it.
    pub fn update(&self, change: impl FnOnce(&mut State)) {
        self.0.send_modify(change);
    }

    /// Has the follower search for the transactions of an account.
    pub fn suspect(&self, account: Key) {
        self.update(|state| {
            if state.suspects.len() < MOST_SUSPECTS {
                state.suspects.insert(account);
            }
        });
    }

    /// Told of every change.
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}
