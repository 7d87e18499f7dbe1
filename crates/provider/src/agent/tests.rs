//! The agent against a chain that follows the program's rules and can die at every step, together with the agent.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    super::*,
    crate::{chain::Answer, worker::WorkResult},
    async_trait::async_trait,
    bytemuck::Zeroable,
    quern_client::{
        ChainReads, Result as ChainResult,
        accounts::DemandAccount,
        flows,
        quern::state::{Demand, LAYOUT_VERSION, Model, Provider, Purse},
    },
    quern_proof::{
        Operand,
        builder::GraphBuilder,
        commit,
        demand::{self, NodeId},
        eval, file,
        shape::DType,
        verify::{self, Finding, Hints},
    },
    std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

/// Lets so many steps through; then everything fails, as after a kill.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    left: AtomicUsize,
}

impl Fuse {
    fn new(steps: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(steps),
        })
    }

    pub(crate) fn burn(&self) -> std::result::Result<(), String> {
        let burnt = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        burnt.map(drop).map_err(|_| "killed".to_owned())
    }

    fn is_blown(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }
}

/// What happened on the chain.
#[derive(Debug, Default)]
struct Counts {
    takes: AtomicU32,
    submits: AtomicU32,
    finalizes: AtomicU32,
    works: AtomicU32,
    reveals: AtomicU32,
    /// Transactions with them.
    reveal_transactions: AtomicU32,
}

/// One job on a chain of its own, with the rules that the agent depends on.
struct World {
    job: Mutex<Option<Job>>,
    address: Pubkey,
    model: ModelAccount,
    provider: Provider,
    purse: Purse,
    input_uri: String,
    model_uri: String,
    now: Mutex<i64>,
    roots: Mutex<Vec<[u8; 32]>>,
    counts: Counts,
    expected_root: [u8; 32],
    folder: tempfile::TempDir,
    /// How often the chain was asked where the weights are, which happens before every fetch.
    weight_fetches: AtomicU32,
    /// Whether the node still has old transactions, and how often somebody asked for one.
    has_history: AtomicBool,
    look_ups: AtomicU32,
    /// What a node that is behind shows instead of the job.
    stale: Mutex<Option<Option<Job>>>,
    lamports: AtomicU64,
    /// What was asked about the job, in no order.
    demands: Mutex<Vec<DemandAccount>>,
    /// Demands whose answers do not get through, and whether the program says that somebody else was faster.
    stuck: Mutex<HashMap<Pubkey, Option<QuernError>>>,
    /// Demands in the order in which their answers were sent.
    sent: Mutex<Vec<Pubkey>>,
    /// Everything that can be asked about, for making up demands.
    data: CheckedTensors,
    trace: commit::Trace,
}

const OWNER: Pubkey = Pubkey::new_from_array([1; 32]);
const CLIENT: Pubkey = Pubkey::new_from_array([2; 32]);
const MINT: Pubkey = Pubkey::new_from_array([3; 32]);
const MODEL: Pubkey = Pubkey::new_from_array([4; 32]);
const REVIEW_SECS: u32 = 10;
const KEEP_ENDED_SECS: u32 = 20;

impl World {
    fn new(milestones: u8) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let weights = [
            Tensor::from_i8(2, 3, &[1, -2, 3, 4, 5, -6]).unwrap(),
            Tensor::from_i32(1, 2, &[100, -100]).unwrap(),
            Tensor::from_i32(1, 2, &[3, 5]).unwrap(),
        ];
        let input = Tensor::from_i8(4, 3, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).unwrap();
        let mut builder = GraphBuilder::new();
        let a = builder.input_batch(DType::I8, 3);
        let [w, bias, mult] = weights.each_ref().map(|weight| builder.weight(weight));
        let product = builder.matmul(a, w);
        builder.qlinear(a, w, bias, mult, 4, -128, 127);
        builder.argmax(product);
        let graph = builder.finish().unwrap();
        let outputs = eval::run(
            &Graph::parse(&graph).unwrap(),
            4,
            std::slice::from_ref(&input),
            &weights,
        )
        .unwrap();
        let trace = commit::Trace::new(outputs).unwrap();
        let expected_root = trace.root();

        let inputs = vec![input];
        let write = |name: &str, tensors: &[Tensor]| {
            let path = folder.path().canonicalize().unwrap().join(name);
            std::fs::write(&path, file::encode_bundle(tensors)).unwrap();
            url::Url::from_file_path(path).unwrap().to_string()
        };
        let (input_uri, model_uri) = (write("inputs", &inputs), write("weights", &weights));

        let mut model = Model::zeroed();
        model.sealed = true.into();
        model.graph_bytes = (graph.len() as u32).into();
        model.uri_hash = uri_hash(&model_uri);
        let mut provider = Provider::zeroed();
        provider.owner = OWNER;
        provider.operator = OWNER;
        provider.active = true.into();
        let mut purse = Purse::zeroed();
        purse.owner = OWNER;
        purse.mint = MINT;
        purse.free_atoms = 1_000u64.into();

