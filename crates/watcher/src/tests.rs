//! The watcher against a chain in memory that follows the program's rules, judges with the same code, and can die at every
//! step together with the watcher.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    super::*,
    async_trait::async_trait,
    bytemuck::Zeroable,
    quern_client::{
        ChainReads, ClientError, Result as ChainResult, Signature,
        accounts::ModelAccount,
        flows::Route,
        instructions::{NOBODY, job_address},
        quern::{
            clock::Moment,
            error::QuernError,
            state::{ConvictionReason, LAYOUT_VERSION, Model},
        },
    },
    quern_data::DataError,
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
        path::Path,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
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
            retry: Duration::ZERO,
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

/// The chain through one process with one wallet, which dies after so many steps.
struct View {
    world: Arc<World>,
    signer: Pubkey,
    left: AtomicUsize,
}

fn refused(error: QuernError) -> ClientError {
    ClientError::WouldRefuse(error)
}

impl View {
    fn burn(&self) -> ChainResult<()> {
        let burnt = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        burnt
            .map(drop)
            .map_err(|_| ClientError::Argument("killed".to_owned()))
    }

    /// A transaction: the process can die before it is sent, or after it landed and before it hears so.
    fn transact<T>(
        &self,
        count: &AtomicUsize,
        change: impl FnOnce(&mut State) -> ChainResult<T>,
    ) -> ChainResult<T> {
        self.burn()?;
        if self.world.is_poor.load(Ordering::SeqCst) {
            return Err(ClientError::Argument("too few lamports".to_owned()));
        }
        let done = change(&mut self.world.state())?;
        count.fetch_add(1, Ordering::SeqCst);
        self.burn()?;
        Ok(done)
    }
}

/// The job, if it may be refuted.
fn refutable(state: &mut State) -> ChainResult<&mut Job> {
    let job = state.job.as_mut().ok_or(ClientError::NotFound {
        what: "job",
        address: NOBODY,
    })?;
    if job.state != JobState::Submitted as u8 {
        return Err(refused(QuernError::WrongState));
    }
    Ok(job)
}

fn slash(job: &mut Job, prover: Pubkey, reason: ConvictionReason) -> Signature {
    job.state = JobState::Convicted as u8;
    job.prover = prover;
    job.conviction_reason = reason as u8;
    Signature::from([reason as u8; 64])
}

#[async_trait]
impl ChainReads for View {
    fn signer(&self) -> Pubkey {
        self.signer
    }
    async fn moment(&self) -> ChainResult<Moment> {
        self.burn()?;
        Ok(Moment {
            now: self.world.state().now,
            slot: 1,
            last_restart_slot: 0,
        })
    }
    async fn job(&self, _: &Pubkey) -> ChainResult<Option<Job>> {
        self.burn()?;
        let mut state = self.world.state();
        match state.stale.pop() {
            Some(stale) => Ok(stale),
            None => Ok(state.job),
        }
    }
    async fn model(&self, _: &Pubkey) -> ChainResult<ModelAccount> {
        Ok(ModelAccount {
            address: MODEL,
            model: Model::zeroed(),
            graph: self.world.work.graph.clone(),
        })
    }
    async fn input_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        Ok(self.world.uri("inputs"))
    }
    async fn model_uri(&self, _: &Pubkey, _: &Model) -> ChainResult<String> {
        Ok(self.world.uri("weights"))
    }
}

