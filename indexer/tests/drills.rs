//! The drills of `docs/RUNBOOK.md`, on the real process: the symptom shows, the command helps.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_indexer::{
        project::{EventId, program::EntityKind},
        store::{Batch, DeadLetter},
    },
    serde_json::Value,
    sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions},
    std::{
        collections::BTreeSet,
        fs,
        path::Path,
        process::{Command, Output},
    },
    support::{
        History,
        node::{self, Node, Shared},
        open,
        process::{self, BINARY, Process, until},
    },
    tempfile::TempDir,
};

struct Drill {
    folder: TempDir,
    node: Shared,
    url: String,
    last_slot: u64,
    events: u64,
}

impl Drill {
    async fn prepared() -> Self {
        let history = History::lived(3, 5);
        let (node, url) = node::start(Node::of(&history)).await;
        Self {
            folder: TempDir::new().unwrap(),
            node,
            url,
            last_slot: history.events.last().unwrap().slot,
            events: history.events.len() as u64,
        }
    }

    fn run(&self) -> Process {
        let mut command = process::run(self.folder.path());
        command.args(["--url", &self.url, "--audit-secs", "1"]);
        Process::start(&mut command, self.folder.path())
    }

    /// A run until everything is stored and compared.
    async fn run_once(&self) {
        let mut process = self.run();
        process.ready().await;
        process.audit("equal").await;
        process.kill();
    }

    fn command(&self, words: &[&str]) -> Output {
        let store = process::store_of(self.folder.path());
        let mut command = Command::new(BINARY);
        command
            .args(words)
            .args(["--store", &store])
            .output()
            .unwrap()
    }

