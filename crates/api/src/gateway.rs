//! What the gateway answers on Quern's own routes.

use {
    crate::digits,
    serde::{Deserialize, Serialize},
};

/// A page of what was spent, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendingPage {
    #[allow(missing_docs)]
    pub data: Vec<SpendingItem>,
    /// The parameter `before` of the next page; null on the last one.
    pub next_before: Option<u64>,
}

impl SpendingPage {
    /// Where it is.
    pub const PATH: &str = "/quern/v1/spending";
}

/// One attempt at one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendingItem {
    /// Counts up.
    pub number: u64,
    /// When its price was reserved, in seconds of Unix time.
    pub at: i64,
    /// `reserved`, `escrowed`, `paid` or `returned`.
    pub state: String,
    /// The price with everything that is locked beside it.
    #[serde(with = "digits")]
    pub atoms: u64,
    /// In base58.
    pub mint: String,
    /// Of the mint.
    pub decimals: u8,
    /// Fees of its creation.
    #[serde(with = "digits")]
    pub fee_lamports: u64,
    /// Of the job.
    pub rows: u32,
    /// The model's account, in base58.
    pub model: String,
    /// The job's account, in base58, once there is one.
    pub job: Option<String>,
    /// The provider's owner, in base58, once one has taken it.
    pub provider: Option<String>,
    /// Whose rows it has.
    pub requests: Vec<String>,
    /// What ended it, in words.
    pub note: Option<String>,
}
