//! The binary: killed under load it loses nothing and counts nothing twice; its errors are one sentence.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    futures::future::join_all,
    quern_indexer::store::Batch,
    sqlx::{ConnectOptions, sqlite::SqliteConnectOptions},
    std::{
        collections::BTreeSet,
        io::{Read, Write},
        net::TcpListener,
        path::Path,
        process::{Command, Stdio},
        time::Duration,
    },
    support::{
        History, address, counts,
        node::{self, Node},
        open,
        process::{self, BINARY, Process, until},
        recording,
    },
    tempfile::TempDir,
};

fn command(folder: &Path, listen: &str) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args([
            "run",
            "--store",
            &format!("sqlite:{}", folder.join("db").display()),
            "--listen",
            listen,
            "--recording",
        ])
        .arg(folder.join("recording"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Events that are stored in this file; read beside the process that writes it.
async fn stored_events(db: &Path) -> i64 {
    let options = SqliteConnectOptions::new().filename(db).read_only(true);
    let Ok(mut connection) = options.connect().await else {
        return 0;
    };
    let count = sqlx::query_scalar("SELECT COUNT(*) FROM event");
    count.fetch_one(&mut connection).await.unwrap_or(0)
}

/// How many rows each statement gave that the log tells of and that begins like this.
fn rows_of(log: &str, statement: &str) -> Vec<usize> {
    let lines = log.lines().filter(|line| line.contains(statement));
    let rows = lines.filter_map(|line| {
        let (_, rest) = line.split_once("rows_returned=")?;
        let (rows, _) = rest.split_once(' ')?;
        rows.parse().ok()
    });
    rows.collect()
}

/// Statements are counted, for a request costs what they cost.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_reads_an_hour_once_and_a_state_has_its_purses_read_once() {
    const HOURS: &str = "WITH RECURSIVE hour";
    const VALUES: &str = "SELECT state_bytes FROM entity";
    /// So many that requests come while they are read.
    const PURSES: u64 = 3_000;
    let folder = TempDir::new().unwrap();
    let mut history = History::lived(9, 20);
    for n in 0..PURSES {
        history.deposit(&address(31, n), 1);
    }
    std::fs::write(folder.path().join("recording"), recording(&history.events)).unwrap();
    let mut command = process::run(folder.path());
    command
        .arg("--recording")
        .arg(folder.path().join("recording"));
    command.env("RUST_LOG", "info,sqlx::query=debug");
    let process = Process::start(&mut command, folder.path());
    process.ready().await;
    let url = format!("http://{}", process.address().await);
    let http = reqwest::Client::new();
    let get = async |path: &str| {
        let reply = http.get(format!("{url}{path}")).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200, "{path}");
        reply.text().await.unwrap()
    };
    // Lines of the log come after the reply: so many of them are waited for.
    let hours = async |expected: usize| {
        until("the hours are read", async || {
            (rows_of(&process.log(), HOURS).len() >= expected).then_some(())
        })
        .await;
        assert_eq!(rows_of(&process.log(), HOURS).len(), expected);
    };
    let purses = || {
        let rows = rows_of(&process.log(), VALUES).into_iter();
        // Each request reads the mints by the same statement.
        rows.filter(|rows| *rows > PURSES as usize).count()
    };
    for path in ["/providers", "/models", "/clients", "/v1/mints"] {
        get(path).await;
    }
    assert_eq!(purses(), 0);
    let many = (0..20).map(|_| get("/v1/totals"));
    let replies: BTreeSet<String> = join_all(many).await.into_iter().collect();
    assert_eq!(replies.len(), 1, "{replies:?}");
    get("/v1/feeds/network?bucket=hour").await;
    hours(1).await;
    get("/v1/feeds/fees").await;
    hours(2).await;
    get("/").await;
    hours(3).await;
    assert_eq!(purses(), 1);
}

