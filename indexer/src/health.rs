//! What the follower last saw, for status and readiness.

use {std::time::Instant, tokio::sync::watch};

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

    /// Told of every change.
    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }
}
