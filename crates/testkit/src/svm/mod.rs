//! The built program in LiteSVM.
//!
//! [`World`] sends transactions. After every successful one it decodes the events, folds them into a [`Follower`] (P6) and an
//! [`Oracle`] with its own arithmetic (P3, P4, P5), and audits all accounts (P1, P2, P10, P12). A test therefore needs to say
//! only what is special about it. [`Stage`] is a world in which the protocol is set up and people have money.

mod audit;
mod checked;
mod claim;
mod fixtures;
pub mod kit;
mod opened;
pub mod referee;
mod samples;
pub mod token;
mod world;

pub use {
    crate::{accounts::*, follower::*, oracle::*, rng::*},
    fixtures::*,
    world::*,
};

/// Instruction builders and addresses: those of the client library, so that they are tested too.
pub use quern_client::{addresses, instructions as ix};
