//! Measures products, commitments and a sentence encoder: `cargo xtask bench models`. Prints what it measured and writes it between
//! the marks of `docs/BENCHMARKS.md`.
//!
//! Times of a machine are noisy. So everything that is compared is run in turns in one process, and a ratio is the median of
//! the ratios of all turns.
//!
//! With the argument `products`, and perhaps a word of a case, it measures and prints these alone and writes nothing.
//!
//! | variable | what |
//! | --- | --- |
//! | `QUERN_MINILM` | the folder that `cargo xtask fetch minilm` prints; without it the encoder is not measured |
//! | `QUERN_ONNXRUNTIME` | a folder with the Python package onnxruntime; without it nothing stands beside |
#![allow(clippy::unwrap_used, clippy::panic)]

mod encoder;
mod memory;
mod old;
mod peer;
mod products;
mod report;
mod turns;

use std::env;

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [first, folder] = args.as_slice()
        && first == memory::COMMAND
    {
        return memory::commit(folder.as_ref());
    }
    let mut report = report::Report::new();
    let mut peer = peer::Peer::start();
    report.machine(peer.as_ref().map(|peer| peer.version.as_str()));
    if let [first, rest @ ..] = args.as_slice()
        && first == "products"
    {
        let word = rest.first().map_or("", String::as_str);
        return products::measure(word, &mut report, peer.as_mut());
    }
    products::measure("", &mut report, peer.as_mut());
    products::measure_commitment(&mut report);
    match encoder::Model::read() {
        Some(model) => encoder::measure(&model, &mut report, peer.as_mut()),
        None => eprintln!(
            "the encoder is not measured: QUERN_MINILM names no folder with the model's files"
        ),
    }
    report.write();
}
