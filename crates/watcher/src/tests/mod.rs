//! The watcher against a chain in memory that follows the program's rules, judges with the same code, and can die at every
//! step together with the watcher.

#![allow(clippy::unwrap_used, clippy::panic)]

mod chain;
mod crowd;
mod data;
mod demands;
mod items;
mod run;
mod texts;
mod verdicts;
mod work;

use {
    crate::{
        CheckedItems, Conviction, Followed, OpenedDemand, Report, Scope, Settings, Until, Verdict,
        Watcher, WatcherChain, WatcherError, actions,
        case::{Case, CaseId},
        error::StepError,
        survey::survey,
    },
    async_trait::async_trait,
    bytemuck::Zeroable,
    chain::View,
    quern_client::{
        ChainReads, ClientError, Outcome, Pubkey, Result as ChainResult, Signature,
        accounts::ModelAccount,
        flows::Route,
        instructions::{NOBODY, job_address},
        quern::{
            clock::Moment,
            error::QuernError,
            state::{Assurance, ConvictionReason, Job, JobState, LAYOUT_VERSION, Model},
        },
    },
    quern_data::{
        DataError, Share, TensorList, Wanted, fetch,
        runtime::{Retry, lock},
    },
    quern_proof::{
        Hash, Operand, Tensor,
        builder::GraphBuilder,
        commit::{self, Commitment, Committer, ItemTrace},
        demand::{self, NodeId, Parent, Tree},
        eval::Batch,
        evidence::{self, Charge},
        file,
        graph::Graph,
        hash,
        hash::Tag,
        shape::DType,
        witness::{self, Openings, Whole},
    },
    quern_rules::deadline::{demand_due, in_time, passed, reaction_end},
    std::{
        collections::{BTreeMap, HashSet},
        path::Path,
        sync::{
            Arc, Mutex, MutexGuard,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        time::Duration,
    },
    work::{Claim, Work},
};

const CLIENT: Pubkey = Pubkey::new_from_array([2; 32]);
const MINT: Pubkey = Pubkey::new_from_array([3; 32]);
const MODEL: Pubkey = Pubkey::new_from_array([4; 32]);
const PROVIDER: Pubkey = Pubkey::new_from_array([5; 32]);
const ANNA: Pubkey = Pubkey::new_from_array([6; 32]);
const BERT: Pubkey = Pubkey::new_from_array([7; 32]);

const START: i64 = 1_000;
const REVIEW_SECS: u32 = 1_000;
const RESPONSE_SECS: u32 = 60;
const REACT_SECS: u32 = 60;
const FEE_LAMPORTS: u64 = 10_000;

#[derive(Clone)]
struct OnChain {
    asked: OpenedDemand,
    answered_at: i64,
}

/// A chain with one job on it.
struct State {
    job: Option<Job>,
    now: i64,
    demands: Vec<OnChain>,
    ended: Outcome,
    /// What the next reads of the job show, the last one first: behind one address there may be several nodes.
    stale: Vec<Option<Job>>,
}

#[derive(Default)]
struct Counts {
    asks: AtomicUsize,
    convictions: AtomicUsize,
    timeouts: AtomicUsize,
    settled: AtomicUsize,
    closed: AtomicUsize,
    look_ups: AtomicUsize,
    /// Demands that a watcher answered.
    answers: AtomicUsize,
}

struct World {
    work: Work,
    claim: Claim,
    address: Pubkey,
    state: Mutex<State>,
    folder: tempfile::TempDir,
    counts: Counts,
    /// There are more demands than a node tells about at once.
    is_flooded: AtomicBool,
    /// The node fails to tell where the trace is.
    is_lost: AtomicBool,
    /// Whether the prover has a purse.
    has_purse: AtomicBool,
    /// Whether the wallet cannot pay for a transaction.
    is_poor: AtomicBool,
    /// Whether the node takes demands and never answers.
    hangs: AtomicBool,
    /// Whether a call waits for its answer.
    is_stuck: AtomicBool,
    /// Looks at single jobs after the first that the node does not answer, and all that it was asked for.
    silences: AtomicUsize,
    asked: AtomicUsize,
    /// Looks at all jobs that the node refuses, and how many it has refused.
    refusals: AtomicUsize,
    refused: AtomicUsize,
}

impl World {
    fn new(wrong: impl FnOnce(&Work) -> Claim) -> Arc<Self> {
        Self::of(Work::new(), wrong)
    }

    fn of(work: Work, wrong: impl FnOnce(&Work) -> Claim) -> Arc<Self> {
        let claim = wrong(&work);
        let folder = tempfile::tempdir().unwrap();
        let mut job = Job::zeroed();
        job.version = LAYOUT_VERSION;
        job.state = JobState::Submitted as u8;
        job.assurance = Assurance::Refereed as u8;
        job.milestones = 1;
        job.client = CLIENT;
        job.mint = MINT;
        job.model = MODEL;
        job.provider = PROVIDER;
        job.items = work.items.into();
        job.submissions = 1u32.into();
        job.review_secs = REVIEW_SECS.into();
        job.deadline = (START + i64::from(REVIEW_SECS)).into();
        job.trace_root = claim.opened(&work).root();
        job.tokens_root = work.tokens_root(&claim);
        let tokens = work.graph().tokens();
        job.tokens_input = tokens.map_or(0, |tokens| tokens as u8 + 1);
        let mut given = work.inputs.clone();
        for (index, input) in work.inputs.iter().enumerate() {
            if tokens != Some(index as u16) {
                job.input_roots[index] = commit::data_root(input);
            }
        }
        if let Some(tokens) = tokens {
            given.remove(tokens.into());
        }
        job.terms.demand_fee_lamports = FEE_LAMPORTS.into();
        job.terms.response_secs = RESPONSE_SECS.into();
        job.terms.react_secs = REACT_SECS.into();
        let world = Self {
            address: job_address(&job),
            state: Mutex::new(State {
                job: Some(job),
                now: START,
                demands: Vec::new(),
                ended: Outcome::Unknown,
                stale: Vec::new(),
            }),
            work,
            claim,
            folder,
            counts: Counts::default(),
            is_flooded: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            has_purse: AtomicBool::new(true),
            is_poor: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            silences: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        };
        world.write("inputs", &file::encode_bundle(&given));
        world.write("weights", &file::encode_bundle(&world.work.weights));
        Arc::new(world)
    }

    fn honest() -> Arc<Self> {
        Self::new(Work::honest)
    }

    /// A wrong value of an op in the third of four items.
    fn wrong(op: usize) -> Arc<Self> {
        Self::new(|work| work.with_wrong(2, op))
    }

    fn place(&self) -> std::path::PathBuf {
        self.folder.path().canonicalize().unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.place().join(name), bytes).unwrap();
    }

    fn uri(&self, name: &str) -> String {
        url::Url::from_file_path(self.place().join(name))
            .unwrap()
            .to_string()
    }

    /// Publishes everything of a claim.
    fn publish(&self, claim: &Claim) {
        self.publish_roots(claim);
        self.publish_tokens(claim);
        for item in 0..self.work.items {
            self.publish_trace(claim, item);
        }
    }

    /// Result and item roots.
    fn publish_roots(&self, claim: &Claim) {
        let commitment = claim.commitment(&self.work);
        self.write(fetch::RESULT_FILE, &commitment.result_file);
        self.write(fetch::ROOTS_FILE, &commitment.roots_file);
    }

    fn publish_tokens(&self, claim: &Claim) {
        if let Some(tokens) = self.work.graph().tokens() {
            let tokens = file::encode_tensor(&claim.inputs[usize::from(tokens)]);
            self.write(fetch::TOKENS_FILE, &tokens);
        }
    }

    fn publish_trace(&self, claim: &Claim, item: u32) {
        let outputs = &claim.outputs[item as usize];
        let trace = file::encode_trace(outputs).unwrap();
        self.write(&fetch::trace_file(item), &trace);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn pass_time(&self, secs: i64) {
        self.state().now += secs;
    }

    /// The provider answers what is open.
    fn answer(&self) {
        self.answer_those(|_| true);
    }

    /// The provider answers what would be overdue in a second.
    fn answer_at_the_last_second(&self) {
        let now = self.state().now;
        self.answer_those(|demand| demand.asked.due <= now + 1);
    }

    fn answer_those(&self, is_answered: impl Fn(&OnChain) -> bool) {
        let mut state = self.state();
        let now = state.now;
        let (mut about_tokens, mut has_answered) = (false, false);
        for demand in &mut state.demands {
            if demand.asked.answer.is_none() && is_answered(demand) {
                has_answered = true;
                let node_id = demand.asked.node_id;
                demand.asked.answer = Some(self.claim.answer(&self.work, &node_id));
                demand.answered_at = now;
                about_tokens |= matches!(node_id.tree, Tree::Data(Operand::Input(_)));
            }
        }
        let open = state.demands.iter();
        let open = open.filter(|demand| demand.asked.answer.is_none()).count();
        let job = state.job.as_mut().unwrap();
        job.open_demands = (open as u32).into();
        if has_answered {
            job.last_answer_at = now.into();
        }
        if about_tokens {
            job.tokens_answered_at = now.into();
        }
    }

    /// The provider is paid.
    fn finalize(&self) {
        let mut state = self.state();
        state.job = None;
        state.ended = Outcome::Paid;
    }

    fn settings(&self) -> Settings {
        let mut settings = Settings {
            poll: Duration::from_millis(1),
            ..Settings::default()
        };
        settings.fetch.file_roots = vec![self.folder.path().to_owned()];
        settings
    }

    fn watcher(self: &Arc<Self>, signer: Pubkey) -> Watcher {
        self.watcher_with(signer, self.settings(), usize::MAX)
    }

    fn watcher_with(self: &Arc<Self>, signer: Pubkey, settings: Settings, steps: usize) -> Watcher {
        let chain = Arc::new(View {
            world: Arc::clone(self),
            signer,
            left: AtomicUsize::new(steps),
        });
        Watcher::new(settings, chain).unwrap()
    }

    fn count(&self, of: impl Fn(&Counts) -> &AtomicUsize) -> usize {
        of(&self.counts).load(Ordering::SeqCst)
    }
}

/// Opens the world's case and has it check these items.
async fn choose(watcher: &Watcher, items: &[u32]) {
    survey(&watcher.state, &HashSet::new(), true).await.unwrap();
    for case in lock(&watcher.state.cases.open).values_mut() {
        case.sample = Some(Arc::new(items.to_vec()));
    }
}

/// Passes, with answers in between, until there is a report.
async fn until_reported(world: &World, watcher: &Watcher, answers: bool) -> Report {
    for _ in 0..100 {
        let pass = watcher.pass().await.unwrap();
        if let Some(report) = pass.reports.into_iter().next() {
            return report;
        }
        if answers {
            world.answer();
            world.pass_time(1);
        } else {
            world.pass_time(10);
        }
    }
    panic!("never reported");
}

fn why(report: &Report) -> &str {
    match &report.verdict {
        Verdict::CouldNotCheck { why } | Verdict::Wrong { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

/// Reports of everything that is submitted now.
async fn until_nothing_open(watcher: &Watcher) -> Vec<Report> {
    let mut reports = Vec::new();
    let collect = |report: &Report| reports.push(report.clone());
    let run = watcher.run(Until::NothingOpen, collect, std::future::pending());
    run.await.unwrap();
    reports
}
