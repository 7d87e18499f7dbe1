//! `/v1/leaderboards/{providers,models,clients}`: one board an assurance level and mint. Nothing of different levels or mints is ever added or
//! compared.

use {
    crate::{
        digits,
        key::Key,
        reply::Amount,
        request::requests,
        words::{Assurance, Metric, Window},
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

requests! {
    /// Which boards.
    BoardsRequest {
        /// Ranked by what: of providers earned (if left out), work, milestones or rewards; of models royalties (if left out), work or
        /// milestones; of clients spend (if left out), fees or milestones.
        metric: Metric,
        /// Over which time; all of it if left out.
        window: Window,
        /// Only this assurance level; both if left out.
        assurance: Assurance,
        /// Only this mint; all if left out.
        mint: Key,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most entries of a board.
        limit: u32,
    }
}

impl BoardsRequest {
    /// Where to ask for providers.
    pub const PATH: &'static str = "/v1/leaderboards/providers";
    /// Where to ask for models.
    pub const MODELS: &'static str = "/v1/leaderboards/models";
    /// Where to ask for clients.
    pub const CLIENTS: &'static str = "/v1/leaderboards/clients";
}

/// Leaderboards of one metric and window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Boards<E = Entry> {
    /// Ranked by what.
    pub metric: Metric,
    /// Over which time.
    pub window: Window,
    /// The window's first second; it is made of whole hours of the cluster's clock.
    pub window_from: Option<i64>,
    /// One an assurance level and mint; boards without entries are left out.
    pub boards: Vec<Board<E>>,
}

/// A leaderboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Board<E = Entry> {
    /// Of which assurance level.
    pub assurance: Assurance,
    /// The mint of the values, null if they are no amounts.
    pub mint: Option<Key>,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// The best first; ties in order of their addresses.
    pub entries: Vec<E>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

/// A line of a leaderboard of providers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// From 1.
    pub rank: u32,
    /// The provider's owner.
    pub provider: Key,
    /// Its account; null if its registration was not seen.
    pub account: Option<Key>,
    /// Its name.
    pub name: Option<String>,
    /// How often it was convicted, over all time; null if its registration was not seen.
    pub convicted: Option<u64>,
    /// What it is ranked by.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub value: u128,
    /// Milestones of the window.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub milestones: u128,
    /// Work of the window.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub work: u128,
    /// Earnings of the window, one amount a mint.
    pub earned: Vec<Amount>,
    /// Rewards of the window, one amount a mint.
    pub rewards: Vec<Amount>,
}

/// A line of a leaderboard of models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelEntry {
    /// From 1.
    pub rank: u32,
    /// The model's account.
    pub model: Key,
    /// Its name; null if its registration was not seen.
    pub name: Option<String>,
    /// Who earns its royalties; null if its registration was not seen.
    pub owner: Option<Key>,
    /// What it is ranked by.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub value: u128,
    /// Milestones of the window.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub milestones: u128,
    /// Work of the window.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub work: u128,
    /// Royalties of the window, one amount a mint.
    pub royalties: Vec<Amount>,
}

/// A line of a leaderboard of clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClientEntry {
    /// From 1.
    pub rank: u32,
    /// Who pays.
    pub client: Key,
    /// What it is ranked by.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub value: u128,
    /// Milestones of the window.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub milestones: u128,
    /// Prices paid in the window, one amount a mint.
    pub spend: Vec<Amount>,
    /// Fees in them, one amount a mint.
    pub fees: Vec<Amount>,
}
