//! `/v1/totals`: sums over everything, to be checked against the chain.

use {
    crate::{
        digits,
        key::Key,
        request::requests,
        words::{Assurance, Category},
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

requests! {
    /// Which totals.
    TotalsRequest {
        /// Only those in this mint; needed where many mints are registered.
        mint: Key,
    }
}

/// Sums over everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotalsPage {
    /// One item a category, mint and assurance level; levels are never added.
    pub totals: Vec<TotalItem>,
    /// One item a mint: what its purses hold.
    pub ledgers: Vec<LedgerItem>,
}

impl TotalsPage {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/totals";
}

/// A sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotalItem {
    /// Why the atoms moved.
    pub category: Category,
    /// Null where the event does not tell the level.
    pub assurance: Option<Assurance>,
    /// In which mint.
    pub mint: Key,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// The sum.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub atoms: u128,
    /// How many events added to it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub count: u64,
}

/// What the purses of a mint hold together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerItem {
    /// The mint.
    pub mint: Key,
    /// Its decimals.
    pub decimals: u8,
    /// The token account that holds it all.
    pub vault: Key,
    /// What the program says the purses hold together.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub total_atoms: u64,
    /// What they hold free, added by the indexer.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub free_atoms: u128,
    /// What they hold reserved, added by the indexer.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub reserved_atoms: u128,
    /// How many purses.
    pub purses: u64,
    /// Whether the two agree.
    pub equal: bool,
}
