//! What every step of every job works with.

use {
    crate::{
        ability::{Ability, MEASURE_EVERY},
        answers::Answers,
        campaigns::Campaigns,
        chain::ProviderChain,
        error::{ProviderError, Result},
        journal::Journal,
        policy::Refusal,
        promises::Promises,
        settings::Settings,
        strangers::{Known, OFFER_DOWNLOADS},
        task::TaskKind,
        worker::{IntegerWorker, Worker},
    },
    quern_client::{Pubkey, quern::state::Job},
    quern_data::{
        DataError, DownloadSlots, Folder, Reservation, TensorStore,
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

/// How often something that only the owner can mend is said.
pub(crate) const SAY_AGAIN: Duration = Duration::from_secs(60);
/// Fewer lamports than this in the signer's wallet, and nothing new is taken: most of a milli-SOL is the account's rent, the
/// rest pays for a job's transactions and the first thousand answers, which earn their own fees.
pub(crate) const LEAST_LAMPORTS: u64 = 10_000_000;
/// How much longer an offer rests than a job that was taken: its client may still be uploading.
const OFFER_REST: u32 = 12;

/// Data of a submission with open demands, and the memory that they take.
pub(crate) struct Loaded {
    pub answers: Answers,
    pub _memory: Vec<Reservation>,
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
    /// What this machine can do, once that is measured.
    pub ability: Mutex<Option<Ability>>,
    /// When it may be measured again.
    pub measure_again: Mutex<Instant>,
    /// Jobs that it has taken, or is about to take.
    pub promises: Mutex<Promises>,
    /// Strangers' models and jobs.
    pub known: Mutex<Known>,
    /// Campaigns that open jobs name.
    pub campaigns: Mutex<Arc<Campaigns>>,
    /// Held while a job of a campaign is taken, so that no more campaigns are joined than the owner allows.
    pub joining: tokio::sync::Mutex<()>,
    /// Where offers' data come in.
    pub offer_downloads: DownloadSlots,
    /// When something that only the owner can mend was said, or something that has time was done.
    last_at: Mutex<HashMap<&'static str, Instant>>,
    /// When a lack of lamports was said.
    pub said_poor: Mutex<Option<Instant>>,
    /// Jobs that failed, and at what.
    resting: Mutex<HashMap<(Pubkey, TaskKind), Retry>>,
    /// What has been said about an account in this state.
    said: SaidOnce<(Pubkey, u64)>,
    /// Reasons that have been explained.
    said_reasons: SaidOnce<Refusal>,
}

impl Context {
    /// The campaigns that jobs name, the best jobs first.
    ///
    /// # Errors
    /// That the chain did not answer.
    pub(crate) async fn campaigns_of(
        &self,
        jobs: impl Iterator<Item = &Job>,
    ) -> Result<Arc<Campaigns>> {
        let (chain, owner) = (self.chain.as_ref(), &self.settings.owner);
        Campaigns::named_by(chain, owner, &self.campaigns, jobs).await
    }

    /// The campaign that a job names, as it is now.
    ///
    /// # Errors
    /// That the chain did not answer.
    pub(crate) async fn campaign_of(&self, job: &Job) -> Result<Campaigns> {
        Campaigns::of(self.chain.as_ref(), &self.settings.owner, job).await
    }
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
            max_bytes: settings.disk_bytes,
        };
        let (fetch, memory_bytes) = (settings.fetch.clone(), settings.memory_bytes);
        let integer = IntegerWorker {
            publish_traces_bytes: settings.publish_traces_bytes,
        };
        Ok(Self {
            store: TensorStore::open(fetch, memory_bytes, Some(folder))?,
            offer_downloads: DownloadSlots::new(OFFER_DOWNLOADS, settings.offer_patience),
            ability: Mutex::default(),
            measure_again: Mutex::new(Instant::now() + MEASURE_EVERY),
            promises: Mutex::default(),
            known: Mutex::default(),
            campaigns: Mutex::default(),
            joining: tokio::sync::Mutex::default(),
            last_at: Mutex::default(),
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

    /// Measures what this machine can do, for the first time or again.
    pub(crate) async fn measure(&self) -> Result<()> {
        let measured = Ability::measure(&self.settings.publisher).await?;
        let mut ability = lock(&self.ability);
        let known = ability.map(|known| known.measured_again(&measured));
        *ability = Some(known.unwrap_or(measured));
        *lock(&self.measure_again) = Instant::now() + MEASURE_EVERY;
        Ok(())
    }

    /// Whether a failure is that a disk is full. That is said once a minute, however many jobs run into it.
    pub(crate) fn is_full_disk(&self, error: &ProviderError) -> bool {
        let ProviderError::Data(error @ DataError::DiskFull { .. }) = error else {
            return false;
        };
        if self.is_time_for("full disk", SAY_AGAIN) {
            tracing::error!(%error, "nothing is lost: what could not be written is done again");
        }
        true
    }

    /// Whether a failure is that the worker could not work. That is said once a minute, however many jobs wait for it.
    pub(crate) fn is_unready(&self, error: &ProviderError) -> bool {
        let is_unready = matches!(error, ProviderError::Unready(_));
        if is_unready && self.is_time_for("worker", SAY_AGAIN) {
            tracing::warn!(%error, "leaving reviewed jobs alone until its check passes");
        }
        is_unready
    }

    /// Whether something has not been said or done for so long; from now on it has.
    pub(crate) fn is_time_for(&self, what: &'static str, every: Duration) -> bool {
        let mut said = lock(&self.last_at);
        let is_time = said.get(what).is_none_or(|at| at.elapsed() >= every);
        if is_time {
            said.insert(what, Instant::now());
        }
        is_time
    }

    pub(crate) fn is_resting(&self, address: &Pubkey, kind: TaskKind) -> bool {
        let resting = lock(&self.resting);
        let retry = resting.get(&(*address, kind));
        retry.is_some_and(|retry| !retry.is_due())
    }

    /// Lets a failed job rest, longer every time, and says how long.
    pub(crate) fn rest(&self, address: &Pubkey, kind: TaskKind) -> Duration {
        let usual = self.settings.retry;
        let (shortest, longest) = match kind {
            TaskKind::Answer => (usual, LONGEST_ANSWER_RETRY),
            TaskKind::Offer => (usual.saturating_mul(OFFER_REST), LONGEST_RETRY),
            TaskKind::Other => (usual, LONGEST_RETRY),
        };
        self.rest_within(address, kind, shortest, longest)
    }

    /// The same, but short at first whatever it is.
    pub(crate) fn rest_shortly(&self, address: &Pubkey, kind: TaskKind) -> Duration {
        self.rest_within(address, kind, self.settings.retry, LONGEST_RETRY)
    }

    fn rest_within(
        &self,
        address: &Pubkey,
        kind: TaskKind,
        shortest: Duration,
        longest: Duration,
    ) -> Duration {
        /// More jobs than this are forgotten at once: strangers create them.
        const MOST: usize = 10_000;
        let mut resting = lock(&self.resting);
        if resting.len() >= MOST {
            resting.clear();
        }
        let retry = resting.entry((*address, kind)).or_default();
        retry.failed(shortest, longest)
    }

    pub(crate) fn succeeded(&self, address: &Pubkey, kind: TaskKind) {
        lock(&self.resting).remove(&(*address, kind));
    }

    /// Says why an open job is left alone: once for every reason what would change that, as a warning where the owner has to do
    /// something, and each step only to an owner who asks for it.
    pub(crate) fn leave_alone(&self, address: &Pubkey, job: &Job, refusal: Refusal) {
        self.say_once(address, job.seq.get(), || match refusal.options() {
            _ if refusal.is_owners_task() => {
                tracing::warn!(job = %address, "{refusal}; leaving an open job alone");
            }
            Some(options) if self.said_reasons.is_new(refusal) => {
                tracing::info!(job = %address, options, "{refusal}; leaving an open job alone; further ones for this reason are not logged");
            }
            _ => tracing::debug!(job = %address, "{refusal}; leaving an open job alone"),
        });
    }

    /// Says something about an account once for every change of it.
    pub(crate) fn say_once(&self, address: &Pubkey, seq: u64, say: impl FnOnce()) {
        if self.said.is_new((*address, seq)) {
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
