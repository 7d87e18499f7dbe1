//! Why: `/v1/explain/{milestone}`, `/v1/providers/{address}/work`, `/v1/emission`, and ledgers.

use {
    crate::{
        digits,
        key::{Key, Signature},
        reply::Amount,
        request::requests,
        words::{Assurance, Direction, LedgerKind},
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

requests! {
    /// Which part of a ledger.
    LedgerRequest {
        /// From this second on, since 1970.
        from: i64,
        /// To this second.
        to: i64,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most events of the page; one may move several amounts.
        limit: u32,
    }

    /// Which part of a ledger, as one table.
    LedgerTableRequest {
        /// From this second on, since 1970.
        from: i64,
        /// To this second.
        to: i64,
    }
}

/// How a milestone was paid, step by step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainPage {
    /// The job.
    pub job: Key,
    /// Which of its milestones, from 0.
    pub milestone: u8,
    /// What the client got for it.
    pub assurance: Assurance,
    /// Who earned.
    pub provider: Key,
    /// Who paid.
    pub client: Key,
    /// Why it was paid, in a sentence.
    pub why: String,
    /// The amounts, each computed again from what the chain says.
    pub steps: Vec<ExplainStep>,
    /// Whether every computed amount is the one that was paid. False if one differs; null if something that is needed is not known.
    pub equal: Option<bool>,
    /// The events that it follows from, in order.
    pub events: Vec<ExplainEvent>,
}

impl ExplainPage {
    /// Where to ask for a milestone of a job.
    pub fn path(job: impl std::fmt::Display, milestone: u8) -> String {
        format!("/v1/explain/{job}:{milestone}")
    }
}

/// An amount and how it comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainStep {
    /// What it is.
    pub what: String,
    /// The rule, with the names of its inputs.
    pub rule: String,
    /// The inputs.
    pub inputs: Vec<ExplainInput>,
    /// What the rule gives; null if an input is not known.
    pub computed: Option<Amount>,
    /// What the event says.
    pub paid: Amount,
}

/// An input of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainInput {
    /// Its name.
    pub name: String,
    /// Its value.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub value: u64,
    /// Where it is from.
    pub from: String,
}

/// An event that an explanation rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExplainEvent {
    /// Its name.
    pub event: String,
    /// When.
    pub at: i64,
    /// In which slot.
    pub slot: u64,
    /// In which transaction.
    pub signature: Signature,
}

/// Amounts that came and went, the oldest first. What is only reserved, or given back, does not stand in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerPage {
    /// Whose.
    pub owner: Key,
    /// The amounts.
    pub entries: Vec<LedgerEntry>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

/// An amount that came or went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerEntry {
    /// When, in seconds since 1970.
    pub at: i64,
    /// The same as a date and time of UTC.
    pub utc: String,
    /// Why.
    pub kind: LedgerKind,
    /// Whether it came or went.
    pub direction: Direction,
    /// How much.
    pub amount: Amount,
    /// For which job.
    pub job: Option<Key>,
    /// In which transaction.
    pub signature: Signature,
}

/// What a provider may expect: why it got no work lately, and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkPage {
    /// The provider's owner.
    pub owner: Key,
    /// Why it may get no work, the weightiest first; empty if nothing speaks against it.
    pub reasons: Vec<WorkReason>,
    /// What settled lately near its offer: the jobs that changed last.
    pub market: WorkMarket,
    /// What waits to be claimed or finalized.
    pub waiting: Vec<WaitingItem>,
    /// Whether there may be scores of campaigns that are not among it: it joined more than are looked at.
    pub campaigns_cut: bool,
}

/// A reason for no work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkReason {
    /// Its word: `inactive`, `no_bond`, `operator_limit`, `no_jobs`, `pinned`, `others`.
    pub reason: String,
    /// A sentence about it, and what to do.
    pub detail: String,
}

/// What happened to the jobs that changed last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkMarket {
    /// How many jobs were looked at.
    pub jobs: u32,
    /// Of them wait for a provider now.
    pub open: u32,
    /// Of those the provider could not take: they name another one.
    pub pinned_to_others: u32,
    /// Of those ask for a bond above what the provider has free.
    pub bond_too_high: u32,
    /// Were taken by the provider.
    pub taken_here: u32,
    /// Were taken by others.
    pub taken_by_others: u32,
    /// The bond that half of them ask for at most, of the mint that most of them have.
    pub median_bond: Option<Amount>,
    /// The price of a milestone that half of them pay at most, of the same mint.
    pub median_price: Option<Amount>,
}

/// What waits for a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingItem {
    /// `reward` (claim it), `campaign` (claim its score from `from` to `until`), `milestone` (its review has passed: finalize it) or
    /// `review` (its review still runs).
    pub kind: String,
    /// How much: of a milestone the provider's part of the price, without fee and royalty.
    pub amount: Amount,
    /// The job of a milestone.
    pub job: Option<Key>,
    /// The campaign of a score.
    pub campaign: Option<Key>,
    /// When a milestone may be finalized, or a score claimed.
    pub from: Option<i64>,
    /// Last moment to claim a score.
    pub until: Option<i64>,
}

/// The rewards: how much is left, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmissionPage {
    /// What rewards are paid in; null until that is configured, and with it everything else is zero.
    pub mint: Option<Key>,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// Length of an epoch.
    pub epoch_secs: u32,
    /// The current epoch, at the store's time.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub epoch: u64,
    /// When it ends.
    pub epoch_ends_at: Option<i64>,
    /// Most that it may grant.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub cap_atoms: u64,
    /// Most that the next one may grant.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub next_cap_atoms: u64,
    /// Granted in it so far.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub spent_atoms: u64,
    /// Granted and not yet claimed.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub outstanding_atoms: u64,
    /// What can still be granted, in all.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub free_atoms: u64,
    /// Granted in the last 7 days.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub granted_7d_atoms: u128,
    /// When it runs dry if it goes on as in the last 7 days; null if nothing was granted in them, or nothing is left already.
    pub runs_dry_at: Option<i64>,
    /// Whether nothing is left.
    pub is_dry: bool,
}

impl EmissionPage {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/emission";
}
