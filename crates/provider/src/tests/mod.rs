//! The agent against a chain that follows the program's rules and can die at every step, together with the agent.

#![allow(clippy::unwrap_used, clippy::panic)]

mod campaigns;
mod chain;
mod claims;
mod data;
mod demands;
mod disk;
mod items;
mod jobs;
mod market;
mod policy;

use {
    crate::{
        Ability, Agent, Output, Policy, ProviderChain, Result, Settings, WorkOrder, WorkResult,
        Worker,
        chain::Answer,
        context::{Context, LEAST_LAMPORTS},
        journal::{Record, Roots, Stage},
        policy::{Capacity, Refusal},
        prepare::prepare,
        steps::{self, UNKNOWN_OUTCOME_SECS},
        survey,
        task::Task,
        worker::CheckedTensors,
    },
    async_trait::async_trait,
    bytemuck::Zeroable,
    chain::View,
    quern_client::{
        ChainReads, ClientError, Pubkey, Result as ChainResult,
        accounts::{DemandAccount, ModelAccount},
        claims::CampaignClaim,
        flows,
        history::uri_hash,
        instructions::job_address,
        quern::{
            clock::Moment,
            error::QuernError,
            state::{
                self, Assurance, Campaign, Demand, Entry, Job, JobKind, JobState, LAYOUT_VERSION,
                Provider, Purse,
            },
        },
    },
    quern_data::{
        Folder, Publisher, TensorList, TensorStore, fetch,
        sizes::{self, Sizes},
    },
    quern_proof::{
        DType, NodeId, Operand, Tensor, Tree,
        builder::GraphBuilder,
        commit, demand,
        eval::Batch,
        file,
        graph::Graph,
        hash::MISSING,
        published,
        verify::first_wrong,
        witness::{Openings, Whole},
    },
    std::{
        collections::{HashMap, HashSet},
        path::PathBuf,
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
        },
        time::Duration,
    },
};

/// Lets so many steps through; then everything fails, as after a kill.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    left: AtomicUsize,
    /// Whether nothing more can be written.
    is_disk_full: AtomicBool,
}

