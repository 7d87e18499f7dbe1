//! `/v1/providers/{address}`: a provider by its owner or its account.

use {
    crate::{
        digits,
        key::{Key, Signature},
        purses::PursePage,
        reply::Amount,
        words::Assurance,
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

/// Everything about a provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderPage {
    /// The wallet that owns it.
    pub owner: Key,
    /// Its account.
    pub account: Key,
    /// Who works for it, if not the owner.
    pub operator: Option<Key>,
    /// Its name.
    pub name: String,
    /// Where it can be reached.
    pub endpoint: Option<String>,
    /// Whether it takes jobs.
    pub active: bool,
    /// Its counters on chain.
    pub counters: ProviderCounters,
    /// What it did and earned over all time, one item an assurance level.
    pub totals: Vec<LevelTotals>,
    /// What it claimed from campaigns over all time, one amount a mint: at no assurance level, and no part of what it earned.
    pub claims: Vec<Amount>,
    /// Its purses.
    pub purses: Vec<PursePage>,
    /// Its latest settled milestones.
    pub recent_milestones: Vec<PaidMilestone>,
    /// Its change counter.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub seq: u64,
    /// The slot of its last change.
    pub changed_slot: u64,
}

impl ProviderPage {
    /// Where to ask for the provider with this owner or account.
    pub fn path(address: impl std::fmt::Display) -> String {
        format!("/v1/providers/{address}")
    }
}

/// A provider's counters on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProviderCounters {
    /// Jobs taken.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub taken: u64,
    /// Milestones settled.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub settled: u64,
    /// Deadlines missed.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub late: u64,
    /// Convictions.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub convicted: u64,
    /// Work of refereed milestones.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub refereed_work: u64,
    /// Work of reviewed milestones.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub reviewed_work: u64,
    /// Rewards accrued.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub rewards_accrued_atoms: u64,
    /// Rewards claimed.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub rewards_claimed_atoms: u64,
    /// What it may claim.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub rewards_claimable_atoms: u64,
}

/// What a provider did at one assurance level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LevelTotals {
    /// The level.
    pub assurance: Assurance,
    /// Milestones settled.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub milestones: u128,
    /// Work.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub work: u128,
    /// Earnings, one amount a mint.
    pub earned: Vec<Amount>,
    /// Rewards, one amount a mint.
    pub rewards: Vec<Amount>,
}

/// A milestone that was paid in full.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaidMilestone {
    /// The transaction.
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
    /// When.
    pub at: i64,
    /// The job.
    pub job: Key,
    /// Which of its milestones, from 0.
    pub milestone: u8,
    /// Who paid.
    pub client: Key,
    /// The model, if the job names one.
    pub model: Option<Key>,
    /// How the result is assured.
    pub assurance: Assurance,
    /// Work.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub work: u64,
    /// What the client paid.
    pub price: Amount,
    /// What the provider earned.
    pub earned: Amount,
    /// In atoms of the reward mint.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub reward_atoms: u64,
}
