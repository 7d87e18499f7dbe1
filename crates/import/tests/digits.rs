//! The committed digits model is what the import makes of digits.onnx, and recognises as many held-out images as it says.
//!
//! `QUERN_UPDATE_GOLDEN=1` writes the graph, the weights and expected.json of models/digits again.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{env, fs, path::PathBuf};

use quern_import::{
    network::{Answer, ImportedNetwork, Network, network, quantize::input},
    onnx,
};
use quern_proof::{
    Graph, Tensor,
    commit::{Commitment, Committer, ItemTrace, data_root},
    eval::{Batch, DEFAULT_MAX_ITEM_BYTES},
    file, graph, published,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/digits")
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn tensor(name: &str) -> Tensor {
    file::decode_tensor(&read(name)).unwrap()
}

/// Images as the network reads them: a pixel is 0 to 127.
fn images(tensor: &Tensor) -> Vec<Vec<f64>> {
    let row = |row: &[u8]| row.iter().map(|pixel| f64::from(*pixel)).collect();
    tensor.row_slices().map(row).collect()
}

/// The first place of the largest value.
fn class(values: &[f64]) -> i32 {
    let most = values.iter().copied().fold(f64::MIN, f64::max);
    values.iter().position(|value| *value == most).unwrap() as i32
}

fn commitment(model: &ImportedNetwork, images: &[Tensor], items: u32) -> Commitment {
    let graph = Graph::parse(&model.graph).unwrap();
    let batch = Batch::new(
        &graph,
        items,
        images,
        &model.weights,
        DEFAULT_MAX_ITEM_BYTES,
    )
    .unwrap();
    let mut committer = Committer::new(&graph, items).unwrap();
    for item in 0..items {
        let trace = ItemTrace::new(batch.item(item).unwrap()).unwrap();
        committer.push(&trace).unwrap();
    }
    committer.finish().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn figures(network: &Network, model: &ImportedNetwork) -> Value {
    let (held_out, labels) = (tensor("test-images.bin"), tensor("test-labels.bin"));
    let (labels, items) = (labels.values(), held_out.rows());
    let of_float = images(&held_out);
    let of_float = of_float.iter().map(|image| {
        let values = network.run(image, &mut |_, _| ()).unwrap();
        class(&values)
    });
    let right = |found: &mut dyn Iterator<Item = i32>| {
        let pairs = found.zip(&labels);
        pairs.filter(|(found, label)| found == *label).count()
    };
    let float_right = right(&mut of_float.into_iter());

    // A pixel goes in as it is.
    let scaled = input(network, &images(&held_out), model.input_scale).unwrap();
    assert!(scaled == held_out, "the input has another scale");
    let inputs = [held_out];
    let committed = commitment(model, &inputs, items);
    let graph = Graph::parse(&model.graph).unwrap();
    let answer = published::check(
        &graph,
        items,
        &committed.trace_root,
        committed.result_file.clone(),
        &committed.roots_file,
    );
    let integer_right = right(&mut answer.unwrap().result.values().into_iter());
    let sealed = graph::seal(&model.graph).unwrap();
    json!({
        "held_out": items,
        "right": integer_right,
        "right_in_floating_point": float_right,
        "same_digit": (model.same_class * f64::from(items)).round() as u64,
        "least_cosine": (model.quality.least_cosine * 1e4).round() / 1e4,
        "mean_cosine": (model.quality.mean_cosine * 1e4).round() / 1e4,
        "work_of_an_item": sealed.work,
        "trace_bytes_of_an_item": sealed.trace_bytes,
        "images_root": hex::encode(data_root(&inputs[0])),
        "trace_root": hex::encode(committed.trace_root),
        "result_sha256": hex(&committed.result_file),
        "roots_sha256": hex(&committed.roots_file),
    })
}

#[test]
fn the_committed_files_are_what_the_import_makes() {
    let read_network = onnx::read(&read("digits.onnx")).unwrap();
    let calibration = images(&tensor("calibration-images.bin"));
    let held_out = images(&tensor("test-images.bin"));
    let model = network(&read_network, &calibration, &held_out, Answer::Class).unwrap();
    let figures = figures(&read_network, &model);
    println!("{}\n{figures:#}", model.quality);

    let expected = serde_json::to_string_pretty(&figures).unwrap() + "\n";
    let files = [
        ("digits.qmodel", model.graph.clone()),
        ("weights.bin", file::encode_bundle(&model.weights)),
        ("expected.json", expected.into_bytes()),
    ];
    for (name, bytes) in files {
        if env::var_os("QUERN_UPDATE_GOLDEN").is_some() {
            fs::write(folder().join(name), &bytes).unwrap();
        }
        assert!(
            read(name) == bytes,
            "{name} is stale: see the head of this file"
        );
    }
    // Less would be another model than the README's.
    assert!(figures["right"].as_u64() >= Some(970), "{figures:#}");
}

#[test]
fn no_image_both_calibrates_and_measures() {
    let held_out = images(&tensor("test-images.bin"));
    let network_read = onnx::read(&read("digits.onnx")).unwrap();
    assert!(network(&network_read, &held_out[..50], &held_out, Answer::Class).is_err());
}
