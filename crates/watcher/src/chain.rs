//! What the watcher asks of the chain and sends to it.

use {
    async_trait::async_trait,
    quern_client::{
        ChainReads, ClientError, Errand, Instruction, Keypair, Outcome, Pubkey, Result, RpcChain,
        Sender, Signature,
        accounts::{self, JobFilter, ModelAccount},
        addresses,
        flows::{self, Route},
        history, instructions,
        jobs::Looks,
        quern::{
            clock::Moment,
            state::{Demand, Job, JobState, Model},
        },
    },
    quern_data::runtime::lock,
    quern_proof::{demand::NodeId, evidence::Charge, graph::Graph},
    std::{
        collections::{HashMap, hash_map::Entry},
        sync::{
            Arc, Mutex,
            atomic::{AtomicUsize, Ordering},
        },
        time::{Duration, Instant},
    },
};

/// A demand on chain.
#[derive(Clone, Debug)]
pub struct OpenedDemand {
    /// Its account.
    pub address: Pubkey,
    /// Of which submission of the job.
    pub submission: u32,
    /// What was asked.
    pub node_id: NodeId,
    /// Who asked, and paid.
    pub opener: Pubkey,
    /// What an answer earns.
    pub fee_lamports: u64,
    /// Until when it must be answered, as the account says; a restart of the cluster after `slot` moves it.
    pub due: i64,
    /// Slot in which it was asked.
    pub slot: u64,
    /// The answer, if there is one.
    pub answer: Option<Vec<u8>>,
}

/// A conviction that landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conviction {
    /// The transaction that did it.
    pub signature: Signature,
    /// How the evidence went there.
    pub route: Route,
    /// What it took, if the node says.
    pub compute_units: Option<u64>,
}

/// Lamports of the signer that lie in evidence which nobody uses, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedRent {
    /// How many.
    pub lamports: u64,
    /// When all of them may be taken back, at the latest.
    pub free_in_secs: u64,
}

/// The chain as the watcher sees it. One implementation talks to a cluster; the watcher's own tests bring another one.
#[async_trait]
pub trait WatcherChain: ChainReads {
    /// All jobs in a state, or those of one client.
    async fn jobs(&self, state: JobState, client: Option<Pubkey>) -> Result<Vec<(Pubkey, Job)>>;
    /// Where the current result of a job is.
    async fn output_uri(&self, address: &Pubkey, job: &Job) -> Result<String>;
    /// One demand about a submission, if it was opened and is not closed.
    async fn demand_at(
        &self,
        job: &Pubkey,
        submission: u32,
        node_id: &NodeId,
    ) -> Result<Option<OpenedDemand>>;
    /// Demands that wait for an answer, of all openers. There may be very many, and more that were answered: those are not read.
    async fn unanswered(&self, job: &Pubkey) -> Result<Vec<OpenedDemand>>;
    /// Asks; `parent` is the account of the answered demand whose answer holds the node, none at a root.
    async fn ask(&self, job: &Job, node_id: &NodeId, parent: Option<Pubkey>) -> Result<()>;
    /// Answers a demand; the fee goes to the signer.
    async fn answer(&self, job: &Job, asked: &OpenedDemand, answer: &[u8]) -> Result<()>;
    /// Convicts, after judging the evidence; `graph` is the job's.
    async fn convict(
        &self,
        job: &Job,
        graph: &Graph<'_>,
        charge: &Charge,
        evidence: &[u8],
    ) -> Result<Conviction>;
    /// Records that a demand was not answered in time.
    async fn timeout(&self, job: &Job, asked: &OpenedDemand) -> Result<Signature>;
    /// Has a recorded conviction paid out, if all purses but the signer's exist, or if it shall open them all; otherwise it is
    /// left to others.
    async fn settle_conviction(
        &self,
        address: &Pubkey,
        job: &Job,
        opens_purses: bool,
    ) -> Result<bool>;
    /// Gets back what lies in demands of the signer that are no longer needed, and in evidence that it left behind. Says how
    /// many accounts were closed.
    async fn tidy(&self) -> Result<usize>;
    /// What lies in evidence of the signer that [`WatcherChain::tidy`] left where it is.
    async fn locked_rent(&self) -> Result<Option<LockedRent>> {
        Ok(None)
    }
    /// What became of a job whose account is gone, as far as the node remembers.
    async fn outcome(&self, address: &Pubkey) -> Result<Outcome>;
}

/// A cluster over RPC.
pub struct RpcWatcherChain {
    /// Reads, with a memory for URIs, and sends.
    reads: Arc<RpcChain>,
    route: Route,
    /// Evidence accounts of the wallet, and when they were first seen, for nodes that do not tell when they were last used.
    left: Mutex<HashMap<Pubkey, Instant>>,
    /// Convictions of this process that are on their way: their evidence stays.
    convicting: AtomicUsize,
}

