//! Starting and stopping the HTTP front.

use {
    super::{app::App, router::router, settings::HttpSettings, token::Token},
    crate::embedder::Embedder,
    quern_data::DataError,
    quern_serve::{Bounds, Gate, Lifetimes, Limits},
    std::{
        io,
        net::SocketAddr,
        path::{Path, PathBuf},
        sync::Arc,
        time::Duration,
    },
    thiserror::Error,
    tokio::{net::TcpListener, sync::watch, task::JoinHandle},
};

/// Under which name the API key lies in the state folder.
pub const TOKEN_FILE: &str = "api-key";
/// Most connections; every client is this machine, so one address may have all.
const MAX_CONNECTIONS: usize = 256;
/// Of a connection: an upload or a large file may take that long.
const CONNECTION_LIFE: Duration = Duration::from_secs(15 * 60);
/// Most time for open requests when stopping: the engine ends its waits at once.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// What an answer takes beside the wait for it.
const REPLY_SECS: Duration = Duration::from_secs(60);

/// Why HTTP is not served.
#[derive(Debug, Error)]
#[allow(missing_docs)]
pub enum HttpError {
    #[error(
        "{0} is not a loopback address, so other machines could use this wallet; listen on 127.0.0.1, or allow it with --allow-remote"
    )]
    NotLoopback(SocketAddr),
    #[error("cannot listen on {address}: {source}; is another gateway running there?")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("cannot use the API key in {}: {source}", path.display())]
    Token { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Data(#[from] DataError),
}

/// A running HTTP front.
pub struct HttpServer {
    address: SocketAddr,
    token: Token,
    app: App,
    stop: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl HttpServer {
    /// Binds the address, opens what is kept and serves.
    ///
    /// # Errors
    /// `HttpError`.
    pub async fn start(
        settings: &HttpSettings,
        embedder: Arc<dyn Embedder>,
    ) -> Result<Self, HttpError> {
        let address = settings.listen;
        if !address.ip().to_canonical().is_loopback() && !settings.is_remote_allowed {
            return Err(HttpError::NotLoopback(address));
        }
        let token = open_token(&settings.state.join(TOKEN_FILE))?;
        let failed = |source| HttpError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let app = App::open(embedder, settings)?;
        let limits = Limits {
            all: MAX_CONNECTIONS,
            of_address: MAX_CONNECTIONS,
        };
        let limits = limits.within_descriptors();
        let gate = Gate::new(Limits {
            of_address: limits.all,
            ..limits
        });
        let lifetimes = Lifetimes {
            head: settings.waits.head,
            connection: CONNECTION_LIFE,
            last_request: settings.patience + REPLY_SECS,
        };
        let (stop, stopped) = watch::channel(false);
        let routes = router(app.clone(), token.clone(), &settings.hosts);
        let bounds = Bounds {
            gate,
            lifetimes,
            // It serves programs of one machine, which share its address.
            shares: None,
        };
        let server = tokio::spawn(quern_serve::serve(listener, routes, bounds, stopped));
        tracing::info!(%address, "HTTP is served");
        Ok(Self {
            address,
            token,
            app,
            stop,
            server,
        })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What applications set as `OPENAI_BASE_URL`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// What applications set as `OPENAI_API_KEY`.
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Takes no new requests, and answers open ones within 10 s. Batches go on at the next start. Stop the engine first or at the same
    /// time: its waits end then, and open requests with them.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        self.app.stop().await;
        if tokio::time::timeout(STOP_TIMEOUT, &mut self.server)
            .await
            .is_err()
        {
            // A client that keeps its request open does not keep the process.
            self.server.abort();
        }
    }
}

fn open_token(path: &Path) -> Result<Token, HttpError> {
    Token::open(path).map_err(|source| HttpError::Token {
        path: path.to_owned(),
        source,
    })
}
