//! Everything that a program outside the chain needs to talk to Quern: addresses, instructions, accounts, events, sending.
//!
//! Nothing outside this crate names an account layout, a seed or an account list.

pub mod addresses;
pub mod events;

pub use {
    events::{EventError, LocatedEvent, TransactionEvents, events_of},
    quern,
};

/// A Solana address; the same type as Anchor's `Address`.
pub use solana_sdk::pubkey::Pubkey;
