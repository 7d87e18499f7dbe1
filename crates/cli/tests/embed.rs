//! An encoder from its float weights to the vectors of texts: imported, served by a local network, embedded, refereed.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_testkit::net::encoder::{self, Numbers, WIDTH},
    serde_json::Value,
    std::{
        net::TcpListener,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    },
};

const PATIENCE: Duration = Duration::from_secs(240);
/// Tokens of a text.
const SEQUENCE: &str = "16";

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        encoder::write(&desk.path("float")).unwrap();
        let mut numbers = Numbers::new(11);
        for (name, count) in [("some.txt", 40), ("others.txt", 30), ("sentences.txt", 9)] {
            desk.write(name, numbers.texts(count).as_bytes());
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn shell(&self, script: &str) -> Command {
        let own = Path::new(env!("CARGO_BIN_EXE_quern")).parent().unwrap();
        let mut command = Command::new("bash");
        command
            .args(["-euc", script])
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("PATH", format!("{}:/usr/bin:/bin", own.display()));
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

    fn network(&self) -> Running {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/deploy/quern.so");
        let free = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [rpc, ws] = free.map(|listener| listener.local_addr().unwrap().port());
        let script = format!(
            "exec quern localnet --serve models/small --rpc-port {rpc} --ws-port {ws} --program-so '{}'",
            program.display()
        );
        let mut command = self.shell(&script);
        let running = Running(command.stdout(Stdio::null()).spawn().unwrap());
        let start = Instant::now();
        while !self.path("quern-localnet/env").exists() {
            assert!(start.elapsed() < PATIENCE, "the network does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        running
    }

    /// The rows of a `.npy` file of 9 texts.
    fn rows(&self, name: &str, bytes_of_value: usize) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(self.path(name)).unwrap();
        let at = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let rows = bytes[at..].chunks(WIDTH * bytes_of_value);
        let rows: Vec<Vec<u8>> = rows.map(<[u8]>::to_vec).collect();
        assert_eq!(rows.len(), 9);
        rows
    }
}

#[test]
fn texts_become_vectors_by_a_refereed_job() {
    let desk = Desk::new();
    let import = format!(
        "quern model import float/model.safetensors --calibration some.txt --held-out others.txt --name Small --sequence {SEQUENCE} --out models/small --output json"
    );
    let made: Value = serde_json::from_str(&desk.typed(&import)).unwrap();
    assert_eq!(made["measured_on"], 30);
    assert!(made["mean_cosine"].as_f64() > Some(0.98), "{made}");

    let _network = desk.network();
    let embed = "quern -k quern-localnet/client.json embed --model Small sentences.txt --out vectors.npy --integers integers.npy --output json";
    // Terminal 2, as a person types it; the environment names network, models and commands.
    let told = desk.typed(&format!(". quern-localnet/env; {embed} --sample 40%"));
    let done = told
        .lines()
        .rev()
        .find(|line| line.contains("\"written\""))
        .unwrap_or(&told);
    assert!(told.contains("4 of 9 items"), "{told}");
    assert!(done.contains("vectors.npy"), "{told}");

    // What the provider computed is what this machine computes.
    desk.typed(". quern-localnet/env; quern model run small --texts sentences.txt --out own.npy");
    let integers = desk.rows("integers.npy", 1);
    assert_eq!(integers, desk.rows("own.npy", 1));
    for (row, integers) in desk.rows("vectors.npy", 4).iter().zip(&integers) {
        let values = row.as_chunks::<4>().0.iter();
        let values: Vec<f32> = values.map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let length: f32 = values.iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
        let products = values.iter().zip(integers);
        assert!(products.map(|(a, b)| a * f32::from(*b as i8)).sum::<f32>() > 0.0);
    }
}
