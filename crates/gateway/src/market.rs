//! The chain and its providers as the gateway sees them. One implementation talks to a cluster; the tests bring another one.

use {
    crate::{error::Result, record::Attempt},
    async_trait::async_trait,
    quern_client::{Outcome, Pubkey},
    quern_proof::{Hash, Tensor},
    quern_rules::caps::RowCost,
    quern_watcher::CheckedItems,
};

/// What jobs of a model cost at least, and how long they are reviewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    pub row: RowCost,
    /// The shortest review.
    pub least_review_secs: u32,
    pub decimals: u8,
}

/// The wallet's purse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PurseState {
    /// How many jobs it has opened: the number of the next one.
    pub opened: u64,
    pub free_atoms: u64,
    /// The cluster's clock.
    pub now: i64,
}

/// A job to be created.
#[derive(Clone, Debug)]
pub(crate) struct Placing<'a> {
    pub attempt: &'a Attempt,
    pub model: Pubkey,
    pub items: u32,
    pub take_secs: u32,
    pub input_roots: Vec<Hash>,
    pub input_uri: &'a str,
}

/// Why a job was not created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotCreated {
    /// Nothing was sent: the node could not be read.
    #[error("{0}")]
    NotSent(String),
    /// It cannot be made like this, or it failed on chain.
    #[error("{0}")]
    Refused(String),
    /// The wallet has too few lamports for it.
    #[error("the wallet has too few lamports")]
    NoLamports,
    /// It may still come to be.
    #[error("{0}")]
    Unclear(String),
}

/// Whose job lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// One with these inputs.
    Ours,
    /// It had these inputs, or the node has forgotten which it had, and it is gone.
    OursEnded,
    /// Another one has, or had, the number.
    Foreign,
    /// The number is still to be given.
    Missing,
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Open,
    Taken {
        provider: Pubkey,
        is_overdue: bool,
    },
    Submitted {
        provider: Pubkey,
    },
    Convicted {
        provider: Pubkey,
    },
    /// Another job lies there, with other inputs.
    Foreign,
    Gone,
}

/// What checking a submission came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Examined {
    /// These rows are right.
    Right(CheckedItems),
    /// It was wrong or withheld, the provider was convicted and the price is back.
    Convicted { note: String },
    /// It is wrong, or nobody can tell, and its provider may be paid for it.
    Unusable { is_wrong: bool, note: String },
    /// The job ended before it was checked.
    Ended(Outcome),
}

/// A result that leads to the commitment on chain.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Delivered {
    pub result: Tensor,
    pub trace_root: Hash,
    pub output_uri: String,
}

/// A provider that may get work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub owner: Pubkey,
    pub settled: u64,
    pub late: u64,
    pub convicted: u64,
}

/// What the gateway asks of the chain and its providers, and sends to them.
#[async_trait]
pub(crate) trait Market: Send + Sync + 'static {
    /// Who signs and pays.
    fn wallet(&self) -> Pubkey;
    /// What prices are in.
    fn mint(&self) -> Pubkey;
    /// The genesis hash of the cluster.
    async fn genesis(&self) -> Result<String>;
    async fn rates(&self, model: &Pubkey) -> Result<Rates>;
    async fn purse(&self) -> Result<PurseState>;
    /// Providers that take jobs.
    async fn candidates(&self) -> Result<Vec<Candidate>>;
    /// Where the wallet's job with a number is.
    fn job_address(&self, n: u64) -> Pubkey;
    /// Puts the inputs where providers can fetch them, and says where.
    async fn publish(&self, id: &str, inputs: &[Tensor]) -> Result<String>;
    /// Removes what was published.
    async fn unpublish(&self, id: &str) -> Result<()>;
    /// Creates a job under its number, or not at all. Says the signatures, and what they cost.
    async fn create(&self, placing: Placing<'_>) -> std::result::Result<Sent, NotCreated>;
    /// Whose job lies under a number.
    async fn find(&self, job: &Pubkey, n: u64, input_uri: &str) -> Result<Found>;
    /// Where the job with these inputs stands.
    async fn look(&self, job: &Pubkey, input_uri: &str) -> Result<Look>;
    /// Cancels a job that nobody has taken. Says whether it did.
    async fn cancel(&self, job: &Pubkey) -> Result<bool>;
    /// Ends the turn of a provider that is overdue.
    async fn expire(&self, job: &Pubkey) -> Result<()>;
    /// Checks what is submitted with the watcher's test, convicts what is wrong, and sees the price come back.
    async fn examine(&self, job: &Pubkey) -> Result<Examined>;
    /// The same for a job that has been paid meanwhile: its sample is computed here.
    async fn examine_late(
        &self,
        job: &Pubkey,
        model: &Pubkey,
        items: u32,
        inputs: Vec<Tensor>,
    ) -> Result<Examined>;
    /// The result of a job, whether it is live or not.
    async fn fetch(&self, job: &Pubkey, model: &Pubkey, items: u32) -> Result<Delivered>;
    /// How a job ended that is gone.
    async fn outcome(&self, job: &Pubkey) -> Result<Outcome>;
    /// Who worked on a job that is gone, as far as the node remembers.
    async fn worker_of(&self, job: &Pubkey) -> Result<Option<Pubkey>>;
}

/// Transactions that were confirmed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub signatures: Vec<String>,
    pub fee_lamports: u64,
}