        let mut job = Job::zeroed();
        job.version = LAYOUT_VERSION;
        job.state = JobState::Open as u8;
        job.kind = JobKind::Inference as u8;
        let assurance = if milestones == 1 {
            Assurance::Refereed
        } else {
            Assurance::Reviewed
        };
        job.assurance = assurance as u8;
        job.milestones = milestones;
        job.seq = 1u64.into();
        job.client = CLIENT;
        job.mint = MINT;
        job.input_uri_hash = uri_hash(&input_uri);
        job.price_atoms = 10u64.into();
        job.bond_atoms = 20u64.into();
        job.take_secs = 1_000u32.into();
        job.work_secs = 1_000u32.into();
        job.review_secs = REVIEW_SECS.into();
        job.ends_by = 1_000_000i64.into();
        job.deadline = 1_100i64.into();
        if milestones == 1 {
            job.model = MODEL;
            job.batch_rows = 4u32.into();
            job.input_roots[0] = commit::data_root(&inputs[0]);
        }
        job.terms.response_secs = (6 * 3_600u32).into();
        job.terms.react_secs = 3_600u32.into();
        job.terms.grace_secs = 100u32.into();
        Arc::new(Self {
            address: job_address(&job),
            job: Mutex::new(Some(job)),
            model: ModelAccount {
                address: MODEL,
                model,
                graph: graph.clone(),
            },
            provider,
            purse,
            input_uri,
            model_uri,
            now: Mutex::new(100),
            roots: Mutex::default(),
            counts: Counts::default(),
            expected_root,
            folder,
            weight_fetches: AtomicU32::new(0),
            has_history: AtomicBool::new(true),
            look_ups: AtomicU32::new(0),
            stale: Mutex::default(),
            lamports: AtomicU64::new(LEAST_LAMPORTS),
            demands: Mutex::default(),
            stuck: Mutex::default(),
            sent: Mutex::default(),
            data: CheckedTensors {
                graph,
                inputs,
                weights: weights.to_vec(),
            },
            trace,
        })
    }

    fn graph(&self) -> Graph<'_> {
        Graph::parse(&self.data.graph).unwrap()
    }

    /// Everything that the program lets anybody ask.
    fn demands(&self) -> Vec<NodeId> {
        let mut all = Vec::new();
        for tree in (0..=u8::MAX).filter_map(demand::Tree::from_code) {
            for level in 0..8 {
                for index in 0..1 << level {
                    let node_id = NodeId { tree, level, index };
                    if demand::plan(&self.graph(), 4, &node_id).is_ok() {
                        all.push(node_id);
                    }
                }
            }
        }
        all
    }

    /// Asks as the program does, due so many seconds from now.
    fn ask(&self, node_id: &NodeId, due_secs: i64) -> Pubkey {
        let now = self.now();
        let mut job = self.job.lock().unwrap();
        let job = job.as_mut().unwrap();
        assert_eq!(job.state, JobState::Submitted as u8);
        let asked = demand::plan(&self.graph(), 4, node_id).unwrap();
        let of = |tensors: &[Tensor], index: u8| {
            commit::Tree::new(&tensors[usize::from(index)]).node(node_id.level, node_id.index)
        };
        let node = match node_id.tree {
            demand::Tree::Trace => self.trace.node(node_id.level, node_id.index),
            demand::Tree::Data(Operand::Op(op)) => of(self.trace.outputs(), op),
            demand::Tree::Data(Operand::Input(input)) => of(&self.data.inputs, input),
            demand::Tree::Data(Operand::Weight(weight)) => of(&self.data.weights, weight),
        };
        let mut demand = Demand::zeroed();
        demand.version = LAYOUT_VERSION;
        (demand.tree, demand.level) = (node_id.tree.code(), node_id.level);
        demand.index = node_id.index.into();
        demand.is_leaf = asked.is_leaf.into();
        demand.answer_bytes = u32::from(asked.answer_bytes).into();
        demand.node = node.unwrap();
        demand.job = self.address;
        demand.submission = job.submissions;
        demand.due = (now + due_secs).into();
        demand.slot = 1u64.into();
        let address = Pubkey::new_unique();
        let account = DemandAccount {
            address,
            demand,
            answer: None,
        };
        self.demands.lock().unwrap().push(account);
        job.open_demands = (job.open_demands.get() + 1).into();
        job.seq = (job.seq.get() + 1).into();
        address
    }

    fn unanswered(&self) -> usize {
        let demands = self.demands.lock().unwrap();
        demands
            .iter()
            .filter(|known| known.answer.is_none())
            .count()
    }

    fn job(&self) -> Option<Job> {
        *self.job.lock().unwrap()
    }

    /// The job as the node shows it.
    fn shown(&self) -> Option<Job> {
        let stale = *self.stale.lock().unwrap();
        stale.unwrap_or_else(|| self.job())
    }

    /// An old transaction's text, if the node still has it.
    fn look_up(&self, text: &str) -> ChainResult<String> {
        self.look_ups.fetch_add(1, Ordering::SeqCst);
        match self.has_history.load(Ordering::SeqCst) {
            true => Ok(text.to_owned()),
            false => Err(ClientError::UriUnknown {
                address: self.address,
            }),
        }
    }

    /// From now on the node knows no old transaction.
    fn forget_history(&self) {
        self.has_history.store(false, Ordering::SeqCst);
        self.look_ups.store(0, Ordering::SeqCst);
    }

    fn now(&self) -> i64 {
        *self.now.lock().unwrap()
    }

    fn pass_time(&self, secs: i64) {
        *self.now.lock().unwrap() += secs;
    }

    /// Changes the job as an instruction would; `None` closes it.
    fn change(&self, from: JobState, with: impl FnOnce(&mut Job, i64) -> bool) -> ChainResult<()> {
        let now = self.now();
        let mut job = self.job.lock().unwrap();
        let open = job.as_mut().filter(|job| job.state == from as u8);
        let Some(live) = open else {
            return Err(refused(QuernError::WrongState));
        };
        live.seq = (live.seq.get() + 1).into();
        if with(live, now) {
            *job = None;
        }
        Ok(())
    }

    fn settings(&self) -> Settings {
        let home = self.folder.path().join("home");
        let publisher = Publisher::folder(&self.folder.path().join("published"), None).unwrap();
        let mut settings = Settings::new(OWNER, home, publisher);
        settings.fetch.file_roots = vec![self.folder.path().to_owned()];
        settings.policy.accepted = true;
        settings.retry = Duration::ZERO;
        settings.keep_ended_secs = KEEP_ENDED_SECS;
        settings
    }
}

/// A refusal by the program with one of its codes.
fn refused(error: QuernError) -> ClientError {
    use solana_sdk::{instruction::InstructionError, transaction::TransactionError};
    let code = 6_000 + error as u32;
    let error = TransactionError::InstructionError(0, InstructionError::Custom(code));
    let refusal = quern_client::Refusal::new(error, Vec::new(), &[quern_client::quern::ID]);
    ClientError::Refused(Box::new(refusal))
}

/// The world through one process: when its fuse blows, neither reads nor writes get through any more.
struct View {
    world: Arc<World>,
    fuse: Arc<Fuse>,
}

impl View {
    /// A transaction: the process can die before it is sent, or after it landed and before it hears so.
    fn transact(
        &self,
        count: &AtomicU32,
        change: impl FnOnce() -> ChainResult<()>,
    ) -> ChainResult<()> {
        self.burn()?;
        change()?;
        count.fetch_add(1, Ordering::SeqCst);
        self.burn()
    }

    fn burn(&self) -> ChainResult<()> {
        self.fuse.burn().map_err(ClientError::Argument)
    }
}

