//! Networks out of ONNX files: the float results are those of onnxruntime, and the graphs keep them.
//!
//! `tests/data` was made with onnx 1.23.2 and onnxruntime 1.32.0: random weights, three inputs each and what they give.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::PathBuf};

use quern_import::{
    Error,
    network::{Answer, ImportedNetwork, Network, network, quantize::input},
    onnx,
};
use quern_proof::{Graph, graph};
use serde_json::Value;

fn data(name: &str) -> Vec<u8> {
    fs::read(
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data")
            .join(name),
    )
    .unwrap()
}

fn items(count: usize, len: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f64 / f64::from(1 << 23) - 1.0
    };
    (0..count)
        .map(|_| (0..len).map(|_| next() * 2.0).collect())
        .collect()
}

fn make(name: &str, answer: Answer) -> (Network, ImportedNetwork) {
    let read = onnx::read(&data(name)).unwrap();
    let len = read.input.pixels() * read.input.channels;
    let made = network(&read, &items(64, len, 1), &items(60, len, 2), answer).unwrap();
    (read, made)
}

#[test]
fn floats_are_those_of_onnxruntime() {
    let expected: Value = serde_json::from_slice(&data("expected.json")).unwrap();
    for name in ["mlp", "cnn"] {
        let network = onnx::read(&data(&format!("{name}.onnx"))).unwrap();
        let rows = |key: &str| -> Vec<Vec<f64>> {
            serde_json::from_value(expected[name][key].clone()).unwrap()
        };
        for (item, expected) in rows("inputs").iter().zip(rows("outputs")) {
            let found = network.run(item, &mut |_, _| ()).unwrap();
            assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-5, "{name}: {a} {b}");
            }
        }
    }
}

#[test]
fn graphs_keep_what_the_network_says() {
    for (name, ops) in [("mlp.onnx", 2), ("cnn.onnx", 6)] {
        let (network, made) = make(name, Answer::Values);
        assert!(made.quality.mean_cosine > 0.999, "{name}: {}", made.quality);
        assert!(made.same_class > 0.9, "{name}: {}", made.same_class);
        graph::seal(&made.graph).unwrap();
        assert_eq!(Graph::parse(&made.graph).unwrap().op_count(), ops);

        let held_out = items(60, network.input.pixels() * network.input.channels, 2);
        let emitted = quern_import::Emitted {
            graph: made.graph.clone(),
            weights: made.weights.clone(),
        };
        let tensor = input(&network, &held_out, made.input_scale).unwrap();
        let results = emitted.run(&[tensor], 60).unwrap();
        let largest = results
            .iter()
            .flatten()
            .map(|v| f64::from(*v).abs() * made.output_scale);
        let largest = largest.fold(0.0, f64::max);
        for (item, result) in held_out.iter().zip(&results) {
            let exact = network.run(item, &mut |_, _| ()).unwrap();
            for (value, exact) in result.iter().zip(exact) {
                let error = (f64::from(*value) * made.output_scale - exact).abs();
                assert!(error < largest * 0.1, "{name}: {error} of {largest}");
            }
        }
    }
}

#[test]
fn a_class_is_the_place_of_the_largest_value() {
    let (network, values) = make("cnn.onnx", Answer::Values);
    let (_, class) = make("cnn.onnx", Answer::Class);
    let held_out = items(20, network.input.pixels() * network.input.channels, 3);
    let run = |made: ImportedNetwork| {
        let emitted = quern_import::Emitted {
            graph: made.graph,
            weights: made.weights,
        };
        let tensor = input(&network, &held_out, made.input_scale).unwrap();
        emitted.run(&[tensor], 20).unwrap()
    };
    let (values, classes) = (run(values), run(class));
    for (values, class) in values.iter().zip(&classes) {
        let most = values.iter().max().unwrap();
        let first = values.iter().position(|value| value == most).unwrap();
        assert_eq!(class.as_slice(), [first as i32]);
    }
}

/// Reshape to a row is what Flatten is; to anything else it is refused.
#[test]
fn reshape_is_read_where_it_flattens() {
    let [flat, reshaped] =
        ["cnn.onnx", "reshape.onnx"].map(|name| onnx::read(&data(name)).unwrap());
    let item = &items(1, flat.input.pixels() * flat.input.channels, 5)[0];
    let run = |network: &Network| network.run(item, &mut |_, _| ()).unwrap();
    assert_eq!(run(&flat), run(&reshaped));
    assert!(onnx::read(&data("reshape-rows.onnx")).is_err());
}

/// A bias of channels is [C, 1, 1] behind a convolution; [C] would line up with columns of pixels.
#[test]
fn a_bias_is_added_where_it_lines_up() {
    let [inside, added] =
        ["bias.onnx", "bias-added.onnx"].map(|name| onnx::read(&data(name)).unwrap());
    let item = &items(1, inside.input.pixels() * inside.input.channels, 5)[0];
    let run = |network: &Network| network.run(item, &mut |_, _| ()).unwrap();
    assert_eq!(run(&inside), run(&added));
    assert!(matches!(
        onnx::read(&data("bias-columns.onnx")),
        Err(Error::Shape { .. })
    ));
}

#[test]
fn what_is_not_imported_is_named() {
    let error = onnx::read(&data("pool.onnx")).unwrap_err();
    assert!(error.to_string().contains("MaxPool"), "{error}");
    assert!(matches!(onnx::read(b"\xff\xff"), Err(Error::Onnx(_))));
    assert!(onnx::read(b"").is_err());
    let mut cut = data("cnn.onnx");
    cut.truncate(900);
    assert!(onnx::read(&cut).is_err());

    let read = onnx::read(&data("mlp.onnx")).unwrap();
    let (many, few) = (items(20, 20, 1), items(15, 20, 2));
    let make = |a: &[Vec<f64>], b: &[Vec<f64>]| network(&read, a, b, Answer::Values);
    assert!(matches!(make(&few, &many), Err(Error::FewTexts { .. })));
    assert!(matches!(make(&many, &few), Err(Error::FewTexts { .. })));
    assert!(matches!(make(&many, &many), Err(Error::NotHeldOut(_))));
    assert!(matches!(
        make(&many, &items(20, 19, 2)),
        Err(Error::Shape { .. })
    ));
}
