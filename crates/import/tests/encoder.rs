//! An encoder with random weights through the whole importer: no network, no file.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;

use quern_import::{
    Error, Imported, Result, Texts, Tokenizer, Weights,
    bert::{Config, Settings, bert},
};
use quern_proof::{Graph, graph};

const WIDTH: usize = 64;
const UNITS: usize = 96;
const WORDS: usize = 120;

/// Numbers that look random and are the same everywhere, about normally distributed.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn many(&mut self, count: usize, mean: f64, spread: f64) -> Vec<f32> {
        let one = |_| {
            let sum: f64 = (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0;
            (mean + sum * spread) as f32
        };
        (0..count).map(one).collect()
    }
}

fn config() -> Config {
    let json = format!(
        r#"{{"hidden_act":"gelu","hidden_size":{WIDTH},"intermediate_size":{UNITS},"layer_norm_eps":1e-12,
        "max_position_embeddings":40,"num_attention_heads":4,"num_hidden_layers":2,"type_vocab_size":2,"vocab_size":{WORDS}}}"#
    );
    Config::from_json(json.as_bytes()).unwrap()
}

fn weights() -> Weights {
    let mut numbers = Numbers(7);
    let mut weights = Weights::default();
    let mut tensor = |name: &str, shape: &[usize], mean: f64, spread: f64| {
        let count = shape.iter().product();
        weights.insert(name, shape, numbers.many(count, mean, spread));
    };
    for (name, rows) in [("word", WORDS), ("position", 40), ("token_type", 2)] {
        tensor(
            &format!("bert.embeddings.{name}_embeddings.weight"),
            &[rows, WIDTH],
            0.0,
            0.05,
        );
    }
    let mut norms = vec!["bert.embeddings.LayerNorm".to_owned()];
    for layer in 0..2 {
        let name = |part: &str| format!("bert.encoder.layer.{layer}.{part}");
        let dense = [
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", UNITS, WIDTH),
            ("output.dense", WIDTH, UNITS),
        ];
        for (part, rows, cols) in dense {
            tensor(&format!("{}.weight", name(part)), &[rows, cols], 0.0, 0.12);
            tensor(&format!("{}.bias", name(part)), &[rows], 0.0, 0.05);
        }
        norms.extend([name("attention.output.LayerNorm"), name("output.LayerNorm")]);
    }
    for norm in norms {
        tensor(&format!("{norm}.weight"), &[WIDTH], 1.0, 0.1);
        tensor(&format!("{norm}.bias"), &[WIDTH], 0.0, 0.1);
    }
    weights
}

fn tokenizer(sequence: usize) -> Tokenizer {
    let mut vocabulary = r#""[PAD]":0,"[CLS]":1,"[SEP]":2,"[UNK]":3"#.to_owned();
    for word in 4..WORDS {
        write!(vocabulary, ",\"w{word}\":{word}").unwrap();
    }
    let json = format!(
        r###"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
        "pre_tokenizer":{{"type":"Whitespace"}},"decoder":null,
        "post_processor":{{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]}},
        "model":{{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
        "max_input_chars_per_word":100,"vocab":{{{vocabulary}}}}}}}"###
    );
    Tokenizer::new(json.as_bytes(), sequence).unwrap()
}

fn texts(count: usize, seed: u64) -> Vec<String> {
    let mut numbers = Numbers(seed);
    let word = |numbers: &mut Numbers| format!("w{}", 4 + (numbers.uniform() * 116.0) as usize);
    let text = |_| {
        let length = 3 + (numbers.uniform() * 30.0) as usize;
        let words: Vec<String> = (0..length).map(|_| word(&mut numbers)).collect();
        words.join(" ")
    };
    (0..count).map(text).collect()
}

fn import(sequence: usize, calibration: &[String], held_out: &[String]) -> Result<Imported> {
    let texts = Texts {
        calibration,
        held_out,
    };
    bert(
        &weights(),
        &config(),
        &tokenizer(sequence),
        texts,
        Settings::default(),
    )
}

