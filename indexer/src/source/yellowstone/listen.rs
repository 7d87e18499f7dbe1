//! The connection: subscribed to again whenever it ends, from where everything was told.

use {
    super::{
        held::{Head, Held},
        messages::{
            BlockFilter, FINALIZED, Ping, SlotFilter, SubscribeRequest, SubscribeUpdate,
            TransactionFilter, Update,
        },
        options::YellowstoneOptions,
        progress::{Progress, Step},
    },
    crate::metrics,
    backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder},
    hyper::{Uri, http::uri::PathAndQuery},
    hyper_rustls::{HttpsConnector, HttpsConnectorBuilder},
    hyper_util::{
        client::legacy::{Client, connect::HttpConnector},
        rt::{TokioExecutor, TokioTimer},
    },
    quern_api::Signature,
    quern_client::text,
    std::{collections::HashMap, error::Error, sync::Arc, time::Duration},
    tokio::{
        sync::{Notify, mpsc, watch},
        time::{Instant, timeout, timeout_at},
    },
    tokio_stream::wrappers::ReceiverStream,
    tonic::{Code, Request, Status, Streaming, body::Body, client::Grpc},
    tonic_prost::ProstCodec,
};

const SUBSCRIBE: &str = "/geyser.Geyser/Subscribe";
/// The name of the only filter of each kind.
const FILTER: &str = "quern";
/// The largest transaction with its metadata takes about one; blocks at an epoch's end tell of many rewards.
const MOST_MESSAGE_BYTES: usize = 16 << 20;
/// Between questions whether the other end is still there, and the most time for an answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Longest pause before connecting again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Requests under way: the subscription and answers to pings.
const MOST_REQUESTS: usize = 4;

/// Why a connection ended.
enum Cut {
    /// The server, or what lies between, said so.
    Status(Box<Status>),
    /// The server ended it without a word.
    Ended,
    /// Nothing but pings came for too long.
    Silent,
    /// The end of a slot never came.
    Missing,
}

impl From<Status> for Cut {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Keeps a subscription.
pub struct Listener {
    options: YellowstoneOptions,
    origin: Uri,
    connector: HttpsConnector<HttpConnector>,
    held: Arc<Held>,
    noticed: Arc<Notify>,
    whole: watch::Sender<Option<u64>>,
    progress: Progress,
    /// Whether this connection told something.
    has_told: bool,
}

impl Listener {
    /// `noticed` is told of the end of each slot with transactions, `whole` of the last slot that is whole.
    pub fn new(
        options: YellowstoneOptions,
        origin: Uri,
        held: Arc<Held>,
        noticed: Arc<Notify>,
        whole: watch::Sender<Option<u64>>,
    ) -> Self {
        Self {
            options,
            origin,
            connector: connector(),
            held,
            noticed,
            whole,
            progress: Progress::default(),
            has_told: false,
        }
    }

