//! Why there is no answer: each a sentence that says what to do.

use {
    serde::{Deserialize, Serialize},
    std::fmt,
    thiserror::Error,
};

/// A limit of what may be spent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    /// For one request.
    Request,
    /// Within an hour.
    Hour,
    /// Within a day.
    Day,
}

impl fmt::Display for Cap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "a request",
            Self::Hour => "an hour",
            Self::Day => "a day",
        })
    }
}

/// Why there is no answer. It is kept with its request, so it can be written and read.
#[derive(Clone, Debug, Deserialize, Eq, Error, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Refusal {
    /// No model of that name is served here.
    #[error("there is no model `{model}` here; the models are listed at /v1/models")]
    NoSuchModel {
        /// What was asked for.
        model: String,
    },
    /// Nothing to embed.
    #[error("there is no row to embed; give at least one")]
    NoRows,
    /// More rows than one request may have.
    #[error(
        "{rows} rows are more than the {most} that one request may have; split it, or use a batch"
    )]
    TooManyRows {
        /// How many there are.
        rows: usize,
        /// How many there may be.
        most: usize,
    },
    /// A row with more tokens than the model reads, or none.
    #[error(
        "row {row} has {tokens} tokens, and the model reads 1 to {most}; shorten the text or split it"
    )]
    BadLength {
        /// Which row, from 0.
        row: usize,
        /// How many it has.
        tokens: usize,
        /// How many it may have.
        most: usize,
    },
    /// A token that the model does not know.
    #[error(
        "row {row} has the token {token}, and the model knows those below {vocabulary}; use its own tokenizer"
    )]
    BadToken {
        /// Which row, from 0.
        row: usize,
        /// What is in it.
        token: u32,
        /// How many tokens there are.
        vocabulary: u32,
    },
    /// The name of another request.
    #[error(
        "another request was made under the name `{id}`; use a new idempotency key for a new request"
    )]
    KeyReused {
        /// The name.
        id: String,
    },
    /// No request is kept under that name.
    #[error("there is no request `{id}` here; it was never made, or is forgotten")]
    NoSuchRequest {
        /// The name.
        id: String,
    },
    /// It has not ended, so it cannot be forgotten.
    #[error("the request `{id}` has not ended; cancel it first")]
    NotEnded {
        /// The name.
        id: String,
    },
    /// A limit of what may be spent.
    #[error("it costs {atoms} atoms, and {left_atoms} of the {cap_atoms} for {cap} are left (mint {mint}); raise --cap-{}, or wait", .cap.option())]
    OverCap {
        /// Which limit.
        cap: Cap,
        /// What it would cost, in atoms.
        atoms: u64,
        /// What is left of the limit, in atoms.
        left_atoms: u64,
        /// The limit, in atoms.
        cap_atoms: u64,
        /// The mint, in base58.
        mint: String,
        /// When so much will be left, in seconds; never where waiting does not help.
        retry_after_secs: Option<u64>,
    },
    /// The request's own limit.
    #[error("it costs {atoms} atoms, more than the {most_atoms} that the request allows")]
    OverRequest {
        /// What it would cost, in atoms.
        atoms: u64,
        /// What it may cost, in atoms.
        most_atoms: u64,
    },
    /// The wallet's purse has too little.
    #[error(
        "it costs {atoms} atoms, and {free_atoms} are free in the purse of {wallet} (mint {mint}); deposit more with `quern purse deposit`"
    )]
    NoFunds {
        /// What it would cost, in atoms.
        atoms: u64,
        /// What is free, in atoms.
        free_atoms: u64,
        /// Whose purse, in base58.
        wallet: String,
        /// The mint, in base58.
        mint: String,
    },
    /// The wallet has too few lamports for fees and rent.
    #[error(
        "the wallet {wallet} has too few lamports for the fee of a job and the rent of its account, which comes back; send it SOL"
    )]
    NoLamports {
        /// The wallet, in base58.
        wallet: String,
    },
    /// More waits than may.
    #[error("{waiting} rows wait, and at most {most} may; try again in a moment")]
    QueueFull {
        /// Rows that wait.
        waiting: usize,
        /// Rows that may wait.
        most: usize,
    },
    /// More would be kept than may.
    #[error(
        "it may take {needed_bytes} bytes on disk, and {kept_bytes} of {most_bytes} are kept; wait until old requests are forgotten, move receipts out of the gateway's folder and start it again, or raise --disk-limit"
    )]
    StorageFull {
        /// What it may take.
        needed_bytes: u64,
        /// What is kept, with what is promised to others that run.
        kept_bytes: u64,
        /// What may be kept.
        most_bytes: u64,
    },
    /// Nobody took the job, or nobody may.
    #[error("no provider answered: {why}")]
    NoProvider {
        /// What was tried.
        why: String,
    },
    /// Answers came, but none that could be shown to be right.
    #[error("no answer could be checked and found right: {why}")]
    NotRight {
        /// What was wrong with them.
        why: String,
    },
    /// It takes longer than the caller waits.
    #[error(
        "there was no answer within {secs} s; the request goes on, and the same request again gets its answer"
    )]
    TimedOut {
        /// How long it was waited for.
        secs: u64,
    },
    /// It was cancelled.
    #[error("the request was cancelled")]
    Cancelled,
    /// The gateway is about to stop.
    #[error("the gateway is shutting down; try again once it runs")]
    ShuttingDown,
    /// Disk, chain or tokenizer.
    #[error("the gateway failed: {why}")]
    Internal {
        /// What failed.
        why: String,
    },
}

impl Cap {
    /// How the option that sets it ends.
    const fn option(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

impl Refusal {
    /// Whether the same request may succeed later as it is.
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::QueueFull { .. }
            | Self::TimedOut { .. }
            | Self::ShuttingDown
            | Self::StorageFull { .. }
            | Self::NoFunds { .. }
            | Self::NoLamports { .. }
            | Self::NoProvider { .. } => true,
            Self::OverCap {
                retry_after_secs, ..
            } => retry_after_secs.is_some(),
            _ => false,
        }
    }

    /// Whether a kept request that failed with it is taken up again when it is asked for again: all but what would be paid for the
    /// same end once more, or is not wanted. What is still above a cap is refused before anything is paid.
    pub const fn may_reopen(&self) -> bool {
        !matches!(self, Self::NotRight { .. } | Self::Cancelled)
    }
}
