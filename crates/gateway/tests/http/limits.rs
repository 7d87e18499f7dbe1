//! Clients that are slow, large or many.

use {
    crate::{
        double::MODEL,
        server::{Server, ok, refused},
    },
    serde_json::json,
    tokio::{io::AsyncWriteExt, net::TcpStream},
};

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
