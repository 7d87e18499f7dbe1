//! The built program on a local network, with everything that lives on one.
//!
//! [`World`] is the network with protocol, mint, one provider and one client: what tests of the client need. [`Stage`] adds the
//! models, the people and the [`Chronicle`] of the whole story. On a stage act [`Machine`] (a provider's agent), [`Lookout`] (a
//! watcher) and [`Forger`] (a provider that cheats); [`Ledger`] knows what they must own in the end. A [`FaultyNode`] stands
//! between any of them and the network.

pub mod chronicle;
mod digits;
pub mod encoder;
mod faults;
mod forger;
pub mod ledger;
mod lookout;
mod machine;
pub mod names;
pub mod node;
mod stage;
mod tell;
pub mod trainer;
mod wait;
mod work;
mod world;

pub use {
    chronicle::{Chronicle, Entry},
    digits::Digits,
    faults::{Fault, FaultyNode},
    forger::Forger,
    ledger::Ledger,
    lookout::Lookout,
    machine::{Machine, settings},
    names::Names,
    stage::{
        BOND_DEPOSIT_ATOMS, DAY, HOUR, PARAMS, ProviderKeys, QUSD, REVIEW_SECS, Stage, WORK_SECS,
    },
    wait::until,
    work::{Answer, Cell, Work},
    world::{BOND, PRICE, World, network, tiny_graph},
};
