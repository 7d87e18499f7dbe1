//! An HTTP server: every wait for a client has an end, clients cannot use up what the rest of the process needs, and those
//! that only hold connections keep nobody out.

#![forbid(unsafe_code)]

mod gate;
mod share;
mod unread;

pub use {
    gate::{Gate, Leave, Limits, Place, Work},
    share::{Refuse, Shares},
};

use {
    axum::Router,
    hyper::{
        server::conn::http1,
        service::{Service, service_fn},
    },
    hyper_util::{
        rt::{TokioIo, TokioTimer},
        service::TowerToHyperService,
    },
    std::{
        net::IpAddr,
        pin::pin,
        sync::{Arc, Mutex, PoisonError},
        time::Duration,
    },
    tokio::{
        net::{TcpListener, TcpStream},
        sync::watch,
        task::JoinSet,
    },
};

/// What a request's head may take, if nothing else is wanted.
pub const HEAD_TIME: Duration = Duration::from_secs(10);
/// Most bytes of a request's head: no request of these APIs is near it.
const HEAD_BYTES: usize = 32 * 1024;
/// Pause after a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a client gets while requests of others are in work on every place.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Stands among the extensions of a response whose body goes on for long: its connection may live until this ends.
#[derive(Clone, Debug)]
pub struct Lasting(pub watch::Receiver<()>);

/// Stands among the extensions of every request: who asks, an address or, of IPv6, its network.
#[derive(Clone, Copy, Debug)]
pub struct Client(pub IpAddr);

/// How long a connection may last.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of a request's head, and of the silence between two requests.
    pub head: Duration,
    /// Of a connection: a client that does not read its reply must not keep it.
    pub connection: Duration,
    /// Of the request that is open when its connection is to end.
    pub last_request: Duration,
}

/// What clients may take.
#[derive(Clone)]
pub struct Bounds {
    /// Connections.
    pub gate: Gate,
    /// How long they may last.
    pub lifetimes: Lifetimes,
    /// Requests of an address; as many as it likes without.
    pub shares: Option<Shares>,
}

