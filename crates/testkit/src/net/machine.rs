//! A provider's machine: the real agent with its operator's key, in this process.

use {
    super::{
        stage::{LEAST_PRICE_ATOMS, ProviderKeys, Stage},
        trainer::Trainer,
        wait::until,
    },
    anyhow::{Context, Result},
    quern_client::{Keypair, Pubkey, RpcChain, Sender, Signer},
    quern_data::{DataError, FetchLimits, Fetcher, Publisher},
    quern_provider::{Agent, Policy, ProviderChain, ProviderError, Settings},
    std::{path::Path, sync::Arc, time::Duration},
    tokio::{sync::oneshot, task::JoinHandle},
};

/// A running agent.
pub struct Machine {
    stop: oneshot::Sender<()>,
    task: JoinHandle<quern_provider::Result<()>>,
}

/// How the demo's providers work.
///
/// # Errors
/// That the folder cannot be used.
pub fn settings(
    owner: Pubkey,
    home: &Path,
    publisher: Publisher,
    public: &Path,
    arbiters: &[Pubkey],
) -> Settings {
    let mut settings = Settings::new(owner, home.to_owned(), publisher);
    settings.poll = Duration::from_millis(250);
    settings.retry = Duration::from_millis(500);
    settings.keep_ended_secs = 1;
    settings.fetch = FetchLimits {
        file_roots: vec![public.to_owned()],
        max_bytes: 64 << 20,
        ..FetchLimits::default()
    };
    // All other limits are the agent's own: the demo's jobs give the times that it asks for by default.
    settings.policy = Policy {
        reviewed: true,
        arbiters: arbiters.iter().copied().collect(),
        min_price_atoms: LEAST_PRICE_ATOMS,
        max_jobs: 4,
        // Stories and tests claim when they say so.
        claims: false,
        ..Policy::default()
    };
    settings
}

/// An agent with the demo's training software.
///
/// # Errors
/// That its folder is in use or cannot be used.
pub fn agent(settings: Settings, chain: Arc<dyn ProviderChain>) -> quern_provider::Result<Agent> {
    let trainer = Trainer {
        fetcher: Fetcher::new(settings.fetch.clone()),
    };
    Agent::new(settings, chain, Some(Arc::new(trainer)))
}

impl Machine {
    /// Switches a provider's machine on. It goes on where its folder and the chain say.
    ///
    /// # Errors
    /// That its folder cannot be used.
    pub async fn start(stage: &Stage, provider: &ProviderKeys) -> Result<Self> {
        Self::through(stage, provider, stage.net.rpc_url()).await
    }

    /// The same through another node.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn through(stage: &Stage, provider: &ProviderKeys, url: &str) -> Result<Self> {
        let publisher = Publisher::folder(&stage.public.join(provider.name), None)?;
        let settings = settings(
            provider.owner.pubkey(),
            &provider.home,
            publisher,
            &stage.public,
            &[stage.arbiter.pubkey()],
        );
        let operator = provider.operator.insecure_clone();
        Self::start_with(url, operator, settings).await
    }

    /// The same for any settings.
    ///
    /// # Errors
    /// That its folder cannot be used.
    pub async fn start_with(url: &str, operator: Keypair, settings: Settings) -> Result<Self> {
        let sender = Sender::new(url, quern_client::CommitmentConfig::confirmed());
        let chain = RpcChain::new(sender, operator);
        // A machine that was just switched off lets go of its folder when its last task has ended.
        let agent = until(
            "the provider's folder is free",
            Duration::from_secs(20),
            async || match agent(
                settings.clone(),
                Arc::clone(&chain) as Arc<dyn ProviderChain>,
            ) {
                Ok(agent) => Ok(Some(agent)),
                Err(ProviderError::Data(DataError::Locked { .. })) => Ok(None),
                Err(error) => Err(error.into()),
            },
        )
        .await?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            agent
                .run(async move {
                    // Dropping the handle stops the machine, too.
                    let _ = stopped.await;
                })
                .await
        });
        Ok(Self { stop, task })
    }

    /// Switches it off.
    ///
    /// # Errors
    /// What the agent ended with.
    pub async fn stop(self) -> Result<()> {
        // An agent that ended by itself no longer listens; its result says why.
        let _ = self.stop.send(());
        self.task
            .await
            .context("the agent broke off")?
            .context("the agent ended with an error")
    }

    /// Whether it still runs.
    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}
