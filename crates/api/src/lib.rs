//! Requests and replies of the indexer's HTTP API, in both directions: the indexer writes what its readers read. Replies of the
//! gateway's ([`openai`], [`gateway`]).
//!
//! The crate depends on no other crate of the workspace, so that a page or a gateway can speak to an indexer without a
//! Solana library. Its words ([`words`]) are the contract with readers; the indexer maps the program's codes to them.
//!
//! In JSON, amounts and counters that may exceed 2^53 are strings of decimal digits, addresses and signatures are base58,
//! hashes are hexadecimal, times are seconds since 1970.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod audit;
pub mod campaigns;
pub mod digits;
pub mod events;
pub mod gateway;
pub mod jobs;
pub mod key;
pub mod leaderboard;
pub mod openai;
pub mod problem;
pub mod providers;
pub mod purses;
pub mod reasons;
pub mod reply;
pub mod request;
pub mod series;
pub mod status;
pub mod totals;
pub mod words;

pub use {
    accounts::{
        ClientItem, ClientJobs, ClientList, ClientPage, ClientTotals, ClientsRequest, MintItem,
        MintList, ModelItem, ModelList, ModelPage, ModelTotals, ModelsRequest, ProviderItem,
        ProviderList, ProvidersRequest,
    },
    audit::{AuditPage, DifferenceItem},
    campaigns::{
        CampaignItem, CampaignList, CampaignPage, CampaignRequest, CampaignsRequest, EntryItem,
        EntryPage, ScoredMilestone,
    },
    events::{EventItem, EventList, EventsRequest, ProvisionalPage, StreamRequest},
    jobs::{
        JobDemand, JobItem, JobList, JobPage, JobRequest, JobStep, JobSubmission, JobsRequest,
        ProviderJobsRequest,
    },
    key::{Key, Signature},
    leaderboard::{Board, Boards, BoardsRequest, ClientEntry, Entry, ModelEntry},
    problem::Problem,
    providers::{LevelTotals, PaidMilestone, ProviderCounters, ProviderPage},
    purses::PursePage,
    reasons::{
        EmissionPage, ExplainEvent, ExplainInput, ExplainPage, ExplainStep, LedgerEntry,
        LedgerPage, LedgerRequest, LedgerTableRequest, WaitingItem, WorkMarket, WorkPage,
        WorkReason,
    },
    reply::{Amount, Reply},
    request::{NoParams, Request},
    series::{FeesItem, FeesPage, FeesRequest, Point, Series, SeriesPage, SeriesRequest},
    status::{GapItem, HealthPage, StatusPage},
    totals::{LedgerItem, TotalItem, TotalsPage, TotalsRequest},
    words::{
        AccountKind, AssetKind, Assurance, AuditCheck, AuditVerdict, Bucket, CampaignState,
        Category, ConvictionReason, DemandState, Direction, Finality, JobKind, JobState,
        LedgerKind, Metric, Outcome, Ranked, ScoreReason, UnknownWord, Window,
    },
};

/// Most rows of a page.
pub const MAX_PAGE_ROWS: u32 = 200;
/// Rows of a page unless the request says a number.
pub const DEFAULT_PAGE_ROWS: u32 = 50;
