//! An encoder from its float weights to the vectors of texts: imported, served by a local network, embedded, refereed.

#![cfg(feature = "localnet")]
#![allow(clippy::unwrap_used, clippy::panic)]

use {
    serde_json::{Map, Value, json},
    std::{
        fmt::Write as _,
        net::TcpListener,
        path::{Path, PathBuf},
        process::{Child, Command, Stdio},
        time::{Duration, Instant},
    },
};

const PATIENCE: Duration = Duration::from_secs(240);
const WIDTH: usize = 64;
const UNITS: usize = 96;
const WORDS: usize = 120;
/// Tokens of a text.
const SEQUENCE: &str = "16";

/// Numbers that look random and are the same everywhere.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn word(&mut self) -> String {
        format!("w{}", 4 + (self.uniform() * 116.0) as usize)
    }

    fn texts(&mut self, count: usize) -> String {
        let mut all = String::new();
        for _ in 0..count {
            let words: Vec<String> = (0..8).map(|_| self.word()).collect();
            writeln!(all, "{}", words.join(" ")).unwrap();
        }
        all
    }
}

/// A `.safetensors` file: the length of the header, the header, the values.
#[derive(Default)]
struct Tensors {
    header: Map<String, Value>,
    data: Vec<u8>,
}

impl Tensors {
    fn add(&mut self, name: &str, shape: &[usize], values: impl Iterator<Item = f64>) {
        let start = self.data.len();
        let values = values.take(shape.iter().product());
        self.data
            .extend(values.flat_map(|value| (value as f32).to_le_bytes()));
        let tensor =
            json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, self.data.len()] });
        self.header.insert(name.to_owned(), tensor);
    }

    fn file(self) -> Vec<u8> {
        let header = Value::Object(self.header).to_string().into_bytes();
        let length = (header.len() as u64).to_le_bytes();
        [&length[..], &header, &self.data].concat()
    }
}

fn weights() -> Vec<u8> {
    let (mut tensors, mut numbers) = (Tensors::default(), Numbers(7));
    let mut add = |name: String, shape: &[usize], mean: f64, spread: f64| {
        let values = std::iter::repeat_with(|| mean + (numbers.uniform() - 0.5) * spread);
        tensors.add(&name, shape, values);
    };
    for (name, rows) in [("word", WORDS), ("position", 40), ("token_type", 2)] {
        let name = format!("bert.embeddings.{name}_embeddings.weight");
        add(name, &[rows, WIDTH], 0.0, 0.2);
    }
    let layer = "bert.encoder.layer.0";
    for (part, rows, cols) in [
        ("attention.self.query", WIDTH, WIDTH),
        ("attention.self.key", WIDTH, WIDTH),
        ("attention.self.value", WIDTH, WIDTH),
        ("attention.output.dense", WIDTH, WIDTH),
        ("intermediate.dense", UNITS, WIDTH),
        ("output.dense", WIDTH, UNITS),
    ] {
        add(format!("{layer}.{part}.weight"), &[rows, cols], 0.0, 0.4);
        add(format!("{layer}.{part}.bias"), &[rows], 0.0, 0.2);
    }
    for norm in [
        "bert.embeddings.LayerNorm".to_owned(),
        format!("{layer}.attention.output.LayerNorm"),
        format!("{layer}.output.LayerNorm"),
    ] {
        add(format!("{norm}.weight"), &[WIDTH], 1.0, 0.3);
        add(format!("{norm}.bias"), &[WIDTH], 0.0, 0.3);
    }
    tensors.file()
}

fn tokenizer() -> Value {
    let mut vocabulary = json!({ "[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3 });
    for word in 4..WORDS {
        vocabulary[format!("w{word}")] = word.into();
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" }, "decoder": null,
        "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1] },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })
}

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
        let config = json!({
            "hidden_act": "gelu", "hidden_size": WIDTH, "intermediate_size": UNITS, "layer_norm_eps": 1e-12,
            "max_position_embeddings": 40, "num_attention_heads": 4, "num_hidden_layers": 1,
            "type_vocab_size": 2, "vocab_size": WORDS,
        });
        desk.write("float/model.safetensors", &weights());
        desk.write("float/config.json", config.to_string().as_bytes());
        desk.write("float/tokenizer.json", tokenizer().to_string().as_bytes());
        let mut numbers = Numbers(11);
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
    let embed = "quern -k quern-localnet/client.json embed --model small sentences.txt --out vectors.npy --integers integers.npy --output json";
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
    desk.typed("quern model run models/small --texts sentences.txt --out own.npy");
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
