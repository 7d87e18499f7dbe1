//! A watcher at work: the real one over RPC, in this process.

use {
    super::{stage::Stage, wait::until},
    anyhow::{Context, Result},
    quern_client::{CommitmentConfig, Keypair, Pubkey, Sender, Signer, flows::Route},
    quern_data::FetchLimits,
    quern_watcher::{Report, RpcWatcherChain, Settings, Until, Watcher},
    std::{
        path::Path,
        sync::{Arc, Mutex, PoisonError},
        time::{Duration, Instant},
    },
    tokio::{sync::oneshot, task::JoinHandle},
};

/// A report and when it was made.
type Reported = (Instant, Report);

/// A running watcher.
pub struct Lookout {
    wallet: Pubkey,
    reports: Arc<Mutex<Vec<Reported>>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<quern_watcher::Result<()>>,
}

impl Lookout {
    /// Starts a watcher of all jobs with its own wallet, and a folder if it shall remember.
    ///
    /// # Errors
    /// That its folder cannot be used, or that the cluster does not answer.
    pub async fn start(stage: &Stage, wallet: &Keypair, state: Option<&Path>) -> Result<Self> {
        Self::with_route(stage, wallet, state, Route::Auto).await
    }

    /// A watcher of all jobs through another node.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn through(stage: &Stage, wallet: &Keypair, url: &str) -> Result<Self> {
        Self::at(stage, wallet, None, Route::Auto, url).await
    }

    /// The same with a fixed way for evidence.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn with_route(
        stage: &Stage,
        wallet: &Keypair,
        state: Option<&Path>,
        route: Route,
    ) -> Result<Self> {
        Self::at(stage, wallet, state, route, stage.net.rpc_url()).await
    }

    async fn at(
        stage: &Stage,
        wallet: &Keypair,
        state: Option<&Path>,
        route: Route,
        url: &str,
    ) -> Result<Self> {
        let settings = Settings {
            fetch: FetchLimits {
                file_roots: vec![stage.public.clone()],
                max_bytes: 64 << 20,
                ..FetchLimits::default()
            },
            state: state.map(Path::to_owned),
            // Whoever publishes here does so before it commits.
            publication_grace: Duration::ZERO,
            poll: Duration::from_millis(250),
            ..Settings::default()
        };
        let sender = Sender::new(url, CommitmentConfig::confirmed());
        let chain = RpcWatcherChain::with_route(sender, wallet.insecure_clone(), route);
        let watcher = Watcher::new(settings, chain)?;
        let reports: Arc<Mutex<Vec<Reported>>> = Arc::default();
        let note = {
            let reports = Arc::clone(&reports);
            move |report: &Report| {
                let mut all = reports.lock().unwrap_or_else(PoisonError::into_inner);
                all.push((Instant::now(), report.clone()));
            }
        };
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            watcher
                .run(Until::Stopped, note, async move {
                    // Dropping the handle stops the watcher, too.
                    let _ = stopped.await;
                })
                .await
        });
        Ok(Self {
            wallet: wallet.pubkey(),
            reports,
            stop,
            task,
        })
    }

    /// Who asks, convicts and pays.
    pub fn wallet(&self) -> Pubkey {
        self.wallet
    }

    /// All reports so far.
    pub fn reports(&self) -> Vec<Report> {
        let all = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(_, report)| report.clone()).collect()
    }

    /// The report on a job, as soon as there is one, and when it was made.
    ///
    /// # Errors
    /// None within `limit`.
    pub async fn report_on(&self, job: &Pubkey, limit: Duration) -> Result<(Instant, Report)> {
        until("the watcher reports on a job", limit, async || {
            let all = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(all.iter().find(|(_, report)| report.job == *job).cloned())
        })
        .await
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// What the watcher ended with.
    pub async fn stop(self) -> Result<()> {
        // A watcher that ended by itself no longer listens; its result says why.
        let _ = self.stop.send(());
        self.task
            .await
            .context("the watcher broke off")?
            .context("the watcher ended with an error")
    }

    /// Cuts it off wherever it is; it begins nothing more.
    pub async fn kill(self) {
        self.task.abort();
        // That it was cut off is what is wanted.
        let _ = self.task.await;
    }
}
