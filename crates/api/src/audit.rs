//! `/v1/audit`: whether the indexer's tables are what the chain holds.

use {
    crate::{
        digits,
        key::Key,
        words::{AccountKind, AuditCheck, AuditVerdict},
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

/// The last comparison with the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// In one word.
    pub verdict: AuditVerdict,
    /// The slot that store and chain were compared at; null before the first comparison.
    pub audited_slot: Option<u64>,
    /// When the comparison ended, in seconds.
    pub audited_at: Option<i64>,
    /// How many figures were compared.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub figures: u64,
    /// How many accounts changed while they were compared; nothing is said of them.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub unsettled: u64,
    /// How many figures differ.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub difference_count: u64,
    /// The first of them.
    pub differences: Vec<DifferenceItem>,
    /// Why the comparison could not be finished, if it could not.
    pub error: Option<String>,
}

impl AuditPage {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/audit";
}

/// A figure that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DifferenceItem {
    /// Which comparison found it.
    pub check: AuditCheck,
    /// What the account is.
    pub kind: AccountKind,
    /// The account.
    pub address: Key,
    /// Which figure of it.
    pub figure: String,
    /// What the store says, or what must be.
    pub expected: String,
    /// What the other side says.
    pub found: String,
}
