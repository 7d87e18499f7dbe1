//! Starting and stopping: follower and HTTP server in one process.

#[cfg(feature = "yellowstone")]
use crate::source::yellowstone::{YellowstoneOptions, YellowstoneSource};
use {
    crate::{
        api::{self, ApiState, Streams, Tables},
        audit::Auditor,
        config::{Config, default_program},
        error::{IndexerError, Result},
        follow::Follower,
        health::Health,
        metrics::Metrics,
        mirror::Mirror,
        provisional::{Provisional, Scout},
        source::{Accounts, Ahead, Endpoint, FileSource, RpcOptions, RpcSource, Source},
        store::{self, Role, Store},
        web,
    },
    quern_client::config::is_local,
    quern_serve::{Bounds, Gate, Lifetimes, Limits, Shares},
    std::{net::SocketAddr, sync::Arc, time::Duration},
    tokio::{net::TcpListener, sync::watch, task::JoinHandle},
};

/// Most time for one call to the node.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Of a connection, and of the request that is open at its end: a reply takes seconds at most.
const LIFETIMES: Lifetimes = Lifetimes {
    head: quern_serve::HEAD_TIME,
    connection: Duration::from_secs(60),
    last_request: STOP_TIMEOUT,
};
/// Most time for open HTTP requests when stopping.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// A running indexer.
pub struct Indexer {
    address: SocketAddr,
    store: Arc<Store>,
    health: Health,
    stop: watch::Sender<bool>,
    follower: JoinHandle<Result<()>>,
    auditor: Option<JoinHandle<()>>,
    scout: Option<JoinHandle<()>>,
    server: JoinHandle<()>,
}

impl Indexer {
    /// Opens the store, binds the HTTP address and starts to follow. The node need not be there yet.
    ///
    /// # Errors
    /// If an address is malformed or taken, the store cannot be opened, or the recording cannot be read.
    pub async fn start(config: Config) -> Result<Self> {
        let node = rpc_options(&config)?;
        check_recording(&config)?;
        let failed = |source| IndexerError::Listen {
            address: config.listen,
            source,
        };
        // The store comes first: a standby answers nobody until it leads.
        let store = Arc::new(Store::open_as(&config.store, config.role).await?);
        // Nobody is shown another program's events under this one's name, whether the node is there or not.
        store.belongs_to(&config.program_id, None).await?;
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if config.role != Role::Replica {
            mend(&store).await?;
        }
        let (source, node) = open_source(&config, node).await?;
        let health = Health::default();
        let (accounts, ahead) = node.unzip();
        let auditor = accounts
            .filter(|_| config.audit_secs > 0 && config.role != Role::Replica)
            .map(|accounts| Auditor {
                accounts,
                store: Arc::clone(&store),
                health: health.clone(),
                every: Duration::from_secs(config.audit_secs),
            });
        let (stop, stopped) = watch::channel(false);
        let state = ApiState {
            store: Arc::clone(&store),
            health: health.clone(),
            program: config.program_id,
            most_lag_slots: config.most_lag_slots,
            metrics: Metrics::default(),
            streams: Streams::new(stopped.clone()),
            tables: Tables::default(),
            provisional: Provisional::default(),
        };
        let scout = ahead.filter(|_| config.provisional_millis > 0);
        let scout = scout.map(|ahead| {
            let scout = Scout {
                ahead,
                store: Arc::clone(&store),
                program: config.program_id,
                every: Duration::from_millis(config.provisional_millis),
                to: state.provisional.clone(),
            };
            tokio::spawn(scout.run(stopped.clone()))
        });
        let follower = follow(&config, source, &state, stopped.clone());
        let auditor = auditor.map(|auditor| {
            let stopped = stopped.clone();
            tokio::spawn(async move { auditor.run(stopped).await })
        });
        let bounds = bounds(&config);
        let router = web::router(api::router(state), config.site());
        let server = tokio::spawn(quern_serve::serve(listener, router, bounds, stopped));
        tracing::info!(%address, store = store::shown(&config.store), program = %config.program_id, "indexer started");
        Ok(Self {
            address,
            store,
            health,
            stop,
            follower,
            auditor,
            scout,
            server,
        })
    }

    /// Where HTTP is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The store.
    pub fn store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// Waits until everything finalized up to `slot` is stored; false if the indexer stopped or the time passed first.
    pub async fn wait_for_slot(&self, slot: u64, limit: Duration) -> bool {
        let mut state = self.health.subscribe();
        let reached = state.wait_for(|state| {
            state.whole_at.is_some() && state.cursor_slot.is_some_and(|at| at >= slot)
        });
        matches!(tokio::time::timeout(limit, reached).await, Ok(Ok(_)))
    }

    /// Waits until a part of it ends by itself, which only an error makes it do.
    ///
    /// # Errors
    /// That error.
    pub async fn ended(&mut self) -> Result<()> {
        tokio::select! {
            result = &mut self.follower => result?,
            result = &mut self.server => Ok(result?),
        }
    }

    /// Stops within 10 s: no new requests, open ones answered, the store closed.
    ///
    /// # Errors
    /// If a part of it fails while it stops; what ended it before, [`Self::ended`] tells.
    pub async fn stop(mut self) -> Result<()> {
        self.stop.send_replace(true);
        // A part that ended by itself may have been awaited by `ended`; awaiting it again would panic.
        let followed = if self.follower.is_finished() {
            Ok(())
        } else {
            (&mut self.follower).await?
        };
        if let Some(auditor) = self.auditor.take() {
            auditor.await?;
        }
        if let Some(scout) = self.scout.take() {
            scout.await?;
        }
        let served = if self.server.is_finished() {
            Ok(())
        } else {
            match tokio::time::timeout(STOP_TIMEOUT, &mut self.server).await {
                Ok(result) => Ok(result?),
                // A client that keeps its request open does not keep the process.
                Err(_) => {
                    self.server.abort();
                    Ok(())
                }
            }
        };
        self.store.close().await;
        followed.and(served)
    }
}

