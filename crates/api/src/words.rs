//! The words of the API, each set once: the enum, its JSON, its text and its values on a command line.

use std::{fmt, str::FromStr};

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$said:meta])* $variant:ident = $word:literal),+ $(,)? })+) => { $(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
        pub enum $name {
            $(
                $(#[$said])*
                #[serde(rename = $word)]
                #[cfg_attr(feature = "clap", value(name = $word))]
                $variant,
            )+
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its word in requests and replies.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// What may be written, for a sentence.
            pub fn choices() -> String {
                [$($word),+].join(", ")
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                let mut all = Self::ALL.iter().copied();
                all.find(|one| one.word() == text)
                    .ok_or_else(|| UnknownWord { choices: Self::choices() })
            }
        }
    )+ };
}

/// A word that is none of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The words of the set.
    pub choices: String,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "must be one of: {}", self.choices)
    }
}

impl std::error::Error for UnknownWord {}

words! {
    /// What is counted, and ranked by. Stores and cursors keep the position in this list: add at the end.
    Metric {
        /// Tokens earned from prices, resolved milestones included.
        Earned = "earned",
        /// Work of settled milestones.
        Work = "work",
        /// Milestones settled in the provider's favour.
        Milestones = "milestones",
        /// Rewards accrued.
        Rewards = "rewards",
        // No provider is ranked by what follows, and only providers are on a command line.
        /// Royalties earned.
        #[cfg_attr(feature = "clap", value(skip))]
        Royalties = "royalties",
        /// Prices paid.
        #[cfg_attr(feature = "clap", value(skip))]
        Spend = "spend",
        /// Protocol fees in them.
        #[cfg_attr(feature = "clap", value(skip))]
        Fees = "fees",
        /// Claimed from campaigns: at no assurance level, and no part of what is earned.
        #[cfg_attr(feature = "clap", value(skip))]
        Claims = "claims",
        // Clients alone have what follows: at no assurance level, over all time only, and nobody is ranked by it.
        /// Ever locked for jobs when they were created.
        #[cfg_attr(feature = "clap", value(skip))]
        Escrowed = "escrowed",
        /// Given back of that.
        #[cfg_attr(feature = "clap", value(skip))]
        Refunds = "refunds",
        /// Jobs created.
        #[cfg_attr(feature = "clap", value(skip))]
        Jobs = "jobs",
        /// Jobs that ended.
        #[cfg_attr(feature = "clap", value(skip))]
        Ended = "ended",
    }

    /// Who is ranked.
    Ranked {
        /// Providers, by their owners.
        Providers = "providers",
        /// Models.
        Models = "models",
        /// Clients.
        Clients = "clients",
    }

    /// Why atoms of a party came or went.
    LedgerKind {
        /// Came from outside into its purse.
        Deposit = "deposit",
        /// Went out of its purse.
        Withdrawal = "withdrawal",
        /// Paid for a milestone, or for the part of it that an arbiter allowed.
        Payment = "payment",
        /// Earned with a milestone.
        Earning = "earning",
        /// Earned by a model.
        Royalty = "royalty",
        /// Earned by deciding.
        Arbitration = "arbitration",
        /// Rewards claimed.
        Reward = "reward",
        /// A part of a bond, for a deadline that was missed or a decision that was lost.
        Penalty = "penalty",
        /// A deposit of a client that rejected a good result.
        RejectDeposit = "reject_deposit",
        /// A slashed bond, or the client's part of it.
        Slash = "slash",
        /// The prover's part of a slashed bond.
        Bounty = "bounty",
        /// Claimed from a campaign, or paid out of one's own.
        Campaign = "campaign",
    }

    /// Where a campaign stands, at the store's time.
    CampaignState {
        /// It begins later; providers may join, and jobs may name it.
        Planned = "planned",
        /// Results submitted now score.
        Running = "running",
        /// Results submitted before its end still settle.
        Settling = "settling",
        /// Scores are fixed and may be claimed.
        Claimable = "claimable",
        /// The time for claims is over, or nobody scored: the rest of the pot waits to go back.
        Ended = "ended",
        /// Its account is gone.
        Closed = "closed",
    }

    /// Why a milestone scored what it did.
    ScoreReason {
        /// It scored its share of the fee.
        Scored = "scored",
        /// Its result was submitted before the campaign began.
        BeforeStart = "before_start",
        /// Its result was submitted when the campaign was over.
        AfterEnd = "after_end",
        /// It settled later than the campaign allows.
        SettledLate = "settled_late",
        /// Its assurance has no weight, or its share of the fee is less than an atom.
        NoWeight = "no_weight",
        /// The total could hold no more.
        TotalFull = "total_full",
    }

    /// Whether an amount came or went.
    Direction {
        /// It came.
        In = "in",
        /// It went.
        Out = "out",
    }

    /// How long a part of a time series is.
    Bucket {
        /// An hour.
        Hour = "hour",
        /// A day of the UTC calendar.
        Day = "day",
    }

    /// What a model's account stands for.
    AssetKind {
        /// A model.
        Model = "model",
        /// An agent.
        Agent = "agent",
        /// A data set.
        DataSet = "data_set",
    }

    /// Over which time. Cursors keep the position in this list: add at the end.
    Window {
        /// Everything.
        All = "all",
        /// The last 24 hours.
        Day = "24h",
        /// The last 7 days.
        Week = "7d",
        /// The last 30 days.
        Month = "30d",
    }

    /// How a result is assured. Numbers of different levels are never added.
    Assurance {
        /// Refutable on chain.
        Refereed = "refereed",
        /// Reviewed by the client.
        Reviewed = "reviewed",
    }

    /// What a job is for.
    JobKind {
        /// A model's answer.
        Inference = "inference",
        /// Training that starts from a model.
        FineTuning = "fine_tuning",
        /// Training from nothing.
        Training = "training",
    }

    /// Where a job stands.
    JobState {
        /// Waits for a provider.
        Open = "open",
        /// A provider works on it.
        Taken = "taken",
        /// A result is committed.
        Submitted = "submitted",
        /// The client rejected the result.
        Rejected = "rejected",
        /// Convicted; the bond waits to be split.
        Convicted = "convicted",
        /// Its account is gone.
        Closed = "closed",
    }

    /// How a job ended.
    Outcome {
        /// Every milestone was paid.
        Settled = "settled",
        /// The client took it back before a provider took it.
        Cancelled = "cancelled",
        /// The arbiter, or its silence, decided.
        Resolved = "resolved",
        /// A deadline passed.
        Expired = "expired",
        /// The result was proved wrong or withheld.
        Convicted = "convicted",
    }

    /// Why a job was convicted.
    ConvictionReason {
        /// A value differs from what the graph computes.
        WrongCell = "wrong_cell",
        /// A padding byte or a missing node is not zero.
        BadPadding = "bad_padding",
        /// A demand was not answered in time.
        Unanswered = "unanswered",
        /// The provider's tokens are not those that the graph computes.
        WrongTokens = "wrong_tokens",
    }

    /// Where a demand stands.
    DemandState {
        /// Not answered yet.
        Waiting = "waiting",
        /// Answered.
        Answered = "answered",
        /// Its account is gone.
        Closed = "closed",
    }

    /// A kind of the program's accounts.
    AccountKind {
        /// The protocol's settings.
        Protocol = "protocol",
        /// A mint's settings.
        MintConfig = "mint_config",
        /// The rewards.
        Emission = "emission",
        /// A provider.
        Provider = "provider",
        /// A purse.
        Purse = "purse",
        /// A model.
        Model = "model",
        /// A job.
        Job = "job",
        /// A demand.
        Demand = "demand",
        /// A campaign.
        Campaign = "campaign",
        /// What a provider scored in a campaign.
        Entry = "entry",
    }

    /// What a comparison with the chain found.
    AuditVerdict {
        /// None was finished yet.
        Pending = "pending",
        /// Every figure agrees.
        Equal = "equal",
        /// Every figure that could be compared agrees; some accounts changed at each look.
        Unsettled = "unsettled",
        /// Some figure differs.
        Different = "different",
        /// The last one could not be finished.
        Failed = "failed",
    }

    /// A comparison with the chain, or of sums with each other.
    AuditCheck {
        /// Every account, value by value.
        Accounts = "accounts",
        /// Each vault and each mint's total with the purses (P1).
        Vaults = "vaults",
        /// Each purse's reserved atoms with what they stand behind (P2).
        Reservations = "reservations",
        /// Each mint's total with deposits and withdrawals (P3).
        Deposits = "deposits",
        /// Prices and escrows with their parts (P4).
        Parts = "parts",
        /// Rewards with caps, grants and claims (P5).
        Rewards = "rewards",
        /// Each provider's counters with its numbers on leaderboards, and sums of all these numbers with each other and with totals.
        Counters = "counters",
        /// Each campaign's total with its milestones and entries, and its claims with its pot (P18).
        Campaigns = "campaigns",
    }

    /// How sure a reply is.
    Finality {
        /// Nothing in it can be undone.
        Finalized = "finalized",
        /// A fork may still drop it.
        Confirmed = "confirmed",
    }

    /// Why atoms moved.
    Category {
        /// Came into a vault.
        Deposited = "deposited",
        /// Left a vault.
        Withdrawn = "withdrawn",
        /// Reserved for new jobs.
        Escrowed = "escrowed",
        /// Bonds reserved by takes.
        Bonded = "bonded",
        /// Prices of milestones that were paid in full; the count is that of the milestones.
        Settled = "settled",
        /// Prices of milestones that an arbiter (or its silence) split; the count is that of the decisions.
        Resolved = "resolved",
        /// Providers' parts of prices.
        Earnings = "earnings",
        /// Model owners' parts of prices.
        Royalties = "royalties",
        /// The protocol's parts of prices.
        Fees = "fees",
        /// Arbiters' parts of prices.
        Arbiters = "arbiters",
        /// Burnt parts of prices.
        Burnt = "burnt",
        /// Escrow that went back to clients, resolved parts included.
        Refunds = "refunds",
        /// What clients got of late or overruled providers' bonds.
        Penalties = "penalties",
        /// Deposits of clients who rejected.
        RejectDeposits = "reject_deposits",
        /// Those of them that went to providers.
        RejectDepositsLost = "reject_deposits_lost",
        /// Provers' parts of slashed bonds.
        SlashedToProvers = "slashed_to_provers",
        /// Clients' parts of slashed bonds.
        SlashedToClients = "slashed_to_clients",
        /// The treasury's parts of slashed bonds.
        SlashedToTreasury = "slashed_to_treasury",
        /// Rewards accrued, in the reward mint.
        Rewards = "rewards",
        /// Rewards claimed, in the reward mint.
        RewardsClaimed = "rewards_claimed",
        /// Pots that sponsors reserved for campaigns.
        CampaignPots = "campaign_pots",
        /// What providers claimed of them; no part of earnings.
        CampaignClaims = "campaign_claims",
        /// What went back to sponsors of them.
        CampaignsSwept = "campaigns_swept",
    }
}

