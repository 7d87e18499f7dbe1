//! How a watcher works.

use {
    quern_client::{Pubkey, quern::state::Job},
    quern_data::FetchLimits,
    std::{
        collections::{BTreeMap, BTreeSet},
        path::PathBuf,
        time::Duration,
    },
};

/// Whose results are examined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    #[default]
    All,
    /// Those of these clients' jobs.
    Clients(BTreeSet<Pubkey>),
    /// Those of these jobs, of any client.
    Jobs(BTreeSet<Pubkey>),
}

impl Scope {
    /// Whether a job is followed by name, or because of its client.
    pub fn names(&self, address: &Pubkey, job: &Job) -> bool {
        match self {
            Self::All => false,
            Self::Clients(clients) => clients.contains(&job.client),
            Self::Jobs(jobs) => jobs.contains(address),
        }
    }
}

/// How a watcher works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whose results are examined.
    pub scope: Scope,
    /// The share of a job's items that is checked, at least one item: drawn at random for each submission, after it was made.
    /// Without it, all are.
    pub sample: Option<f64>,
    /// How it fetches. The largest file is also the largest trace of an item that it computes.
    pub fetch: FetchLimits,
    /// Own sources of weights by model, used before what the chain says.
    pub weights: BTreeMap<Pubkey, String>,
    /// A folder in which finished cases and checked tensors survive a restart.
    pub state: Option<PathBuf>,
    /// Most work to do for one result, in units of work: that of the items that are checked.
    pub max_work: u64,
    /// Most memory for tensors, in bytes: half of it for results that are being examined, half for own results while demands
    /// are open. A job that needs more than a half is not examined.
    pub memory_bytes: u64,
    /// Least bonds by mint, in atoms: what is below is not examined. Where everybody's jobs are watched and some are named, jobs
    /// in other mints are not examined either: nobody said what their bonds are worth.
    pub min_bonds: BTreeMap<Pubkey, u64>,
    /// Most demand fees for one submission, in lamports. Priority fees take what they leave of it.
    pub max_fee_lamports: u64,
    /// How long after a submission its data are waited for before they are demanded, but no longer than a quarter of the
    /// review.
    pub publication_grace: Duration,
    /// Whether recorded convictions are paid out and what lies in own demands is taken back.
    pub settle: bool,
    /// Most results that are computed and checked at a time. Waiting for data takes none of these slots.
    pub concurrency: usize,
    /// How long the data of a case may be slow before others get their download slot.
    pub patience: Duration,
    /// Most bytes of inputs and weights in the folder. What open cases do not need goes first.
    pub disk_bytes: u64,
    /// Time between two looks at the chain, and shortest rest after a failure.
    pub poll: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            sample: None,
            fetch: FetchLimits::default(),
            weights: BTreeMap::new(),
            state: None,
            max_work: 10_000_000_000_000,
            memory_bytes: 8 << 30,
            min_bonds: BTreeMap::new(),
            max_fee_lamports: 10_000_000,
            publication_grace: Duration::from_secs(30),
            settle: true,
            concurrency: 4,
            patience: Duration::from_secs(10),
            disk_bytes: 64 << 30,
            poll: Duration::from_secs(5),
        }
    }
}
