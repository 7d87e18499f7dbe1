//! The log as JSON: every line, with nodes whose URLs hold keys.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    serde_json::Value,
    std::process::Command,
    support::{
        History,
        node::{self, Node},
        process::{self, BINARY, Process, until},
    },
    tempfile::TempDir,
};

/// What no line may hold.
const SECRET: &str = "SECRET-KEY-OF-THE-NODE";

fn check(log: &str) {
    assert!(!log.contains(SECRET), "the log tells the key: {log}");
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for field in ["time", "level", "message"] {
            assert!(event[field].is_string(), "no {field} in {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_an_object_without_keys() {
    let folder = TempDir::new().unwrap();
    let history = History::new(1);
    let (_, url) = node::start(Node::of(&history)).await;
    let ws_url = url.replace("http://", "ws://") + "/" + SECRET;
    let mut command = process::run(folder.path());
    command
        .args(["--log-format", "json", "--url"])
        .arg(format!("{url}/?api-key={SECRET}"))
        .args(["--ws-url", &ws_url])
        .env("RUST_LOG", "debug");
    let mut process = Process::start(&mut command, folder.path());
    until("it has asked the node", async || {
        let log = process.log();
        (log.contains("127.0.0.1") && log.lines().count() > 20).then_some(())
    })
    .await;
    process.kill();
    let log = process.log();
    // What it was writing when it ended is no line.
    check(log.rsplit_once('\n').unwrap().0);
}

#[test]
fn the_last_error_is_an_object_too() {
    let folder = TempDir::new().unwrap();
    let mut command = process::run(folder.path());
    let url = format!("ftp://example.com/?api-key={SECRET}");
    let output = command
        .args(["--log-format", "json", "--url", &url])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8(output.stderr).unwrap();
    check(&log);
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!(last["level"], "ERROR");
    // The old name of the other form still works.
    let version = ["--log-format", "human", "--version"];
    assert!(
        Command::new(BINARY)
            .args(version)
            .status()
            .unwrap()
            .success()
    );
}
