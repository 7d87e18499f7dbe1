//! A provider's machine as a process of its own, so that a test can kill it as a power cut would, at a chosen moment.

use {
    super::machine::{agent, settings},
    anyhow::{Context, Result},
    async_trait::async_trait,
    quern_client::{
        ChainReads, CommitmentConfig, Pubkey, RpcChain, Sender,
        accounts::{DemandAccount, ModelAccount},
        claims::CampaignClaim,
        config,
        quern::{
            clock::Moment,
            state::{Campaign, Entry, Job, Model, Provider, Purse},
        },
    },
    quern_data::Publisher,
    quern_provider::{ProviderChain, chain::Answer},
    std::{path::PathBuf, sync::Arc},
};

/// A moment at which the machine stands still, says so on standard output and waits to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Halt {
    /// Everything is fetched and checked, the take is not sent.
    BeforeTake,
    /// The chain says taken, the agent has not heard it yet.
    AfterTake,
    /// The result is published, the commitment is not sent.
    BeforeSubmit,
    /// The chain has the commitment, the agent has not heard it yet.
    AfterSubmit,
    /// Somebody asks and the answer is ready, it is not sent.
    BeforeReveal,
    /// The review is over, nothing is sent.
    BeforeFinalize,
    /// The milestone is paid, the agent has not heard it yet.
    AfterFinalize,
}

/// What the machine is told.
#[derive(Clone, Debug, clap::Args)]
pub struct NodeArgs {
    /// The cluster
    #[arg(long)]
    pub url: String,
    /// The provider's owner
    #[arg(long)]
    pub owner: Pubkey,
    /// The operator's keypair file
    #[arg(long)]
    pub operator: PathBuf,
    /// The machine's folder
    #[arg(long)]
    pub home: PathBuf,
    /// Where it publishes: a folder or a URL
    #[arg(long)]
    pub publish: String,
    /// The folder that it may fetch files from
    #[arg(long)]
    pub public: PathBuf,
    /// Where it stands still
    #[arg(long)]
    pub halt: Option<Halt>,
}

/// Works until it is killed.
///
/// # Errors
/// That it cannot start.
pub async fn work(args: NodeArgs) -> Result<()> {
    let sender = Sender::new(&args.url, CommitmentConfig::confirmed());
    let operator = config::read_keypair(&args.operator)?;
    let chain: Arc<dyn ProviderChain> = Arc::new(HaltingChain {
        chain: RpcChain::new(sender, operator),
        halt: args.halt,
    });
    let publisher = Publisher::at(&args.publish, None)?;
    let settings = settings(args.owner, &args.home, publisher, &args.public, &[]);
    agent(settings, chain)?
        .run(std::future::pending())
        .await
        .context("the agent ended")?;
    Ok(())
}

/// The chain, with one moment at which everything stands still.
struct HaltingChain {
    chain: Arc<RpcChain>,
    halt: Option<Halt>,
}

impl HaltingChain {
    async fn halt_at(&self, moment: Halt) {
        if self.halt == Some(moment) {
            println!("halted");
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl ChainReads for HaltingChain {
    fn signer(&self) -> Pubkey {
        self.chain.signer()
    }
    async fn moment(&self) -> quern_client::Result<Moment> {
        self.chain.moment().await
    }
    async fn job(&self, address: &Pubkey) -> quern_client::Result<Option<Job>> {
        self.chain.job(address).await
    }
    async fn model(&self, address: &Pubkey) -> quern_client::Result<ModelAccount> {
        self.chain.model(address).await
    }
    async fn input_uri(&self, address: &Pubkey, job: &Job) -> quern_client::Result<String> {
        self.chain.input_uri(address, job).await
    }
    async fn model_uri(&self, address: &Pubkey, model: &Model) -> quern_client::Result<String> {
        self.chain.model_uri(address, model).await
    }
}

#[async_trait]
impl ProviderChain for HaltingChain {
    async fn open_jobs(&self) -> quern_client::Result<Vec<(Pubkey, Job)>> {
        self.chain.open_jobs().await
    }
    async fn own_jobs(&self, owner: &Pubkey) -> quern_client::Result<Vec<(Pubkey, Job)>> {
        self.chain.own_jobs(owner).await
    }
    async fn provider(&self, owner: &Pubkey) -> quern_client::Result<Option<Provider>> {
        self.chain.provider(owner).await
    }
    async fn purse(&self, owner: &Pubkey, mint: &Pubkey) -> quern_client::Result<Option<Purse>> {
        self.chain.purse(owner, mint).await
    }
    async fn is_set_up(&self) -> quern_client::Result<bool> {
        self.chain.is_set_up().await
    }
    async fn lamports(&self) -> quern_client::Result<u64> {
        self.chain.lamports().await
    }
    async fn checkpoint_uri(&self, address: &Pubkey, job: &Job) -> quern_client::Result<String> {
        self.chain.checkpoint_uri(address, job).await
    }
    async fn campaigns(&self, addresses: &[Pubkey]) -> quern_client::Result<Vec<Option<Campaign>>> {
        self.chain.campaigns(addresses).await
    }
    async fn entries(&self, owner: &Pubkey) -> quern_client::Result<Vec<Entry>> {
        self.chain.entries(owner).await
    }
    async fn take(&self, owner: &Pubkey, job: &Job, joins: bool) -> quern_client::Result<()> {
        self.halt_at(Halt::BeforeTake).await;
        self.chain.take(owner, job, joins).await?;
        self.halt_at(Halt::AfterTake).await;
        Ok(())
    }
    async fn submit(
        &self,
        job: &Job,
        trace_root: [u8; 32],
        tokens_root: [u8; 32],
        output_uri: &str,
    ) -> quern_client::Result<()> {
        self.halt_at(Halt::BeforeSubmit).await;
        self.chain
            .submit(job, trace_root, tokens_root, output_uri)
            .await?;
        self.halt_at(Halt::AfterSubmit).await;
        Ok(())
    }
    async fn demands(&self, job: &Pubkey) -> quern_client::Result<Vec<DemandAccount>> {
        self.chain.demands(job).await
    }
    async fn reveal(&self, answers: &[Answer]) -> quern_client::Result<()> {
        self.halt_at(Halt::BeforeReveal).await;
        self.chain.reveal(answers).await
    }
    async fn finalize(&self, address: &Pubkey) -> quern_client::Result<()> {
        self.halt_at(Halt::BeforeFinalize).await;
        self.chain.finalize(address).await?;
        self.halt_at(Halt::AfterFinalize).await;
        Ok(())
    }
    async fn claim(&self, claim: &CampaignClaim) -> quern_client::Result<()> {
        self.chain.claim(claim).await
    }
}
