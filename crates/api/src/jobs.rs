//! `/v1/jobs` and `/v1/jobs/{address}`: what a job is and every step of its life.

use {
    crate::{
        digits,
        key::{Key, Signature},
        request::requests,
        words::{Assurance, ConvictionReason, DemandState, JobKind, JobState, Outcome},
    },
    serde::{Deserialize, Serialize},
    serde_json::{Map, Value},
    utoipa::ToSchema,
};

requests! {
    /// Which jobs.
    JobsRequest {
        /// Only those in this state; all if left out.
        state: JobState,
        /// Only those of this client, the latest first.
        client: Key,
        /// Only those that this provider (by its owner) took, the latest take first.
        provider: Key,
        /// Only those with this model, the latest first.
        model: Key,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most jobs of the page.
        limit: u32,
    }

    /// Which jobs of a provider.
    ProviderJobsRequest {
        /// Only those in this state; all if left out.
        state: JobState,
        /// Where the page before ended: its `next_cursor`.
        cursor: String,
        /// Most jobs of the page.
        limit: u32,
    }

    /// Which part of a job's lists. Each goes on where its own cursor says.
    JobRequest {
        /// Where the steps of the page before ended: its `next_steps_cursor`.
        steps_cursor: String,
        /// Where its submissions ended: its `next_submissions_cursor`.
        submissions_cursor: String,
        /// Where its demands ended: its `next_demands_cursor`.
        demands_cursor: String,
        /// Most rows of each list.
        limit: u32,
    }
}

impl JobsRequest {
    /// Where to ask.
    pub const PATH: &'static str = "/v1/jobs";
}

/// Jobs, the ones that changed last first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobList {
    /// The jobs.
    pub jobs: Vec<JobItem>,
    /// Where to go on, if there is more.
    pub next_cursor: Option<String>,
}

/// A job as it was last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobItem {
    /// Its account.
    pub address: Key,
    /// Where it stands.
    pub state: JobState,
    /// What it is for.
    pub kind: JobKind,
    /// How its result is assured.
    pub assurance: Assurance,
    /// Who pays.
    pub client: Key,
    /// The owner of the provider at work, or of the last one.
    pub provider: Option<Key>,
    /// The model, if it names one.
    pub model: Option<Key>,
    /// The mint of its amounts.
    pub mint: Key,
    /// The mint's decimals.
    pub decimals: Option<u8>,
    /// Price of a milestone.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub price_atoms: u64,
    /// What its provider puts up.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub bond_atoms: u64,
    /// How many milestones it has.
    pub milestones: u8,
    /// Work of a milestone, 0 if no graph says it.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub work: u64,
    /// How many items its inputs have.
    pub items: u32,
    /// When it was created.
    pub created_at: i64,
    /// When the current state ends; null for a closed job.
    pub deadline: Option<i64>,
    /// Why it was convicted and by whom; null if it was not.
    pub conviction: Option<JobConviction>,
    /// Where its inputs are.
    pub input_uri: Option<String>,
    /// Its change counter.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub seq: u64,
    /// The slot of its last change.
    pub changed_slot: u64,
}

/// A job's conviction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobConviction {
    /// Why.
    pub reason: ConvictionReason,
    /// Who gets the bounty.
    pub prover: Key,
}

/// A job with a part of its time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobPage {
    /// The job as it was last.
    #[serde(flatten)]
    pub job: JobItem,
    /// How it ended; null while it is live.
    pub outcome: Option<Outcome>,
    /// Milestones that were paid in full.
    pub milestones_settled: u32,
    /// Whether every step is there.
    pub complete: bool,
    /// What its providers submitted, in order.
    pub submissions: Vec<JobSubmission>,
    /// Where submissions go on, if there are more.
    pub next_submissions_cursor: Option<String>,
    /// Steps, in order.
    pub steps: Vec<JobStep>,
    /// Where steps go on, if there are more.
    pub next_steps_cursor: Option<String>,
    /// Demands about it, in the order of their addresses.
    pub demands: Vec<JobDemand>,
    /// Where demands go on, if there are more.
    pub next_demands_cursor: Option<String>,
}

/// A result that a provider submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobSubmission {
    /// Which submission of the job, from 1.
    pub submission: u32,
    /// Which milestone, from 0.
    pub milestone: u8,
    /// The provider's owner.
    pub provider: Key,
    /// The root of everything that was computed, hexadecimal.
    pub trace_root: String,
    /// The root of the tokens that came with it, hexadecimal; null if none came.
    pub tokens_root: Option<String>,
    /// Where the provider says that the result is.
    pub output_uri: String,
    /// When.
    pub at: i64,
    /// In which slot.
    pub slot: u64,
    /// In which transaction.
    pub signature: Signature,
}

/// A step in a job's time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobStep {
    /// The job's change counter behind this step.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub seq: u64,
    /// Name of the event.
    pub event: String,
    /// When.
    pub at: i64,
    /// In which slot.
    pub slot: u64,
    /// In which transaction.
    pub signature: Signature,
    /// The outer instruction.
    pub instruction: u32,
    /// The position among its inner instructions.
    pub inner: u32,
    /// The event's own fields.
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

/// A demand about a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobDemand {
    /// Its account.
    pub address: Key,
    /// Where it stands.
    pub state: DemandState,
    /// Who opened it.
    pub opener: Key,
    /// Which submission of the job, from 1.
    pub submission: u32,
    /// Code of the tree: 65535 the trace, from 0 the ops, from 1024 the inputs, from 2048 the weights.
    pub tree: u16,
    /// The node's level in the tree, 0 for the root.
    pub level: u8,
    /// The node's place in its level; of an op's tree, item x 2^level + place.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub index: u64,
    /// The node that it is about, hexadecimal.
    pub node: String,
    /// What the provider gets for the answer.
    #[serde(with = "digits")]
    #[schema(schema_with = digits::schema)]
    pub fee_lamports: u64,
    /// Until when it may be answered.
    pub due: i64,
    /// When it was answered; the answer stands in that step.
    pub answered_at: Option<i64>,
    /// Whether every change of it is there.
    pub complete: bool,
}

impl JobPage {
    /// Where to ask for the job at an address.
    pub fn path(address: impl std::fmt::Display) -> String {
        format!("{}/{address}", JobsRequest::PATH)
    }
}
