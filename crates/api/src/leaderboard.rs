//! `/v1/leaderboards/providers`: one board an assurance level and mint. Nothing of different levels or mints is ever added or
//! compared.

use {
    crate::{
        digits,
        key::Key,
        reply::Amount,
        words::{Assurance, Metric, Window},
    },
    serde::{Deserialize, Serialize},
};

/// Which boards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoardsRequest {
    /// Ranked by what; earnings if none is named.
    pub metric: Option<Metric>,
    /// Over which time; all of it if none is named.
    pub window: Option<Window>,
    /// Only this assurance level.
    pub assurance: Option<Assurance>,
    /// Only this mint.
    pub mint: Option<Key>,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// Most entries of a board.
    pub limit: Option<u32>,
}

impl BoardsRequest {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/leaderboards/providers";
    /// The names of its parameters.
    pub const PARAMS: [&'static str; 6] =
        ["metric", "window", "assurance", "mint", "cursor", "limit"];

    /// Its parameters, for a query.
    pub fn query(&self) -> Vec<(&'static str, String)> {
        let [metric, window, assurance, mint, cursor, limit] = Self::PARAMS;
        [
            self.metric.map(|value| (metric, value.to_string())),
            self.window.map(|value| (window, value.to_string())),
            self.assurance.map(|value| (assurance, value.to_string())),
            self.mint.map(|value| (mint, value.to_string())),
            self.cursor.clone().map(|value| (cursor, value)),
            self.limit.map(|value| (limit, value.to_string())),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Leaderboards of one metric and window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boards {
    /// Ranked by what.
    pub metric: Metric,
    /// Over which time.
    pub window: Window,
    /// The window's first second; it is made of whole hours of the cluster's clock.
    pub window_from: Option<i64>,
    /// One an assurance level and mint; boards without entries are left out.
    pub boards: Vec<Board>,
}

/// A leaderboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    /// Of which assurance level.
    pub assurance: Assurance,
    /// The mint of the values, null if they are no amounts.
    pub mint: Option<Key>,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// The best first; ties in order of their addresses.
    pub entries: Vec<Entry>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

/// A line of a leaderboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    pub value: u128,
    /// Milestones of the window.
    #[serde(with = "digits")]
    pub milestones: u128,
    /// Work of the window.
    #[serde(with = "digits")]
    pub work: u128,
    /// Earnings of the window, one amount a mint.
    pub earned: Vec<Amount>,
    /// Rewards of the window, one amount a mint.
    pub rewards: Vec<Amount>,
}
