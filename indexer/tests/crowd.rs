//! Clients that open connections and say nothing: others are served, and following goes on.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    std::{
        net::{IpAddr, SocketAddr},
        process::Command,
        time::Duration,
    },
    support::{
        History,
        node::{self, Node},
        process::{BINARY, Process, store_of, until},
    },
    tempfile::TempDir,
    tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpSocket, TcpStream},
    },
};

/// What the process may open; it keeps half of it back.
const DESCRIPTORS: usize = 256;

/// Longest wait of a visitor for one reply.
const GIVE_UP: Duration = Duration::from_secs(5);

/// Longest wait for the end of an idle connection: more than the pause between two requests may take, less than any
/// connection's life, which would end it too.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);

/// Longest time for a whole test: all of its waits together.
const LONGEST_TEST: Duration = Duration::from_secs(400);

/// Ends a test that hangs with a failure that says so.
async fn limited(test: impl Future<Output = ()>) {
    let ended = tokio::time::timeout(LONGEST_TEST, test).await;
    assert!(ended.is_ok(), "the test took longer than {LONGEST_TEST:?}");
}

/// A connection from this address that ends in the middle of a request.
async fn idle(from: IpAddr, server: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(from, 0)).unwrap();
    let begun = async {
        let mut stream = socket.connect(server).await.ok()?;
        stream.write_all(b"GET /v1/sta").await.ok()?;
        Some(stream)
    };
    // Without a limit each could take the minutes that the system tries to connect for.
    tokio::time::timeout(GIVE_UP, begun).await.ok().flatten()
}

/// Connections from these addresses, opened at the same time: one after the other, hundreds that the server leaves waiting
/// would take most of an hour.
async fn crowd(from: impl Iterator<Item = IpAddr>, server: SocketAddr) -> Vec<TcpStream> {
    let all = futures::future::join_all(from.map(|from| idle(from, server)));
    all.await.into_iter().flatten().collect()
}

/// An address of this machine.
fn loopback(block: u8, last: u8) -> IpAddr {
    IpAddr::from([127, 0, block, last])
}

struct Visitor(reqwest::Client);

impl Visitor {
    fn new() -> Self {
        let client = reqwest::Client::builder().local_address(loopback(0, 2));
        // Each request on a connection of its own, given up in time: the next one may find a place.
        let client = client.pool_max_idle_per_host(0).timeout(GIVE_UP);
        Self(client.build().unwrap())
    }

    async fn cursor(&self, server: SocketAddr) -> Option<u64> {
        let reply = self.0.get(format!("http://{server}/v1/status"));
        let reply = reply.send().await.ok()?.error_for_status().ok()?;
        let status: serde_json::Value = reply.json().await.ok()?;
        status["as_of_slot"].as_u64()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_beyond_all_descriptors_stop_neither_the_api_nor_following() {
    limited(idle_connections()).await;
}

async fn idle_connections() {
    let history = History::lived(5, 10);
    let (last, middle) = (history.events.last().unwrap().slot, history.events[30].slot);
    let (node, url) = node::start(Node {
        finalized: middle,
        ..Node::of(&history)
    })
    .await;
    let folder = TempDir::new().unwrap();
    let limited = format!("ulimit -n {DESCRIPTORS}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limited, BINARY, "run", "--listen", "127.0.0.1:0"]);
    command.args([
        "--poll-millis",
        "20",
        "--url",
        &url,
        "--store",
        &store_of(folder.path()),
    ]);
    let process = Process::start(&mut command, folder.path());
    process.ready().await;
    let server: SocketAddr = process.address().await.parse().unwrap();
    let visitor = Visitor::new();

    // One client alone: it gets its part, and others do not notice.
    let alone = std::iter::repeat_n(loopback(0, 1), DESCRIPTORS + 50);
    let alone = crowd(alone, server).await;
    until("others are served beside it", async || {
        (visitor.cursor(server).await == Some(middle)).then_some(())
    })
    .await;

    // Many clients together take every place there is; the node's and the store's are kept.
    let addresses = (0..150).flat_map(|last| [loopback(1, last); 3]);
    let more = crowd(addresses, server).await;
    assert!(more.len() > DESCRIPTORS, "the test opens too few");
    let asked = {
        let mut node = node.lock().unwrap();
        node.finalized = last;
        node.calls.len()
    };
    until("following goes on", async || {
        let node = node.lock().unwrap();
        let is_fetched = node.calls[asked..]
            .iter()
            .any(|call| call == "getTransaction");
        is_fetched.then_some(())
    })
    .await;
    // They never finish their requests: their places are taken from them.
    until("others are served again", async || {
        (visitor.cursor(server).await == Some(last)).then_some(())
    })
    .await;
    let log = process.log();
    assert!(!log.contains("Too many open files"), "{log}");
    drop((alone, more));
}

/// A connection that was served once is not kept for ever either.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_its_request() {
    limited(idle_connection()).await;
}

async fn idle_connection() {
    let history = History::new(1);
    let (_, url) = node::start(Node::of(&history)).await;
    let folder = TempDir::new().unwrap();
    let mut command = support::process::run(folder.path());
    let process = Process::start(command.args(["--url", &url]), folder.path());
    process.ready().await;
    let mut stream = TcpStream::connect(process.address().await).await.unwrap();
    let request = b"GET /health/live HTTP/1.1\r\nhost: indexer\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut reply = String::new();
    let end = tokio::time::timeout(CLOSED_WITHIN, stream.read_to_string(&mut reply));
    end.await.unwrap().unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
}
