//! The binary: killed under load it loses nothing and counts nothing twice; its errors are one sentence.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_indexer::store::Batch,
    std::{
        io::{Read, Write},
        net::TcpListener,
        path::Path,
        process::{Child, Command, Stdio},
        time::Duration,
    },
    support::{History, counts, open, recording},
    tempfile::TempDir,
};

const BINARY: &str = env!("CARGO_BIN_EXE_quern-indexer");

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

fn start(folder: &Path) -> Child {
    command(folder, "127.0.0.1:0")
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_ends_with_the_tables_of_a_clean_run() {
    let history = History::lived(9, 600);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("recording"), recording(&history.events)).unwrap();
    let db = folder.path().join("db");
    let last_slot = history.events.last().unwrap().slot;
    // Ever longer lives, in steps small enough to meet the time between the first write and the last.
    let mut life = Duration::from_millis(20);
    let mut cut_short = 0;
    for attempt in 0.. {
        assert!(attempt < 60, "no progress");
        let mut child = start(folder.path());
        tokio::time::sleep(life).await;
        life = life.mul_f64(1.25);
        child.kill().unwrap();
        child.wait().unwrap();
        let store = open(&db).await;
        let events = counts(&store).await.events;
        let cursor = store.cursor().await.unwrap();
        assert!(events <= history.events.len() as u64);
        let whole = cursor.is_some();
        // The cursor stands only behind everything.
        assert_eq!(whole, cursor.is_some_and(|cursor| cursor.slot == last_slot));
        assert!(!whole || events == history.events.len() as u64);
        store.close().await;
        drop(store);
        if whole {
            break;
        }
        cut_short += u64::from(events > 0);
    }
    assert!(
        cut_short > 0,
        "it was never killed while it wrote: enlarge the recording"
    );
    let store = open(&db).await;
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
#[test]
fn a_polite_request_ends_it_with_success() {
    let history = History::new(1);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("recording"), recording(&history.events)).unwrap();
    let mut child = start(folder.path());
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(
        Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    assert!(child.wait().unwrap().success());
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
        .args(["rebuild", "--store", "postgres://x"])
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
    assert!(text.contains("there is no store some.db"), "{text}");
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

#[test]
fn every_help_has_an_example_that_is_understood() {
    for arguments in [&["--help"][..], &["run", "--help"], &["rebuild", "--help"]] {
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
