//! What was paid, for whom and to whom.

use serde::{Deserialize, Serialize};

/// What became of a price.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendingState {
    /// It counts against the caps; no job has it yet.
    Reserved,
    /// It lies in a job's escrow.
    Escrowed,
    /// The provider has it.
    Paid,
    /// It came back: the job was cancelled, expired or convicted, or was never created.
    Returned,
}

impl SpendingState {
    /// Whether it counts against the caps.
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Returned)
    }

    /// In one word, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Escrowed => "escrowed",
            Self::Paid => "paid",
            Self::Returned => "returned",
        }
    }
}

/// One attempt at one job.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Spending {
    /// Counts up.
    pub number: u64,
    /// When its price was reserved, in seconds of Unix time.
    pub at: i64,
    /// The requests whose rows it has.
    pub requests: Vec<String>,
    /// The model's account, in base58.
    pub model: String,
    /// The job's account, in base58, once there is one.
    pub job: Option<String>,
    /// The provider's owner, in base58, once one has taken it.
    pub provider: Option<String>,
    /// Rows of the job.
    pub rows: u32,
    /// What became of the price.
    pub state: SpendingState,
    /// The price with everything that is locked beside it, in atoms.
    pub atoms: u64,
    /// The mint, in base58.
    pub mint: String,
    /// Decimals of that mint.
    pub decimals: u8,
    /// Fees of its creation, in lamports.
    pub fee_lamports: u64,
    /// What ended it, in words.
    pub note: Option<String>,
}