#[async_trait]
impl ChainReads for View {
    fn signer(&self) -> Pubkey {
        OWNER
    }
    async fn moment(&self) -> ChainResult<Moment> {
        if self.fuse.is_blown() {
            return self.burn().map(|()| unreachable!());
        }
        Ok(Moment {
            now: self.world.now(),
            slot: 1,
            last_restart_slot: 0,
        })
    }
    async fn job(&self, _: &Pubkey) -> ChainResult<Option<Job>> {
        Ok(self.world.shown())
    }
    async fn model(&self, _: &Pubkey) -> ChainResult<ModelAccount> {
        Ok(self.world.model.clone())
    }
    async fn input_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        self.world.look_up(&self.world.input_uri)
    }
    async fn model_uri(&self, _: &Pubkey, _: &Model) -> ChainResult<String> {
        self.world.weight_fetches.fetch_add(1, Ordering::SeqCst);
        // Time for another task to come as far as this.
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.world.look_up(&self.world.model_uri)
    }
}

#[async_trait]
impl ProviderChain for View {
    async fn open_jobs(&self) -> ChainResult<Vec<(Pubkey, Job)>> {
        let job = self
            .world
            .shown()
            .filter(|job| job.state == JobState::Open as u8);
        Ok(job
            .map(|job| (self.world.address, job))
            .into_iter()
            .collect())
    }
    async fn own_jobs(&self, owner: &Pubkey) -> ChainResult<Vec<(Pubkey, Job)>> {
        let job = self.world.shown().filter(|job| job.provider == *owner);
        Ok(job
            .map(|job| (self.world.address, job))
            .into_iter()
            .collect())
    }
    async fn provider(&self, _: &Pubkey) -> ChainResult<Option<Provider>> {
        Ok(Some(self.world.provider))
    }
    async fn purse(&self, _: &Pubkey, _: &Pubkey) -> ChainResult<Option<Purse>> {
        Ok(Some(self.world.purse))
    }
    async fn is_set_up(&self) -> ChainResult<bool> {
        Ok(true)
    }
    async fn lamports(&self) -> ChainResult<u64> {
        Ok(self.world.lamports.load(Ordering::SeqCst))
    }
    async fn checkpoint_uri(&self, _: &Pubkey, _: &Job) -> ChainResult<String> {
        self.world.look_up("https://example.com/checkpoint")
    }
    async fn take(&self, owner: &Pubkey, _: &Job) -> ChainResult<()> {
        self.transact(&self.world.counts.takes, || {
            self.world.change(JobState::Open, |job, now| {
                job.state = JobState::Taken as u8;
                job.provider = *owner;
                job.deadline = (now + 1_000).into();
                false
            })
        })
    }
    async fn submit(&self, _: &Job, trace_root: [u8; 32], _: &str) -> ChainResult<()> {
        self.transact(&self.world.counts.submits, || {
            self.world.change(JobState::Taken, |job, now| {
                job.state = JobState::Submitted as u8;
                job.trace_root = trace_root;
                job.submissions = (job.submissions.get() + 1).into();
                job.deadline = (now + i64::from(REVIEW_SECS)).into();
                self.world.roots.lock().unwrap().push(trace_root);
                false
            })
        })
    }
    async fn demands(&self, _: &Pubkey) -> ChainResult<Vec<DemandAccount>> {
        let demands = self.world.demands.lock().unwrap();
        let open = demands.iter().filter(|known| !known.demand.answered.get());
        Ok(open.cloned().collect())
    }
    async fn reveal(&self, answers: &[Answer]) -> ChainResult<()> {
        for answer in answers {
            self.world.sent.lock().unwrap().push(answer.demand.address);
        }
        for answer in answers {
            let stuck = self.world.stuck.lock().unwrap();
            match stuck.get(&answer.demand.address).copied() {
                Some(Some(error)) => return Err(refused(error)),
                Some(None) => return Err(ClientError::Argument("not now".to_owned())),
                None => {}
            }
        }
        let now = self.world.now();
        self.transact(&self.world.counts.reveal_transactions, || {
            let mut demands = self.world.demands.lock().unwrap();
            // All of them or none.
            let mut changed = demands.clone();
            for Answer { demand, bytes } in answers {
                let known = changed
                    .iter_mut()
                    .find(|known| known.address == demand.address)
                    .unwrap();
                if known.demand.answered.get() {
                    return Err(refused(QuernError::AlreadyAnswered));
                }
                if now > known.demand.due.get() {
                    return Err(refused(QuernError::TooLate));
                }
                assert!(flows::is_answer(&known.demand, bytes), "a wrong answer");
                known.demand.answered = true.into();
                known.demand.answered_at = now.into();
                known.answer = Some(bytes.clone());
            }
            let count = answers.len() as u32;
            self.world.change(JobState::Submitted, |job, now| {
                job.open_demands = (job.open_demands.get() - count).into();
                job.last_answer_at = now.into();
                false
            })?;
            self.world.counts.reveals.fetch_add(count, Ordering::SeqCst);
            *demands = changed;
            Ok(())
        })
    }
    async fn finalize(&self, _: &Pubkey) -> ChainResult<()> {
        let now = self.world.now();
        let is_early = self.world.job().is_some_and(|job| {
            let react_secs = i64::from(job.terms.react_secs.get());
            let answered = job.last_answer_at.get();
            let ready = match answered {
                0 => 0,
                answered => answered + react_secs,
            };
            job.open_demands.get() > 0 || now <= job.deadline.get().max(ready)
        });
        if is_early {
            return Err(refused(QuernError::TooEarly));
        }
        self.transact(&self.world.counts.finalizes, || {
            self.world.change(JobState::Submitted, |job, now| {
                job.checkpoint = job.trace_root;
                job.milestone += 1;
                job.state = JobState::Taken as u8;
                job.deadline = (now + 1_000).into();
                job.milestone == job.milestones
            })
        })
    }
}

/// Commits to the number of the milestone and counts.
struct Counting(Arc<World>);

#[async_trait]
impl Worker for Counting {
    async fn work(&self, order: &WorkOrder) -> Result<WorkResult> {
        self.0.counts.works.fetch_add(1, Ordering::SeqCst);
        assert_eq!(order.checkpoint_root.is_some(), order.milestone > 0);
        let files = vec![("state".to_owned(), vec![order.milestone])];
        Ok(WorkResult {
            root: [order.milestone + 1; 32],
            output: Output::Files(files),
        })
    }
}

fn start(world: &Arc<World>, steps: usize) -> (Agent, Arc<Fuse>) {
    let fuse = Fuse::new(steps);
    let chain = Arc::new(View {
        world: Arc::clone(world),
        fuse: Arc::clone(&fuse),
    });
    let worker: Arc<dyn Worker> = Arc::new(Counting(Arc::clone(world)));
    let agent = Agent::new(world.settings(), chain, Some(worker)).unwrap();
    let mut inner = Arc::into_inner(agent.inner).unwrap();
    inner.journal.fuse = Some(Arc::clone(&fuse));
    (
        Agent {
            inner: Arc::new(inner),
        },
        fuse,
    )
}

