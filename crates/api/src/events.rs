//! `/v1/events` and `/v1/stream`: everything that the program told, in the order in which the indexer stored it.

use {
    crate::{key::Signature, request::requests, words::Finality},
    serde::{Deserialize, Serialize},
    serde_json::{Map, Value},
    utoipa::ToSchema,
};

requests! {
    /// Which events.
    EventsRequest {
        /// Only those behind this one: its `id`.
        after: String,
        /// Most events of the page.
        limit: u32,
    }

    /// From where on.
    StreamRequest {
        /// Only those behind this one: its `id`. A `last-event-id` header, which browsers send by themselves, counts more. If both are
        /// left out, the stream begins with what is stored next.
        after: String,
        /// `confirmed` also tells what is not final: as `provisional`, each time the whole of `/v1/provisional` in the place of what was
        /// told before.
        commitment: Finality,
    }
}

/// Events, in the order in which they were stored. A transaction that a later look at the chain finds comes at the end, whatever its slot;
/// what of a known one is understood only after an upgrade comes where that transaction stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventList {
    /// The events.
    pub events: Vec<EventItem>,
    /// Where to go on, if there is more now: the `id` of the last one. To follow, take that `id` anyway.
    pub next_cursor: Option<String>,
}

impl EventList {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/events";
    /// Where to have them sent as they come.
    pub const STREAM: &'static str = "/v1/stream";
}

/// What the node has confirmed and not finalized. A fork may still drop it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProvisionalPage {
    /// The confirmed slot of the last look; null where there was none.
    pub confirmed_slot: Option<u64>,
    /// Events above what is finalized and stored, oldest first.
    pub events: Vec<EventItem>,
    /// Whether there are older ones that are not shown.
    pub is_cut: bool,
}

impl ProvisionalPage {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/provisional";
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventItem {
    /// Names it: signature, instruction, inner.
    pub id: String,
    /// Its name.
    pub event: String,
    /// When.
    pub at: i64,
    /// In which slot.
    pub slot: u64,
    /// In which transaction.
    pub signature: Signature,
    /// The outer instruction.
    pub instruction: u32,
    /// The position among its inner instructions.
    pub inner: u32,
    /// The event's own fields.
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}
