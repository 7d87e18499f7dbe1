//! The main job as a story on a local network, from escrow to leaderboard: the built program, providers, a watcher, five
//! cheats, an application behind the gateway, the indexer and its HTTP API, the digits model, a transformer and a campaign. It ends
//! with an audit to the atom.
//!
//! [`play()`] runs it, [`Summary`] tells it, [`audit()`] compares chain, API and an independent ledger.

mod audit;
mod campaign;
mod cheats;
mod gateway;
mod play;
pub mod quern;
mod sentences;
mod summary;
mod tally;

pub use {
    audit::{Audit, audit},
    campaign::{Share, Sponsored},
    cheats::{Cheat, CheatKind},
    gateway::Asked,
    play::{Cast, Plan, play},
    sentences::{Embedded, Pair},
    summary::Summary,
};
