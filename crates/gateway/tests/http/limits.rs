//! Clients that are slow, large or many.

use {
    crate::{
        double::{Double, MODEL},
        server::{Server, ok, refused, settings},
    },
    quern_gateway::http::{HttpSettings, Waits},
    serde_json::json,
    std::{sync::Arc, time::Duration},
    tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpStream, tcp::OwnedReadHalf},
    },
};

/// Nothing here takes as long; it is less than the usual waits.
const LIMIT: Duration = Duration::from_secs(8);
/// What is waited for here.
const SHORT: Duration = Duration::from_millis(300);
/// Between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(30);

/// A server that waits for clients as `change` says, and long for everything else.
async fn waiting(change: impl FnOnce(&mut Waits)) -> Server {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let long = Duration::from_secs(3_600);
    let mut waits = Waits {
        head: long,
        body: long,
        silence: long,
        upload: long,
    };
    change(&mut waits);
    let settings = HttpSettings {
        waits,
        ..settings(folder.path())
    };
    Server::with(settings, folder, Arc::new(Double::new())).await
}

/// Sends the beginning, and then a byte now and then for as long as the server takes it, or nothing. Returns where its reply comes.
async fn slow(server: &Server, beginning: &str, drips: bool) -> OwnedReadHalf {
    let stream = TcpStream::connect(server.http.address()).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    writer.write_all(beginning.as_bytes()).await.unwrap();
    tokio::spawn(async move {
        while drips && writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(DRIP).await;
        }
        // Kept open otherwise.
        tokio::time::sleep(LIMIT).await;
        drop(writer);
    });
    reader
}

/// What comes until the connection ends, which it does in time.
async fn last_words(mut reader: OwnedReadHalf) -> String {
    let mut bytes = Vec::new();
    let read = async {
        let mut piece = [0; 4096];
        // A reset is an end, too.
        while let Ok(count @ 1..) = reader.read(&mut piece).await {
            bytes.extend_from_slice(&piece[..count]);
        }
    };
    tokio::time::timeout(LIMIT, read)
        .await
        .expect("the connection ends");
    String::from_utf8(bytes).unwrap()
}

fn head(server: &Server, path: &str, kind: &str) -> String {
    let key = server.http.token().text();
    format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\ncontent-type: {kind}\r\ncontent-length: 100000\r\n\r\n"
    )
}

#[tokio::test]
async fn a_head_that_takes_too_long_ends_its_connection() {
    let server = waiting(|waits| waits.head = SHORT).await;
    for drips in [false, true] {
        let half = "POST /v1/embeddings HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: ";
        let words = last_words(slow(&server, half, drips).await).await;
        assert!(
            words.is_empty() || words.starts_with("HTTP/1.1 408"),
            "{words}"
        );
    }
    // One that asks nothing more ends, too.
    let whole = "GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n";
    let words = last_words(slow(&server, whole, false).await).await;
    assert!(words.starts_with("HTTP/1.1 200"), "{words}");
}

#[tokio::test]
async fn a_body_that_takes_too_long_is_refused_however_it_comes() {
    let server = waiting(|waits| waits.body = SHORT).await;
    for path in ["/v1/embeddings", "/v1/batches"] {
        for drips in [false, true] {
            let begun = head(&server, path, "application/json") + "{\"model\": \"";
            let words = last_words(slow(&server, &begun, drips).await).await;
            assert!(words.starts_with("HTTP/1.1 408"), "{path} {drips}: {words}");
            assert!(words.contains("body_timeout"), "{words}");
        }
    }
    assert_eq!(server.double.paid(), 0);
    ok(server.embed(json!("one"))).await;
}

#[tokio::test]
async fn an_upload_that_stops_or_drips_makes_place_and_leaves_nothing() {
    let part = |name: &str, more: &str| {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"{more}\r\n\r\n")
    };
    let beginnings = [
        part("file", "; filename=\"a.jsonl\"") + "{",
        part("purpose", "") + "b",
        "--x\r\ncontent-dispo".to_owned(),
    ];
    let silent = waiting(|waits| waits.silence = SHORT).await;
    let dripping = waiting(|waits| waits.upload = SHORT).await;
    for (server, drips) in [(silent, false), (dripping, true)] {
        // More than may upload at a time, one group after the other.
        for beginning in &beginnings {
            let begun = head(&server, "/v1/files", "multipart/form-data; boundary=x") + beginning;
            let mut all = Vec::new();
            for _ in 0..4 {
                all.push(slow(&server, &begun, drips).await);
            }
            for reader in all {
                let words = last_words(reader).await;
                assert!(words.starts_with("HTTP/1.1 408"), "{drips}: {words}");
            }
        }
        let files = server.folder.path().join("files");
        assert_eq!(
            std::fs::read_dir(files).unwrap().count(),
            0,
            "nothing is left"
        );
        server.upload("{}\n").await;
    }
}

#[tokio::test]
async fn a_refusal_before_the_body_is_read_leaves_the_connection_or_says_that_it_ends() {
    let server = Server::start().await;
    // A library reuses its connection behind a refusal: the next request must not get lost.
    for _ in 0..20 {
        let chat =
            json!({"model": MODEL, "messages": [{"role": "user", "content": "x".repeat(1_000)}]});
        refused(server.post("/v1/chat/completions").json(&chat), 404).await;
        let wrong = server.without_key("/v1/models").bearer_auth("wrong");
        refused(wrong, 401).await;
    }
    ok(server.embed(json!("one"))).await;
}

#[tokio::test]
async fn bodies_that_are_too_large_are_refused() {
    let server = Server::start().await;
    let body = json!({"model": MODEL, "input": "x".repeat(5 << 20)});
    let (error, again) = refused(server.post("/v1/embeddings").json(&body), 413).await;
    assert_eq!(error["code"], "too_large");
    assert!(!again);
    // Whatever is in it: deep, wide or endless.
    for body in [
        "[".repeat(1 << 20),
        format!("{{\"input\": {}", "[".repeat(1 << 20)),
        "9".repeat(1 << 20),
    ] {
        let request = server
            .post("/v1/embeddings")
            .header("content-type", "application/json")
            .body(body);
        refused(request, 400).await;
    }
    ok(server.embed(json!("one"))).await;
}

#[tokio::test]
async fn clients_that_send_half_requests_keep_nobody_out() {
    let server = Server::start().await;
    let key = server.http.token().text();
    let mut slow = Vec::new();
    for number in 0..100 {
        let mut stream = TcpStream::connect(server.http.address()).await.unwrap();
        let half = match number % 3 {
            0 => "POST /v1/emb".to_owned(),
            1 => "POST /v1/embeddings HTTP/1.1\r\nhost: 127.0.0.1\r\n".to_owned(),
            _ => format!(
                "POST /v1/embeddings HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n\
                 content-length: 1000\r\n\r\n{{"
            ),
        };
        stream.write_all(half.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    ok(server.embed(json!("one"))).await;
}

#[tokio::test]
async fn a_stop_waits_for_nobody_long() {
    let server = Server::start().await;
    server.double.hold();
    let url = server.url("/v1/embeddings");
    let key = server.http.token().text().to_owned();
    let body = json!({"model": MODEL, "input": "one"});
    let asked = tokio::spawn(async move {
        let request = reqwest::Client::new()
            .post(url)
            .bearer_auth(key)
            .json(&body);
        request.send().await.map(|reply| reply.status().as_u16())
    });
    server.double.wait_for_orders(1).await;
    server.http.stop().await;
    // The open request got its reply: that it takes longer, for the engine goes on.
    assert_eq!(asked.await.unwrap().unwrap(), 504);
}