impl Metric {
    /// Whether its value is an amount of one mint.
    pub fn is_money(self) -> bool {
        !matches!(
            self,
            Self::Work | Self::Milestones | Self::Jobs | Self::Ended
        )
    }

    /// Whether it is one of the numbers of a client that nobody is ranked by.
    pub fn is_of_clients_alone(self) -> bool {
        matches!(
            self,
            Self::Escrowed | Self::Refunds | Self::Jobs | Self::Ended
        )
    }
}

impl Ranked {
    /// What they may be ranked by; the first one is usual.
    pub fn metrics(self) -> &'static [Metric] {
        use Metric::{Earned, Fees, Milestones, Rewards, Royalties, Spend, Work};
        match self {
            Self::Providers => &[Earned, Work, Milestones, Rewards],
            Self::Models => &[Royalties, Work, Milestones],
            Self::Clients => &[Spend, Fees, Milestones],
        }
    }
}

impl Bucket {
    /// How long it is.
    pub fn secs(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

impl Window {
    /// How many hours it spans; none for everything.
    pub fn hours(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Day => Some(24),
            Self::Week => Some(24 * 7),
            Self::Month => Some(24 * 30),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_word_is_the_same_in_json_and_text() {
        for metric in Metric::ALL {
            let json = serde_json::to_value(metric).unwrap();
            assert_eq!(json, metric.word());
            assert_eq!(serde_json::from_value::<Metric>(json).unwrap(), *metric);
            assert_eq!(metric.word().parse::<Metric>().unwrap(), *metric);
            assert_eq!(metric.to_string(), metric.word());
        }
    }

    #[test]
    fn an_unknown_word_names_the_known_ones() {
        let error = "accepted".parse::<Assurance>().unwrap_err();
        assert_eq!(error.to_string(), "must be one of: refereed, reviewed");
        assert!(serde_json::from_str::<JobState>("\"slashed\"").is_err());
    }
}