/// Makes the tables again if something of the record is gone or newly understood.
async fn mend(store: &Store) -> Result<()> {
    if let Some(mended) = store.mend().await? {
        let revived = mended.revived;
        tracing::info!(
            revived,
            "the tables were made again; revived events were not understood before"
        );
        if let Some(loss) = mended.loss {
            tracing::warn!(%loss, "rows were lost; the history is walked again");
        }
    }
    Ok(())
}

/// Follows the chain, or the process that does.
fn follow(
    config: &Config,
    source: Arc<dyn Source>,
    state: &ApiState,
    stopped: watch::Receiver<bool>,
) -> JoinHandle<Result<()>> {
    let (store, health) = (Arc::clone(&state.store), state.health.clone());
    if config.role == Role::Replica {
        let mirror = Mirror {
            source,
            store,
            program: config.program_id,
            health,
        };
        return tokio::spawn(async move { mirror.run(stopped).await });
    }
    let follower = Follower {
        source,
        store,
        program: config.program_id,
        fetches: config.fetches.into(),
        health,
    };
    tokio::spawn(async move { follower.run(stopped).await })
}

/// The node of these settings, for what looks at it once.
///
/// # Errors
/// If an address is malformed, or names no program away from this machine.
pub fn node(config: &Config) -> Result<Arc<RpcSource>> {
    Ok(Arc::new(RpcSource::new(rpc_options(config)?)))
}

fn rpc_options(config: &Config) -> Result<RpcOptions> {
    let ws_url = config.ws_url.as_deref();
    let options = RpcOptions {
        url: Endpoint::rpc(&config.url)?,
        program: config.program_id,
        timeout: CALL_TIMEOUT,
        poll: config.poll(),
        ws_url: ws_url.map(Endpoint::notices).transpose()?,
    };
    let is_here = config.recording.is_some() || is_local(options.url.secret());
    if !is_here && config.program_id == default_program() {
        return Err(IndexerError::NoProgram);
    }
    Ok(options)
}

/// A recording has no node beside it: nobody shall believe that what they name is listened to.
fn check_recording(config: &Config) -> Result<()> {
    let unused = [
        ("--ws-url", &config.ws_url),
        ("--yellowstone-url", &config.yellowstone_url),
        ("--yellowstone-token", &config.yellowstone_token),
    ];
    match unused.iter().find(|(_, value)| value.is_some()) {
        Some((option, _)) if config.recording.is_some() => {
            Err(IndexerError::BesideRecording(option))
        }
        _ => Ok(()),
    }
}

/// How many connections and requests there may be.
fn bounds(config: &Config) -> Bounds {
    Bounds {
        gate: Gate::new(limits(config)),
        lifetimes: LIFETIMES,
        shares: Some(Shares::new(config.max_requests_per_second, api::too_many)),
    }
}

fn limits(config: &Config) -> Limits {
    let wanted = Limits {
        all: config.max_connections,
        of_address: config.max_connections_per_address,
    };
    let limits = wanted.within_descriptors();
    if limits != wanted {
        tracing::warn!(
            wanted = wanted.all,
            granted = limits.all,
            "the system grants too few descriptors for that many connections; raise them with ulimit -n"
        );
    }
    limits
}

/// What only a node knows: the accounts of the chain, and what is not final yet.
type Known = (Arc<dyn Accounts>, Arc<dyn Ahead>);

/// Where transactions come from, and what else that node knows: a recording holds transactions alone.
async fn open_source(
    config: &Config,
    node: RpcOptions,
) -> Result<(Arc<dyn Source>, Option<Known>)> {
    Ok(match &config.recording {
        Some(path) => {
            let (path, program) = (path.clone(), config.program_id);
            let open = move || FileSource::open(&path, &program);
            (Arc::new(tokio::task::spawn_blocking(open).await??), None)
        }
        None => {
            let source = Arc::new(RpcSource::new(node));
            let known: Known = (Arc::clone(&source) as _, Arc::clone(&source) as _);
            (beside_a_stream(config, source)?, Some(known))
        }
    })
}

/// A node, with the stream that the settings name. A replica reads no transactions.
#[cfg(feature = "yellowstone")]
fn beside_a_stream(config: &Config, node: Arc<RpcSource>) -> Result<Arc<dyn Source>> {
    let token = config.yellowstone_token.as_deref();
    let Some(url) = &config.yellowstone_url else {
        return match token {
            Some(_) => Err(IndexerError::NoStream),
            None => Ok(node),
        };
    };
    let options = YellowstoneOptions::new(url, token, config.program_id)?;
    if config.role == Role::Replica {
        return Ok(node);
    }
    Ok(Arc::new(YellowstoneSource::new(node, options)?))
}

#[cfg(not(feature = "yellowstone"))]
fn beside_a_stream(config: &Config, node: Arc<RpcSource>) -> Result<Arc<dyn Source>> {
    match (&config.yellowstone_url, &config.yellowstone_token) {
        (None, None) => Ok(node),
        (None, Some(_)) => Err(IndexerError::NoStream),
        (Some(_), _) => Err(IndexerError::NoYellowstone),
    }
}

/// Runs an indexer until `shutdown` completes.
///
/// # Errors
/// If it cannot start, or fails in a way that trying again cannot mend.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<()> {
    let mut indexer = Indexer::start(config).await?;
    let ended = tokio::select! {
        () = shutdown => Ok(()),
        result = indexer.ended() => result,
    };
    tracing::info!("stopping");
    let stopped = indexer.stop().await;
    ended.and(stopped)
}
