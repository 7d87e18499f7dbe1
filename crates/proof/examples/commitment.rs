//! What committing to a product of int8 matrices costs beside computing it: prints JSON lines with a percentage.
//! Times of a machine are noisy, so both are the best of several runs in this one process, and only their ratio is told.

#![allow(clippy::unwrap_used)]

use {
    quern_proof::{DType, Tensor, builder::GraphBuilder, commit, eval, graph::Graph},
    std::{hint::black_box, time::Instant},
};

fn main() {
    for side in [1_000u32, 2_048] {
        println!(
            "{{\"side\":{side},\"percent\":{:.1}}}",
            commitment_share(side)
        );
    }
}

fn commitment_share(side: u32) -> f64 {
    let mut state = 1u64;
    let mut values = |count: u32| -> Vec<i8> {
        (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as i8
            })
            .collect()
    };
    let inputs = [
        Tensor::from_i8(side, side, &values(side * side)).unwrap(),
        Tensor::from_i8(side, side, &values(side * side)).unwrap(),
    ];
    let mut builder = GraphBuilder::new();
    let left = builder.input_fixed(DType::I8, side, side);
    let right = builder.input_fixed(DType::I8, side, side);
    builder.matmul(left, right);
    let bytes = builder.finish().unwrap();
    let graph = Graph::parse(&bytes).unwrap();
    let (mut product, mut commitment) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let begin = Instant::now();
        let outputs = eval::run(&graph, 0, &inputs, &[]).unwrap();
        product = product.min(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        black_box(commit::data_root(&outputs[0]));
        commitment = commitment.min(begin.elapsed().as_secs_f64());
    }
    100.0 * commitment / product
}
