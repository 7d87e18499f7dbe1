//! A disk that is full for a while: nothing is lost, and nothing is said to be stored that readers do not see (X3).
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    sqlx::{ConnectOptions, sqlite::SqliteConnectOptions},
    std::{path::Path, process::Command},
    support::{
        History,
        node::{self, Node},
        process::{BINARY, Process, store_of, until},
    },
    tempfile::TempDir,
};

/// An indexer that is told that a file cannot grow, where others would be ended by a signal.
fn start(folder: &Path, url: &str) -> Process {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", BINARY, "run"]);
    command.args(["--listen", "127.0.0.1:0", "--poll-millis", "20"]);
    command.args(["--url", url, "--store", &store_of(folder)]);
    Process::start(&mut command, folder)
}

/// Most bytes of a file that the process writes.
fn limit_files(process: &Process, most: &str) {
    let done = Command::new("prlimit")
        .args(["--pid", &process.child.id().to_string()])
        .arg(format!("--fsize={most}:unlimited"))
        .status();
    assert!(done.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_over_when_there_is_room_again() {
    let history = History::lived(5, 20);
    let last_slot = history.events.last().unwrap().slot;
    let middle = history.events[history.events.len() / 2].slot;
    let (node, url) = node::start(Node {
        finalized: middle,
        ..Node::of(&history)
    })
    .await;
    let folder = TempDir::new().unwrap();
    let process = start(folder.path(), &url);
    process.ready().await;
    let before = process.status("it reads", |_| true).await;

    let log = folder.path().join("db-wal").metadata().unwrap().len();
    limit_files(&process, &(log + 100).to_string());
    node.lock().unwrap().finalized = last_slot;
    let failed = process
        .status("the failure is told", |status| !status["error"].is_null())
        .await;
    assert_eq!(failed["events"], before["events"]);
    assert_eq!(failed["as_of_slot"], middle);
    assert!(
        failed["error"]
            .as_str()
            .unwrap()
            .contains("database failed")
    );
    // Each failure leaves its own traces on a connection that is used again.
    until("it failed some more times", async || {
        (process.log().matches("walk failed").count() >= 3).then_some(())
    })
    .await;

    limit_files(&process, "unlimited");
    let whole = process
        .status("everything is stored", |status| {
            status["events"] == history.events.len() as u64 && status["as_of_slot"] == last_slot
        })
        .await;
    assert_eq!(
        (&whole["error"], &whole["lag_slots"]),
        (&().into(), &0.into())
    );
    process.ready().await;
    // No transaction is left open: another writer gets its turn.
    let options = SqliteConnectOptions::new().filename(folder.path().join("db"));
    let mut other = options.connect().await.unwrap();
    let turn = sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK");
    turn.execute(&mut other).await.unwrap();
}