    async fn tamper(&self, sql: &str) {
        let options = SqliteConnectOptions::new().filename(self.folder.path().join("db"));
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_down_is_told_and_over_when_it_is_back() {
    let drill = Drill::prepared().await;
    let process = drill.run();
    process.ready().await;
    drill.node.lock().unwrap().refusal = Some((503, Value::Null));
    let told = process
        .status("the failure is told", |status| !status["error"].is_null())
        .await;
    assert!(
        told["error"].as_str().unwrap().contains("failed to answer"),
        "{told}"
    );
    // What is stored is still served.
    assert_eq!(told["events"], drill.events);
    assert!(process.log().contains("walk failed"));
    drill.node.lock().unwrap().refusal = None;
    process
        .status("the node is back", |status| status["error"].is_null())
        .await;
    process.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_an_alarm_until_the_node_lists_again() {
    let drill = Drill::prepared().await;
    let process = drill.run();
    process.ready().await;
    {
        let mut node = drill.node.lock().unwrap();
        node.finalized += 1_000;
        node.pruned = true;
    }
    process.not_ready("1000 slots behind the node").await;
    let told = process
        .status("the reason is told", |status| !status["error"].is_null())
        .await;
    assert!(
        told["error"].as_str().unwrap().contains("lags or prunes"),
        "{told}"
    );
    drill.node.lock().unwrap().pruned = false;
    process.ready().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_row_is_named_by_the_audit_and_mended_by_a_rebuild() {
    let drill = Drill::prepared().await;
    drill.run_once().await;
    let purse = EntityKind::Purse as u8;
    let offset = std::mem::offset_of!(quern_client::quern::state::Purse, free_atoms);
    drill
        .tamper(&format!(
            "UPDATE entity SET state_bytes = CAST(substr(state_bytes, 1, {offset}) AS BLOB) || x'0700000000000000' \
             || CAST(substr(state_bytes, {offset} + 9) AS BLOB) WHERE kind = {purse}"
        ))
        .await;
    let mut process = drill.run();
    let audit = process.audit("different").await;
    let first = &audit["differences"][0];
    assert_eq!(
        (&first["figure"], &first["expected"]),
        (&"free_atoms".into(), &"7".into())
    );
    assert_eq!(
        (&first["kind"], &first["check"]),
        (&"purse".into(), &"accounts".into())
    );
    assert!(process.log().contains("differs from the chain"));
    let url = format!("http://{}/metrics", process.address().await);
    let metrics = reqwest::get(url).await.unwrap().text().await.unwrap();
    let count = format!(
        "quern_indexer_audit_differences {}\n",
        audit["difference_count"].as_str().unwrap()
    );
    assert!(
        metrics.contains(&count) && metrics.contains("quern_indexer_audited 1\n"),
        "{metrics}"
    );
    process.kill();

    // It says so without the chain, too: no event makes that row.
    assert_eq!(drill.command(&["check"]).status.code(), Some(1));
    assert!(drill.command(&["rebuild"]).status.success());
    assert!(drill.command(&["check"]).status.success());
    drill.run_once().await;
}

/// A row of the record itself: the rebuild finds it gone, and the next run fetches it.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_gone_are_fetched_again() {
    let drill = Drill::prepared().await;
    drill.run_once().await;
    drill
        .tamper("DELETE FROM event WHERE name = 'JobTaken'")
        .await;
    let rebuilt = drill.command(&["rebuild"]);
    assert!(text(&rebuilt.stdout).contains("events are gone from the store"));
    let process = drill.run();
    process
        .status("everything is there", |status| {
            status["events"] == drill.events
        })
        .await;
    process.audit("equal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_indexed_again_into_a_new_file() {
    let drill = Drill::prepared().await;
    drill.run_once().await;
    let db = drill.folder.path().join("db");
    let digest = open(&db).await.digest().await.unwrap();
    for file in fs::read_dir(drill.folder.path()).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    drill.run_once().await;
    assert_eq!(open(&db).await.digest().await.unwrap(), digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_of_an_older_version_is_taken_over() {
    let drill = Drill::prepared().await;
    drill.run_once().await;
    let newest = "DELETE FROM _sqlx_migrations WHERE version = 10";
    drill
        .tamper(&format!(
            "DROP TABLE difference; DROP TABLE audit; {newest}"
        ))
        .await;
    drill.run_once().await;
    // One of a newer version is refused with a sentence.
    drill
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) \
             VALUES (9999, 'newer', 0, 1, x'00', 0)",
        )
        .await;
    let refused = drill.command(&["rebuild"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).starts_with("error: "),
        "{}",
        text(&refused.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_revived_or_listed_by_a_replay() {
    let drill = Drill::prepared().await;
    let history = History::lived(3, 5);
    let db = drill.folder.path().join("db");
    // An older version understood none of the last transactions.
    let (known, unknown) = history.events.split_at(history.events.len() - 3);
    let letters = unknown.iter().map(|event| DeadLetter {
        id: event.id,
        slot: event.slot,
        reason: "the bytes are no event that this version knows".to_owned(),
        data: event.body.encode(),
    });
    let hopeless = DeadLetter {
        id: EventId {
            signature: quern_api::Signature([9; 64]),
            instruction: 0,
            inner: 0,
        },
        slot: drill.last_slot,
        reason: "the bytes are none of any version".to_owned(),
        data: vec![1, 2, 3],
    };
    let store = open(&db).await;
    let batch = history.understood(known.to_vec(), letters.chain([hopeless]).collect());
    store.write(&batch).await.unwrap();
    store.close().await;
    drop(store);
    let replayed = drill.command(&["replay"]);
    let said = text(&replayed.stdout);
    assert!(replayed.status.success());
    assert_eq!(
        said,
        "3 events revived\n1 left: the bytes are none of any version\n"
    );
    assert!(text(&drill.command(&["replay"]).stdout).starts_with("0 events revived"));
    let other = TempDir::new().unwrap();
    let clean = open(&other.path().join("db")).await;
    let batch = Batch {
        events: history.events.clone(),
        ..Batch::default()
    };
    clean.write(&batch).await.unwrap();
    assert_eq!(
        open(&db).await.digest().await.unwrap(),
        clean.digest().await.unwrap()
    );
    assert!(drill.command(&["rebuild", "--check"]).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_a_node_refuses_says_so() {
    let drill = Drill::prepared().await;
    drill.node.lock().unwrap().events = None;
    let process = drill.run();
    let audit = process.audit("failed").await;
    let error = audit["error"].as_str().unwrap();
    assert!(
        error.contains("getProgramAccounts") && error.contains("excluded"),
        "{error}"
    );
    // It follows all the same.
    process.ready().await;
    until("the log says so", async || {
        process
            .log()
            .contains("the audit could not be finished")
            .then_some(())
    })
    .await;
}

/// The tests of a file: its own, and those that `conformance!` makes for each engine.
fn tests_of(path: &Path) -> BTreeSet<String> {
    let source = fs::read_to_string(path).unwrap();
    let mut tests = BTreeSet::new();
    let listed = source.split_once("\nconformance! {");
    let listed = listed.and_then(|(_, rest)| rest.split('}').next());
    let names = listed.unwrap_or_default().split(',').map(str::trim);
    tests.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    let mut is_test = false;
    for line in source.lines() {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
            tests.insert(rest.split('(').next().unwrap().to_owned());
            is_test = false;
        }
    }
    tests
}

#[test]
fn the_runbook_names_tests_that_exist_and_every_drill() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(folder.join("../docs/RUNBOOK.md")).unwrap();
    let cited: BTreeSet<&str> = page
        .split('`')
        .filter_map(|word| word.strip_prefix("quern-indexer::"))
        .collect();
    assert!(cited.len() > 8, "{cited:?}");
    for name in &cited {
        let (file, test) = name.split_once("::").unwrap();
        let tests = tests_of(&folder.join(format!("tests/{file}.rs")));
        assert!(
            tests.contains(test),
            "RUNBOOK.md names {name}, which is no test"
        );
    }
    for test in tests_of(&folder.join("tests/drills.rs")) {
        let is_named = cited.contains(format!("drills::{test}").as_str());
        assert!(
            is_named || test.starts_with("the_runbook"),
            "RUNBOOK.md lacks {test}"
        );
    }
}
