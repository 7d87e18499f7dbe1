//! The way to a first job in docs/FIRST-JOB.md, typed from its own code blocks up to the printed result.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{Keypair, Pubkey, Signer},
    quern_proof::{eval, file, graph::Graph},
    serde_json::Value,
    std::{
        net::TcpListener,
        os::unix::fs::symlink,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    },
};

/// The part of the guide that is typed.
const SECTION: &str = "# Your first job, on your own machine";
/// Commands that a newcomer may have to type until the result stands there.
const MOST_COMMANDS: usize = 12;
const PATIENCE: Duration = Duration::from_secs(240);

fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

/// The first three code blocks of the section, a terminal each, as commands without comments.
fn terminals(guide: &str) -> [Vec<String>; 3] {
    let (_, section) = guide.split_once(SECTION).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<Vec<String>> = section
        .split("```sh\n")
        .skip(1)
        .map(|block| commands(block.split("```").next().unwrap()))
        .collect();
    let mut blocks = blocks.into_iter();
    [(); 3].map(|()| blocks.next().expect("three terminals"))
}

fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines();
    let bare = lines.map(|line| line.split("  #").next().unwrap().trim().to_owned());
    bare.filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that looks like a clone with everything built.
struct Clone {
    folder: tempfile::TempDir,
    ports: [u16; 2],
}

impl Clone {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(repository().join("target"), folder.path().join("target")).unwrap();
        // A provider follows no link out of the folder that it allows.
        let digits = folder.path().join("models/digits");
        std::fs::create_dir_all(&digits).unwrap();
        for file in std::fs::read_dir(repository().join("models/digits")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), digits.join(file.file_name())).unwrap();
        }
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_quern"), bin.join("quern")).unwrap();
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        Self {
            folder,
            ports: free.map(|listener| listener.local_addr().unwrap().port()),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("timeout");
        command
            .arg(PATIENCE.as_secs().to_string())
            .args(["bash", "-euc", script])
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.path("bin").display()),
            );
        command
    }

    /// What a command that must succeed writes.
    fn typed(&self, script: &str) -> String {
        let output = self.shell(script).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{text}{why}");
        text
    }

    /// A command that goes on.
    fn started(&self, script: &str) -> Running {
        let mut command = self.shell(&format!("exec {script}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    }

    /// The network of the first terminal, on ports of its own.
    fn network(&self, command: &str) -> Running {
        let [rpc, ws] = self.ports;
        let running = self.started(&format!("{command} --rpc-port {rpc} --ws-port {ws}"));
        let start = Instant::now();
        while !self.path("quern-localnet/env").exists() {
            assert!(start.elapsed() < PATIENCE, "the network does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        running
    }
}

/// What the model says about the first images.
fn expected() -> String {
    let read = |name: &str| std::fs::read(repository().join("models/digits").join(name)).unwrap();
    let code = read("digits.qmodel");
    let graph = Graph::parse(&code).unwrap();
    let weights = file::decode_bundle(&read("weights.bin")).unwrap();
    let images = file::decode_bundle(&read("test-images.bin")).unwrap();
    let (items, limit) = (images[0].rows(), eval::DEFAULT_MAX_ITEM_BYTES);
    let batch = eval::Batch::new(&graph, items, &images, &weights, limit).unwrap();
    let digit = |item| {
        batch
            .item(item)
            .unwrap()
            .last()
            .unwrap()
            .value(0, 0)
            .unwrap()
    };
    let first: Vec<String> = (0..20).map(|item| digit(item).to_string()).collect();
    first.join(" ")
}

#[test]
fn a_newcomer_sees_the_result_of_a_first_paid_job() {
    let guide = std::fs::read_to_string(repository().join("docs/FIRST-JOB.md")).unwrap();
    let [first, second, third] = terminals(&guide);
    let all: Vec<&String> = first.iter().chain(&second).chain(&third).collect();
    assert!(all.len() <= MOST_COMMANDS, "{all:#?}");
    for command in &all {
        let is_copied = |word: &str| word.parse::<Pubkey>().is_ok() || word.contains("=...");
        assert!(!command.split(' ').any(is_copied), "{command}");
    }

    let clone = Clone::new();
    let (network, built) = first.split_last().unwrap();
    // The test has built the same; the program must be there.
    let is_built = |command: &&String| command.starts_with("cargo ");
    assert!(built.iter().all(|command| is_built(&command)), "{built:?}");
    assert!(
        clone.path("target/deploy/quern.so").exists(),
        "build it first: cargo xtask build-program"
    );
    let _network = clone.network(network);

    let (work, before) = second.split_last().unwrap();
    let sourced = before.first().unwrap();
    clone.typed(&before.join("\n"));
    let _provider = clone.started(&format!("bash -c '{sourced}; exec {work}'"));
    let shown = clone.typed(&third.join("\n"));
    for line in [
        "submitted; checking the result",
        "checked: consistent",
        "the provider was paid",
        "i32 1000 x 1",
        "yes: it leads to the commitment",
        &expected(),
    ] {
        assert!(shown.contains(line), "`{line}` is missing:\n{shown}");
    }
    // What is shown of lists fits a screen.
    let listed = clone.typed(&format!(
        "{sourced}; quern provider list; quern model list; quern mint list"
    ));
    let longest = listed.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{listed}");
    assert!(
        listed.contains("My machine") && listed.contains("Digits"),
        "{listed}"
    );

    // Any wallet gets what it needs.
    let wallet = Keypair::new().pubkey();
    let fund =
        format!("{sourced}; quern localnet fund {wallet} --sol 2.5 --amount 7 --output json");
    let funded: Value = serde_json::from_str(&clone.typed(&fund)).unwrap();
    assert_eq!(
        (&funded["sol_added"], &funded["tokens_added"]),
        (&"2.5".into(), &"7".into())
    );
    let again: Value = serde_json::from_str(&clone.typed(&fund)).unwrap();
    assert_eq!(again["mint"], funded["mint"]);
    // A mint address that stays the same on every local network.
    assert_eq!(
        funded["mint"],
        clone.typed(&format!("{sourced}; echo $MINT")).trim()
    );
}
