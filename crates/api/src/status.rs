//! `/v1/status` and health checks.

use {
    crate::{digits, key::Key, words::AccountKind},
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

/// Everything that an operator wants to see at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusPage {
    /// The program that is followed.
    pub program: Key,
    /// The indexer's version.
    pub version: String,
    /// Everything up to this slot is stored.
    pub cursor_slot: Option<u64>,
    /// The finalized slot that the node last named.
    pub tip_slot: Option<u64>,
    /// The cluster's clock at about `cursor_slot`, in seconds.
    pub chain_time: Option<i64>,
    /// Transactions read.
    pub transactions: u64,
    /// Events stored.
    pub events: u64,
    /// Events and transactions that were not understood.
    pub dead_letters: u64,
    /// Accounts of which a change is missing.
    pub gaps: u64,
    /// The first of them.
    pub first_gaps: Vec<GapItem>,
    /// Why the last walk failed, if it did.
    pub error: Option<String>,
}

impl StatusPage {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/status";
}

/// An account of which a change is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapItem {
    /// What it is.
    pub kind: AccountKind,
    /// Its address.
    pub address: Key,
    /// The highest change counter seen.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub highest_seq: u64,
    /// How many changes were seen.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub changes_seen: u64,
}

/// That all is well; otherwise the reply is a [`crate::Problem`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthPage {
    /// Always `ok`.
    pub status: String,
}

impl HealthPage {
    /// Whether the process answers.
    pub const LIVE: &'static str = "/health/live";
    /// Whether its answers are fresh.
    pub const READY: &'static str = "/health/ready";
}
