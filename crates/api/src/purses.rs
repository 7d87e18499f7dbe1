//! `/v1/purses/{address}`.

use {
    crate::{digits, key::Key},
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

/// A purse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PursePage {
    /// Its account.
    pub address: Key,
    /// Whose it is.
    pub owner: Key,
    /// The mint of its amounts.
    pub mint: Key,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// What the owner may use.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub free_atoms: u64,
    /// What jobs hold.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub reserved_atoms: u64,
    /// What the operator reserved of it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub operator_reserved_atoms: u64,
    /// What was lost from the operator's takes, ever.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub operator_lost_atoms: u64,
    /// What the operator may have reserved and lost together.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub operator_limit_atoms: u64,
    /// What was opened from it: jobs now, campaigns and channels later.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub opened: u64,
    /// Its change counter.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub seq: u64,
    /// The slot of its last change.
    pub changed_slot: u64,
}

impl PursePage {
    /// Where to ask for the purse at an address.
    pub fn path(address: impl std::fmt::Display) -> String {
        format!("/v1/purses/{address}")
    }
}
