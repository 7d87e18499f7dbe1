//! `/v1/campaigns`, `/v1/campaigns/{address}` and `/v1/campaigns/{address}/entries/{provider}`.

use {
    crate::{
        digits,
        key::{Key, Signature},
        reply::Amount,
        request::requests,
        words::{Assurance, CampaignState, JobKind, ScoreReason},
    },
    serde::{Deserialize, Serialize},
    utoipa::ToSchema,
};

requests! {
    /// Which campaigns.
    CampaignsRequest {
        /// Only those that stand here.
        state: CampaignState,
        /// Only those of this sponsor.
        sponsor: Key,
        /// Only those that this provider's owner joined, in the order in which it did.
        provider: Key,
        /// Only those in this mint.
        mint: Key,
        /// Only those in which work with this model may score.
        model: Key,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most rows of the page. It may hold fewer though there are more.
        limit: u32,
    }

    /// Which part of a campaign's entries, or of an entry's milestones.
    CampaignRequest {
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most rows of the page.
        limit: u32,
    }
}

/// Campaigns, in the order of their accounts; those of a provider in the order in which it joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CampaignList {
    /// The campaigns.
    pub campaigns: Vec<CampaignItem>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

impl CampaignList {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/campaigns";
}

/// A campaign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CampaignItem {
    /// Its account.
    pub address: Key,
    /// Where it stands.
    pub state: CampaignState,
    /// Whose pot it is.
    pub sponsor: Key,
    /// In which mint: that of its jobs, too.
    pub mint: Key,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// The only model whose work scores, if there is one.
    pub model: Option<Key>,
    /// Which kinds of work score.
    pub kinds: Vec<JobKind>,
    /// What a refereed milestone scores, in basis points of its fee.
    pub refereed_bps: u16,
    /// What a reviewed milestone scores, in basis points of its fee.
    pub reviewed_bps: u16,
    /// What is shared out.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub pot_atoms: u64,
    /// What was claimed of it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub claimed_atoms: u64,
    /// The sum of all scores.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub total_score: u64,
    /// Results submitted from here on score, in seconds since 1970.
    pub start: i64,
    /// Results submitted from here on do not.
    pub end: i64,
    /// What settles later scores nothing; claims begin after it.
    pub settle_by: i64,
    /// Last moment for claims.
    pub claim_by: i64,
    /// Its change counter.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub seq: u64,
    /// The slot of its last change.
    pub changed_slot: u64,
}

/// A campaign with a part of its entries, in the order of their accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CampaignPage {
    /// The campaign as it was last.
    #[serde(flatten)]
    pub campaign: CampaignItem,
    /// What its providers scored.
    pub entries: Vec<EntryItem>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

impl CampaignPage {
    /// Where to ask for the campaign at an address.
    pub fn path(address: impl std::fmt::Display) -> String {
        format!("{}/{address}", CampaignList::PATH)
    }
}

/// What a provider scored in a campaign, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryItem {
    /// The entry's account.
    pub address: Key,
    /// The campaign.
    pub campaign: Key,
    /// The provider's owner.
    pub provider: Key,
    /// Who paid the rent and gets it back.
    pub payer: Key,
    /// What its milestones scored.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub score: u64,
    /// What the score is worth if nobody scores any more: the final amount once the campaign has settled.
    pub worth: Amount,
    /// What was claimed; null until then.
    pub claimed: Option<Amount>,
    /// Whether it may be claimed now.
    pub claimable: bool,
    /// Why it may be claimed, or may not, in a sentence.
    pub why: String,
    /// Whether the provider is the treasury, which gets the fees: buying from itself costs it nothing.
    pub is_treasury: bool,
    /// Whether the entry's account is gone.
    pub closed: bool,
    /// The slot of its last change.
    pub changed_slot: u64,
}

/// A provider's entry in a campaign with a part of its milestones, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EntryPage {
    /// The entry.
    #[serde(flatten)]
    pub entry: EntryItem,
    /// Its milestones of jobs that name the campaign, each with what it scored and why.
    pub milestones: Vec<ScoredMilestone>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

impl EntryPage {
    /// Where to ask for a provider's entry in a campaign.
    pub fn path(campaign: impl std::fmt::Display, provider: impl std::fmt::Display) -> String {
        format!("{}/{campaign}/entries/{provider}", CampaignList::PATH)
    }
}

/// What a settled milestone scored, computed again by the program's rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScoredMilestone {
    /// The transaction.
    pub signature: Signature,
    /// Its slot.
    pub slot: u64,
    /// When it settled.
    pub at: i64,
    /// When its result was submitted.
    pub submitted_at: i64,
    /// The job.
    pub job: Key,
    /// Which of its milestones, from 0.
    pub milestone: u8,
    /// How the result is assured.
    pub assurance: Assurance,
    /// Its fee.
    pub fee: Amount,
    /// What it scores, in basis points of its fee.
    pub weight_bps: u16,
    /// What the event says that it scored.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub score: u64,
    /// What the rules say.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub computed: u64,
    /// Why.
    pub reason: ScoreReason,
}