impl Fuse {
    fn new(steps: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(steps),
            is_disk_full: AtomicBool::new(false),
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

    pub(crate) fn is_disk_full(&self) -> bool {
        self.is_disk_full.load(Ordering::SeqCst)
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
    claims: AtomicU32,
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
    /// The root of the text, where the graph has one.
    tokens_root: [u8; 32],
    folder: tempfile::TempDir,
    /// How often the chain was asked where the weights are, which happens before every fetch.
    weight_fetches: AtomicU32,
    /// Whether the node still has old transactions, and how often somebody asked for one.
    has_history: AtomicBool,
    look_ups: AtomicU32,
    /// What a node that is behind shows instead of the job.
    stale: Mutex<Option<Option<Job>>>,
    lamports: AtomicU64,
    /// The genesis hash of the cluster behind the URL.
    genesis: Mutex<String>,
    /// What was asked about the job, in no order.
    demands: Mutex<Vec<DemandAccount>>,
    /// Demands whose answers do not get through, and whether the program says that somebody else was faster.
    stuck: Mutex<HashMap<Pubkey, Option<QuernError>>>,
    /// Demands in the order in which their answers were sent.
    sent: Mutex<Vec<Pubkey>>,
    /// What a job of the model reads.
    data: CheckedTensors,
    campaigns: Mutex<HashMap<Pubkey, Campaign>>,
    /// Of the provider.
    entries: Mutex<Vec<Entry>>,
    /// Everything that can be asked about, for making up demands.
    whole: Arc<Whole<'static>>,
}

/// Items of a refereed job.
const ITEMS: u32 = 4;

type Computed = (Arc<Whole<'static>>, Option<Tensor>);

/// A graph, and what it is applied to.
struct Model {
    graph: Vec<u8>,
    weights: Vec<Tensor>,
    /// Those that the client gives.
    inputs: Vec<Tensor>,
    items: u32,
}

impl Model {
    /// One row of three numbers an item: two sums of products, their shares, and which is the largest.
    fn small() -> Self {
        let weights = vec![
            Tensor::from_i8(2, 3, &[1, -2, 3, 4, 5, -6]).unwrap(),
            Tensor::from_i32(2, 2, &[100, -100, 3, 5]).unwrap(),
        ];
        let values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let input = Tensor::from_i8(ITEMS, 3, &values).unwrap();
        let mut builder = GraphBuilder::new();
        let a = builder.input_item(DType::I8, 1, 3);
        let w = builder.weight(&weights[0]);
        let p = builder.weight(&weights[1]);
        let product = builder.dot(a, w).push();
        let scaled = builder.dot(a, w).scaled(p, 4, DType::I8).push();
        builder.softmax(scaled, 1 << 10, 10, DType::I8).push();
        builder.argmax(product).push();
        Self {
            graph: builder.finish().unwrap(),
            weights,
            inputs: vec![input],
            items: ITEMS,
        }
    }

    /// A transformer that goes on with prompts of a few words each.
    fn transformer(items: u32) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny");
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        let prompt = |item: u32| -> Vec<i32> {
            let words = item as usize % 3 + 2;
            let known = (0..words as u32).map(|at| ((item * 7 + at * 5) % 64) as i32);
            known.chain(std::iter::repeat(-1)).take(16).collect()
        };
        let prompts: Vec<i32> = (0..items).flat_map(prompt).collect();
        Self {
            graph: read("tiny.qmodel"),
            weights: file::decode_bundle(&read("weights.bin")).unwrap(),
            inputs: vec![Tensor::from_i32(items, 16, &prompts).unwrap()],
            items,
        }
    }

    /// What an honest provider has, computed once.
    fn computed(&self) -> Computed {
        static ALL: Mutex<Vec<(Vec<u8>, u32, Computed)>> = Mutex::new(Vec::new());
        let mut all = ALL.lock().unwrap();
        let is_this = |(graph, items, _): &&(Vec<u8>, u32, Computed)| {
            (graph, *items) == (&self.graph, self.items)
        };
        if let Some((_, _, computed)) = all.iter().find(is_this) {
            return computed.clone();
        }
        let (whole, tokens) = self.compute();
        let computed = (Arc::new(whole), tokens);
        all.push((self.graph.clone(), self.items, computed.clone()));
        computed
    }

    /// It stays until the process ends, so that a world can hold it.
    fn compute(&self) -> (Whole<'static>, Option<Tensor>) {
        let bytes: &'static [u8] = self.graph.clone().leak();
        let graph: &'static Graph<'static> = Box::leak(Box::new(Graph::parse(bytes).unwrap()));
        let weights: &'static [Tensor] = self.weights.clone().leak();
        let given = Arc::new(self.inputs.clone());
        let inputs = |tokens| sizes::all_inputs(graph, self.items, &given, tokens).unwrap();
        let tokens = graph.tokens().map(|_| {
            let inputs = inputs(None);
            let batch = Batch::new(graph, self.items, &inputs, weights, u64::MAX).unwrap();
            let text = |item| batch.generate(item).unwrap().to_i32().unwrap();
            let all: Vec<i32> = (0..self.items).flat_map(text).collect();
            Tensor::from_i32(self.items, 16, &all).unwrap()
        });
        let inputs: &'static [Tensor] = inputs(tokens.clone()).to_vec().leak();
        let batch = Batch::new(graph, self.items, inputs, weights, u64::MAX).unwrap();
        (Whole::compute(&batch).unwrap(), tokens)
    }
}

/// A machine that is measured already.
const FAST: Ability = Ability {
    work_per_sec: 1e12,
    publish_bytes_per_sec: 1e12,
};

const OWNER: Pubkey = Pubkey::new_from_array([1; 32]);
const CLIENT: Pubkey = Pubkey::new_from_array([2; 32]);
const MINT: Pubkey = Pubkey::new_from_array([3; 32]);
const MODEL: Pubkey = Pubkey::new_from_array([4; 32]);
const REVIEW_SECS: u32 = 10;
const KEEP_ENDED_SECS: u32 = 20;

impl World {
    fn new(milestones: u8) -> Arc<Self> {
        Self::of(&Model::small(), milestones)
    }

    #[expect(clippy::too_many_lines, reason = "one world, part by part")]
    fn of(job_model: &Model, milestones: u8) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (whole, tokens) = job_model.computed();
        let expected_root = whole.trace_root().unwrap();
        let tokens_root = tokens.as_ref().map_or(MISSING, commit::data_root);
        let (graph, weights) = (job_model.graph.clone(), job_model.weights.clone());
        let inputs = job_model.inputs.clone();
        let write = |name: &str, tensors: &[Tensor]| {
            let path = folder.path().canonicalize().unwrap().join(name);
            std::fs::write(&path, file::encode_bundle(tensors)).unwrap();
            url::Url::from_file_path(path).unwrap().to_string()
        };
        let (input_uri, model_uri) = (write("inputs", &inputs), write("weights", &weights));

        let mut model = state::Model::zeroed();
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
            job.items = job_model.items.into();
            let graph = Graph::parse(&graph).unwrap();
            for (place, input) in sizes::given_inputs(&graph).zip(&inputs) {
                job.input_roots[usize::from(place)] = commit::data_root(input);
            }
            job.tokens_input = graph.tokens().map_or(0, |tokens| tokens as u8 + 1);
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
            tokens_root,
            folder,
            weight_fetches: AtomicU32::new(0),
            has_history: AtomicBool::new(true),
            look_ups: AtomicU32::new(0),
            stale: Mutex::default(),
            lamports: AtomicU64::new(LEAST_LAMPORTS),
            genesis: Mutex::new("one".to_owned()),
            demands: Mutex::default(),
            stuck: Mutex::default(),
            sent: Mutex::default(),
            campaigns: Mutex::default(),
            entries: Mutex::default(),
            data: CheckedTensors {
                graph,
                inputs: Arc::new(inputs),
                weights: Arc::new(weights),
            },
            whole,
        })
    }

    /// What the program asks of who takes a job of a campaign, at the time of this world.
    fn join_for(&self, owner: &Pubkey, job: &Job, joins: bool) -> ChainResult<()> {
        let campaigns = self.campaigns.lock().unwrap();
        let campaign = campaigns.get(&job.campaign);
        let is_open = campaign.is_some_and(|campaign| campaign.times().is_open(self.now()));
        let mut entries = self.entries.lock().unwrap();
        let has_joined = entries.iter().any(|entry| entry.campaign == job.campaign);
        if joins {
            if !is_open {
                return Err(refused(QuernError::TooLate));
            }
            assert!(!has_joined, "it joins once");
            let mut entry = Entry::zeroed();
            (entry.campaign, entry.provider, entry.payer) = (job.campaign, *owner, OWNER);
            entries.push(entry);
        } else if is_open && !has_joined {
            return Err(refused(QuernError::EntryMissing));
        }
        Ok(())
    }

    /// What the program asks of a claim, and the end of the entry.
    fn claim(&self, campaign: &Pubkey) -> ChainResult<()> {
        let known = self.campaigns.lock().unwrap().get(campaign).copied();
        if let Some(times) = known.map(|campaign| campaign.times()) {
            match self.now() {
                now if now <= times.settle_by => return Err(refused(QuernError::TooEarly)),
                now if !times.may_claim(now) => return Err(refused(QuernError::TooLate)),
                _ => {}
            }
        }
        let mut entries = self.entries.lock().unwrap();
        let at = entries.iter().position(|entry| entry.campaign == *campaign);
        // Anchor's own: there is no account.
        let at = at.ok_or(refused_with(3_012))?;
        entries.remove(at);
        Ok(())
    }

    fn graph(&self) -> Graph<'_> {
        Graph::parse(&self.data.graph).unwrap()
    }

    fn items(&self) -> u32 {
        self.whole.batch().items()
    }

    fn sizes(&self) -> Sizes {
        Sizes::of(&self.graph(), self.items()).unwrap()
    }

    /// Where the result of the first submission is published.
    fn published(&self, name: &str) -> PathBuf {
        let folder = format!("published/{}/1", self.address);
        self.folder.path().join(folder).join(name)
    }

    /// Everything that the program lets anybody ask.
    fn demands(&self) -> Vec<NodeId> {
        let (graph, mut all) = (self.graph(), Vec::new());
        let ops = (0..graph.op_count()).map(|op| Operand::Op(op as u16));
        let inputs = (0..graph.input_count()).map(|input| Operand::Input(input as u16));
        let weights = (0..graph.weight_count()).map(|weight| Operand::Weight(weight as u16));
        let trees = ops.chain(inputs).chain(weights).map(Tree::Data);
        for tree in trees.chain([Tree::Trace]) {
            let items = match tree {
                Tree::Data(Operand::Op(_)) => u64::from(self.items()),
                _ => 1,
            };
            for level in 0..10 {
                for index in 0..items << level {
                    let node_id = NodeId { tree, level, index };
                    if demand::plan(&graph, self.items(), &node_id).is_ok() {
                        all.push(node_id);
                    }
                }
            }
        }
        all
    }

    /// Of each tree and level one or two, in different items.
    fn some_demands(&self) -> Vec<NodeId> {
        let mut seen = HashMap::new();
        let mut all = self.demands();
        // The last of each first, so that not everything is about the first item.
        all.reverse();
        all.retain(|node_id| {
            let times = seen.entry((node_id.tree, node_id.level)).or_insert(0);
            *times += 1;
            *times == 1 || *times == 4
        });
        all
    }

    /// Asks as the program does, due so many seconds from now.
    fn ask(&self, node_id: &NodeId, due_secs: i64) -> Pubkey {
        let now = self.now();
        let mut job = self.job.lock().unwrap();
        let job = job.as_mut().unwrap();
        assert_eq!(job.state, JobState::Submitted as u8);
        let asked = demand::plan(&self.graph(), self.items(), node_id).unwrap();
        let node = self.whole.node(*node_id);
        let mut demand = Demand::zeroed();
        demand.version = LAYOUT_VERSION;
        (demand.tree, demand.level) = (node_id.tree.code().into(), node_id.level);
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

    /// The file of the job's inputs.
    fn inputs(&self, agent: &Agent) -> PathBuf {
        let mut roots = vec![MISSING; self.graph().input_count()];
        for (place, input) in sizes::given_inputs(&self.graph()).zip(&*self.data.inputs) {
            roots[usize::from(place)] = commit::data_root(input);
        }
        let list = TensorList::inputs(&self.graph(), self.items(), &roots).unwrap();
        agent.context.store.path(&list).unwrap()
    }

    /// The file of the model's weights.
    fn weights(&self, agent: &Agent) -> PathBuf {
        let list = TensorList::weights(&self.graph()).unwrap();
        agent.context.store.path(&list).unwrap()
    }

    fn settings(&self) -> Settings {
        let home = self.folder.path().join("home");
        let publisher = Publisher::folder(&self.folder.path().join("published"), None).unwrap();
        let mut settings = Settings::new(OWNER, home, publisher);
        settings.fetch.file_roots = vec![self.folder.path().to_owned()];
        settings.policy.reviewed = true;
        settings.retry = Duration::ZERO;
        settings.keep_ended_secs = KEEP_ENDED_SECS;
        settings
    }
}

