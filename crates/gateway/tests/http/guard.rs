//! A page in a browser gets nothing, and neither does a program without the key.

use {
    crate::{
        double::{Double, MODEL},
        server::{Form, Server, refused, settings},
    },
    quern_gateway::http::{HttpError, HttpServer},
    std::sync::Arc,
    tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    },
};

/// The reply to a request as it is written.
async fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.http.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    reply
}

fn status(reply: &str) -> &str {
    reply.split(' ').nth(1).unwrap_or(reply)
}

#[tokio::test]
async fn a_key_is_needed_and_only_the_right_one_helps() {
    let server = Server::start().await;
    let key = server.http.token().text().to_owned();
    let with = |value: &str| {
        server
            .without_key("/v1/models")
            .header("authorization", value)
    };
    for bad in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer quern-0",
        &key,
        &format!("Basic {key}"),
        &format!("Bearer {key}x"),
    ] {
        let (error, again) = refused(with(bad), 401).await;
        assert_eq!(error["code"], "invalid_api_key");
        assert!(!again);
    }
    let twice = with("Bearer x").header("authorization", format!("Bearer {key}"));
    refused(twice, 401).await;
    refused(server.without_key("/v1/models"), 401).await;
    // What does not exist is not told either.
    refused(server.without_key("/v1/nothing"), 401).await;
    for good in [format!("Bearer {key}"), format!("bearer {key}")] {
        assert_eq!(with(&good).send().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn a_name_that_was_made_to_lead_here_is_refused() {
    let server = Server::start().await;
    let key = server.http.token().text();
    let ask = async |target: &str, hosts: &[&str]| {
        let hosts: String = hosts
            .iter()
            .map(|host| format!("host: {host}\r\n"))
            .collect();
        let request = format!(
            "GET {target} HTTP/1.1\r\n{hosts}authorization: Bearer {key}\r\nconnection: close\r\n\r\n"
        );
        status(&raw(&server, &request).await).to_owned()
    };
    let port = server.http.address().port();
    for good in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        &format!("localhost:{port}"),
    ] {
        assert_eq!(ask("/v1/models", &[good]).await, "200", "{good}");
    }
    for bad in [
        "evil.example",
        "127.0.0.1.evil.example",
        "0.0.0.0",
        "localhost@evil.example",
        "",
        "a b",
    ] {
        let status = ask("/v1/models", &[bad]).await;
        assert!(status == "403" || status == "400", "{bad}: {status}");
    }
    assert_eq!(
        ask("/v1/models", &["127.0.0.1", "evil.example"]).await,
        "403"
    );
    assert_ne!(ask("/v1/models", &[]).await, "200");
    assert_eq!(
        ask("http://evil.example/v1/models", &["127.0.0.1"]).await,
        "403"
    );
    // Health is no exception.
    assert_eq!(ask("/health/live", &["evil.example"]).await, "403");
}

#[tokio::test]
async fn pages_are_refused_whatever_they_say() {
    let server = Server::start().await;
    for origin in ["http://evil.example", "null", "http://127.0.0.1", ""] {
        let body = serde_json::json!({"model": MODEL, "input": "one"});
        let request = server
            .post("/v1/embeddings")
            .json(&body)
            .header("origin", origin);
        let (error, _) = refused(request, 403).await;
        assert_eq!(error["code"], "origin_forbidden");
    }
    // Nor may a page read, upload or delete anything.
    let file = server.upload("{}").await["id"].clone();
    for request in [
        server.get("/v1/models"),
        server.get("/quern/v1/spending"),
        server.get("/health/live"),
        server.delete(&format!("/v1/files/{}", file.as_str().unwrap())),
        server.post_form(Form::new().text("purpose", "batch").file("file", b"{}")),
    ] {
        refused(request.header("origin", "https://evil.example"), 403).await;
    }
    assert_eq!(
        server.read("/v1/files").await["data"]
            .as_array()
            .map(Vec::len),
        Some(1)
    );
    // A browser's question whether it may: no.
    let reply = raw(
        &server,
        "OPTIONS /v1/embeddings HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: http://evil.example\r\naccess-control-request-method: POST\r\n\
         connection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&reply), "403");
    assert!(
        !reply.to_ascii_lowercase().contains("access-control"),
        "{reply}"
    );
    // The types that a form can send.
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
    ] {
        let body = format!("{{\"model\": \"{MODEL}\", \"input\": \"one\"}}");
        let request = server
            .post("/v1/embeddings")
            .header("content-type", kind)
            .body(body);
        let (error, _) = refused(request, 415).await;
        assert_eq!(error["code"], "unsupported_media_type");
    }
    assert_eq!(server.double.paid(), 0);
}

#[tokio::test]
async fn other_machines_are_served_only_if_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.listen = "0.0.0.0:0".parse().unwrap();
    let refused = HttpServer::start(&settings, Arc::new(Double::new())).await;
    assert!(matches!(refused, Err(HttpError::NotLoopback(_))));
    settings.is_remote_allowed = true;
    settings.hosts = vec!["gateway.lan".to_owned()];
    let served = HttpServer::start(&settings, Arc::new(Double::new()))
        .await
        .unwrap();
    let ask = async |host: &str| {
        let url = format!("http://127.0.0.1:{}/health/live", served.address().port());
        let reply = reqwest::Client::new()
            .get(url)
            .header("host", host)
            .send()
            .await;
        reply.unwrap().status().as_u16()
    };
    assert_eq!(ask("gateway.lan").await, 200);
    assert_eq!(ask("other.lan").await, 403);
}

#[tokio::test]
async fn the_name_that_a_client_gives_a_request_is_not_taken() {
    let server = Server::start().await;
    let response = server
        .get("/v1/models")
        .header("x-request-id", "forged")
        .send()
        .await
        .unwrap();
    let id = response.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(id.starts_with("req_"), "{id}");
}