/// How long evidence must have been left alone to count as left behind: another process may be at it with this wallet, and its
/// next transaction may take minutes where blocks are full.
const EVIDENCE_REST: Duration = Duration::from_secs(600);

impl RpcWatcherChain {
    /// The cluster that `sender` leads to; `wallet` asks, convicts and pays, and earns the bounties.
    pub fn new(sender: Sender, wallet: Keypair) -> Arc<Self> {
        Self::with_route(sender, wallet, Route::Auto)
    }

    /// The same with a fixed way for evidence.
    pub fn with_route(sender: Sender, wallet: Keypair, route: Route) -> Arc<Self> {
        Arc::new(Self {
            reads: RpcChain::new(sender, wallet),
            route,
            left: Mutex::default(),
            convicting: AtomicUsize::new(0),
        })
    }

    fn wallet(&self) -> &Keypair {
        self.reads.wallet()
    }

    /// Evidence accounts of this wallet, and how long each must still be left alone.
    async fn evidence(&self) -> Result<Vec<(Pubkey, Duration)>> {
        let rpc = self.reads.rpc();
        let found = accounts::evidences_by(rpc, &self.signer()).await?;
        lock(&self.left).retain(|address, _| found.iter().any(|found| found.address == *address));
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.moment().await?.now;
        let mut all = Vec::new();
        for evidence in found {
            let address = evidence.address;
            let seen = *lock(&self.left).entry(address).or_insert_with(Instant::now);
            let used_at = history::last_used_at(rpc, &address)
                .await
                .unwrap_or_default();
            let unused = used_at.and_then(|at| u64::try_from(now.saturating_sub(at)).ok());
            let unused = unused.map_or_else(|| seen.elapsed(), Duration::from_secs);
            all.push((address, EVIDENCE_REST.saturating_sub(unused)));
        }
        Ok(all)
    }

    /// Evidence of this wallet that nobody has used for so long that nobody will.
    async fn left_evidence(&self) -> Result<Vec<Instruction>> {
        if self.convicting.load(Ordering::SeqCst) > 0 {
            return Ok(Vec::new());
        }
        let author = self.signer();
        let all = self.evidence().await?;
        let left = all.iter().filter(|(_, rest)| rest.is_zero());
        Ok(left
            .map(|(address, _)| instructions::close_evidence(&author, address))
            .collect())
    }

    /// Demands of this wallet that may be closed.
    async fn done_demands(&self) -> Result<Vec<Instruction>> {
        let found = accounts::demands_by(self.reads.rpc(), &self.signer()).await?;
        let mut jobs: HashMap<Pubkey, Option<Job>> = HashMap::new();
        let mut all = Vec::new();
        for asked in found {
            let address = asked.demand.job;
            let job = match jobs.entry(address) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => *new.insert(self.reads.job(&address).await?),
            };
            if flows::may_close(job.as_ref(), &asked.demand) {
                all.push(instructions::close_demand(&asked.address, &asked.demand));
            }
        }
        Ok(all)
    }
}

/// A demand as the watcher sees it. `None` for a tree that this version does not know.
fn seen(address: Pubkey, demand: &Demand, answer: Option<Vec<u8>>) -> Option<OpenedDemand> {
    Some(OpenedDemand {
        address,
        submission: demand.submission.get(),
        node_id: demand.node_id()?,
        opener: demand.opener,
        fee_lamports: demand.fee_lamports.get(),
        due: demand.due.get(),
        slot: demand.slot.get(),
        answer,
    })
}

#[async_trait]
impl ChainReads for RpcWatcherChain {
    fn signer(&self) -> Pubkey {
        self.reads.signer()
    }

    async fn genesis(&self) -> Result<Option<String>> {
        self.reads.genesis().await
    }

    async fn moment(&self) -> Result<Moment> {
        self.reads.moment().await
    }

    async fn job(&self, address: &Pubkey) -> Result<Option<Job>> {
        self.reads.job(address).await
    }

    async fn model(&self, address: &Pubkey) -> Result<ModelAccount> {
        self.reads.model(address).await
    }

    async fn input_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        self.reads.input_uri(address, job).await
    }

    async fn model_uri(&self, address: &Pubkey, model: &Model) -> Result<String> {
        self.reads.model_uri(address, model).await
    }
}

#[async_trait]
impl WatcherChain for RpcWatcherChain {
    async fn jobs(&self, state: JobState, client: Option<Pubkey>) -> Result<Vec<(Pubkey, Job)>> {
        let filter = JobFilter {
            state: Some(state),
            client,
            ..JobFilter::default()
        };
        // Of everybody's jobs there may be very many.
        let looks = match client {
            Some(_) => Looks::All,
            None => Looks::Recent,
        };
        self.reads.followed_jobs(filter, looks).await
    }