#[test]
fn a_random_encoder_keeps_its_vectors_and_the_same_bytes_come_out_again() {
    let (calibration, held_out) = (texts(64, 1), texts(40, 2));
    let model = import(32, &calibration, &held_out).unwrap();
    assert!(model.quality.mean_cosine > 0.995, "{}", model.quality);
    assert!(model.quality.spearman > 0.98, "{}", model.quality);
    let sealed = graph::seal(&model.graph).unwrap();
    assert_eq!(
        Graph::parse(&model.graph).unwrap().op_count(),
        2 + 2 * 16 + 3
    );
    assert!(sealed.work > 0);

    let single = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    let again = single.install(|| import(32, &calibration, &held_out).unwrap());
    assert_eq!(again.graph, model.graph);
    assert_eq!(again.weights, model.weights);
    assert_eq!(again.quality, model.quality);
}

#[test]
fn graphs_of_two_lengths_share_all_weights_but_those_of_positions() {
    let (calibration, held_out) = (texts(64, 1), texts(40, 2));
    let [short, long] = [16, 32].map(|sequence| import(sequence, &calibration, &held_out).unwrap());
    let differ = short.weights.iter().zip(&long.weights);
    let differ = differ.filter(|(a, b)| a != b).count();
    // Positions, and the scores' parameters of each layer.
    assert_eq!(differ, 1 + 2);
}

/// Without SmoothQuant's alpha and with every unit whole the model is worse: the figures are of the model that is made.
#[test]
fn the_figures_follow_the_settings() {
    let (calibration, held_out) = (texts(64, 1), texts(40, 2));
    let texts = Texts {
        calibration: &calibration,
        held_out: &held_out,
    };
    let with = |alpha| {
        let settings = Settings {
            alpha,
            ..Settings::default()
        };
        let model = bert(&weights(), &config(), &tokenizer(32), texts, settings);
        model.unwrap().quality.mean_cosine
    };
    assert!(with(0.6) > with(6.0));
}

#[test]
fn what_cannot_be_made_or_measured_is_refused() {
    let (calibration, held_out) = (texts(64, 1), texts(40, 2));
    assert!(matches!(
        import(32, &calibration, &held_out[..15]),
        Err(Error::FewTexts {
            what: "held-out",
            ..
        })
    ));
    assert!(matches!(
        import(32, &calibration[..15], &held_out),
        Err(Error::FewTexts {
            what: "calibration",
            ..
        })
    ));
    let mut shared = held_out.clone();
    shared.push(calibration[3].clone());
    assert!(matches!(
        import(32, &calibration, &shared),
        Err(Error::NotHeldOut(_))
    ));
    assert!(matches!(
        import(41, &calibration, &held_out),
        Err(Error::Sequence { most: 40, .. })
    ));
    // The same text over and over has no order of similarities.
    let same: Vec<String> = vec!["w5 w6".into(); 20];
    assert!(matches!(
        import(32, &calibration, &same),
        Err(Error::Unmeasured(_))
    ));
}

#[test]
fn weights_of_another_model_are_refused() {
    let (calibration, held_out) = (texts(16, 1), texts(16, 2));
    let texts = Texts {
        calibration: &calibration,
        held_out: &held_out,
    };
    let import = |weights: &Weights| {
        bert(
            weights,
            &config(),
            &tokenizer(32),
            texts,
            Settings::default(),
        )
    };
    let mut other = weights();
    other.insert("bert.encoder.layer.1.output.dense.bias", &[3], vec![0.0; 3]);
    assert!(matches!(import(&other), Err(Error::Shape { .. })));
    let mut broken = weights();
    broken.insert(
        "bert.encoder.layer.1.output.dense.bias",
        &[WIDTH],
        vec![f32::NAN; WIDTH],
    );
    assert!(matches!(import(&broken), Err(Error::Range { .. })));
    assert!(matches!(
        import(&Weights::default()),
        Err(Error::NoTensor(_))
    ));
}