/// The node hands the history out in parts, so that every life but the last ends with some of it stored and some not.
#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_ends_with_the_tables_of_a_clean_run() {
    const PARTS: usize = 20;
    let history = History::lived(9, 60);
    let folder = TempDir::new().unwrap();
    let db = folder.path().join("db");
    let all = history.events.len();
    let (node, url) = node::start(Node {
        released: 0,
        ..Node::of(&history)
    })
    .await;
    for part in 1..=PARTS {
        let released = all * part / PARTS;
        node.lock().unwrap().released = released;
        let before = stored_events(&db).await;
        let mut command = process::run(folder.path());
        let mut process = Process::start(command.args(["--url", &url]), folder.path());
        until("something more is stored", async || {
            (stored_events(&db).await > before).then_some(())
        })
        .await;
        process.kill();
        let store = open(&db).await;
        let events = counts(&store).await.events;
        assert!(events <= released as u64);
        // The cursor stands only behind everything.
        if part < PARTS {
            assert_eq!(store.cursor().await.unwrap(), None);
        }
        store.close().await;
    }
    let mut process = Process::start(
        process::run(folder.path()).args(["--url", &url]),
        folder.path(),
    );
    process.ready().await;
    process.audit("equal").await;
    process.kill();

    let store = open(&db).await;
    let counts = counts(&store).await;
    // Nothing lost, nothing twice: every account has each of its changes, and every event is there once.
    assert_eq!((counts.events, counts.gaps), (all as u64, 0));
    let last_slot = history.events.last().unwrap().slot;
    assert_eq!(store.cursor().await.unwrap().unwrap().slot, last_slot);
    let clean_folder = TempDir::new().unwrap();
    let clean = open(&clean_folder.path().join("db")).await;
    clean
        .write(&Batch {
            events: history.events.clone(),
            ..Batch::default()
        })
        .await
        .unwrap();
    assert_eq!(store.digest().await.unwrap(), clean.digest().await.unwrap());
    store.close().await;
    drop(store);

    let rebuild = Command::new(BINARY)
        .args([
            "rebuild",
            "--check",
            "--store",
            &format!("sqlite:{}", db.display()),
        ])
        .output()
        .unwrap();
    assert!(
        rebuild.status.success(),
        "{}",
        String::from_utf8_lossy(&rebuild.stderr)
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_polite_request_ends_it_with_success() {
    let history = History::new(1);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("recording");
    std::fs::write(&path, recording(&history.events)).unwrap();
    let mut command = process::run(folder.path());
    let mut process = Process::start(command.arg("--recording").arg(path), folder.path());
    process.ready().await;
    let pid = process.child.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.unwrap().success());
    assert!(process.child.wait().unwrap().success());
}

#[test]
fn errors_are_one_sentence_and_exit_code_one() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("recording"), "not json\n").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_address = taken.local_addr().unwrap().to_string();
    let cases = [
        (taken_address.as_str(), "choose another --listen"),
        ("127.0.0.1:0", "line 1"),
    ];
    for (listen, word) in cases {
        let output = command(folder.path(), listen).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("error: ") && last.contains(word), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    let bad = Command::new(BINARY)
        .args(["run", "--program-id", "abc"])
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("base58"));
    let bad = Command::new(BINARY)
        .args(["rebuild", "--store", "mysql://x"])
        .output()
        .unwrap();
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stderr).contains("sqlite:PATH"));
}

#[test]
fn an_address_that_is_none_ends_it_at_once() {
    let folder = TempDir::new().unwrap();
    for (option, address) in [
        ("--url", "garbage"),
        ("--url", "htps://host/?api-key=SECRET"),
        ("--ws-url", "http://host/?api-key=SECRET"),
    ] {
        let output = Command::new(BINARY)
            .current_dir(folder.path())
            .args(["run", "--listen", "127.0.0.1:0", option, address])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.starts_with(&format!("error: {option} is not")),
            "{text}"
        );
        assert!(!text.contains("SECRET"), "{text}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The default address has a published key: away from this machine anybody may have taken it.
#[test]
fn no_program_is_guessed_for_a_remote_node() {
    let folder = TempDir::new().unwrap();
    let output = Command::new(BINARY)
        .current_dir(folder.path())
        .args([
            "run",
            "--listen",
            "127.0.0.1:0",
            "--url",
            "https://rpc.example",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--program-id"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A node that refuses every call as one too many; it ends with the test.
fn refusing_node() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let reply = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 10_000]);
            let _ = stream.write_all(reply.as_bytes());
        }
    });
    host
}

#[test]
fn the_log_and_the_help_keep_keys_even_when_asked_for_everything() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("log");
    let host = refusing_node();
    let path = format!("{host}/SECRETPATH?api-key=SECRETQUERY");
    let mut child = Command::new(BINARY)
        .current_dir(folder.path())
        .args(["run", "--listen", "127.0.0.1:0"])
        .args(["--url", &format!("http://SECRETNAME:SECRETPASS@{path}")])
        .args(["--ws-url", &format!("ws://{path}")])
        .env(
            "RUST_LOG",
            "trace,solana_rpc_client::http_sender=trace,tungstenite::handshake::client=trace",
        )
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let mut text = String::new();
    for _ in 0..600 {
        text = std::fs::read_to_string(&log).unwrap();
        if text.contains("walk failed") && text.contains("no notices") {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        text.contains("walk failed") && text.contains("no notices"),
        "{text}"
    );
    assert!(text.contains("429"), "{text}");
    let leaks: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("SECRET"))
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");

    let help = Command::new(BINARY)
        .args(["run", "--help"])
        .env("QUERN_URL", "http://host/SECRET")
        .env("QUERN_WS_URL", "ws://host/SECRET")
        .env("QUERN_STORE", "postgres://user:SECRET@host/database")
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("SECRET"));
}

