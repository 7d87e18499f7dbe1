//! Logs as JSON: every line that the local network, a provider and a watcher write to standard error, with a node whose URL
//! holds a key.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    serde_json::Value,
    std::{
        fs::File,
        net::TcpListener,
        path::{Path, PathBuf},
        process::{Child, Command, Output, Stdio},
        time::{Duration, Instant},
    },
};

/// Nothing takes this long: it only ends a test that hangs.
const LIMIT: Duration = Duration::from_secs(240);
/// What no line may hold.
const SECRET: &str = "SECRET-KEY-OF-THE-NODE";

/// A process that ends with the test.
struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(folder: &Path, name: &str, args: &[&str]) -> Self {
        let log = folder.join(name);
        let mut command = command(folder, args);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { child, log }
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    fn until(&mut self, what: &str, is_there: impl Fn(&str) -> bool) {
        let start = Instant::now();
        while !is_there(&self.text()) {
            let log = self.text();
            assert!(start.elapsed() < LIMIT, "waited in vain for {what}: {log}");
            assert!(self.child.try_wait().unwrap().is_none(), "{what}: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Asks it politely to end; all that it wrote.
    fn ended(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .unwrap()
                .success()
        );
        assert!(self.child.wait().unwrap().success(), "{}", self.text());
        self.text()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quern"));
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("RUST_LOG", "debug")
        .env("QUERN_LOG_FORMAT", "json");
    command
}

/// Every line is an object with time, level and message, and none holds the key. How many there are.
fn check(name: &str, log: &str) -> usize {
    assert!(!log.contains(SECRET), "{name} tells the key: {log}");
    for line in log.lines() {
        let event: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        for field in ["time", "level", "message"] {
            assert!(event[field].is_string(), "{name}: no {field} in {line}");
        }
    }
    log.lines().count()
}

fn failed(folder: &Path, args: &[&str]) -> Output {
    let output = command(folder, args).output().unwrap();
    assert!(!output.status.success(), "{args:?}");
    output
}

#[test]
fn every_line_of_a_daemon_is_an_object_without_keys() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/deploy/quern.so");
    assert!(
        program.exists(),
        "build it first: cargo xtask build-program"
    );
    let program = program.display().to_string();
    let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = free.map(|listener| listener.local_addr().unwrap().port().to_string());
    let [rpc, ws] = &ports;
    let mut net = Running::start(
        at,
        "localnet.log",
        &[
            "localnet",
            "--program-so",
            &program,
            "--rpc-port",
            rpc,
            "--ws-port",
            ws,
        ],
    );
    net.until("the network", |log| log.contains("runs until Ctrl-C"));

    let url = format!("http://127.0.0.1:{rpc}/?api-key={SECRET}");
    let as_provider = ["-u", &url, "-k", "quern-localnet/provider.json"];
    let register = [
        &as_provider[..],
        &["provider", "register", "--name", "Here"],
    ]
    .concat();
    assert!(command(at, &register).status().unwrap().success());
    let run = [
        &as_provider[..],
        &["provider", "run", "--publish-dir", "out", "--poll", "1s"],
    ]
    .concat();
    let mut provider = Running::start(at, "provider.log", &run);
    let watch = ["-u", &url, "-k", "quern-localnet/arbiter.json", "watch"];
    let mut watcher = Running::start(at, "watcher.log", &watch);
    // Both have asked the node by then, and their libraries tell about it.
    for (name, running) in [("provider", &mut provider), ("watcher", &mut watcher)] {
        running.until(name, |log| log.lines().count() > 20);
    }
    assert!(check("localnet", &net.ended()) > 0, "localnet says nothing");
    // Without a node they say so, with what their library says of it.
    for (name, mut running) in [("provider", provider), ("watcher", watcher)] {
        running.until(name, |log| log.contains("cannot read the chain"));
        check(name, &running.ended());
    }
    last_error_is_an_object_too(at);
}

/// For people and for programs.
fn last_error_is_an_object_too(at: &Path) {
    let url = format!("http://127.0.0.1:1/?api-key={SECRET}");
    for output in ["table", "json"] {
        let args = [
            "-u",
            &url,
            "-k",
            "quern-localnet/arbiter.json",
            "--output",
            output,
            "watch",
        ];
        let ended = failed(at, &args);
        let log = String::from_utf8_lossy(&ended.stderr).into_owned();
        check("an error", &log);
        let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["level"], last["error"].is_object()),
            (&"ERROR".into(), output == "json")
        );
    }
}
