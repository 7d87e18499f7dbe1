//! What committing to a product of int8 matrices costs beside computing it: prints JSON lines with a percentage.
//! Times of a machine are noisy, so both are the best of several runs in this one process, and only their ratio is told.

#![allow(clippy::unwrap_used)]

mod product;

use {
    quern_proof::commit,
    std::{hint::black_box, time::Instant},
};

fn main() {
    for side in [1_000, 2_048] {
        println!(
            "{{\"side\":{side},\"percent\":{:.1}}}",
            commitment_share(side)
        );
    }
}

fn commitment_share(side: u32) -> f64 {
    let product = product::Product::new(side);
    let batch = product.batch();
    let (mut product, mut commitment) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let begin = Instant::now();
        let outputs = batch.item(0).unwrap();
        product = product.min(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        black_box(commit::data_root(&outputs[0]));
        commitment = commitment.min(begin.elapsed().as_secs_f64());
    }
    100.0 * commitment / product
}