#[test]
fn rebuild_needs_a_store_that_is_there() {
    let folder = TempDir::new().unwrap();
    let rebuild = || {
        let output = Command::new(BINARY)
            .current_dir(folder.path())
            .args(["rebuild", "--store", "sqlite:some.db"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(
            text.starts_with("error: ") && text.lines().count() == 1,
            "{text}"
        );
        text
    };
    let text = rebuild();
    assert!(text.contains("there is no store sqlite:some.db"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let letter = "Dear reader, this is a letter and no database. ".repeat(100);
    let path = folder.path().join("some.db");
    std::fs::write(&path, &letter).unwrap();
    let text = rebuild();
    assert!(text.contains("not a database"), "{text}");
    assert!(
        text.contains("check that it is a file that quern-indexer wrote"),
        "{text}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), letter);
}

/// What a command on a store prints; it must succeed.
fn printed(folder: &Path, verb: &str) -> String {
    let output = Command::new(BINARY)
        .args([verb, "--store", &process::store_of(folder)])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn rebuild_says_what_is_missing_and_recheck_has_the_history_walked_again() {
    let history = History::lived(3, 5);
    let folder = TempDir::new().unwrap();
    let (node, url) = node::start(Node::of(&history)).await;
    let listings = || {
        let node = node.lock().unwrap();
        let calls = node.calls.iter();
        calls
            .filter(|call| *call == "getSignaturesForAddress")
            .count()
    };
    let run = || {
        Process::start(
            process::run(folder.path()).args(["--url", &url]),
            folder.path(),
        )
    };
    let mut first = run();
    first.ready().await;
    first.kill();

    // Nothing is new, so nothing is listed, unless it is asked for.
    let before = listings();
    let mut idle = run();
    idle.ready().await;
    idle.kill();
    assert_eq!(listings(), before);
    assert!(!printed(folder.path(), "rebuild").contains("gone"));
    assert!(printed(folder.path(), "recheck").contains("walks the whole history again"));
    let mut again = run();
    again.ready().await;
    again.kill();
    assert!(listings() > before);

    let options = SqliteConnectOptions::new().filename(folder.path().join("db"));
    let mut store = options.connect().await.unwrap();
    let deleted = sqlx::query("DELETE FROM event WHERE name = 'JobTaken'");
    let deleted = deleted.execute(&mut store).await.unwrap().rows_affected();
    drop(store);
    let said = printed(folder.path(), "rebuild");
    assert!(
        said.contains(&format!("{deleted} events are gone")),
        "{said}"
    );
    let healed = run();
    healed.ready().await;
    let status = healed.status("it answers", |_| true).await;
    assert_eq!(status["events"], history.events.len() as u64);
}

#[test]
fn every_help_has_an_example_that_is_understood() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["rebuild", "--help"],
        &["replay", "--help"],
        &["recheck", "--help"],
    ] {
        let output = Command::new(BINARY).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let example = text.split_once("Example:").unwrap().1.trim();
        let mut words = example.split_whitespace();
        assert_eq!(words.next(), Some("quern-indexer"), "{text}");
        // With "--help" behind it, it is read up to there and not run.
        let output = Command::new(BINARY)
            .args(words)
            .arg("--help")
            .output()
            .unwrap();
        assert!(output.status.success(), "{example}");
    }
}

/// The command line is before the environment, that before the configuration file, that before what is built in.
#[test]
fn settings_have_one_precedence() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("indexer.toml");
    std::fs::write(&file, "store = 'sqlite:of-the-file'\nmost-lag-slots = 7\n").unwrap();
    let complaint = |file: Option<&Path>, environment: Option<&str>, line: &[&str]| {
        let mut command = Command::new(BINARY);
        command
            .current_dir(folder.path())
            .env_remove("QUERN_STORE")
            .env_remove("QUERN_CONFIG")
            .arg("check")
            .args(line);
        if let Some(file) = file {
            command.env("QUERN_CONFIG", file);
        }
        if let Some(store) = environment {
            command.env("QUERN_STORE", store);
        }
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let says = |complaint: String, name: &str| assert!(complaint.contains(name), "{complaint}");
    let (environment, line) = (
        Some("sqlite:of-the-environment"),
        ["--store", "sqlite:of-the-line"],
    );
    says(complaint(Some(&file), environment, &line), "of-the-line");
    says(
        complaint(Some(&file), environment, &[]),
        "of-the-environment",
    );
    says(complaint(Some(&file), None, &[]), "of-the-file");
    says(complaint(None, None, &[]), "quern-indexer.sqlite");
    std::fs::write(&file, "most-lag-slots = 'many'\n").unwrap();
    let refused = complaint(Some(&file), environment, &line);
    says(refused.clone(), "indexer.toml: invalid value 'many'");
    assert_eq!(refused.lines().count(), 1, "{refused}");
}
