//! The committed tiny model is what its generator makes, has every op, and writes one text for a prompt.
//!
//! `QUERN_UPDATE_GOLDEN=1` writes models/tiny again.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeSet, env, fs, path::PathBuf};

use quern_import::tiny::{SEQUENCE, WORDS, complete, tiny};
use quern_proof::{Graph, Operand, Tensor, file, graph};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny")
}

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    let model = tiny().unwrap();
    let files = [
        ("tiny.qmodel", model.graph.clone()),
        ("weights.bin", file::encode_bundle(&model.weights)),
    ];
    for (name, bytes) in files {
        let path = folder().join(name);
        if env::var_os("QUERN_UPDATE_GOLDEN").is_some() {
            fs::write(&path, &bytes).unwrap();
        }
        let committed = fs::read(&path).unwrap();
        assert!(
            committed == bytes,
            "{name} is stale: see the head of this file"
        );
    }
}

#[test]
fn it_has_every_op_and_seals() {
    let model = tiny().unwrap();
    graph::seal(&model.graph).unwrap();
    let graph = Graph::parse(&model.graph).unwrap();
    let names: BTreeSet<_> = (0..graph.op_count())
        .map(|op| graph.op(op).unwrap().name())
        .collect();
    assert_eq!(names.len(), 8, "{names:?}");
    assert!(graph.tokens().is_some() && graph.feedback().is_some());
    for (index, weight) in model.weights.iter().enumerate() {
        let root = quern_proof::commit::data_root(weight);
        assert_eq!(graph.weight(index).unwrap().root, root);
        let operand = Operand::Weight(index as u16);
        assert_eq!(graph.shape(operand).unwrap().cols, weight.cols());
    }
}

#[test]
fn prompts_have_texts_of_their_own() {
    let model = tiny().unwrap();
    let mut texts = BTreeSet::new();
    for first in 0..8 {
        let mut prompt = vec![-1; SEQUENCE];
        prompt[..2].copy_from_slice(&[first, 63 - first]);
        let text = complete(&model, &prompt).unwrap();
        assert_eq!(text[..2], prompt[..2]);
        assert!(text.iter().all(|token| (0..WORDS as i32).contains(token)));
        let different: BTreeSet<_> = text.iter().collect();
        assert!(different.len() > 3, "{text:?}");
        texts.insert(text);
    }
    assert_eq!(texts.len(), 8);
    assert!(complete(&model, &[0; 3]).is_err());
}

/// A value that says nothing would hide wrong cells of the ops behind it.
#[test]
fn no_op_has_the_same_value_everywhere() {
    let model = tiny().unwrap();
    let mut prompt = vec![-1; SEQUENCE];
    prompt[0] = 7;
    let text = complete(&model, &prompt).unwrap();
    let row = |values: &[i32]| Tensor::from_i32(1, SEQUENCE as u32, values).unwrap();
    let inputs = [row(&prompt), row(&text)];
    let graph = Graph::parse(&model.graph).unwrap();
    let batch =
        quern_proof::eval::Batch::new(&graph, 1, &inputs, &model.weights, u64::MAX).unwrap();
    for (op, output) in batch.item(0).unwrap().iter().enumerate() {
        let values = output.values();
        let different: BTreeSet<_> = values.iter().collect();
        let least = output.cols().min(16) as usize / 3;
        assert!(different.len() > least.max(2), "op {op}: {different:?}");
        let (low, high) = output.dtype().range();
        let clamped = values.iter().filter(|v| **v == low || **v == high).count();
        assert!(
            clamped * 4 < values.len(),
            "op {op}: {clamped} of {} are clamped",
            values.len()
        );
    }
}