/// Serves until told to stop; open requests are answered then.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    stopped: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    let mut ended = stopped.clone();
    loop {
        tokio::select! {
            () = told_to_stop(&mut ended) => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => match bounds.gate.enter(client.ip()).await {
                    Some((place, leave)) => {
                        let client = (client.ip(), bounds.clone());
                        let attended = attend(stream, router.clone(), place, client, stopped.clone());
                        open.spawn(async {
                            tokio::select! {
                                () = attended => {}
                                () = leave.told() => {}
                            }
                        });
                    }
                    None => turn_away(&stream),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    while open.join_next().await.is_some() {}
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // An error means that the service was dropped: then this ends too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Answers the requests of a connection, until either side ends it.
async fn attend(
    stream: TcpStream,
    router: Router,
    place: Place,
    (client, bounds): (IpAddr, Bounds),
    mut stopped: watch::Receiver<bool>,
) {
    // Declared before the connection, so that its descriptor is closed when the place is free.
    let place = Arc::new(place);
    let Bounds {
        lifetimes, shares, ..
    } = bounds;
    let pages = TowerToHyperService::new(router);
    let lasting = Mutex::new(None);
    let service = service_fn(|request| {
        let work = place.work();
        let refused = shares.as_ref().and_then(|shares| shares.refused(client));
        let (mut request, rest) = unread::shared(request);
        let network = gate::network_of(client);
        request.extensions_mut().insert(Client(network));
        let asked = refused.is_none().then(|| pages.call(request));
        let lasting = &lasting;
        async move {
            let mut answer = match (asked, refused) {
                (Some(asked), _) => asked.await,
                (None, refused) => Ok(refused.unwrap_or_default()),
            };
            drop(work);
            // A client that sends a body slowly must not keep its place for that.
            if let Ok(answer) = &mut answer {
                rest.leave(answer).await;
            }
            if let Ok(answer) = &answer {
                let found = answer.extensions().get::<Lasting>().cloned();
                *lasting.lock().unwrap_or_else(PoisonError::into_inner) = found;
            }
            answer
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(lifetimes.head)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // Clients break off at any time; nothing follows from it.
        _ = connection.as_mut() => return,
        () = told_to_stop(&mut stopped) => {}
        () = end_of_life(&lasting, lifetimes.connection) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(lifetimes.last_request, connection).await;
}

/// Completes when a connection is old, and what it still sends is over.
async fn end_of_life(lasting: &Mutex<Option<Lasting>>, life: Duration) {
    tokio::time::sleep(life).await;
    let found = lasting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(Lasting(mut ended)) = found {
        // Nothing is ever sent; the sender goes when the body is over.
        while ended.changed().await.is_ok() {}
    }
}

/// Says that there is no place, if the client can be told at once.
fn turn_away(stream: &TcpStream) {
    // Tokio takes a stream that was just accepted for writable, or nothing would be sent: the test below shows it.
    let _ = stream.try_write(BUSY);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        axum::routing::get,
        std::net::SocketAddr,
        tokio::{
            io::{AsyncReadExt, AsyncWriteExt},
            sync::Semaphore,
        },
    };

    /// Ends a test that hangs; nothing takes this long, and it is less than what a client's silence is allowed to take.
    const LIMIT: Duration = Duration::from_secs(8);

    /// A server with two places. `/slow` tells that it works and answers once it may; `/told` answers a POST at once, unread.
    struct Server {
        address: SocketAddr,
        working: Arc<Semaphore>,
        may_answer: Arc<Semaphore>,
        _stop: watch::Sender<bool>,
    }

    impl Server {
        async fn start() -> Self {
            let [working, may_answer] = [0, 0].map(|permits| Arc::new(Semaphore::new(permits)));
            let slow = {
                let (working, may_answer) = (Arc::clone(&working), Arc::clone(&may_answer));
                async move || {
                    working.add_permits(1);
                    may_answer.acquire().await.unwrap().forget();
                    "slow"
                }
            };
            let told = {
                let working = Arc::clone(&working);
                async move || {
                    working.add_permits(1);
                    "told"
                }
            };
            let router = Router::new()
                .route("/", get(async || "here").post(async || "unread"))
                .route("/told", get("").post(told))
                .route("/slow", get(slow));
            let gate = Gate::new(Limits {
                all: 2,
                of_address: 2,
            });
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = watch::channel(false);
            let lifetimes = Lifetimes {
                head: HEAD_TIME,
                connection: LIMIT,
                last_request: LIMIT,
            };
            let bounds = Bounds {
                gate,
                lifetimes,
                shares: None,
            };
            tokio::spawn(serve(listener, router, bounds, stopped));
            Self {
                address,
                working,
                may_answer,
                _stop: stop,
            }
        }

        async fn connect(&self, words: &str) -> TcpStream {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(words.as_bytes()).await.unwrap();
            stream
        }
    }

    fn request(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: here\r\n\r\n")
    }

    /// What comes until the words do, or the connection ends.
    async fn reply(stream: &mut TcpStream, end: &str) -> String {
        let mut text = String::new();
        let read = async {
            let mut bytes = [0; 1024];
            while !text.contains(end) {
                match stream.read(&mut bytes).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => text += &String::from_utf8_lossy(&bytes[..count]),
                }
            }
        };
        let in_time = tokio::time::timeout(LIMIT, read).await;
        assert!(
            in_time.is_ok(),
            "neither {end:?} nor the end after {text:?}"
        );
        text
    }

    /// Whether the server has closed a connection on which nothing is left to read.
    async fn is_ended(stream: &mut TcpStream) -> bool {
        let mut bytes = [0; 64];
        let end = tokio::time::timeout(LIMIT, stream.read(&mut bytes)).await;
        matches!(end, Ok(Ok(0) | Err(_)))
    }

    #[tokio::test]
    async fn half_requests_and_idle_connections_on_every_place_keep_nobody_out() {
        let server = Server::start().await;
        let mut half = server.connect("GET / HT").await;
        let mut idle = server.connect(&request("/")).await;
        assert!(reply(&mut idle, "here").await.starts_with("HTTP/1.1 200"));
        let mut newcomers = Vec::new();
        for longest in [&mut half, &mut idle] {
            let mut newcomer = server.connect(&request("/")).await;
            let text = reply(&mut newcomer, "here").await;
            assert!(text.starts_with("HTTP/1.1 200"), "{text:?}");
            assert!(is_ended(longest).await);
            newcomers.push(newcomer);
        }
    }

    #[tokio::test]
    async fn requests_in_work_stay_and_others_are_told_so() {
        let server = Server::start().await;
        let mut first = server.connect(&request("/slow")).await;
        let mut second = server.connect(&request("/slow")).await;
        let both = tokio::time::timeout(LIMIT, server.working.acquire_many(2));
        both.await.unwrap().unwrap().forget();
        let mut third = server.connect("").await;
        let text = reply(&mut third, "\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 503"), "{text:?}");
        assert!(text.contains("retry-after"), "{text:?}");
        server.may_answer.add_permits(2);
        for stream in [&mut first, &mut second] {
            let text = reply(stream, "slow").await;
            assert!(text.starts_with("HTTP/1.1 200"), "{text:?}");
        }
    }

    #[tokio::test]
    async fn bodies_that_do_not_come_on_every_place_keep_nobody_out() {
        let server = Server::start().await;
        let post = "POST /told HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\nx";
        let _slow = [server.connect(post).await, server.connect(post).await];
        let both = tokio::time::timeout(LIMIT, server.working.acquire_many(2));
        both.await.unwrap().unwrap().forget();
        // Both are answered, and the rest of their bodies is waited for.
        let mut newcomer = server.connect(&request("/")).await;
        let text = reply(&mut newcomer, "here").await;
        assert!(text.starts_with("HTTP/1.1 200"), "{text:?}");
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_does_not_end_the_connection_in_silence() {
        let server = Server::start().await;
        let post = |length: usize| {
            format!("POST / HTTP/1.1\r\nhost: here\r\ncontent-length: {length}\r\n")
        };
        // A short one is passed over, whether it comes with the head or behind it.
        let mut stream = server
            .connect(&(post(4) + "\r\nbody" + &post(5) + "\r\nb"))
            .await;
        let text = reply(&mut stream, "unread").await;
        assert!(!text.contains("connection: close"), "{text:?}");
        stream.write_all(b"ody!").await.unwrap();
        let text = reply(&mut stream, "unread").await;
        assert!(!text.contains("connection: close"), "{text:?}");
        stream.write_all(request("/").as_bytes()).await.unwrap();
        assert!(reply(&mut stream, "here").await.starts_with("HTTP/1.1 200"));
        // A long one, one that does not come, and one that waits to be asked for: the client is told.
        let long = "x".repeat(1 << 20);
        let never = String::from("\r\nx");
        let waits = String::from("expect: 100-continue\r\n\r\n");
        for (length, rest) in [(long.len(), format!("\r\n{long}")), (9, never), (9, waits)] {
            let mut stream = server.connect(&(post(length) + &rest)).await;
            let text = reply(&mut stream, "unread").await;
            assert!(text.contains("connection: close"), "{text:?}");
            assert!(is_ended(&mut stream).await);
        }
    }
}