    /// Listens for ever. Whatever fails costs calls to the node and nothing else.
    pub async fn run(mut self) {
        let mut pauses = pauses(self.options.first_pause);
        loop {
            let (before, from) = (self.progress.whole(), self.progress.resume());
            self.has_told = false;
            let Err(cut) = self.listen(from).await;
            metrics::stream_open(false);
            metrics::streamed("cut", 1);
            self.progress.cut();
            if self.progress.whole() > before {
                pauses = self::pauses(self.options.first_pause);
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            let (url, reason) = (&self.options.url, self.reason(&cut));
            tracing::warn!(
                %url,
                reason,
                again_in_millis = pause.as_millis(),
                "the stream was cut; transactions are read from the node until it is back"
            );
            if from.is_some() && !self.has_told && is_refusal(&cut) {
                tracing::warn!(%url, from, "the server cannot tell this slot again; the node is asked for what was missed");
                metrics::streamed("no_replay", 1);
                self.progress.begin_anew();
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// One connection, from a slot on or from what comes.
    async fn listen(&mut self, from: Option<u64>) -> Result<std::convert::Infallible, Cut> {
        let (requests, receiver) = mpsc::channel(MOST_REQUESTS);
        let _ = requests.try_send(self.subscription(from));
        let silence = self.options.silence;
        let opening = timeout(silence, self.open(receiver));
        let mut updates = opening.await.map_err(|_| Cut::Silent)??;
        tracing::info!(url = %self.options.url, from, "subscribed");
        metrics::stream_open(true);
        // Pings show that the server is there, not that its node goes on.
        let mut heard = Instant::now();
        loop {
            let next = timeout_at(heard + silence, updates.message());
            let next = next.await.map_err(|_| Cut::Silent)??;
            let Some(update) = next.ok_or(Cut::Ended)?.update else {
                continue;
            };
            if !matches!(update, Update::Ping(_)) {
                heard = Instant::now();
            }
            self.take(update, &requests)?;
        }
    }

    async fn open(
        &self,
        requests: mpsc::Receiver<SubscribeRequest>,
    ) -> Result<Streaming<SubscribeUpdate>, Status> {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .http2_only(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build::<_, Body>(self.connector.clone());
        let mut grpc = Grpc::with_origin(client, self.origin.clone())
            .max_decoding_message_size(MOST_MESSAGE_BYTES);
        grpc.ready()
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let mut request = Request::new(ReceiverStream::new(requests));
        if let Some(token) = &self.options.token {
            request.metadata_mut().insert("x-token", token.clone());
        }
        let path = PathAndQuery::from_static(SUBSCRIBE);
        let reply = grpc.streaming(request, path, ProstCodec::default()).await?;
        Ok(reply.into_inner())
    }

    /// Transactions that name the program and succeeded, all blocks, and when they are final.
    fn subscription(&self, from_slot: Option<u64>) -> SubscribeRequest {
        let name = || FILTER.to_owned();
        let transactions = TransactionFilter {
            vote: Some(false),
            // Anybody can make failures for next to nothing; the node lists them, and they have no events.
            failed: Some(false),
            account_include: vec![self.options.program.to_string()],
        };
        let slots = SlotFilter {
            filter_by_commitment: Some(true),
        };
        SubscribeRequest {
            slots: HashMap::from([(name(), slots)]),
            transactions: HashMap::from([(name(), transactions)]),
            blocks_meta: HashMap::from([(name(), BlockFilter {})]),
            commitment: Some(FINALIZED),
            ping: None,
            from_slot,
        }
    }

    fn take(
        &mut self,
        update: Update,
        requests: &mpsc::Sender<SubscribeRequest>,
    ) -> Result<(), Cut> {
        match update {
            Update::Ping(_) => {
                let ping = SubscribeRequest {
                    ping: Some(Ping { id: 1 }),
                    ..SubscribeRequest::default()
                };
                // A server that reads no answers gets no more of them.
                let _ = requests.try_send(ping);
                return Ok(());
            }
            Update::Transaction(landed) => {
                let info = landed.transaction.unwrap_or_default();
                // One without a signature cannot be asked for.
                if let Ok(signature) = <[u8; 64]>::try_from(info.signature.as_slice()) {
                    self.held.put(landed.slot, Signature(signature), info);
                }
            }
            Update::Block(block) => {
                let head = Head {
                    time: block.block_time.map(|time| time.timestamp),
                    parent: block.parent_slot,
                };
                self.held.head(block.slot, head);
            }
            Update::Slot(slot) if slot.status == FINALIZED => self.end(slot.slot, slot.parent)?,
            Update::Slot(_) => {}
        }
        self.has_told = true;
        Ok(())
    }

    fn end(&mut self, slot: u64, parent: Option<u64>) -> Result<(), Cut> {
        let (head, has_transactions) = self.held.end(slot);
        let step = self
            .progress
            .end(slot, parent.or(head.map(|head| head.parent)));
        self.whole.send_replace(self.progress.whole());
        if has_transactions {
            self.noticed.notify_one();
        }
        match step {
            Step::On => Ok(()),
            Step::Again => Err(Cut::Missing),
            Step::Without => {
                let whole = self.progress.whole();
                tracing::warn!(
                    whole,
                    "the stream left a slot out again; the node is asked for it"
                );
                metrics::streamed("left_out", 1);
                Ok(())
            }
        }
    }

    /// What is said of it, without the keys in the address and the token.
    fn reason(&self, cut: &Cut) -> String {
        let said = match cut {
            Cut::Status(status) => said(status),
            Cut::Ended => "the server ended it".to_owned(),
            Cut::Silent => format!("nothing came for {:?}", self.options.silence),
            Cut::Missing => "the end of a slot never came".to_owned(),
        };
        let said = self.options.url.hide_keys(&said);
        let token = self.options.token.as_ref();
        let token = token.and_then(|token| token.to_str().ok());
        let said = token.map_or(said.clone(), |token| said.replace(token, "…"));
        text::escaped(&said)
    }
}

/// With the system's certificates, or where it has none, with Mozilla's.
fn connector() -> HttpsConnector<HttpConnector> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(KEEP_ALIVE));
    let builder = HttpsConnectorBuilder::new();
    let builder = match builder.with_native_roots() {
        Ok(builder) => builder,
        Err(_) => HttpsConnectorBuilder::new().with_webpki_roots(),
    };
    builder.https_or_http().enable_http2().wrap_connector(http)
}

/// Doubling, and with chance: after a server's restart all its clients come back.
fn pauses(first: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}

/// Whether the server answered that it cannot do what was asked. Servers name a slot that is too old, one that is too new and an
/// unknown wish by several codes.
fn is_refusal(cut: &Cut) -> bool {
    let Cut::Status(status) = cut else {
        return false;
    };
    matches!(
        status.code(),
        Code::OutOfRange
            | Code::Internal
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::NotFound
            | Code::Unimplemented
    )
}

fn said(status: &Status) -> String {
    let mut said = format!("{}: {}", status.code(), status.message());
    let mut cause = status.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            format!("{said}; check --yellowstone-token")
        }
        _ => said,
    }
}