    async fn output_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        self.reads.output_uri(address, job).await
    }

    async fn demand_at(
        &self,
        job: &Pubkey,
        submission: u32,
        node_id: &NodeId,
    ) -> Result<Option<OpenedDemand>> {
        let address = addresses::demand(job, submission, node_id);
        let found = accounts::demand_optional(self.reads.rpc(), &address).await?;
        Ok(found.and_then(|found| seen(address, &found.demand, found.answer)))
    }

    async fn unanswered(&self, job: &Pubkey) -> Result<Vec<OpenedDemand>> {
        let found = accounts::unanswered_demands_of(self.reads.rpc(), job).await?;
        let all = found.iter();
        Ok(all
            .filter_map(|(address, demand)| seen(*address, demand, None))
            .collect())
    }

    async fn ask(&self, job: &Job, node_id: &NodeId, parent: Option<Pubkey>) -> Result<()> {
        let demand = instructions::demand(&self.signer(), job, node_id, parent);
        let sender = self.reads.sender(Errand::demand(job));
        sender.send(&[demand], &[self.wallet()]).await?;
        Ok(())
    }

    async fn answer(&self, job: &Job, asked: &OpenedDemand, answer: &[u8]) -> Result<()> {
        let address = instructions::job_address(job);
        let reveal = instructions::reveal(&self.signer(), &address, &asked.address, answer);
        let sender = self.reads.sender(Errand::demand(job));
        sender.send(&[reveal], &[self.wallet()]).await?;
        Ok(())
    }

    async fn convict(
        &self,
        job: &Job,
        graph: &Graph<'_>,
        charge: &Charge,
        evidence: &[u8],
    ) -> Result<Conviction> {
        let _convicting = Counted::new(&self.convicting);
        let receipt = flows::convict(
            &self.reads.sender(Errand::before_payment(job)),
            self.wallet(),
            job,
            graph,
            charge,
            evidence,
            self.route,
        )
        .await?;
        Ok(Conviction {
            signature: receipt.signature,
            route: receipt.route,
            compute_units: receipt.compute_units,
        })
    }

    async fn timeout(&self, job: &Job, asked: &OpenedDemand) -> Result<Signature> {
        let timeout = instructions::timeout(&instructions::job_address(job), &asked.address);
        let sender = self.reads.sender(Errand::unhurried(job));
        let receipt = sender.send(&[timeout], &[self.wallet()]).await?;
        Ok(receipt.signature)
    }

    async fn settle_conviction(&self, _: &Pubkey, job: &Job, opens_purses: bool) -> Result<bool> {
        let (rpc, own) = (self.reads.rpc(), self.signer());
        let mut others = instructions::owners_of_conviction(job);
        others.retain(|owner| *owner != own);
        // Only a prover may lack one, and it is the prover's to pay for, or whose money lies there.
        if !opens_purses
            && !flows::open_missing(rpc, &own, &others, &job.mint)
                .await?
                .is_empty()
        {
            return Ok(false);
        }
        let settle = flows::settle_conviction(rpc, &own, job).await?;
        let sender = self.reads.sender(Errand::anytime());
        sender.send_all(&settle, &[self.wallet()]).await?;
        Ok(true)
    }

    async fn tidy(&self) -> Result<usize> {
        let mut all = self.done_demands().await?;
        all.extend(self.left_evidence().await?);
        if !all.is_empty() {
            let sender = self.reads.sender(Errand::anytime());
            sender.send_all(&all, &[self.wallet()]).await?;
        }
        Ok(all.len())
    }

    async fn locked_rent(&self) -> Result<Option<LockedRent>> {
        let all = self.evidence().await?;
        let Some(longest) = all.iter().map(|(_, rest)| *rest).max() else {
            return Ok(None);
        };
        let mut lamports = 0;
        for (address, _) in &all {
            let balance = self.reads.rpc().get_balance(address).await;
            lamports +=
                balance.map_err(|error| ClientError::from_rpc(&self.reads.rpc().url(), error))?;
        }
        Ok(Some(LockedRent {
            lamports,
            free_in_secs: longest.as_secs(),
        }))
    }

    async fn outcome(&self, address: &Pubkey) -> Result<Outcome> {
        history::outcome_of(self.reads.rpc(), address).await
    }
}

/// Something that is counted as long as it goes on, however it ends.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for RpcWatcherChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcWatcherChain")
            .field("url", &self.reads.rpc().url())
            .field("signer", &self.signer())
            .finish()
    }
}
