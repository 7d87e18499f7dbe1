//! Reads that provider and watcher share: one trait, so that both can be tested without a cluster, and the cluster over RPC.

use {
    crate::{
        accounts::{self, JobFilter, ModelAccount},
        clock,
        errors::{ClientError, Result},
        history,
        jobs::{FollowedJobs, Looks},
        send::{Errand, Sender},
    },
    async_trait::async_trait,
    quern::{
        clock::Moment,
        state::{Job, Model},
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{
        pubkey::Pubkey,
        signature::{Keypair, Signer},
    },
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, PoisonError},
    },
};

/// The chain as everybody sees it who follows jobs.
#[async_trait]
pub trait ChainReads: Send + Sync {
    /// Who signs and pays.
    fn signer(&self) -> Pubkey;
    /// The genesis hash of the cluster, if that is known: the same addresses mean other jobs elsewhere.
    async fn genesis(&self) -> Result<Option<String>> {
        Ok(None)
    }
    /// The cluster's clock and restarts.
    async fn moment(&self) -> Result<Moment>;
    /// A job, unless it has ended.
    async fn job(&self, address: &Pubkey) -> Result<Option<Job>>;
    /// A model with its graph.
    async fn model(&self, address: &Pubkey) -> Result<ModelAccount>;
    /// Where the inputs of a job are.
    async fn input_uri(&self, address: &Pubkey, job: &Job) -> Result<String>;
    /// Where a model's weights are.
    async fn model_uri(&self, address: &Pubkey, model: &Model) -> Result<String>;
}

/// A cluster over RPC, with a wallet. It remembers the URIs that it found: looking one up takes several requests.
pub struct RpcChain {
    sender: Sender,
    wallet: Keypair,
    /// By what they hash to.
    uris: Mutex<HashMap<(Pubkey, [u8; 32]), String>>,
    /// Live jobs as they were at the last look.
    followed: Mutex<HashMap<JobFilter, Arc<FollowedJobs>>>,
}

impl RpcChain {
    /// The cluster that `sender` leads to; `wallet` signs and pays.
    pub fn new(sender: Sender, wallet: Keypair) -> Arc<Self> {
        Arc::new(Self {
            sender,
            wallet,
            uris: Mutex::default(),
            followed: Mutex::default(),
        })
    }

    /// The connection.
    pub fn rpc(&self) -> &RpcClient {
        self.sender.rpc()
    }

    /// What sends for an errand: there is no other way to send with this wallet, so no transaction forgets its deadline or what
    /// it may cost.
    pub fn sender(&self, errand: Errand) -> Sender {
        self.sender.on(errand)
    }

    /// Who signs and pays.
    pub const fn wallet(&self) -> &Keypair {
        &self.wallet
    }

    /// The live jobs that a filter takes: most of a look is what the last one has read.
    ///
    /// # Errors
    /// As [`FollowedJobs::look`].
    pub async fn followed_jobs(
        &self,
        filter: JobFilter,
        looks: Looks,
    ) -> Result<Vec<(Pubkey, Job)>> {
        let followed = {
            let mut all = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Arc::new(FollowedJobs::new(filter, looks));
            Arc::clone(all.entry(filter).or_insert_with(new))
        };
        followed.look(self.sender.rpc()).await
    }

    /// Where the current result of a job is.
    ///
    /// # Errors
    /// As [`history::output_uri`].
    pub async fn output_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        let look_up = history::output_uri(self.rpc(), address, job);
        self.uri(address, &job.output_uri_hash, look_up).await
    }

    /// The remembered URI of a hash, or the one that is looked up and remembered.
    async fn uri(
        &self,
        address: &Pubkey,
        hash: &[u8; 32],
        look_up: impl Future<Output = Result<String>>,
    ) -> Result<String> {
        /// More than this many are not kept: strangers create jobs.
        const MOST: usize = 10_000;
        let key = (*address, *hash);
        let known = self.lock().get(&key).cloned();
        if let Some(uri) = known {
            return Ok(uri);
        }
        let uri = look_up.await?;
        let mut uris = self.lock();
        if uris.len() >= MOST {
            uris.clear();
        }
        uris.insert(key, uri.clone());
        Ok(uri)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(Pubkey, [u8; 32]), String>> {
        self.uris.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ChainReads for RpcChain {
    fn signer(&self) -> Pubkey {
        self.wallet.pubkey()
    }

    async fn genesis(&self) -> Result<Option<String>> {
        let rpc = self.sender.rpc();
        let genesis = rpc.get_genesis_hash().await;
        let genesis = genesis.map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
        Ok(Some(genesis.to_string()))
    }

    async fn moment(&self) -> Result<Moment> {
        clock::moment(self.rpc()).await
    }

    async fn job(&self, address: &Pubkey) -> Result<Option<Job>> {
        let job = match accounts::fetch_optional(self.rpc(), address).await {
            // A closed job's address may hold lamports that a stranger sent there.
            Err(ClientError::WrongOwner { .. }) => None,
            job => job?,
        };
        let followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        for followed in followed.values() {
            followed.was_read(address, job.as_ref());
        }
        Ok(job)
    }

    async fn model(&self, address: &Pubkey) -> Result<ModelAccount> {
        accounts::model(self.rpc(), address).await
    }

    async fn input_uri(&self, address: &Pubkey, job: &Job) -> Result<String> {
        let look_up = history::input_uri(self.rpc(), address, job);
        self.uri(address, &job.input_uri_hash, look_up).await
    }

    async fn model_uri(&self, address: &Pubkey, model: &Model) -> Result<String> {
        let look_up = history::model_uri(self.rpc(), address, model);
        self.uri(address, &model.uri_hash, look_up).await
    }
}

impl std::fmt::Debug for RpcChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RpcChain")
            .field("url", &self.sender.url())
            .field("wallet", &self.wallet.pubkey())
            .finish()
    }
}
