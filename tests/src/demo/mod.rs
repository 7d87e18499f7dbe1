//! The main job on real parts, from escrow to leaderboard: a local network with the built program, the provider's agent, the
//! watcher, the indexer and its HTTP API, the digits model. `quern-demo` shows it to a person; the end-to-end tests assert on it.

mod audit;
mod cheats;
mod chronicle;
mod digits;
mod forger;
mod ledger;
mod lookout;
mod machine;
mod names;
pub mod node;
mod play;
mod stage;
mod summary;
mod trainer;
mod wait;
mod work;

pub use {
    audit::{Audit, audit},
    cheats::{Cheat, CheatKind},
    chronicle::{Chronicle, Entry},
    digits::Digits,
    forger::Forger,
    ledger::Ledger,
    lookout::Lookout,
    machine::{Machine, settings},
    names::Names,
    play::{Cast, Plan, play},
    stage::{DAY, HOUR, ProviderKeys, QUSD, REVIEW_SECS, Stage, WORK_SECS, graph_file},
    summary::Summary,
    wait::until,
    work::{Cell, Work},
};
