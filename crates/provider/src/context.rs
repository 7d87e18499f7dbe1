//! What every step of every job works with.

use {
    crate::{
        answers::Answers,
        chain::ProviderChain,
        error::{ProviderError, Result},
        journal::Journal,
        policy::Refusal,
        settings::Settings,
        task::TaskKind,
        worker::{IntegerWorker, Worker},
    },
    quern_client::{Pubkey, quern::state::Job},
    quern_data::{
        Folder, Reservation, TensorStore,
        runtime::{LONGEST_RETRY, Retry, SaidOnce, lock},
    },
    quern_proof::graph::Graph,
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, atomic::AtomicBool},
        time::{Duration, Instant},
    },
};

/// Longest time until a failed answer is tried again: it has to come in time.
const LONGEST_ANSWER_RETRY: Duration = Duration::from_secs(30);

/// Data of a submission with open demands, and the memory that they take.
pub(crate) struct Loaded {
    pub answers: Answers,
    pub _memory: Reservation,
}

/// Data of a submission, kept until other demands need the memory.
pub(crate) struct KeptAnswers {
    pub job: Pubkey,
    pub submission: u32,
    pub loaded: Arc<Loaded>,
    pub used: Instant,
}

pub(crate) struct Context {
    pub settings: Settings,
    pub chain: Arc<dyn ProviderChain>,
    pub journal: Journal,
    pub store: TensorStore,
    pub integer: IntegerWorker,
    pub worker: Option<Arc<dyn Worker>>,
    /// Whether it has been told to stop: then nothing new is taken.
    pub is_stopping: AtomicBool,
    /// Data of submissions with open demands.
    pub kept: Mutex<Vec<KeptAnswers>>,
    /// Jobs of the journal that are no longer this provider's, and since when every look has said so.
    pub gone: Mutex<HashMap<Pubkey, i64>>,
    /// When a lack of lamports was said.
    pub said_poor: Mutex<Option<Instant>>,
    /// Jobs that failed, and at what.
    resting: Mutex<HashMap<(Pubkey, TaskKind), Retry>>,
    /// What has been said about a job in this state.
    said: SaidOnce<(Pubkey, u64)>,
    /// Reasons that have been explained.
    said_reasons: SaidOnce<Refusal>,
}

impl Context {
    pub(crate) fn new(
        settings: Settings,
        chain: Arc<dyn ProviderChain>,
        worker: Option<Arc<dyn Worker>>,
    ) -> Result<Self> {
        let journal = Journal::open(&settings.home)?;
        let folder = Folder {
            path: journal.home().join("tensors"),
            user: "provider".to_owned(),
            is_required: true,
        };
        let (fetch, memory_bytes) = (settings.fetch.clone(), settings.memory_bytes);
        let integer = IntegerWorker {
            max_trace_bytes: settings.policy.max_trace_bytes,
        };
        Ok(Self {
            store: TensorStore::open(fetch, memory_bytes, Some(folder))?,
            settings,
            chain,
            journal,
            integer,
            worker,
            is_stopping: AtomicBool::new(false),
            kept: Mutex::default(),
            gone: Mutex::default(),
            said_poor: Mutex::default(),
            resting: Mutex::default(),
            said: SaidOnce::default(),
            said_reasons: SaidOnce::default(),
        })
    }

    pub(crate) fn is_resting(&self, address: &Pubkey, kind: TaskKind) -> bool {
        let resting = lock(&self.resting);
        let retry = resting.get(&(*address, kind));
        retry.is_some_and(|retry| !retry.is_due())
    }

    /// Lets a failed job rest, longer every time, and says how long.
    pub(crate) fn rest(&self, address: &Pubkey, kind: TaskKind) -> Duration {
        /// More jobs than this are forgotten at once: strangers create them.
        const MOST: usize = 10_000;
        let mut resting = lock(&self.resting);
        if resting.len() >= MOST {
            resting.clear();
        }
        let longest = match kind {
            TaskKind::Answer => LONGEST_ANSWER_RETRY,
            TaskKind::Other => LONGEST_RETRY,
        };
        let retry = resting.entry((*address, kind)).or_default();
        retry.failed(self.settings.retry, longest)
    }

    pub(crate) fn succeeded(&self, address: &Pubkey, kind: TaskKind) {
        lock(&self.resting).remove(&(*address, kind));
    }

    /// Says why an open job is left alone: once for every reason what would change that, as a warning where the owner has to do
    /// something, and each step only to an owner who asks for it.
    pub(crate) fn leave_alone(&self, address: &Pubkey, job: &Job, refusal: Refusal) {
        self.say_once(address, job, || match refusal.options() {
            _ if refusal.is_owners_task() => {
                tracing::warn!(job = %address, "{refusal}; leaving an open job alone");
            }
            Some(options) if self.said_reasons.is_new(refusal) => {
                tracing::info!(job = %address, options, "{refusal}; leaving an open job alone, and others for the same reason without a word");
            }
            _ => tracing::debug!(job = %address, "{refusal}; leaving an open job alone"),
        });
    }

    /// Says something about a job once for every change of it.
    pub(crate) fn say_once(&self, address: &Pubkey, job: &Job, say: impl FnOnce()) {
        if self.said.is_new((*address, job.seq.get())) {
            say();
        }
    }
}

/// A graph's records.
pub(crate) fn parsed(graph: &[u8]) -> Result<Graph<'_>> {
    Ok(Graph::load(graph)?)
}

pub(crate) fn unservable(address: &Pubkey, why: &str) -> ProviderError {
    ProviderError::Unservable {
        job: *address,
        why: why.to_owned(),
    }
}
