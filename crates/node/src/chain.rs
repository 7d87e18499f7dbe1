//! What the agent asks of the chain and sends to it.

use {
    crate::{
        error::{NodeError, Result},
        uris,
    },
    async_trait::async_trait,
    quern_client::{
        ClientError, Instruction, Keypair, Pubkey, Sender, Signer, accounts,
        accounts::{DemandAccount, JobFilter, ModelAccount},
        addresses, flows, instructions,
        quern::{
            clock::Moment,
            instructions::Submission,
            state::{Job, JobState, Model, Provider, Purse},
        },
    },
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, PoisonError},
    },
};

/// The chain as the agent sees it. One implementation talks to a cluster; the agent's own tests bring another one that can
/// fail at every step.
#[async_trait]
pub trait Chain: Send + Sync {
    /// Who signs.
    fn signer(&self) -> Pubkey;
    /// The cluster's clock and restarts.
    async fn moment(&self) -> Result<Moment>;
    /// All open jobs.
    async fn open_jobs(&self) -> Result<Vec<(Pubkey, Job)>>;
    /// All live jobs of this provider.
    async fn own_jobs(&self, owner: &Pubkey) -> Result<Vec<(Pubkey, Job)>>;
    /// A job, unless it has ended.
    async fn job(&self, address: &Pubkey) -> Result<Option<Job>>;
    /// A model with its graph.
    async fn model(&self, address: &Pubkey) -> Result<ModelAccount>;
    /// The provider of an owner, if it is registered.
    async fn provider(&self, owner: &Pubkey) -> Result<Option<Provider>>;
    /// An owner's purse in a mint, if it is open.
    async fn purse(&self, owner: &Pubkey, mint: &Pubkey) -> Result<Option<Purse>>;
    /// Whether the protocol is set up on this cluster.
    async fn is_set_up(&self) -> Result<bool>;
    /// What the signer can pay fees with.
    async fn lamports(&self) -> Result<u64>;
    /// Where the inputs of a job are.
    async fn input_uri(&self, address: &Pubkey, job: &Job) -> Result<String>;
    /// Where a model's weights are.
    async fn model_uri(&self, address: &Pubkey, model: &Model) -> Result<String>;
    /// Where the last accepted checkpoint of a job is.
    async fn checkpoint_uri(&self, address: &Pubkey, job: &Job) -> Result<String>;
    /// Takes a job.
    async fn take(&self, owner: &Pubkey, job: &Job) -> Result<()>;
    /// Commits to a result.
    async fn submit(&self, job: &Job, trace_root: [u8; 32], output_uri: &str) -> Result<()>;
    /// Everything that was asked about a job and is not answered.
    async fn demands(&self, job: &Pubkey) -> Result<Vec<DemandAccount>>;
    /// Answers demands about one job in one transaction: all of them, or none.
    async fn reveal(&self, answers: &[Answer]) -> Result<()>;
    /// Has a milestone paid.
    async fn finalize(&self, address: &Pubkey) -> Result<()>;
}

/// A demand and what answers it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked.
    pub demand: DemandAccount,
    /// The nodes or the leaf.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// What it takes of a legacy transaction beside its bytes: the demand's address, and an instruction's frame.
    const FRAME_BYTES: usize = 56;
    /// What a legacy transaction has for answers.
    const ROOM_BYTES: usize = 940;

    /// Divides answers, in order, into as few transactions as fit.
    pub fn pack(answers: Vec<Self>) -> Vec<Vec<Self>> {
        let mut batches: Vec<Vec<Self>> = Vec::new();
        let mut left = 0;
        for answer in answers {
            let needed = Self::FRAME_BYTES + answer.bytes.len();
            match batches.last_mut() {
                Some(batch) if needed <= left => {
                    left -= needed;
                    batch.push(answer);
                }
                _ => {
                    left = Self::ROOM_BYTES.saturating_sub(needed);
                    batches.push(vec![answer]);
                }
            }
        }
        batches
    }
}

/// Where the cluster keeps its clock.
const CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");
/// Where the cluster keeps the slot of its last restart.
const LAST_RESTART_SLOT: Pubkey =
    Pubkey::from_str_const("SysvarLastRestartS1ot1111111111111111111111");

/// A cluster over RPC.
pub struct RpcChain {
    sender: Sender,
    signer: Keypair,
    /// Found URIs by what they hash to: looking one up costs several requests.
    known: Mutex<HashMap<(Pubkey, [u8; 32]), String>>,
}

impl RpcChain {
    /// The cluster that `sender` leads to; `signer` is the provider's owner or operator, and pays the fees.
    pub fn new(sender: Sender, signer: Keypair) -> Arc<Self> {
        Arc::new(Self {
            sender,
            signer,
            known: Mutex::default(),
        })
    }

