//! A small encoder of texts with random weights, as its makers would publish it: files of a float model.

use {
    anyhow::Result,
    quern_data::model::{Card, Made, ModelFolder, sha256},
    quern_import::{Texts, Tokenizer, Weights, bert},
    serde_json::{Map, Value, json},
    std::{fmt::Write as _, path::Path},
};

/// Numbers of a vector.
pub const WIDTH: usize = 64;
/// Words of its vocabulary, the four special ones included: `w4` to `w119`.
pub const WORDS: usize = 120;
const UNITS: usize = 96;

/// Numbers that look random and are the same everywhere.
pub struct Numbers(u64);

impl Numbers {
    /// Numbers from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

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

    /// Texts of eight words, one on each line.
    pub fn texts(&mut self, count: usize) -> String {
        let mut all = String::new();
        for _ in 0..count {
            let words: Vec<String> = (0..8).map(|_| self.word()).collect();
            // Writing to a text cannot fail.
            let _ = writeln!(all, "{}", words.join(" "));
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

/// The weights, as a `.safetensors` file.
pub fn weights() -> Vec<u8> {
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

/// The `tokenizer.json`.
pub fn tokenizer() -> Value {
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

/// The `config.json`.
pub fn config() -> Value {
    json!({
        "hidden_act": "gelu", "hidden_size": WIDTH, "intermediate_size": UNITS, "layer_norm_eps": 1e-12,
        "max_position_embeddings": 40, "num_attention_heads": 4, "num_hidden_layers": 1,
        "type_vocab_size": 2, "vocab_size": WORDS,
    })
}

/// Writes the files `model.safetensors`, `config.json` and `tokenizer.json` into a folder.
///
/// # Errors
/// That it cannot be written.
pub fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("model.safetensors"), weights())?;
    std::fs::write(folder.join("config.json"), config().to_string())?;
    std::fs::write(folder.join("tokenizer.json"), tokenizer().to_string())
}

/// What the imported encoder is called.
pub const NAME: &str = "Small";
/// Most tokens of a text that it reads.
pub const SEQUENCE: usize = 16;

/// The encoder as integers, in a folder as `quern model import` writes it.
///
/// # Errors
/// That it cannot be written.
pub fn imported(folder: &Path) -> Result<ModelFolder> {
    let mut numbers = Numbers::new(11);
    let mut texts =
        |count| -> Vec<String> { numbers.texts(count).lines().map(str::to_owned).collect() };
    let (calibration, held_out) = (texts(40), texts(30));
    let json = tokenizer().to_string().into_bytes();
    let texts = Texts {
        calibration: &calibration,
        held_out: &held_out,
    };
    let weights = Weights::from_safetensors(&weights())?;
    let config = bert::Config::from_json(config().to_string().as_bytes())?;
    let tokenizer = Tokenizer::new(&json, SEQUENCE)?;
    let made = bert::bert(
        &weights,
        &config,
        &tokenizer,
        texts,
        bert::Settings::default(),
    )?;
    let card = Card {
        name: NAME.to_owned(),
        graph_sha256: sha256(&made.graph),
        sequence: Some(SEQUENCE),
        input_scale: None,
        output_scale: None,
        quality: json!(made.quality),
        made_of: Vec::new(),
    };
    let files = Made {
        graph: &made.graph,
        weights: &made.weights,
        tokenizer: Some(&json),
        card: &card,
    };
    files.write(folder)?;
    Ok(ModelFolder::read(folder)?)
}