#[async_trait]
impl WatcherChain for View {
    async fn jobs(
        &self,
        state: JobState,
        client: Option<Pubkey>,
    ) -> ChainResult<Vec<(Pubkey, Job)>> {
        self.burn()?;
        if self.world.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        let job = self.world.state().job;
        let job = job.filter(|job| {
            job.state == state as u8 && client.is_none_or(|client| client == job.client)
        });
        Ok(job
            .map(|job| (self.world.address, job))
            .into_iter()
            .collect())
    }
    async fn output_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        self.world
            .counts
            .trace_look_ups
            .fetch_add(1, Ordering::SeqCst);
        if self.world.is_lost.load(Ordering::SeqCst) {
            return Err(ClientError::Argument("too many requests".to_owned()));
        }
        Ok(self.world.uri("trace.qtrace"))
    }
    async fn demand_at(
        &self,
        _: &Pubkey,
        _: u32,
        node_id: &NodeId,
    ) -> ChainResult<Option<OpenedDemand>> {
        self.burn()?;
        let state = self.world.state();
        let mut asked = state.demands.iter().map(|demand| &demand.asked);
        Ok(asked.find(|asked| asked.node_id == *node_id).cloned())
    }
    async fn unanswered(&self, _: &Pubkey) -> ChainResult<Vec<OpenedDemand>> {
        self.burn()?;
        if self.world.is_flooded.load(Ordering::SeqCst) {
            return Err(ClientError::Argument("too many accounts".to_owned()));
        }
        let state = self.world.state();
        let asked = state.demands.iter().map(|demand| &demand.asked);
        Ok(asked
            .filter(|asked| asked.answer.is_none())
            .cloned()
            .collect())
    }
    async fn ask(&self, _: &Job, node_id: &NodeId, parent: Option<Pubkey>) -> ChainResult<()> {
        let opener = self.signer;
        self.transact(&self.world.counts.asks, |state| {
            let now = state.now;
            let job = *refutable(state)?;
            let graph = self.world.work.graph();
            let asked = demand::plan(&graph, ROWS, node_id).unwrap();
            let above = match asked.parent {
                Parent::Answer { node_id, .. } => {
                    let above = state.demands.iter();
                    let mut above = above.filter(|above| Some(above.asked.address) == parent);
                    let above = above.next().ok_or(refused(QuernError::WrongParent))?;
                    assert_eq!(above.asked.node_id, node_id);
                    if above.asked.answer.is_none() {
                        return Err(refused(QuernError::ParentUnanswered));
                    }
                    above.answered_at + i64::from(REACT_SECS)
                }
                _ => {
                    assert_eq!(parent, None);
                    0
                }
            };
            if !in_time(now, above.max(job.deadline.get())) {
                return Err(refused(QuernError::TooLate));
            }
            if state
                .demands
                .iter()
                .any(|known| known.asked.node_id == *node_id)
            {
                // The address is taken.
                return Err(refused(QuernError::WrongState));
            }
            let open = job.open_demands.get();
            state.demands.push(OnChain {
                asked: OpenedDemand {
                    address: Pubkey::from([100 + state.demands.len() as u8; 32]),
                    submission: job.submissions.get(),
                    node_id: *node_id,
                    opener,
                    fee_lamports: FEE_LAMPORTS,
                    due: demand_due(now, RESPONSE_SECS, open).unwrap(),
                    slot: 1,
                    answer: None,
                },
                answered_at: 0,
            });
            refutable(state)?.open_demands = (open + 1).into();
            Ok(())
        })
    }
    async fn convict(&self, _: &Job, charge: &Charge, bytes: &[u8]) -> ChainResult<Conviction> {
        self.transact(&self.world.counts.convictions, |state| {
            let job = refutable(state)?;
            let case = evidence::Case {
                graph: self.world.work.graph(),
                batch_rows: ROWS,
                input_roots: &job.input_roots,
                trace_root: &job.trace_root,
            };
            let judged = evidence::judge(&case, charge, bytes);
            judged.map_err(|refusal| ClientError::Evidence(refusal))?;
            let reason = match charge {
                Charge::Cell { .. } => ConvictionReason::WrongCell,
                Charge::Padding(_) => ConvictionReason::BadPadding,
            };
            Ok(Conviction {
                signature: slash(job, self.signer, reason),
                route: Route::Inline,
                compute_units: None,
            })
        })
    }
    async fn timeout(&self, _: &Job, asked: &OpenedDemand) -> ChainResult<Signature> {
        self.transact(&self.world.counts.timeouts, |state| {
            let now = state.now;
            let demand = state.demands.iter();
            let mut demand = demand.filter(|demand| demand.asked.address == asked.address);
            let demand = demand.next().unwrap().clone();
            if demand.asked.answer.is_some() {
                return Err(refused(QuernError::AlreadyAnswered));
            }
            if !passed(now, demand.asked.due) {
                return Err(refused(QuernError::TooEarly));
            }
            let job = refutable(state)?;
            Ok(slash(
                job,
                demand.asked.opener,
                ConvictionReason::Unanswered,
            ))
        })
    }
    async fn settle_conviction(
        &self,
        _: &Pubkey,
        _: &Job,
        opens_purses: bool,
    ) -> ChainResult<bool> {
        if !opens_purses && !self.world.has_purse.load(Ordering::SeqCst) {
            return Ok(false);
        }
        self.transact(&self.world.counts.settled, |state| {
            let Some(job) = state.job.take() else {
                return Err(refused(QuernError::WrongState));
            };
            state.ended = Outcome::Convicted {
                prover: job.prover,
                reason: job.conviction_reason,
            };
            Ok(true)
        })
    }
    async fn tidy(&self) -> ChainResult<usize> {
        self.burn()?;
        let mut state = self.world.state();
        if state
            .job
            .is_some_and(|job| job.state == JobState::Submitted as u8)
        {
            return Ok(0);
        }
        let before = state.demands.len();
        state
            .demands
            .retain(|demand| demand.asked.opener != self.signer);
        let closed = before - state.demands.len();
        self.world.counts.closed.fetch_add(closed, Ordering::SeqCst);
        Ok(closed)
    }
    async fn outcome(&self, _: &Pubkey) -> ChainResult<Outcome> {
        self.burn()?;
        Ok(self.world.state().ended.clone())
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

#[tokio::test]
async fn a_right_result_is_reported_once() {
    let world = World::honest();
    world.publish(&world.work.outputs);
    let settings = Settings {
        state: Some(world.place().join("state")),
        clients: [CLIENT].into(),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
    let pass = watcher.pass().await.unwrap();
    let verdict = Verdict::Consistent {
        delivered: true,
        note: None,
    };
    assert_eq!(pass.waiting, 0);
    assert_eq!(pass.reports.len(), 1);
    assert_eq!(pass.reports[0].verdict, verdict);
    assert_eq!(
        (pass.reports[0].job, pass.reports[0].submission),
        (world.address, 1)
    );
    assert!(watcher.pass().await.unwrap().reports.is_empty());
    // A second one is kept out as long as the first one lives.
    let chain = Arc::clone(&watcher.inner.chain);
    let second = Watcher::new(settings.clone(), chain);
    assert!(matches!(
        second.err(),
        Some(WatcherError::Data(DataError::Locked { .. }))
    ));
    drop(watcher);
    // A new process with the same folder does not do it again, and needs no weights from outside.
    let again = world.watcher_with(ANNA, settings.clone(), usize::MAX);
    assert!(again.pass().await.unwrap().reports.is_empty());
    std::fs::remove_file(world.place().join("weights")).unwrap();
    std::fs::remove_dir_all(world.place().join("state/cases")).unwrap();
    drop(again);
    let fresh = world.watcher_with(ANNA, settings, usize::MAX);
    assert_eq!(fresh.pass().await.unwrap().reports[0].verdict, verdict);
    // Of another client nothing is looked at.
    let other = Settings {
        clients: [BERT].into(),
        ..world.settings()
    };
    let other = world.watcher_with(ANNA, other, usize::MAX);
    assert!(other.pass().await.unwrap().reports.is_empty());
}

#[tokio::test]
async fn a_published_wrong_value_of_any_op_is_convicted_at_once() {
    for op in 0..5 {
        let world = World::wrong(op);
        world.publish(&world.claim.outputs);
        let watcher = world.watcher(ANNA);
        let report = watcher.pass().await.unwrap().reports.remove(0);
        let Verdict::Convicted {
            charge: Charge::Cell { op: found, .. },
            demands: 0,
            ..
        } = report.verdict
        else {
            panic!("{report:?}")
        };
        assert_eq!(usize::from(found), op);
        assert_eq!(
            (world.count(|c| &c.convictions), world.count(|c| &c.asks)),
            (1, 0)
        );
        // The next pass has it paid out, and then there is nothing left to say.
        assert!(watcher.pass().await.unwrap().reports.is_empty());
        assert_eq!(world.count(|c| &c.settled), 1);
        assert!(watcher.pass().await.unwrap().reports.is_empty());
    }
}

#[tokio::test]
async fn hints_that_lie_change_nothing() {
    for is_wrong in [false, true] {
        let world = if is_wrong {
            World::wrong(0)
        } else {
            World::honest()
        };
        world.publish(&world.claim.outputs);
        let lies = Tensor::from_i32(ROWS, 50, &vec![1; 1_000]).unwrap();
        for hints in [file::encode_trace(&[lies]).unwrap(), vec![1, 2, 3]] {
            world.write("hints.qtrace", &hints);
            let report = world.watcher(ANNA).pass().await.unwrap().reports.remove(0);
            match is_wrong {
                true => assert!(report.verdict.is_slash(), "{report:?}"),
                false => assert_eq!(report.verdict.name(), "consistent"),
            }
            if is_wrong {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_right_result_that_is_not_delivered_is_consistent() {
    for published in [None, Some(vec![7; 100])] {
        let world = World::honest();
        if let Some(bytes) = published {
            world.write("trace.qtrace", &bytes);
        }
        let report = world.watcher(ANNA).pass().await.unwrap().reports.remove(0);
        let Verdict::Consistent {
            delivered: false,
            note: Some(note),
        } = report.verdict
        else {
            panic!("{report:?}")
        };
        assert!(note.contains("trace.qtrace"), "{note}");
        assert_eq!(world.count(|c| &c.asks), 0);
    }
}

#[tokio::test]
async fn a_withheld_wrong_value_of_any_op_is_found_by_demands() {
    for op in 0..5 {
        let world = World::wrong(op);
        // Another trace is as good as none.
        world.publish(&world.work.outputs);
        let watcher = world.watcher(ANNA);
        let report = until_reported(&world, &watcher, true).await;
        let Verdict::Convicted {
            charge: Charge::Cell { op: found, .. },
            demands,
            ..
        } = report.verdict
        else {
            panic!("{report:?}")
        };
        assert_eq!(usize::from(found), op);
        // Trace tree, two steps of the op's tree, leaf.
        assert_eq!(demands, 4);
        assert_eq!(world.count(|c| &c.asks), 4);
        assert_eq!(report.fees_lamports, 4 * FEE_LAMPORTS);
        watcher.pass().await.unwrap();
        assert_eq!(world.count(|c| &c.settled), 1);
        assert_eq!(world.count(|c| &c.closed), 4);
        assert!(world.state().demands.is_empty());
    }
}

#[tokio::test]
async fn padding_of_the_trace_is_convicted() {
    let world = World::new(|work| Claim {
        outputs: work.outputs.clone(),
        forged: true,
    });
    world.publish(&world.work.outputs);
    let report = until_reported(&world, &world.watcher(ANNA), true).await;
    let Verdict::Convicted {
        charge: Charge::Padding(NodeId {
            tree: Tree::Trace, ..
        }),
        demands: 1,
        ..
    } = report.verdict
    else {
        panic!("{report:?}")
    };
    let job = world.state().job.unwrap();
    assert_eq!(job.conviction_reason, ConvictionReason::BadPadding as u8);
}

#[tokio::test]
async fn silence_is_convicted_whoever_asked() {
    let world = World::wrong(2);
    let report = until_reported(&world, &world.watcher(ANNA), false).await;
    let Verdict::TimedOut { node_id, .. } = report.verdict else {
        panic!("{report:?}")
    };
    assert_eq!((node_id.tree, node_id.level), (Tree::Trace, 0));
    assert_eq!(
        (world.count(|c| &c.asks), world.count(|c| &c.timeouts)),
        (1, 1)
    );

    // A demand of somebody else about a weight, which this watcher never needed.
    let world = World::honest();
    let view = View {
        world: Arc::clone(&world),
        signer: BERT,
        left: AtomicUsize::new(usize::MAX),
    };
    let node_id = NodeId {
        tree: Tree::Data(Operand::Weight(0)),
        level: 0,
        index: 0,
    };
    let job = world.state().job.unwrap();
    view.ask(&job, &node_id, None).await.unwrap();
    world.pass_time(i64::from(RESPONSE_SECS) + 1);
    let report = world.watcher(ANNA).pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "timed_out");
    assert_eq!(world.state().job.unwrap().prover, BERT);
}

#[tokio::test]
async fn late_data_are_waited_for_before_anything_is_paid() {
    let world = World::wrong(3);
    let watcher = world.watcher(ANNA);
    let pass = watcher.pass().await.unwrap();
    assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
    world.pass_time(29);
    watcher.pass().await.unwrap();
    assert_eq!(world.count(|c| &c.asks), 0);
    world.publish(&world.claim.outputs);
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert!(matches!(
        report.verdict,
        Verdict::Convicted { demands: 0, .. }
    ));
    assert_eq!(report.fees_lamports, 0);
}

#[tokio::test]
async fn once_it_has_paid_the_missing_trace_is_left_alone() {
    let world = World::wrong(3);
    world.pass_time(30);
    let watcher = world.watcher(ANNA);
    watcher.pass().await.unwrap();
    assert_eq!(world.count(|c| &c.asks), 1);
    let looks = world.count(|c| &c.trace_look_ups);
    until_reported(&world, &watcher, true).await;
    assert_eq!(world.count(|c| &c.trace_look_ups), looks);
}

#[tokio::test]
async fn the_limit_for_fees_holds_before_the_first_one_is_paid() {
    for (limit, asks) in [(4 * FEE_LAMPORTS - 1, 0), (4 * FEE_LAMPORTS, 4)] {
        let world = World::wrong(3);
        world.pass_time(100);
        let settings = Settings {
            max_fee_lamports: limit,
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(world.count(|c| &c.asks), asks, "{report:?}");
        if asks == 0 {
            assert!(why(&report).contains("--max-fee-lamports"), "{report:?}");
            assert_eq!(report.verdict.name(), "wrong");
        }
    }
}

#[tokio::test]
async fn two_watchers_share_demands_and_one_convicts() {
    let world = World::wrong(4);
    world.pass_time(100);
    let (anna, bert) = (world.watcher(ANNA), world.watcher(BERT));
    let mut reports = Vec::new();
    for round in 0..40 {
        let (first, second) = if round % 2 == 0 {
            (&anna, &bert)
        } else {
            (&bert, &anna)
        };
        // Both look at the same moment.
        let (one, other) = tokio::join!(first.pass(), second.pass());
        reports.extend(one.unwrap().reports);
        reports.extend(other.unwrap().reports);
        if reports.len() == 2 {
            break;
        }
        if world.state().job.is_some() {
            world.answer();
        }
    }
    assert_eq!(world.count(|c| &c.asks), 4);
    assert_eq!(world.count(|c| &c.convictions), 1);
    let mut names: Vec<&str> = reports.iter().map(|report| report.verdict.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["convicted", "slashed"]);
    assert!(reports.iter().any(|report| matches!(
        report.verdict,
        Verdict::AlreadyConvicted {
            by_us: false,
            reason: 1,
            ..
        }
    )));
    for watcher in [&anna, &bert] {
        watcher.pass().await.unwrap();
    }
    assert_eq!(world.count(|c| &c.closed), 4);
}

#[tokio::test]
async fn killed_after_any_step_it_goes_on_and_asks_nothing_twice() {
    // How many steps it takes without a kill.
    for steps in 1..200 {
        let world = World::wrong(1);
        world.pass_time(100);
        let killed = world.watcher_with(ANNA, world.settings(), steps);
        let mut is_dead = false;
        for _ in 0..20 {
            is_dead |= killed.pass().await.is_err();
            if is_dead {
                break;
            }
            if world.state().job.is_some() {
                world.answer();
            }
        }
        let second = world.watcher(ANNA);
        for _ in 0..20 {
            let pass = second.pass().await.unwrap();
            for report in pass.reports {
                assert!(report.verdict.is_slash(), "{steps}: {report:?}");
            }
            if world.state().job.is_none() {
                break;
            }
            world.answer();
        }
        second.pass().await.unwrap();
        assert!(world.state().job.is_none(), "{steps}");
        assert!(world.state().demands.is_empty(), "{steps}");
        let counts = [
            world.count(|c| &c.asks),
            world.count(|c| &c.convictions),
            world.count(|c| &c.settled),
        ];
        assert_eq!(counts, [4, 1, 1], "{steps}");
        if !is_dead {
            return;
        }
    }
    panic!("it takes more steps than were tried");
}

#[tokio::test]
async fn what_is_missing_is_tried_again_until_the_job_ends() {
    let world = World::honest();
    world.publish(&world.work.outputs);
    let inputs = world.place().join("inputs");
    std::fs::remove_file(&inputs).unwrap();
    let watcher = world.watcher(ANNA);
    for _ in 0..5 {
        let pass = watcher.pass().await.unwrap();
        assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
    }
    // Then it comes after all.
    world.write("inputs", &file::encode_bundle(&world.work.inputs));
    assert_eq!(
        watcher.pass().await.unwrap().reports[0].verdict.name(),
        "consistent"
    );

    let watcher = world.watcher(ANNA);
    std::fs::remove_file(&inputs).unwrap();
    watcher.pass().await.unwrap();
    world.finalize();
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert!(
        why(&report).contains("paid") && why(&report).contains("inputs"),
        "{report:?}"
    );

    // Who wants an answer now gets one.
    let world = World::honest();
    std::fs::remove_file(world.place().join("weights")).unwrap();
    let watcher = world.watcher(ANNA);
    let reports = watcher
        .run_once(|_| {}, std::future::pending())
        .await
        .unwrap();
    assert!(why(&reports[0]).contains("weights"), "{reports:?}");
}

#[tokio::test]
async fn data_of_a_named_client_are_kept_before_there_is_a_result() {
    for with_folder in [false, true] {
        let world = World::wrong(1);
        world.publish(&world.claim.outputs);
        world.state().job.as_mut().unwrap().state = JobState::Taken as u8;
        let mut settings = Settings {
            clients: [CLIENT].into(),
            ..world.settings()
        };
        if with_folder {
            settings.state = Some(world.place().join("state"));
        }
        // Whoever watches everybody does not fetch before there is something to check.
        let everybody = world.watcher(BERT);
        everybody.pass().await.unwrap();
        let mut watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
        assert!(watcher.pass().await.unwrap().reports.is_empty());
        for name in ["inputs", "weights"] {
            std::fs::remove_file(world.place().join(name)).unwrap();
        }
        if with_folder {
            drop(watcher);
            watcher = world.watcher_with(ANNA, settings, usize::MAX);
        }
        world.state().job.as_mut().unwrap().state = JobState::Submitted as u8;
        let pass = everybody.pass().await.unwrap();
        assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
        let report = watcher.pass().await.unwrap().reports.remove(0);
        assert_eq!(report.verdict.name(), "convicted");
        if with_folder {
            let mut left = std::fs::read_dir(world.place().join("state/inputs")).unwrap();
            assert!(left.next().is_none());
        }
    }
}

#[tokio::test]
async fn other_data_than_those_that_were_committed_to_are_refused() {
    let world = World::honest();
    let mut inputs = world.work.inputs.clone();
    inputs[0].data_mut()[0] ^= 1;
    world.write("inputs", &file::encode_bundle(&inputs));
    world.publish(&world.work.outputs);
    let watcher = world.watcher(ANNA);
    let reports = watcher
        .run_once(|_| {}, std::future::pending())
        .await
        .unwrap();
    assert!(why(&reports[0]).contains("root"), "{reports:?}");
    assert_eq!(
        world.count(|c| &c.convictions) + world.count(|c| &c.asks),
        0
    );
}

#[tokio::test]
async fn limits_and_places_that_are_not_allowed_are_final() {
    let world = World::wrong(0);
    let small = Settings {
        max_trace_bytes: 100,
        ..world.settings()
    };
    let report = world
        .watcher_with(ANNA, small, usize::MAX)
        .pass()
        .await
        .unwrap();
    assert!(why(&report.reports[0]).contains("limit of 100"));
    let mut nowhere = world.settings();
    nowhere.fetch.file_roots = vec![Path::new("/proc").to_owned()];
    // The weights' place may change: a model's owner could otherwise silence all watchers for good.
    let watcher = world.watcher_with(ANNA, nowhere.clone(), usize::MAX);
    let pass = watcher.pass().await.unwrap();
    assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
    // With weights at hand, the job's own place is what counts.
    let folder = world.place().join("state");
    std::fs::create_dir_all(folder.join("models")).unwrap();
    let kept = folder.join(format!("models/{MODEL}.weights"));
    std::fs::copy(world.place().join("weights"), kept).unwrap();
    nowhere.state = Some(folder);
    let watcher = world.watcher_with(ANNA, nowhere, usize::MAX);
    let report = watcher.pass().await.unwrap();
    assert!(why(&report.reports[0]).contains("--allow-files"));
}

/// Nothing can be fetched, so what is refused is refused before.
#[tokio::test]
async fn too_much_memory_work_or_too_small_a_bond_is_refused_before_anything_is_fetched() {
    type Change = fn(&mut Settings);
    let settings: [(Change, &str); 3] = [
        (|settings| settings.max_memory_bytes = 0, "--memory-limit"),
        (|settings| settings.max_macs = 1_999_999_999, "--max-gmacs"),
        (
            |settings| settings.min_bonds = [(MINT, 11)].into(),
            "--min-bond",
        ),
    ];
    for (change, option) in settings {
        let world = World::wrong(0);
        {
            let mut state = world.state();
            let job = state.job.as_mut().unwrap();
            job.macs = 2_000_000_000u64.into();
            job.bond_atoms = 10u64.into();
        }
        std::fs::remove_file(world.place().join("weights")).unwrap();
        let mut settings = world.settings();
        let watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
        assert_eq!(watcher.pass().await.unwrap().waiting, 1);
        change(&mut settings);
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        let pass = watcher.pass().await.unwrap();
        assert!(why(&pass.reports[0]).contains(option), "{pass:?}");
    }
}

#[tokio::test]
async fn a_case_waits_for_memory_that_others_take() {
    for is_withheld in [false, true] {
        let world = World::wrong(0);
        if !is_withheld {
            world.publish(&world.claim.outputs);
        }
        let settings = Settings {
            max_memory_bytes: 1 << 20,
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        // The second step of a withheld case has its data in memory already.
        if is_withheld {
            watcher.pass().await.unwrap();
        }
        let others = watcher.inner.materials.room.occupy(1 << 20).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(200), watcher.pass());
        assert!(waiting.await.is_err());
        drop(others);
        world.pass_time(100);
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(report.verdict.name(), "convicted");
    }
}

#[tokio::test]
async fn an_own_result_is_kept_until_the_case_is_decided() {
    for has_room in [true, false] {
        let world = World::wrong(3);
        world.pass_time(100);
        let mut settings = world.settings();
        if !has_room {
            settings.max_kept_bytes = 0;
        }
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        watcher.pass().await.unwrap();
        let case = (world.address, 1);
        let kept = watcher.inner.materials.kept_own(case);
        assert_eq!(kept.is_some(), has_room);
        // With it, the data may go away.
        if has_room {
            std::fs::remove_file(world.place().join("inputs")).unwrap();
            std::fs::remove_file(world.place().join("weights")).unwrap();
        }
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(report.verdict.name(), "convicted");
        assert!(watcher.inner.materials.kept_own(case).is_none());
        let room = &watcher.inner.materials.room_for_owns;
        assert!(
            room.try_occupy(if has_room { 2 << 30 } else { 1 })
                .is_some()
        );
    }
}

#[tokio::test]
async fn a_node_that_is_behind_ends_no_case() {
    // Before the submission, and before the job.
    for has_job in [true, false] {
        let world = World::wrong(1);
        world.publish(&world.claim.outputs);
        let mut behind = world.state().job.unwrap();
        behind.state = JobState::Taken as u8;
        behind.submissions = 0u32.into();
        behind.trace_root = [0; 32];
        world.state().stale = vec![has_job.then_some(behind)];
        let watcher = world.watcher(ANNA);
        let pass = watcher.pass().await.unwrap();
        match has_job {
            true => assert_eq!((pass.reports.len(), pass.waiting), (0, 1)),
            false => assert_eq!(pass.reports[0].verdict.name(), "could_not_check"),
        }
        let pass = watcher.pass().await.unwrap();
        assert_eq!(pass.reports[0].verdict.name(), "convicted");
        assert!(watcher.pass().await.unwrap().reports.is_empty());
    }
    // What fails while another node is asked stays a failure.
    let world = World::wrong(1);
    world.publish(&world.claim.outputs);
    let now = world.state().job;
    let mut behind = now;
    behind.as_mut().unwrap().submissions = 0u32.into();
    let watcher = world.watcher_with(ANNA, world.settings(), usize::MAX);
    let id = CaseId::of(world.address, &now.unwrap());
    watcher.inner.note(id, &now.unwrap());
    world.state().stale = vec![behind];
    let failed = ClientError::Argument("refused".to_owned());
    let next = watcher.inner.unless_moved_on(id, failed).await;
    assert!(matches!(next, Err(Trouble::Again(_))), "{next:?}");
}

#[tokio::test]
async fn what_seems_to_have_gone_on_is_reported_once_and_examined_if_it_has_not() {
    let world = World::wrong(1);
    world.publish(&world.claim.outputs);
    let watcher = world.watcher(ANNA);
    world.state().stale = vec![None, None];
    let pass = watcher.pass().await.unwrap();
    assert!(why(&pass.reports[0]).contains("ended"), "{pass:?}");
    assert!(watcher.pass().await.unwrap().reports.is_empty());
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "convicted");
}

#[tokio::test]
async fn a_case_is_known_by_what_was_committed_to() {
    let world = World::honest();
    world.publish(&world.work.outputs);
    let settings = Settings {
        state: Some(world.place().join("state")),
        ..world.settings()
    };
    let mut watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
    assert_eq!(watcher.pass().await.unwrap().reports.len(), 1);
    // The same submission with another root, after a rollback; and the same address on another cluster.
    let changes: [fn(&mut Job); 2] = [
        |job| job.trace_root = [1; 32],
        |job| job.created_at = 5i64.into(),
    ];
    for change in changes {
        change(world.state().job.as_mut().unwrap());
        assert_eq!(watcher.pass().await.unwrap().waiting, 1);
        // Only one process at a time uses the folder.
        drop(watcher);
        watcher = world.watcher_with(BERT, settings.clone(), usize::MAX);
        assert_eq!(watcher.pass().await.unwrap().waiting, 1);
        lock(&watcher.inner.open).clear();
    }
}

/// Demands that nobody needs are not read, so no number of them keeps a watcher from its own.
#[tokio::test]
async fn a_flood_of_demands_hides_nothing() {
    let world = World::wrong(3);
    world.is_flooded.store(true, Ordering::SeqCst);
    world.pass_time(100);
    let report = until_reported(&world, &world.watcher(ANNA), true).await;
    assert_eq!(report.verdict.name(), "convicted");
    // Unanswered on an own demand is still noticed.
    let world = World::wrong(3);
    world.is_flooded.store(true, Ordering::SeqCst);
    world.pass_time(100);
    let report = until_reported(&world, &world.watcher(ANNA), false).await;
    assert_eq!(report.verdict.name(), "timed_out");
}

#[tokio::test]
async fn a_trace_whose_place_cannot_be_found_is_a_missing_one() {
    let world = World::wrong(3);
    world.publish(&world.claim.outputs);
    world.is_lost.store(true, Ordering::SeqCst);
    let watcher = world.watcher(ANNA);
    for _ in 0..5 {
        watcher.pass().await.unwrap();
    }
    world.pass_time(100);
    let report = until_reported(&world, &watcher, true).await;
    assert!(
        matches!(report.verdict, Verdict::Convicted { demands: 4, .. }),
        "{report:?}"
    );
    assert_eq!(
        world.count(|c| &c.trace_look_ups),
        2,
        "once more, not in every step"
    );
}

#[tokio::test]
async fn whoever_has_money_in_a_conviction_opens_the_provers_purse() {
    for is_client in [false, true] {
        let world = World::wrong(1);
        world.publish(&world.claim.outputs);
        world.has_purse.store(false, Ordering::SeqCst);
        let settings = Settings {
            clients: is_client.then_some(CLIENT).into_iter().collect(),
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        for _ in 0..3 {
            watcher.pass().await.unwrap();
        }
        assert_eq!(world.count(|c| &c.settled), usize::from(is_client));
    }
}

#[tokio::test]
async fn an_own_source_of_weights_that_fails_is_not_the_last_one() {
    let world = World::honest();
    world.publish(&world.work.outputs);
    let settings = Settings {
        weights: [(MODEL, world.uri("nothing"))].into(),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "consistent");
}

#[tokio::test]
async fn after_the_review_nothing_is_asked_but_published_data_still_convict() {
    let world = World::wrong(0);
    world.pass_time(i64::from(REVIEW_SECS) + 1);
    let watcher = world.watcher(ANNA);
    let pass = watcher.pass().await.unwrap();
    assert_eq!(
        (pass.reports.len(), pass.waiting, world.count(|c| &c.asks)),
        (0, 1, 0)
    );
    world.publish(&world.claim.outputs);
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "convicted");
}

#[tokio::test]
async fn run_reports_and_stops_when_told() {
    let world = World::wrong(2);
    world.publish(&world.claim.outputs);
    let watcher = world.watcher(ANNA);
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let mut tell = Some(tell);
    let settled = async {
        told.await.unwrap();
        while world.state().job.is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let mut names = Vec::new();
    let report = |report: &Report| {
        names.push(report.verdict.name());
        let _ = tell.take().map(|tell| tell.send(()));
    };
    let run = watcher.run(report, settled);
    tokio::time::timeout(Duration::from_secs(30), run)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(names, ["convicted"]);
    assert_eq!(world.count(|c| &c.settled), 1);
}

/// What is known to be wrong is never called unchecked, and whoever can pay convicts it later.
#[tokio::test]
async fn a_wrong_result_that_cannot_be_convicted_is_called_wrong() {
    for is_published in [true, false] {
        let world = World::wrong(2);
        world.pass_time(100);
        if is_published {
            world.publish(&world.claim.outputs);
        }
        world.is_poor.store(true, Ordering::SeqCst);
        let settings = Settings {
            state: Some(world.place().join("state")),
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
        let reports = watcher.run_once(|_| {}, std::future::pending());
        let report = reports.await.unwrap().remove(0);
        let Verdict::Wrong { charge, why } = &report.verdict else {
            panic!("{report:?}")
        };
        assert_eq!(charge.is_some(), is_published);
        assert!(why.contains("lamports"));
        assert_eq!(report.json()["verdict"], "wrong");
        assert!(report.verdict.details().contains("do NOT use"));
        drop(watcher);
        world.is_poor.store(false, Ordering::SeqCst);
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(report.verdict.name(), "convicted");
    }
    // Also if it was paid in the meantime.
    let world = World::wrong(2);
    world.publish(&world.claim.outputs);
    world.is_poor.store(true, Ordering::SeqCst);
    let watcher = world.watcher(ANNA);
    assert_eq!(watcher.pass().await.unwrap().waiting, 1);
    world.finalize();
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "wrong");
    assert!(why(&report).contains("paid"), "{report:?}");
}

#[tokio::test]
async fn a_node_that_hangs_keeps_nobody_from_stopping() {
    let world = World::honest();
    world.hangs.store(true, Ordering::SeqCst);
    let watcher = world.watcher(ANNA);
    let stop = tokio::time::sleep(Duration::from_millis(20));
    let run = watcher.run(|_| {}, stop);
    let done = tokio::time::timeout(Duration::from_secs(10), run).await;
    done.unwrap().unwrap();
}

#[tokio::test]
async fn it_ends_when_all_named_jobs_have_ended() {
    let world = World::honest();
    world.publish(&world.work.outputs);
    let settings = Settings {
        jobs: [world.address].into(),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let mut names = Vec::new();
    let report = |report: &Report| {
        names.push(report.verdict.name());
        world.finalize();
    };
    let run = watcher.run(report, std::future::pending());
    let done = tokio::time::timeout(Duration::from_secs(30), run).await;
    done.unwrap().unwrap();
    assert_eq!(names, ["consistent"]);
}

#[tokio::test]
async fn follow_tells_all_until_the_account_is_gone() {
    let world = World::wrong(2);
    world.publish(&world.claim.outputs);
    let settings = Settings {
        jobs: [world.address].into(),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let mut told = Vec::new();
    let outcome = watcher.follow(&world.address, |what| {
        told.push(match what {
            Followed::State(state) => format!("{state:?}"),
            Followed::Verdict(report) => report.verdict.name().to_owned(),
        });
    });
    let outcome = tokio::time::timeout(Duration::from_secs(30), outcome).await;
    let expected = Outcome::Convicted {
        prover: ANNA,
        reason: 1,
    };
    assert_eq!(outcome.unwrap().unwrap(), expected);
    assert_eq!(told[..2], ["Submitted", "convicted"], "{told:?}");
}

#[test]
fn reports_in_json_say_the_same_for_programs() {
    let report = Report {
        job: CLIENT,
        submission: 2,
        client: CLIENT,
        provider: PROVIDER,
        verdict: Verdict::Convicted {
            signature: Signature::default(),
            charge: Charge::Cell {
                op: 1,
                row: 2,
                col: 3,
            },
            route: Route::Account,
            evidence_bytes: 10,
            compute_units: None,
            demands: 0,
        },
        fees_lamports: 5,
    };
    let json = report.json();
    for (field, value) in [
        ("verdict", serde_json::json!("convicted")),
        ("charge", serde_json::json!({ "op": 1, "row": 2, "col": 3 })),
        ("route", serde_json::json!("account")),
        ("submission", serde_json::json!(2)),
        ("compute_units", serde_json::Value::Null),
    ] {
        assert_eq!(json[field], value, "{field}");
    }
    assert!(report.verdict.details().contains("op 1, row 2, column 3"));
}

/// A chain on which strangers have jobs, too, whose models take their time or never come.
struct Crowd {
    view: View,
    others: Vec<(Pubkey, Job)>,
    /// Strangers' models.
    stalls_for: Duration,
}

impl Crowd {
    fn watcher(world: &Arc<World>, others: Vec<(Pubkey, Job)>, stalls_for: Duration) -> Watcher {
        let chain = Self {
            view: View {
                world: Arc::clone(world),
                signer: ANNA,
                left: AtomicUsize::new(usize::MAX),
            },
            others,
            stalls_for,
        };
        Watcher::new(world.settings(), Arc::new(chain)).unwrap()
    }

    /// Jobs with earlier deadlines than the world's own one.
    fn jobs(world: &World, count: u8, client: impl Fn(u8) -> Pubkey) -> Vec<(Pubkey, Job)> {
        let job = world.state().job.unwrap();
        let other = |number: u8| {
            let mut job = job;
            job.client = client(number);
            job.model = BERT;
            job.deadline = START.into();
            (Pubkey::from([number + 100; 32]), job)
        };
        (0..count).map(other).collect()
    }
}

#[async_trait]
impl ChainReads for Crowd {
    fn signer(&self) -> Pubkey {
        self.view.signer()
    }
    async fn moment(&self) -> ChainResult<Moment> {
        self.view.moment().await
    }
    async fn job(&self, address: &Pubkey) -> ChainResult<Option<Job>> {
        match self.others.iter().find(|(other, _)| other == address) {
            Some((_, job)) => Ok(Some(*job)),
            None => self.view.job(address).await,
        }
    }
    async fn model(&self, address: &Pubkey) -> ChainResult<ModelAccount> {
        if *address == MODEL {
            return self.view.model(address).await;
        }
        tokio::time::sleep(self.stalls_for).await;
        Err(ClientError::Argument("it does not come".to_owned()))
    }
    async fn input_uri(&self, address: &Pubkey, job: &Job) -> ChainResult<String> {
        self.view.input_uri(address, job).await
    }
    async fn model_uri(&self, address: &Pubkey, model: &Model) -> ChainResult<String> {
        self.view.model_uri(address, model).await
    }
}

#[async_trait]
impl WatcherChain for Crowd {
    async fn jobs(
        &self,
        state: JobState,
        client: Option<Pubkey>,
    ) -> ChainResult<Vec<(Pubkey, Job)>> {
        let mut jobs = self.view.jobs(state, client).await?;
        if state == JobState::Submitted {
            jobs.extend(&self.others);
        }
        Ok(jobs)
    }
    async fn output_uri(&self, address: &Pubkey, job: &Job) -> ChainResult<String> {
        self.view.output_uri(address, job).await
    }
    async fn demand_at(
        &self,
        job: &Pubkey,
        nr: u32,
        node_id: &NodeId,
    ) -> ChainResult<Option<OpenedDemand>> {
        self.view.demand_at(job, nr, node_id).await
    }
    async fn unanswered(&self, job: &Pubkey) -> ChainResult<Vec<OpenedDemand>> {
        self.view.unanswered(job).await
    }
    async fn ask(&self, job: &Job, node_id: &NodeId, parent: Option<Pubkey>) -> ChainResult<()> {
        self.view.ask(job, node_id, parent).await
    }
    async fn convict(
        &self,
        job: &Job,
        charge: &Charge,
        evidence: &[u8],
    ) -> ChainResult<Conviction> {
        self.view.convict(job, charge, evidence).await
    }
    async fn timeout(&self, job: &Job, asked: &OpenedDemand) -> ChainResult<Signature> {
        self.view.timeout(job, asked).await
    }
    async fn settle_conviction(
        &self,
        address: &Pubkey,
        job: &Job,
        opens: bool,
    ) -> ChainResult<bool> {
        self.view.settle_conviction(address, job, opens).await
    }
    async fn tidy(&self) -> ChainResult<usize> {
        self.view.tidy().await
    }
    async fn outcome(&self, address: &Pubkey) -> ChainResult<Outcome> {
        self.view.outcome(address).await
    }
}

#[tokio::test]
async fn what_failed_comes_last_and_what_was_asked_first() {
    let world = World::wrong(3);
    let others = Crowd::jobs(&world, 3, |number| Pubkey::from([number; 32]));
    let watcher = Crowd::watcher(&world, others, Duration::ZERO);
    let first = async || {
        let found = watcher.inner.survey(&HashSet::new(), true).await.unwrap();
        assert_eq!(found.len(), 4);
        found[0].task.job()
    };
    assert_ne!(first().await, world.address, "the nearest deadline first");
    watcher.pass().await.unwrap();
    assert_eq!(first().await, world.address, "the others have failed");
    world.pass_time(100);
    watcher.pass().await.unwrap();
    assert_eq!(world.count(|c| &c.asks), 1);
    for case in lock(&watcher.inner.open).values_mut() {
        case.failures = 0;
    }
    assert_eq!(
        first().await,
        world.address,
        "its next demand has little time"
    );
}

/// Runs until the world's own job is reported.
async fn run_to_report(world: &World, watcher: &Watcher) -> bool {
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let mut tell = Some(tell);
    let report = |report: &Report| {
        if report.job == world.address {
            let _ = tell.take().map(|tell| tell.send(()));
        }
    };
    tokio::select! {
        _ = watcher.run(report, std::future::pending()) => false,
        told = told => told.is_ok(),
        () = tokio::time::sleep(Duration::from_secs(10)) => false,
    }
}

#[tokio::test]
async fn strangers_whose_data_do_not_come_keep_nobody_waiting() {
    // Of many clients: they fail now and again, always with nearer deadlines, and never rest.
    let world = World::honest();
    world.publish(&world.work.outputs);
    let others = Crowd::jobs(&world, 40, |number| Pubkey::from([number; 32]));
    let watcher = Crowd::watcher(&world, others, Duration::from_millis(100));
    assert!(
        run_to_report(&world, &watcher).await,
        "after all have failed once"
    );
    // Of one client: they never even fail.
    let world = World::honest();
    world.publish(&world.work.outputs);
    let others = Crowd::jobs(&world, 4, |_| BERT);
    let watcher = Crowd::watcher(&world, others, Duration::from_secs(3_600));
    assert!(run_to_report(&world, &watcher).await, "at once");
}
