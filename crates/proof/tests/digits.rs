//! The digits model in `models/digits`: the integer forward pass of this crate is the model, bit for bit.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use quern_proof::{Graph, Tensor, commit::Trace, eval, file, graph, hash};
use serde_json::Value;

fn read(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../models/digits")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first `count` rows of a tensor.
fn head(tensor: &Tensor, count: u32) -> Tensor {
    let len = (count * tensor.geometry().row_bytes()) as usize;
    Tensor::from_bytes(
        tensor.dtype(),
        count,
        tensor.cols(),
        tensor.data()[..len].to_vec(),
    )
    .unwrap()
}

#[test]
fn the_model_is_what_its_training_script_says() {
    let expected: Value = serde_json::from_slice(&read("expected.json")).unwrap();
    for (name, sha) in expected["files_sha256"].as_object().unwrap() {
        assert_eq!(
            hex(&hash::hash(&[&read(name)])),
            sha.as_str().unwrap(),
            "{name}"
        );
    }

    let bytes = read("digits.qmodel");
    let macs = graph::seal(&bytes).unwrap();
    assert_eq!(
        (macs.fixed, macs.per_row),
        (0, expected["macs_per_image"].as_u64().unwrap())
    );
    let graph = Graph::parse(&bytes).unwrap();
    let weights = file::decode_bundle(&read("weights.bin")).unwrap();
    eval::check_weights(&graph, &weights).unwrap();

    let images = file::decode_tensor(&read("test-images.bin")).unwrap();
    let root = hash::Hash::try_from(unhex(expected["images_root"].as_str().unwrap())).unwrap();
    eval::check_inputs(
        &graph,
        images.rows(),
        std::slice::from_ref(&images),
        &[root],
    )
    .unwrap();

    let outputs = eval::run(
        &graph,
        images.rows(),
        std::slice::from_ref(&images),
        &weights,
    )
    .unwrap();
    let trace = Trace::new(outputs).unwrap();
    let roots: Vec<String> = trace.roots().iter().map(|root| hex(root)).collect();
    assert_eq!(serde_json::json!(roots), expected["output_roots"]);
    assert_eq!(hex(&trace.root()), expected["trace_root"].as_str().unwrap());
    let result = trace.result().unwrap();
    assert_eq!(
        hex(&hash::hash(&[result.data()])),
        expected["result_sha256"].as_str().unwrap()
    );

    let labels = file::decode_tensor(&read("test-labels.bin"))
        .unwrap()
        .to_i8()
        .unwrap();
    let found = result.to_i32().unwrap();
    assert_eq!(labels.len(), found.len());
    let right = labels
        .iter()
        .zip(&found)
        .filter(|(label, found)| i32::from(**label) == **found)
        .count();
    println!("{right} of {} held-out images right", labels.len());
    assert_eq!(right as u64, expected["right"].as_u64().unwrap());
    assert!(right * 100 >= labels.len() * 95, "at least 95 % right");

    // A batch of any size gives the same answers.
    for rows in [1, 2, 31] {
        let outputs = eval::run(&graph, rows, &[head(&images, rows)], &weights).unwrap();
        let answers = outputs.last().unwrap().to_i32().unwrap();
        assert_eq!(answers, found[..rows as usize]);
    }
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