/// A refusal by the program with one of its codes.
fn refused(error: QuernError) -> ClientError {
    refused_with(6_000 + error as u32)
}

fn refused_with(code: u32) -> ClientError {
    use solana_sdk::{instruction::InstructionError, transaction::TransactionError};
    let error = TransactionError::InstructionError(0, InstructionError::Custom(code));
    let refusal = quern_client::Refusal::new(error, Vec::new(), &[quern_client::quern::ID]);
    ClientError::Refused(Box::new(refusal))
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
            tokens_root: MISSING,
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
    let agent = changed(agent, |context| {
        context.journal.fuse = Some(Arc::clone(&fuse));
        context.ability = Mutex::new(Some(FAST));
    });
    (agent, fuse)
}

/// An agent with something of its context changed.
fn changed(agent: Agent, change: impl FnOnce(&mut Context)) -> Agent {
    let mut context = Arc::into_inner(agent.context).unwrap();
    change(&mut context);
    Agent {
        context: Arc::new(context),
    }
}

/// The store with another budget.
fn with_memory(context: &mut Context, memory_bytes: u64) {
    let folder = Folder {
        path: context.journal.home().join("tensors"),
        user: "provider".to_owned(),
        is_required: true,
        max_bytes: context.settings.disk_bytes,
    };
    let fetch = context.settings.fetch.clone();
    context.store = TensorStore::open(fetch, memory_bytes, Some(folder)).unwrap();
}

/// Passes with time going on, until the job has ended and the journal is empty, or the fuse blows.
async fn work_through(world: &Arc<World>, agent: &Agent, fuse: &Fuse) -> bool {
    for _ in 0..200 {
        if fuse.is_blown() {
            return false;
        }
        let touched = agent.pass().await;
        let is_idle = touched.is_ok_and(|touched| touched == 0);
        if is_idle && world.job().is_none() && agent.context.journal.jobs().unwrap().is_empty() {
            return true;
        }
        world.pass_time(15);
    }
    panic!("the job never ended: {:?}", world.job());
}

const PLENTY: usize = usize::MAX;

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
