//! What follows from an event, as pure functions: which rows change, and how two changes of one row merge.
//!
//! Merging is commutative and associative, and the store applies an event at most once; hence the same set of events, in
//! any order and with any duplication, gives the same tables.

mod delta;
mod describe;
mod entity;
mod money;

pub use {
    delta::{ALL_TIME, Delta, Metric, ScoreKey, Settlement, Step},
    describe::describe,
    entity::{EntityKey, EntityRow, Indexed, Stated},
    money::{Category, Total, TotalKey},
};

use crate::key::{EventId, Key};

/// The program's own types.
pub mod program {
    pub use quern_client::quern::{
        events::{Change, QuernEvent},
        state::{
            Assurance, ConvictionReason, Demand, Emission, EntityKind, Job, JobKind, JobState,
            MintConfig, Model, Provider, Purse,
        },
    };

    /// Reads an account's fixed part; `None` if its length is not that of `T`.
    pub fn read<T: bytemuck::Pod>(bytes: &[u8]) -> Option<T> {
        bytemuck::try_pod_read_unaligned(bytes).ok()
    }

    /// Text padded with zero bytes.
    pub fn padded_text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes)
            .trim_end_matches('\0')
            .to_owned()
    }
}

/// An accepted event and where it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its identity.
    pub id: EventId,
    /// The slot of its transaction.
    pub slot: u64,
    /// What it says.
    pub body: program::QuernEvent,
}

impl Event {
    /// Whether every change in it has a known kind and the length of that kind; otherwise it belongs with the dead letters.
    pub fn check(body: &program::QuernEvent) -> Result<(), String> {
        for change in body.changes() {
            entity::check(change)?;
        }
        Ok(())
    }
}

pub(crate) fn key(address: &impl AsRef<[u8]>) -> Key {
    let mut bytes = [0; 32];
    // Every address of the program is 32 bytes long.
    if let Some(source) = address.as_ref().get(..32) {
        bytes.copy_from_slice(source);
    }
    Key(bytes)
}