    pub(crate) fn known(&self, address: &Pubkey, hash: &[u8; 32]) -> Option<String> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&(*address, *hash))
            .cloned()
    }

    pub(crate) fn remember(&self, address: &Pubkey, hash: &[u8; 32], uri: &str) {
        /// More than this many are not kept: strangers create jobs.
        const MOST: usize = 10_000;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert((*address, *hash), uri.to_owned());
    }
}

fn reveals(signer: &Pubkey, answers: &[Answer]) -> Vec<Instruction> {
    answers
        .iter()
        .map(|Answer { demand, bytes }| {
            instructions::reveal(signer, &demand.demand.job, &demand.address, bytes)
        })
        .collect()
}

/// Reads the cluster's clock as the program does.
///
/// # Errors
/// That the cluster did not answer, or without a clock.
pub async fn moment(rpc: &quern_client::RpcClient) -> Result<Moment> {
    let response = rpc
        .get_multiple_accounts_with_commitment(&[CLOCK, LAST_RESTART_SLOT], rpc.commitment())
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
    let data = |index: usize| {
        response
            .value
            .get(index)
            .and_then(Option::as_ref)
            .map(|account| account.data.as_slice())
    };
    // Clock: slot u64, three more words, unix_timestamp i64. A cluster that never restarted may lack the other one.
    let word = |data: Option<&[u8]>, index: usize| {
        data.and_then(|data| data.get(index * 8..))
            .and_then(|rest| rest.first_chunk::<8>())
            .map(|bytes| u64::from_le_bytes(*bytes))
    };
    let clock = data(0);
    match (word(clock, 0), word(clock, 4)) {
        (Some(slot), Some(now)) => Ok(Moment {
            now: now.cast_signed(),
            slot,
            last_restart_slot: word(data(1), 0).unwrap_or(0),
        }),
        _ => Err(ClientError::Rpc {
            reason: "without a clock".to_owned(),
        }
        .into()),
    }
}

#[async_trait]
impl Chain for RpcChain {
    fn signer(&self) -> Pubkey {
        self.signer.pubkey()
    }

    async fn moment(&self) -> Result<Moment> {
        moment(self.sender.rpc()).await
    }

    async fn open_jobs(&self) -> Result<Vec<(Pubkey, Job)>> {
        let filter = JobFilter {
            state: Some(JobState::Open),
            ..JobFilter::default()
        };
        Ok(accounts::jobs(self.sender.rpc(), filter).await?)
    }

    async fn own_jobs(&self, owner: &Pubkey) -> Result<Vec<(Pubkey, Job)>> {
        let filter = JobFilter {
            provider: Some(*owner),
            ..JobFilter::default()
        };
        Ok(accounts::jobs(self.sender.rpc(), filter).await?)
    }

    async fn job(&self, address: &Pubkey) -> Result<Option<Job>> {
        match accounts::fetch_optional(self.sender.rpc(), address).await {
            // A closed job's address may hold lamports that somebody sent there.
            Err(ClientError::WrongOwner { .. }) => Ok(None),
            job => Ok(job?),
        }
    }

    async fn model(&self, address: &Pubkey) -> Result<ModelAccount> {
        Ok(accounts::model(self.sender.rpc(), address).await?)
    }

    async fn provider(&self, owner: &Pubkey) -> Result<Option<Provider>> {
        Ok(accounts::fetch_optional(self.sender.rpc(), &addresses::provider(owner)).await?)
    }

    async fn purse(&self, owner: &Pubkey, mint: &Pubkey) -> Result<Option<Purse>> {
        Ok(accounts::purse(self.sender.rpc(), owner, mint).await?)
    }