/// Passes with time going on, until the job has ended and the journal is empty, or the fuse blows.
async fn work_through(world: &Arc<World>, agent: &Agent, fuse: &Fuse) -> bool {
    for _ in 0..200 {
        if fuse.is_blown() {
            return false;
        }
        let touched = agent.pass().await;
        let is_idle = touched.is_ok_and(|touched| touched == 0);
        if is_idle && world.job().is_none() && agent.inner.journal.jobs().unwrap().is_empty() {
            return true;
        }
        world.pass_time(15);
    }
    panic!("the job never ended: {:?}", world.job());
}

const PLENTY: usize = usize::MAX;

#[tokio::test]
async fn does_a_refereed_job_from_take_to_payment() {
    let world = World::new(1);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
    let published = world
        .folder
        .path()
        .join(format!("published/{}/1/trace.qtrace", world.address));
    let outputs = file::decode_trace(&std::fs::read(published).unwrap()).unwrap();
    assert_eq!(
        commit::Trace::new(outputs).unwrap().root(),
        world.expected_root
    );
    assert!(agent.inner.journal.jobs().unwrap().is_empty());
}

/// Works until the result is on the chain.
async fn work_until_submitted(world: &World, agent: &Agent) -> bool {
    for _ in 0..20 {
        let _ = agent.pass().await;
        if world
            .job()
            .is_some_and(|job| job.state == JobState::Submitted as u8)
        {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn publishes_the_sums_of_qlinears_as_hints() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let published = world
        .folder
        .path()
        .join(format!("published/{}/1", world.address));
    let bytes = std::fs::read(published.join(fetch::HINTS_FILE)).unwrap();
    let graph = world.graph();
    let hints = Hints::from_file(&graph, 4, &bytes);
    // The sums are those of the MATMUL with the same operands.
    assert_eq!(hints.of(1), Some(&world.trace.outputs()[0]));
    let found = verify::outputs(
        &graph,
        4,
        &world.data.inputs,
        &world.data.weights,
        world.trace.outputs(),
        &hints,
        &mut quern_proof::freivalds::Coins::new([7; 32]),
    );
    assert_eq!(found, Ok(Finding::Consistent));
}

/// Hints are a courtesy: where they cannot be published, or there is no room for them, the result goes out without.
#[tokio::test]
async fn hints_keep_no_result_back() {
    let world = World::new(1);
    let published = format!("published/{}/1", world.address);
    let published = world.folder.path().join(published);
    // A folder in the place of the file.
    std::fs::create_dir_all(published.join(fetch::HINTS_FILE).join("x")).unwrap();
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
    assert!(published.join(fetch::TRACE_FILE).is_file());

    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let mut inner = Arc::into_inner(agent.inner).unwrap();
    let trace_bytes = world.graph().trace_bytes(4).unwrap();
    inner.settings.policy.max_trace_bytes = trace_bytes;
    inner.integer.max_trace_bytes = trace_bytes;
    let agent = Agent {
        inner: Arc::new(inner),
    };
    assert!(work_until_submitted(&world, &agent).await);
    let published = format!("published/{}/1", world.address);
    let published = world.folder.path().join(published);
    assert!(published.join(fetch::TRACE_FILE).is_file());
    assert!(!published.join(fetch::HINTS_FILE).exists());
}

#[tokio::test]
async fn answers_everything_that_can_be_asked_then_finalizes() {
    let world = World::new(1);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    let trees: HashSet<u8> = demands.iter().map(|asked| asked.tree.code()).collect();
    assert_eq!(trees, [0, 1, 2, 64, 128, 129, 130, 255].into());
    for node_id in &demands {
        world.ask(node_id, 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(
        world.counts.reveals.load(Ordering::SeqCst),
        demands.len() as u32
    );
    // One that is asked after the review is over is answered, too, before anything is finalized.
    world.pass_time(i64::from(REVIEW_SECS) + 1);
    world.ask(&demands[0], 60);
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(world.counts.finalizes.load(Ordering::SeqCst), 0);
    world.pass_time(3_600);
    assert!(work_through(&world, &agent, &fuse).await);
}

/// A kill at any step while demands are open, or before they are: the next life answers what is left, each once.
#[tokio::test]
async fn a_kill_at_any_step_leaves_no_demand_unanswered() {
    for damage in [false, true] {
        let mut steps = 1;
        loop {
            let world = World::new(1);
            let (agent, _) = start(&world, PLENTY);
            assert!(work_until_submitted(&world, &agent).await);
            for node_id in world.demands() {
                world.ask(&node_id, 60);
            }
            drop(agent);
            if damage {
                // Nothing of the agent's own is left: it fetches and computes again.
                std::fs::remove_dir_all(world.folder.path().join("home")).unwrap();
            }
            let (agent, fuse) = start(&world, steps);
            let _ = agent.pass().await;
            let finished = !fuse.is_blown();
            drop(agent);
            let (agent, _) = start(&world, PLENTY);
            agent.pass().await.unwrap();
            assert_eq!(world.unanswered(), 0, "after {steps} steps");
            let job = world.job().unwrap();
            assert_eq!(job.open_demands.get(), 0);
            assert_eq!(job.state, JobState::Submitted as u8);
            if finished {
                assert!(steps > 10, "the fuse never blew");
                break;
            }
            steps += 1;
        }
    }
}

#[tokio::test]
async fn a_lost_or_damaged_trace_is_computed_again() {
    for content in [None, Some(&b"garbage"[..]), Some(b"")] {
        let world = World::new(1);
        let (agent, _) = start(&world, PLENTY);
        assert!(work_until_submitted(&world, &agent).await);
        let journal = &agent.inner.journal;
        let path = journal.submission_path(&world.address, 1, fetch::TRACE_FILE);
        let whole = std::fs::read(&path).unwrap();
        match content {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        for node_id in world.demands() {
            world.ask(&node_id, 60);
        }
        agent.pass().await.unwrap();
        assert_eq!(world.unanswered(), 0);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}

/// A trace that is not the one that was committed to: the operands are answered for, and nothing false is sent.
#[tokio::test]
async fn what_cannot_be_answered_keeps_nothing_else_back() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    for node_id in &demands {
        world.ask(node_id, 60);
    }
    world.job.lock().unwrap().as_mut().unwrap().trace_root = [9; 32];
    agent.pass().await.unwrap();
    let of_operands = |node_id: &NodeId| node_id.tree.code() >= 64 && node_id.tree.code() < 255;
    let answered = demands.iter().filter(|asked| of_operands(asked)).count();
    assert!(answered > 0);
    assert_eq!(world.counts.reveals.load(Ordering::SeqCst), answered as u32);
    // Once it is the right one again, the others follow.
    world.job.lock().unwrap().as_mut().unwrap().trace_root = world.expected_root;
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
}

#[tokio::test]
async fn earliest_due_first_and_one_failure_blocks_no_other() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    let count = demands.len() * 12;
    let mut by_due = Vec::new();
    for at in 0..count {
        // Neither the order of asking nor its reverse.
        let due_secs = 100 + (at as i64 * 7) % count as i64;
        by_due.push((due_secs, world.ask(&demands[at % demands.len()], due_secs)));
    }
    by_due.sort_unstable();
    let late = world.ask(&demands[0], -1);
    let (blocked, answered) = (by_due[0].1, by_due[1].1);
    *world.stuck.lock().unwrap() = [
        (blocked, None),
        (answered, Some(QuernError::AlreadyAnswered)),
    ]
    .into();
    agent.pass().await.unwrap();
    let mut sent = world.sent.lock().unwrap().clone();
    // What was refused together went alone afterwards.
    let mut seen = HashSet::new();
    sent.retain(|address| seen.insert(*address));
    assert_eq!(sent.len(), by_due.len());
    // Only those that are under way together may change places.
    const TOGETHER: usize = demands::AT_ONCE * 10;
    assert!(TOGETHER < count / 2);
    for (rank, (_, address)) in by_due.iter().enumerate() {
        let place = sent.iter().position(|sent| sent == address).unwrap();
        assert!(rank < place + TOGETHER, "{rank} went as {place}");
    }
    let left: Vec<Pubkey> = world
        .demands
        .lock()
        .unwrap()
        .iter()
        .filter(|known| known.answer.is_none())
        .map(|known| known.address)
        .collect();
    let mut expected = vec![blocked, answered, late];
    expected.sort_by_key(|address| left.iter().position(|found| found == address));
    assert_eq!(left, expected);
    // The failed one is tried again, the late one is not.
    world.stuck.lock().unwrap().clear();
    world.sent.lock().unwrap().clear();
    agent.pass().await.unwrap();
    let mut sent = world.sent.lock().unwrap().clone();
    sent.sort_unstable();
    let mut expected = vec![blocked, answered];
    expected.sort_unstable();
    assert_eq!(sent, expected);
    // Nothing is finalized while one is open.
    world.pass_time(100_000);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.finalizes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn demands_of_another_submission_are_left_alone() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    world.ask(&world.demands()[0], 60);
    world.demands.lock().unwrap()[0].demand.submission = 2u32.into();
    agent.pass().await.unwrap();
    assert!(world.sent.lock().unwrap().is_empty());
}

/// A kill before or after any write to disk or chain, then a restart, maybe killed again: the job is done exactly once.
#[tokio::test]
async fn a_kill_at_any_step_neither_loses_nor_doubles_a_job() {
    for milestones in [1, 3] {
        let mut steps = 1;
        loop {
            let world = World::new(milestones);
            let (agent, fuse) = start(&world, steps);
            let finished = work_through(&world, &agent, &fuse).await;
            drop(agent);
            if !finished {
                // A second life that is cut short as well, then one that is not.
                let (agent, fuse) = start(&world, 1 + steps % 5);
                let _ = work_through(&world, &agent, &fuse).await;
                drop(agent);
                let (agent, fuse) = start(&world, PLENTY);
                assert!(
                    work_through(&world, &agent, &fuse).await,
                    "after {steps} steps"
                );
            }
            let times = u32::from(milestones);
            let counts = &world.counts;
            assert_eq!(
                counts.takes.load(Ordering::SeqCst),
                1,
                "after {steps} steps"
            );
            assert_eq!(
                counts.submits.load(Ordering::SeqCst),
                times,
                "after {steps} steps"
            );
            assert_eq!(
                counts.finalizes.load(Ordering::SeqCst),
                times,
                "after {steps} steps"
            );
            let expected: Vec<[u8; 32]> = match milestones {
                1 => vec![world.expected_root],
                _ => (1..=milestones).map(|milestone| [milestone; 32]).collect(),
            };
            assert_eq!(
                *world.roots.lock().unwrap(),
                expected,
                "after {steps} steps"
            );
            if finished {
                // So many steps were enough without any kill: all places have been tried.
                assert!(steps > 10, "the fuse never blew");
                break;
            }
            steps += 1;
        }
    }
}

#[tokio::test]
async fn work_that_was_recorded_is_not_done_again() {
    let world = World::new(3);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(world.counts.works.load(Ordering::SeqCst), 3);

    // Killed with the result on disk: the next life publishes and submits it.
    let world = World::new(3);
    let (agent, _) = start(&world, PLENTY);
    agent
        .inner
        .chain
        .take(&OWNER, &world.job().unwrap())
        .await
        .unwrap();
    let job = world.job().unwrap();
    let record = Record::taken(&world.address, 0, 1);
    let record = agent
        .inner
        .compute(&world.address, &job, record, None)
        .await
        .unwrap();
    agent.inner.journal.save(&world.address, &record).unwrap();
    drop(agent);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(world.counts.works.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_lost_folder_costs_work_but_no_job() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    agent
        .inner
        .chain
        .take(&OWNER, &world.job().unwrap())
        .await
        .unwrap();
    drop(agent);
    std::fs::remove_dir_all(world.folder.path().join("home")).unwrap();
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
}

#[tokio::test]
async fn a_transaction_of_unknown_fate_is_not_repeated_while_it_may_land() {
    let world = World::new(3);
    let (agent, _) = start(&world, PLENTY);
    agent
        .inner
        .chain
        .take(&OWNER, &world.job().unwrap())
        .await
        .unwrap();
    let uri = "https://example.com/state".to_owned();
    let stage = Stage::Published {
        root: [1; 32],
        uri,
        sent_at: Some(world.now()),
    };
    agent
        .inner
        .journal
        .save(
            &world.address,
            &Record::taken(&world.address, 0, 1).at(stage),
        )
        .unwrap();
    agent.pass().await.unwrap();
    assert_eq!(world.counts.submits.load(Ordering::SeqCst), 0);
    world.pass_time(UNKNOWN_FATE_SECS);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.submits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn takes_nothing_whose_data_do_not_match() {
    let damaged = |name: &str, bytes: &[u8]| {
        let world = World::new(1);
        std::fs::write(world.folder.path().join(name), bytes).unwrap();
        world
    };
    let input = std::fs::read(World::new(1).folder.path().join("inputs")).unwrap();
    let mut flipped = input.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut huge = input.clone();
    huge[8..16].fill(0xff);
    let cases: [(&str, &[u8]); 7] = [
        ("inputs", b""),
        ("inputs", b"garbage"),
        ("inputs", &input[..input.len() - 1]),
        ("inputs", &flipped),
        ("inputs", &huge),
        ("weights", &input),
        ("weights", &[0; 22]),
    ];
    for (name, bytes) in cases {
        let world = damaged(name, bytes);
        let (agent, _) = start(&world, PLENTY);
        agent.pass().await.unwrap();
        assert_eq!(
            world.counts.takes.load(Ordering::SeqCst),
            0,
            "{name}: {} bytes",
            bytes.len()
        );
        assert_eq!(world.job().unwrap().state, JobState::Open as u8);
        // Corrected, it is served.
        drop(agent);
    }
    let world = damaged("inputs", b"garbage");
    let (agent, fuse) = start(&world, PLENTY);
    agent.pass().await.unwrap();
    std::fs::write(world.folder.path().join("inputs"), &input).unwrap();
    assert!(work_through(&world, &agent, &fuse).await);
}

#[tokio::test]
async fn damaged_data_on_its_own_disk_are_fetched_again() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    agent
        .inner
        .chain
        .take(&OWNER, &world.job().unwrap())
        .await
        .unwrap();
    agent
        .inner
        .journal
        .write(&agent.inner.journal.inputs_path(&world.address), b"garbage")
        .unwrap();
    agent
        .inner
        .journal
        .write(&agent.inner.journal.weights_path(&MODEL), b"")
        .unwrap();
    let (_, fuse) = (0, Fuse::new(PLENTY));
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
}

/// Two jobs on one model and a fresh home, at once: both get whole weights, and they are fetched once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_model_fetch_its_weights_once() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let job = world.job().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (inner, address) = (Arc::clone(&agent.inner), Pubkey::new_unique());
            tokio::spawn(async move { inner.prepare(&address, &job).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.weight_fetches.load(Ordering::SeqCst), 1);
    assert!(agent.inner.at_weights.lock().unwrap().len() <= 1);
}

#[tokio::test]
async fn nonsense_on_the_chain_is_left_alone() {
    let world = World::new(1);
    let mut accounts = vec![Job::zeroed()];
    for byte in [1, 2, 3, 0x7f, 0xff] {
        let mut job = Job::zeroed();
        bytemuck::bytes_of_mut(&mut job).fill(byte);
        accounts.push(job);
        job.state = JobState::Open as u8;
        accounts.push(job);
        job.assurance = Assurance::Refereed as u8;
        accounts.push(job);
        job.state = JobState::Taken as u8;
        job.provider = OWNER;
        accounts.push(job);
        job.state = JobState::Submitted as u8;
        accounts.push(job);
    }
    for job in accounts {
        *world.job.lock().unwrap() = Some(job);
        let (agent, _) = start(&world, PLENTY);
        agent.pass().await.unwrap();
    }
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn run_stops_when_told_and_says_what_is_missing() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    tokio::time::timeout(
        Duration::from_secs(20),
        agent.run(tokio::time::sleep(Duration::from_millis(300))),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
    drop(agent);

    let mut stranger = World::new(1);
    Arc::get_mut(&mut stranger).unwrap().provider.active = false.into();
    let (agent, _) = start(&stranger, PLENTY);
    let refused = agent
        .run(std::future::pending())
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not active"), "{refused}");
}

#[test]
fn policy_names_the_first_reason() {
    let world = World::new(1);
    let job = world.job().unwrap();
    let moment = Moment {
        now: 100,
        slot: 1,
        last_restart_slot: 0,
    };
    let policy = Policy::default();
    let decide = |policy: &Policy, job: &Job, purse: Option<&Purse>, signer: &Pubkey| {
        let means = Means {
            provider: &world.provider,
            signer,
            purse,
            has_worker: true,
            moment: &moment,
        };
        policy.decide(job, &means)
    };
    let usual = |policy: &Policy, job: &Job| decide(policy, job, Some(&world.purse), &OWNER);
    assert_eq!(usual(&policy, &job), Ok(Assurance::Refereed));

    type Change = fn(&mut Job);
    let changed: Vec<(Change, Refusal)> = vec![
        (|job| job.state = JobState::Taken as u8, Refusal::NotOpen),
        (|job| job.deadline = 99i64.into(), Refusal::TooLate),
        (|job| job.client = OWNER, Refusal::OwnJob),
        (|job| job.pinned_provider = CLIENT, Refusal::PinnedToOther),
        (|job| job.assurance = 0, Refusal::Assurance),
        (
            |job| job.assurance = Assurance::Reviewed as u8,
            Refusal::Assurance,
        ),
        (
            |job| job.terms.response_secs = (6 * 3_600u32 - 1).into(),
            Refusal::TooHasty,
        ),
        (
            |job| job.terms.react_secs = 3_599u32.into(),
            Refusal::TooHasty,
        ),
        (|job| job.work_secs = 59u32.into(), Refusal::TooHasty),
        (|job| job.arbiter = CLIENT, Refusal::Arbiter),
        (|job| job.price_atoms = 0u64.into(), Refusal::Price),
        (|job| job.macs = u64::MAX.into(), Refusal::Work),
        (|job| job.bond_atoms = 201u64.into(), Refusal::Bond),
        (
            |job| {
                job.price_atoms = 100u64.into();
                job.bond_atoms = 1_001u64.into();
            },
            Refusal::Funds,
        ),
        (|job| job.review_secs = u32::MAX.into(), Refusal::LongReview),
    ];
    for (change, refusal) in changed {
        let mut job = job;
        change(&mut job);
        assert_eq!(usual(&policy, &job), Err(refusal));
    }
    // The very last second to take, and a restart that moves it.
    let mut last = job;
    last.deadline = 100i64.into();
    assert!(usual(&policy, &last).is_ok());

    let mut pinned = job;
    pinned.pinned_provider = OWNER;
    assert!(usual(&policy, &pinned).is_ok());
    let with = |change: fn(&mut Policy)| {
        let mut policy = Policy::default();
        change(&mut policy);
        usual(&policy, &job)
    };
    assert_eq!(
        with(|policy| policy.refereed = false),
        Err(Refusal::Assurance)
    );
    assert_eq!(
        with(|policy| policy.models = [CLIENT].into()),
        Err(Refusal::Model)
    );
    assert!(with(|policy| policy.models = [MODEL].into()).is_ok());
    assert_eq!(
        with(|policy| policy.mints = [CLIENT].into()),
        Err(Refusal::Mint)
    );
    assert_eq!(
        with(|policy| policy.min_price_atoms = 11),
        Err(Refusal::Price)
    );
    assert_eq!(
        with(|policy| policy.max_bond_atoms = 19),
        Err(Refusal::Bond)
    );
    assert_eq!(
        with(|policy| policy.max_bond_prices = 1),
        Err(Refusal::Bond)
    );
    let mut priced = job;
    priced.macs = 1_000_000_000u64.into();
    let policy = Policy {
        min_price_per_gmac_atoms: 11,
        ..Policy::default()
    };
    assert_eq!(usual(&policy, &priced), Err(Refusal::Price));

    let policy = Policy::default();
    assert_eq!(decide(&policy, &job, None, &OWNER), Err(Refusal::NoPurse));
    let operator = Pubkey::new_from_array([9; 32]);
    assert_eq!(
        decide(&policy, &job, Some(&world.purse), &operator),
        Err(Refusal::OperatorLimit)
    );
    let mut purse = world.purse;
    purse.operator_limit_atoms = 20u64.into();
    assert!(decide(&policy, &job, Some(&purse), &operator).is_ok());
    let mut accepted = job;
    accepted.assurance = Assurance::Reviewed as u8;
    accepted.arbiter = CLIENT;
    let policy = Policy {
        accepted: true,
        arbiters: [CLIENT].into(),
        ..Policy::default()
    };
    assert_eq!(usual(&policy, &accepted), Ok(Assurance::Reviewed));
}

/// Works until the result is on the chain, with no node that remembers anything from then on, and starts again.
async fn restarted_without_history(world: &Arc<World>) -> Agent {
    let (agent, _) = start(world, PLENTY);
    assert!(work_until_submitted(world, &agent).await);
    drop(agent);
    world.forget_history();
    start(world, PLENTY).0
}

/// Everything that a provider is asked about lies on its disk: no node needs to remember where it came from.
#[tokio::test]
async fn a_restart_answers_without_any_history_of_the_node() {
    for without_trace in [false, true] {
        let world = World::new(1);
        let agent = restarted_without_history(&world).await;
        if without_trace {
            let journal = &agent.inner.journal;
            let path = journal.submission_path(&world.address, 1, fetch::TRACE_FILE);
            std::fs::remove_file(path).unwrap();
        }
        for node_id in world.demands() {
            world.ask(&node_id, 60);
        }
        agent.pass().await.unwrap();
        assert_eq!(world.unanswered(), 0);
        assert_eq!(world.look_ups.load(Ordering::SeqCst), 0);
    }
}

/// Nodes forget between take and submission: the work goes on from what the take has left on the disk.
#[tokio::test]
async fn work_goes_on_without_any_history_of_the_node() {
    for milestones in [1, 3] {
        let world = World::new(milestones);
        let (agent, _) = start(&world, PLENTY);
        let job = world.job().unwrap();
        drop(agent.inner.prepare(&world.address, &job).await.unwrap());
        agent.inner.chain.take(&OWNER, &job).await.unwrap();
        drop(agent);
        world.forget_history();
        let (agent, fuse) = start(&world, PLENTY);
        assert!(work_through(&world, &agent, &fuse).await);
        assert_eq!(world.look_ups.load(Ordering::SeqCst), 0);
    }
}

/// What is damaged is fetched again from where it was.
#[tokio::test]
async fn damaged_data_are_fetched_again_without_any_history_of_the_node() {
    let world = World::new(1);
    let agent = restarted_without_history(&world).await;
    let journal = &agent.inner.journal;
    for path in [
        journal.inputs_path(&world.address),
        journal.weights_path(&MODEL),
    ] {
        std::fs::write(path, b"garbage").unwrap();
    }
    for node_id in world.demands() {
        world.ask(&node_id, 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(world.look_ups.load(Ordering::SeqCst), 0);
}

/// A URI that was changed since is looked up; where that fails, the old place is tried.
#[tokio::test]
async fn a_changed_uri_that_nobody_remembers_keeps_nothing_back() {
    let mut world = World::new(1);
    Arc::get_mut(&mut world).unwrap().model.model.uri_hash = [5; 32];
    let agent = restarted_without_history(&world).await;
    let path = agent.inner.journal.weights_path(&MODEL);
    std::fs::remove_file(&path).unwrap();
    world.ask(&world.demands()[0], 60);
    agent
        .inner
        .prepare(&world.address, &world.job().unwrap())
        .await
        .unwrap();
    assert_eq!(world.look_ups.load(Ordering::SeqCst), 1);
    assert!(path.is_file());
}

/// Nodes that are behind, or that take back what was not final, cost no data, however often the agent is restarted.
#[tokio::test]
async fn looks_that_are_wrong_for_a_while_delete_nothing() {
    let world = World::new(1);
    let open = world.job().unwrap();
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    world.job.lock().unwrap().as_mut().unwrap().deadline = 100_000i64.into();
    let folder = agent.inner.journal.job_folder(&world.address);
    let kept = |agent: &Agent| {
        let journal = &agent.inner.journal;
        journal.inputs_path(&world.address).is_file()
            && journal.load(&world.address).unwrap().is_some()
            && journal
                .submission_path(&world.address, 1, fetch::TRACE_FILE)
                .is_file()
    };
    // Before the job was made, or before it was taken and not to be had any more, or with somebody else.
    let mut expired = open;
    expired.deadline = 0i64.into();
    let mut others = open;
    (others.state, others.provider) = (JobState::Taken as u8, CLIENT);
    for stale in [None, Some(expired), Some(others)] {
        *world.stale.lock().unwrap() = Some(stale);
        agent.pass().await.unwrap();
        world.pass_time(i64::from(KEEP_ENDED_SECS) - 1);
        agent.pass().await.unwrap();
        assert!(kept(&agent));
        // A look that is right begins the time anew.
        *world.stale.lock().unwrap() = None;
        agent.pass().await.unwrap();
    }
    *world.stale.lock().unwrap() = Some(None);
    agent.pass().await.unwrap();
    drop(agent);
    // So does a restart.
    world.pass_time(i64::from(KEEP_ENDED_SECS) * 10);
    let (agent, _) = start(&world, PLENTY);
    agent.pass().await.unwrap();
    assert!(kept(&agent));
    // What stays so is believed, and no sooner dropped than asked for.
    world.pass_time(i64::from(KEEP_ENDED_SECS));
    agent.pass().await.unwrap();
    assert!(!folder.exists());
    assert!(agent.inner.journal.jobs().unwrap().is_empty());
}

/// An earlier take has landed after all, and the node shows the job as open still: the second one is refused.
#[tokio::test]
async fn a_take_that_is_refused_deletes_nothing() {
    let world = World::new(1);
    let open = world.job().unwrap();
    let (agent, _) = start(&world, PLENTY);
    drop(agent.inner.prepare(&world.address, &open).await.unwrap());
    agent.inner.chain.take(&OWNER, &open).await.unwrap();
    *world.stale.lock().unwrap() = Some(Some(open));
    assert_eq!(agent.pass().await.unwrap(), 1);
    assert!(agent.inner.journal.inputs_path(&world.address).is_file());
    *world.stale.lock().unwrap() = None;
    world.forget_history();
    assert!(work_until_submitted(&world, &agent).await);
}

#[tokio::test]
async fn takes_nothing_without_lamports_and_answers_with_the_last() {
    let world = World::new(1);
    world.lamports.store(LEAST_LAMPORTS - 1, Ordering::SeqCst);
    let (agent, _) = start(&world, PLENTY);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
    assert!(agent.inner.said_poor.lock().unwrap().is_some());
    // Once there are enough, at once.
    world.lamports.store(LEAST_LAMPORTS, Ordering::SeqCst);
    assert!(work_until_submitted(&world, &agent).await);
    world.lamports.store(1, Ordering::SeqCst);
    world.ask(&world.demands()[0], 60);
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
}

/// A flood: everything is answered in one look, several answers to a transaction.
#[tokio::test]
async fn a_flood_is_answered_in_few_transactions() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    for at in 0..1_000 {
        world.ask(&demands[at % demands.len()], 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(world.counts.reveals.load(Ordering::SeqCst), 1_000);
    let transactions = world.counts.reveal_transactions.load(Ordering::SeqCst);
    assert!(transactions <= 250, "{transactions} transactions");
}

/// One demand to each of many jobs: their data take turns in memory.
#[tokio::test]
async fn data_of_many_jobs_take_turns_in_memory() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let mut inner = Arc::into_inner(agent.inner).unwrap();
    // Room for two of these jobs.
    inner.answering = Arc::new(Semaphore::new(2));
    let inner = Arc::new(inner);
    let job = world.job().unwrap();
    let [a, b, c] = [1, 2, 3].map(|byte| Pubkey::new_from_array([byte; 32]));
    let first = inner.loaded(&a, &job).await.unwrap();
    let second = inner.loaded(&b, &job).await.unwrap();
    let wait = Duration::from_millis(600);
    let full = tokio::time::timeout(wait, inner.loaded(&c, &job)).await;
    assert!(full.is_err(), "a third one found room");
    drop(second);
    let third = tokio::time::timeout(10 * wait, inner.loaded(&c, &job)).await;
    let third = third.unwrap().unwrap();
    // The one that is still in use was not dropped, and is not loaded twice.
    let again = inner.loaded(&a, &job).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    drop((again, third));
}

#[tokio::test]
async fn takes_nothing_that_it_could_not_answer_for_in_memory() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let mut inner = Arc::into_inner(agent.inner).unwrap();
    let needed = sizes::memory_bytes(&world.graph(), 4).unwrap();
    inner.settings.memory_bytes = 2 * needed - 1;
    let agent = Agent {
        inner: Arc::new(inner),
    };
    agent.pass().await.unwrap();
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
    let mut inner = Arc::into_inner(agent.inner).unwrap();
    inner.settings.memory_bytes = 2 * needed;
    let agent = Agent {
        inner: Arc::new(inner),
    };
    assert!(work_until_submitted(&world, &agent).await);
}

/// A row of one byte is a leaf of its own.
#[test]
fn trees_of_narrow_tensors_count() {
    let mut builder = GraphBuilder::new();
    let a = builder.input_batch(DType::I8, 1);
    builder.argmax(a);
    let graph = builder.finish().unwrap();
    let rows = 1 << 20;
    let needed = sizes::memory_bytes(&Graph::parse(&graph).unwrap(), rows).unwrap();
    // Two tensors with a tree each, of 64 bytes a row.
    assert!(needed >= 2 * 64 * u64::from(rows), "{needed}");
}

/// The owner's own source of weights comes first, and what it lacks the chain's has.
#[tokio::test]
async fn own_sources_of_weights_come_first_and_not_alone() {
    let with_source = |world: &Arc<World>, uri: String| {
        let (agent, _) = start(world, PLENTY);
        let mut inner = Arc::into_inner(agent.inner).unwrap();
        inner.settings.weights = [(MODEL, uri)].into();
        Agent {
            inner: Arc::new(inner),
        }
    };
    let world = World::new(1);
    let agent = with_source(&world, world.model_uri.clone());
    assert!(work_until_submitted(&world, &agent).await);
    assert_eq!(world.weight_fetches.load(Ordering::SeqCst), 0);

    let world = World::new(1);
    for wrong in ["file:///nowhere", &world.input_uri] {
        let agent = with_source(&world, wrong.to_owned());
        let job = world.job().unwrap();
        let prepared = agent.inner.prepare(&world.address, &job).await;
        drop(prepared.unwrap());
        std::fs::remove_file(agent.inner.journal.weights_path(&MODEL)).unwrap();
    }
    // The second time the chain's place is known.
    assert_eq!(world.weight_fetches.load(Ordering::SeqCst), 1);
}

/// A restart of the cluster gives more time to react, and nothing is finalized in it.
#[tokio::test]
async fn a_restart_of_the_cluster_delays_the_finalizing() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let mut job = world.job().unwrap();
    job.state = JobState::Submitted as u8;
    job.provider = OWNER;
    job.state_slot = 1u64.into();
    job.deadline = 100i64.into();
    job.last_answer_at = 10_000i64.into();
    job.terms.restart_grace_secs = 5_000u32.into();
    let mut moment = Moment {
        now: 10_000 + i64::from(job.terms.react_secs.get()) + 1,
        slot: 9,
        last_restart_slot: 0,
    };
    let task = agent.inner.task_of(&world.address, &job, &moment);
    assert!(matches!(task, Some(Task::Finalize)), "{task:?}");
    moment.last_restart_slot = 5;
    let task = agent.inner.task_of(&world.address, &job, &moment);
    assert!(task.is_none(), "{task:?}");
    moment.now += 5_000;
    let task = agent.inner.task_of(&world.address, &job, &moment);
    assert!(matches!(task, Some(Task::Finalize)), "{task:?}");
}
