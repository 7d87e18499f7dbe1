//! The HTTP server: every wait for a client has an end, and clients cannot use up what the node and the store need.

mod gate;

pub use gate::{Gate, Limits, Place};

use {
    axum::Router,
    hyper::server::conn::http1,
    hyper_util::{
        rt::{TokioIo, TokioTimer},
        service::TowerToHyperService,
    },
    std::{pin::pin, time::Duration},
    tokio::{
        net::{TcpListener, TcpStream},
        sync::watch,
        task::JoinSet,
    },
};

/// Most time for a request's head, and between two requests of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest life of a connection: a client that does not read its reply must not keep it.
const CONNECTION_LIFE: Duration = Duration::from_secs(60);
/// Most time for the request that is open when a connection is to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(8);
/// Most bytes of a request's head: no request of this API is near it.
const HEAD_BYTES: usize = 32 * 1024;
/// Pause after a connection could not be taken.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a client gets that finds no place.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Serves until told to stop; open requests are answered then.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    gate: Gate,
    stopped: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    let mut ended = stopped.clone();
    loop {
        tokio::select! {
            () = told_to_stop(&mut ended) => break,
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, client)) => match gate.enter(client.ip()) {
                    Some(place) => {
                        open.spawn(attend(stream, router.clone(), place, stopped.clone()));
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
    // An error means that the indexer was dropped: then it ends too.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Answers the requests of a connection, until either side ends it.
async fn attend(
    stream: TcpStream,
    router: Router,
    _place: Place,
    mut stopped: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        // Clients break off at any time; nothing follows from it.
        _ = connection.as_mut() => return,
        () = told_to_stop(&mut stopped) => {}
        () = tokio::time::sleep(CONNECTION_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection).await;
}

/// Says that there is no place, if the client can be told at once.
fn turn_away(stream: &TcpStream) {
    let _ = stream.try_write(BUSY);
}
