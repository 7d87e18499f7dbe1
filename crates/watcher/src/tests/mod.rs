//! The watcher against a chain in memory that follows the program's rules, judges with the same code, and can die at every
//! step together with the watcher.

#![allow(clippy::unwrap_used, clippy::panic)]

mod chain;
mod crowd;
mod data;
mod demands;
mod run;
mod verdicts;

use {
    crate::{
        Conviction, Followed, OpenedDemand, Report, Scope, Settings, Until, Verdict, Watcher,
        WatcherChain, WatcherError, actions,
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
        DataError, Share, TensorList, Wanted,
        runtime::{Retry, lock},
    },
    quern_proof::{
        Hash, Operand, Tensor,
        builder::GraphBuilder,
        commit,
        demand::{self, NodeId, Parent, Tree},
        eval,
        evidence::{self, Charge},
        file,
        graph::Graph,
        hash,
        hash::Tag,
        shape::DType,
        witness::{Openings, Whole},
    },
    quern_rules::deadline::{demand_due, in_time, passed},
    std::{
        collections::HashSet,
        path::Path,
        sync::{
            Arc, Mutex, MutexGuard,
            atomic::{AtomicBool, AtomicUsize, Ordering},
        },
        time::Duration,
    },
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
const ROWS: u32 = 20;

/// A program with every op, and its data.
struct Work {
    graph: Vec<u8>,
    inputs: Vec<Tensor>,
    weights: Vec<Tensor>,
    outputs: Vec<Tensor>,
}

impl Work {
    fn new() -> Self {
        let values = |count: u32, step: u32| -> Vec<i8> {
            (0..count).map(|i| ((i * step) % 251) as u8 as i8).collect()
        };
        let numbers = |count: i32| -> Vec<i32> { (0..count).map(|i| 1_000 + i * 37).collect() };
        let weights = vec![
            Tensor::from_i8(50, 40, &values(2_000, 7)).unwrap(),
            Tensor::from_i32(1, 50, &numbers(50)).unwrap(),
            Tensor::from_i32(1, 50, &numbers(50)).unwrap(),
            Tensor::from_i8(1, 256, &values(256, 3)).unwrap(),
            Tensor::from_i8(40, 50, &values(2_000, 11)).unwrap(),
        ];
        let inputs = vec![Tensor::from_i8(ROWS, 40, &values(800, 13)).unwrap()];
        let mut builder = GraphBuilder::new();
        let a = builder.input_batch(DType::I8, 40);
        let [w, bias, mult, table, last] =
            [0, 1, 2, 3, 4].map(|index| builder.weight(&weights[index]));
        let linear = builder.qlinear(a, w, bias, mult, 22, -128, 127);
        let mapped = builder.lut(linear, table);
        let sum = builder.add(linear, mapped);
        let product = builder.matmul(sum, last);
        builder.argmax(product);
        let graph = builder.finish().unwrap();
        let outputs = eval::run(&Graph::parse(&graph).unwrap(), ROWS, &inputs, &weights).unwrap();
        Self {
            graph,
            inputs,
            weights,
            outputs,
        }
    }

    fn graph(&self) -> Graph<'_> {
        Graph::parse(&self.graph).unwrap()
    }

    /// The outputs with one byte of an op's changed.
    fn with_wrong(&self, op: usize) -> Vec<Tensor> {
        let mut outputs = self.outputs.clone();
        let data = outputs[op].data_mut();
        let middle = data.len() / 2;
        data[middle] ^= 1;
        outputs
    }
}

/// What the provider committed to: a canonical commitment, or one with a node beside the ops that is not zero.
struct Claim {
    outputs: Vec<Tensor>,
    forged: bool,
}

impl Claim {
    fn trace_leaves(&self) -> Vec<Hash> {
        let mut leaves: Vec<Hash> = self.outputs.iter().map(commit::data_root).collect();
        leaves.resize(leaves.len().next_power_of_two(), hash::MISSING);
        if self.forged {
            *leaves.last_mut().unwrap() = [9; 32];
        }
        leaves
    }

    fn trace_node(&self, level: u8, index: u64) -> Hash {
        let mut nodes = self.trace_leaves();
        while nodes.len() > 1 << level {
            nodes = nodes
                .chunks(2)
                .map(|pair| hash::node(Tag::Trace, &pair[0], &pair[1]))
                .collect();
        }
        nodes[usize::try_from(index).unwrap()]
    }

    fn root(&self) -> Hash {
        self.trace_node(0, 0)
    }

    /// What an honest holder of these data answers.
    fn answer(&self, work: &Work, node_id: &NodeId) -> Vec<u8> {
        let graph = work.graph();
        let asked = demand::plan(&graph, ROWS, node_id).unwrap();
        let whole = Whole::new(&graph, ROWS, &work.inputs, &work.weights, &self.outputs).unwrap();
        if asked.is_leaf {
            let Tree::Data(operand) = node_id.tree else {
                panic!("the trace has no leaves")
            };
            let shape = graph.shape(operand).unwrap().geometry(ROWS).unwrap();
            let row = u32::try_from(node_id.index >> shape.row_height()).unwrap();
            let k = u32::try_from(node_id.index & ((1 << shape.row_height()) - 1)).unwrap();
            return whole.leaf(operand, row, k).unwrap().to_vec();
        }
        let count = u64::from(asked.answer_bytes) / 32;
        let depth = count.trailing_zeros() as u8;
        (0..count)
            .flat_map(|place| {
                let (level, index) = (node_id.level + depth, (node_id.index << depth) + place);
                match node_id.tree {
                    Tree::Trace => self.trace_node(level, index),
                    tree => whole.node(NodeId::new(tree, level, index)).unwrap(),
                }
            })
            .collect()
    }
}

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
    trace_look_ups: AtomicUsize,
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
    /// Looks at all jobs that the node refuses, and how many it has refused.
    refusals: AtomicUsize,
    refused: AtomicUsize,
}

impl World {
    fn new(wrong: impl FnOnce(&Work) -> Claim) -> Arc<Self> {
        let work = Work::new();
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
        job.batch_rows = ROWS.into();
        job.submissions = 1u32.into();
        job.review_secs = REVIEW_SECS.into();
        job.deadline = (START + i64::from(REVIEW_SECS)).into();
        job.trace_root = claim.root();
        job.input_roots[0] = commit::data_root(&work.inputs[0]);
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
            refusals: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        };
        world.write("inputs", &file::encode_bundle(&world.work.inputs));
        world.write("weights", &file::encode_bundle(&world.work.weights));
        Arc::new(world)
    }

    fn honest() -> Arc<Self> {
        Self::new(|work| Claim {
            outputs: work.outputs.clone(),
            forged: false,
        })
    }

    fn wrong(op: usize) -> Arc<Self> {
        Self::new(|work| Claim {
            outputs: work.with_wrong(op),
            forged: false,
        })
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

    fn publish(&self, outputs: &[Tensor]) {
        self.write("trace.qtrace", &file::encode_trace(outputs).unwrap());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn pass_time(&self, secs: i64) {
        self.state().now += secs;
    }

    /// The provider answers what is open.
    fn answer(&self) {
        let mut state = self.state();
        let now = state.now;
        for demand in &mut state.demands {
            if demand.asked.answer.is_none() {
                demand.asked.answer = Some(self.claim.answer(&self.work, &demand.asked.node_id));
                demand.answered_at = now;
            }
        }
        let open = state.demands.iter();
        let open = open.filter(|demand| demand.asked.answer.is_none()).count();
        let job = state.job.as_mut().unwrap();
        job.open_demands = (open as u32).into();
        job.last_answer_at = now.into();
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