    async fn is_set_up(&self) -> Result<bool> {
        match accounts::protocol(self.sender.rpc()).await {
            Ok(_) => Ok(true),
            Err(ClientError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn lamports(&self) -> Result<u64> {
        let rpc = self.sender.rpc();
        let balance = rpc.get_balance(&self.signer.pubkey()).await;
        Ok(balance.map_err(|error| ClientError::from_rpc(&rpc.url(), error))?)
    }

    async fn input_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        if let Some(uri) = self.known(address, &job.input_uri_hash) {
            return Ok(uri);
        }
        let uri = uris::input_uri(self.sender.rpc(), address, job).await?;
        self.remember(address, &job.input_uri_hash, &uri);
        Ok(uri)
    }

    async fn model_uri(&self, address: &Pubkey, model: &Model) -> Result<String> {
        if let Some(uri) = self.known(address, &model.uri_hash) {
            return Ok(uri);
        }
        let uri = uris::model_uri(self.sender.rpc(), address, model).await?;
        self.remember(address, &model.uri_hash, &uri);
        Ok(uri)
    }

    async fn checkpoint_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        uris::checkpoint_uri(self.sender.rpc(), address, job).await
    }

    async fn take(&self, owner: &Pubkey, job: &Job) -> Result<()> {
        let take = instructions::take_job(&self.signer.pubkey(), owner, job);
        self.sender.send(&[take], &[&self.signer]).await?;
        Ok(())
    }

    async fn submit(&self, job: &Job, trace_root: [u8; 32], output_uri: &str) -> Result<()> {
        let args = Submission {
            trace_root,
            output_uri: output_uri.to_owned(),
        };
        let submit = instructions::submit(&self.signer.pubkey(), job, args);
        self.sender.send(&[submit], &[&self.signer]).await?;
        Ok(())
    }

    async fn demands(&self, job: &Pubkey) -> Result<Vec<DemandAccount>> {
        let open = accounts::unanswered_demands_of(self.sender.rpc(), job).await?;
        let open = open.into_iter().map(|(address, demand)| DemandAccount {
            address,
            demand,
            answer: None,
        });
        Ok(open.collect())
    }

    async fn reveal(&self, answers: &[Answer]) -> Result<()> {
        let reveals = reveals(&self.signer.pubkey(), answers);
        let due = answers.iter().map(|answer| answer.demand.demand.due.get());
        let sender = self.sender.by(due.min().unwrap_or_default());
        sender.send(&reveals, &[&self.signer]).await?;
        Ok(())
    }

    async fn finalize(&self, address: &Pubkey) -> Result<()> {
        let finalize = flows::finalize(self.sender.rpc(), &self.signer.pubkey(), address).await?;
        self.sender.send_all(&finalize, &[&self.signer]).await?;
        Ok(())
    }
}

impl std::fmt::Debug for RpcChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcChain")
            .field("url", &self.sender.url())
            .field("signer", &self.signer.pubkey())
            .finish()
    }
}

/// Whether the agent can work at all.
///
/// # Errors
/// `NotReady`, with what the owner has to do first.
pub(crate) async fn check_ready(chain: &dyn Chain, owner: &Pubkey) -> Result<()> {
    let not_ready = |sentence: String| Err(NodeError::NotReady(sentence));
    if !chain.is_set_up().await? {
        return not_ready(
            "Quern isn't set up on this cluster: there is no protocol account; check --url, or run `quern deploy` and `quern protocol init`".to_owned(),
        );
    }
    let signer = chain.signer();
    let Some(provider) = chain.provider(owner).await? else {
        return not_ready(format!(
            "{owner} is not registered as a provider; run `quern provider register` with its keypair first"
        ));
    };
    if !provider.is_party(&signer) {
        return not_ready(format!(
            "{signer} is neither owner nor operator of the provider of {owner}; pass one of their keypairs, or name this key as operator"
        ));
    }
    if !provider.active.get() {
        return not_ready(format!(
            "the provider of {owner} is not active; activate it with `quern provider register --active true`"
        ));
    }
    if chain.lamports().await? == 0 {
        return not_ready(format!(
            "the wallet {signer} has no lamports for fees; fund it, for example with `solana airdrop 1 {signer}` on a test cluster"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        bytemuck::Zeroable,
        quern_client::{
            quern::state::Demand,
            send::{Format, MAX_TRANSACTION_BYTES, largest_size},
        },
    };

    fn answer(bytes: usize) -> Answer {
        let mut demand = Demand::zeroed();
        demand.job = Pubkey::new_from_array([1; 32]);
        Answer {
            demand: DemandAccount {
                address: Pubkey::new_unique(),
                demand,
                answer: None,
            },
            bytes: vec![7; bytes],
        }
    }

    #[test]
    fn answers_share_transactions_that_fit() {
        let lengths = [
            vec![128; 23],
            vec![512; 5],
            vec![64; 40],
            vec![512, 128, 128, 128, 512, 64, 64, 64, 64, 256, 512],
            Vec::new(),
        ];
        for lengths in lengths {
            let answers: Vec<Answer> = lengths.iter().map(|bytes| answer(*bytes)).collect();
            let order: Vec<Pubkey> = answers.iter().map(|one| one.demand.address).collect();
            let batches = Answer::pack(answers);
            let signer = Pubkey::new_unique();
            for batch in &batches {
                let size = largest_size(Format::Legacy, &reveals(&signer, batch), &signer).unwrap();
                assert!(size <= MAX_TRANSACTION_BYTES, "{size} bytes");
            }
            let packed: Vec<Pubkey> = batches
                .iter()
                .flatten()
                .map(|one| one.demand.address)
                .collect();
            assert_eq!(packed, order);
        }
        let count = |bytes| Answer::pack((0..20).map(|_| answer(bytes)).collect()).len();
        assert_eq!([count(128), count(512)], [4, 20]);
    }
}
