//! all-MiniLM-L6-v2, made by its recipe: the integers of `reference.py`, and what they lost.
//!
//! `cargo xtask fetch minilm` brings the files; without them these tests say that they did not run.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{env, fs, path::PathBuf, sync::LazyLock};

use quern_import::{
    Recipe, Tokenizer,
    bert::{Encoder, IntegerEncoder, Ranges, emit, id_rows},
    recipe::Ingredients,
};
use quern_proof::{
    Graph, Tensor,
    eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn models() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/minilm")
}

/// The files of the recipe; `None` where nobody has fetched them.
static INGREDIENTS: LazyLock<Option<Ingredients>> = LazyLock::new(|| {
    let json = fs::read(models().join("recipe.json")).unwrap();
    let folder = env::var_os("QUERN_MINILM").map(PathBuf::from)?;
    Some(Recipe::from_json(&json).unwrap().read(&folder).unwrap())
});

/// The encoder in integers.
static INTEGERS: LazyLock<Option<IntegerEncoder>> = LazyLock::new(|| {
    let files = INGREDIENTS.as_ref()?;
    let encoder = Encoder::read(&files.weights, &files.config).unwrap();
    let tokenizer = Tokenizer::new(&files.tokenizer, 128).unwrap();
    let rows = id_rows(&tokenizer, &files.config, &files.calibration).unwrap();
    let ranges = Ranges::measure(&encoder, &rows);
    Some(IntegerEncoder::new(&encoder, &ranges, files.settings).unwrap())
});

fn skip() {
    eprintln!("not run: QUERN_MINILM names no folder with the model's files");
}

fn sha256(tensor: &Tensor) -> String {
    hex::encode(Sha256::digest(tensor.data()))
}

#[test]
fn every_integer_is_that_of_the_numpy_reference() {
    let (Some(files), Some(integers)) = (INGREDIENTS.as_ref(), INTEGERS.as_ref()) else {
        return skip();
    };
    let json = fs::read(models().join("expected.json")).unwrap();
    let expected: Value = serde_json::from_slice(&json).unwrap();
    let sequence = expected["sequence"].as_u64().unwrap() as usize;
    let emitted = emit(integers, sequence).unwrap();
    let weights = expected["weights"].as_array().unwrap();
    assert_eq!(weights.len(), emitted.weights.len());
    let differ: Vec<_> = (0..weights.len())
        .filter(|i| weights[*i] != sha256(&emitted.weights[*i]))
        .collect();
    assert_eq!(differ, [] as [usize; 0], "weights that differ");

    let items = expected["items"].as_array().unwrap();
    let texts: Vec<&str> = items
        .iter()
        .map(|item| item["text"].as_str().unwrap())
        .collect();
    let tokenizer = Tokenizer::new(&files.tokenizer, sequence).unwrap();
    let tokenized = tokenizer.tokenize(&texts).unwrap();
    let graph = Graph::parse(&emitted.graph).unwrap();
    let inputs = [tokenized.ids, tokenized.mask];
    let count = items.len() as u32;
    let batch = Batch::new(
        &graph,
        count,
        &inputs,
        &emitted.weights,
        DEFAULT_MAX_ITEM_BYTES,
    );
    let batch = batch.unwrap();
    for (item, expected) in (0..).zip(items) {
        let ids: Vec<u64> = expected["ids"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_u64().unwrap())
            .collect();
        let row: Vec<u32> = tokenizer.ids(texts[item as usize]).unwrap().0;
        assert!(
            row.iter().map(|id| u64::from(*id)).eq(ids),
            "ids of text {item}"
        );
        let outputs = batch.item(item).unwrap();
        let ops = expected["ops"].as_array().unwrap();
        assert_eq!(ops.len(), outputs.len());
        for (op, (output, hash)) in outputs.iter().zip(ops).enumerate() {
            assert_eq!(sha256(output)[..16], *hash, "text {item}, op {op}");
        }
        let vector: Vec<i32> = serde_json::from_value(expected["vector"].clone()).unwrap();
        assert_eq!(outputs.last().unwrap().values(), vector);
    }
}

#[test]
fn padding_changes_no_integer() {
    let (Some(files), Some(integers)) = (INGREDIENTS.as_ref(), INTEGERS.as_ref()) else {
        return skip();
    };
    let texts = ["Grain becomes flour between two stones."];
    let [short, long] = [16, 48].map(|sequence| {
        let tokenizer = Tokenizer::new(&files.tokenizer, sequence).unwrap();
        let all = tokenizer.tokenize(&texts).unwrap();
        assert!(all.shortened.is_empty());
        let emitted = emit(integers, sequence).unwrap();
        emitted.run(&[all.ids, all.mask], 1).unwrap()
    });
    assert_eq!(short, long);
}

#[test]
fn quality_on_held_out_texts_is_what_the_design_asks_for() {
    let Some(files) = INGREDIENTS.as_ref() else {
        return skip();
    };
    let imported = files.import(128).unwrap();
    let quality = imported.quality;
    eprintln!("{quality}");
    assert_eq!(quality.texts, files.held_out.len());
    assert!(quality.mean_cosine >= 0.997, "{quality}");
    assert!(quality.least_cosine >= 0.99, "{quality}");
    assert!(quality.spearman >= 0.996, "{quality}");
    let sealed = quern_proof::graph::seal(&imported.graph).unwrap();
    assert_eq!(Graph::parse(&imported.graph).unwrap().op_count(), 101);
    eprintln!(
        "work of an item {}, trace {} bytes",
        sealed.work, sealed.trace_bytes
    );
}
