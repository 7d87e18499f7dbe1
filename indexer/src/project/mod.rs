//! What follows from an event, as pure functions: which rows change, and how two changes of one row merge.
//!
//! Merging is commutative and associative, and the store applies an event at most once; hence the same set of events, in
//! any order and with any duplication, gives the same tables.

mod campaign;
mod clients;
mod delta;
mod entity;
mod ledger;
mod measure;
mod money;

pub use {
    campaign::{Judged, claimed_atoms, judge, judge_event, total_before, worth},
    delta::{
        ALL_TIME, Delta, FIRST_HOUR, PartyRow, ScoreKey, Settlement, StepKind, first_hour,
        has_time_line, hour_of, is_hour, window_bucket,
    },
    entity::{EntityKey, EntityRow, Indexed, Stated, changed_campaign},
    ledger::{Concern, Moved, moved},
    measure::{Measure, Subject, is_kept},
    money::{Total, TotalKey},
};

use {
    quern_api::{Key, Signature},
    quern_client::Pubkey,
};

/// The program's own types.
pub mod program {
    pub use quern_client::quern::{
        codes::Code,
        events::{CampaignClaimed, Change, JobResolved, MilestoneSettled, QuernEvent},
        state::{
            AssetKind, Assurance, Campaign, ConvictionReason, Demand, Emission, Entity, EntityKind,
            Entry, Job, JobKind, JobState, LAYOUT_VERSION, MintConfig, Model, Protocol, Provider,
            Purse,
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

/// What makes an event this event: inserting it twice is inserting it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    /// The transaction.
    pub signature: Signature,
    /// The outer instruction.
    pub instruction: u32,
    /// The position among its inner instructions, whatever their depth.
    pub inner: u32,
}

impl EventId {
    /// No event comes before it.
    pub const FIRST: Self = Self {
        signature: Signature([0; 64]),
        instruction: 0,
        inner: 0,
    };

    /// Stands for a whole transaction: no event has this place.
    pub fn whole(signature: Signature) -> Self {
        Self {
            signature,
            instruction: u32::MAX,
            inner: u32::MAX,
        }
    }

    /// Whether it stands for a whole transaction.
    pub fn is_whole(&self) -> bool {
        *self == Self::whole(self.signature)
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
    /// Whether this version understands the accounts in it; otherwise it belongs with the dead letters. Codes among the event's
    /// own fields are known: decoding refuses others.
    ///
    /// # Errors
    /// What it does not understand.
    pub fn check(body: &program::QuernEvent) -> Result<(), String> {
        body.changes().iter().try_for_each(entity::check)
    }
}

/// An address of the program as the store's and the API's.
pub fn key(address: &Pubkey) -> Key {
    Key(address.to_bytes())
}
