//! What checking a product of int8 matrices costs beside computing it: prints JSON lines with the ratio of both times.
//! Times of a machine are noisy, so both are the best of several runs in this one process, on one core.

#![allow(clippy::unwrap_used)]

use {
    quern_proof::{
        DType, Tensor,
        builder::GraphBuilder,
        eval,
        freivalds::{Coins, first_wrong_cell},
        graph::Graph,
    },
    std::{hint::black_box, time::Instant},
};

fn main() {
    for side in [1_000u32, 2_048] {
        let (product_ms, check_ms) = times(side);
        println!(
            "{{\"side\":{side},\"ratio\":{:.1},\"product_ms\":{product_ms:.2},\"check_ms\":{check_ms:.3}}}",
            product_ms / check_ms
        );
    }
}

/// Milliseconds of a product and of its check.
fn times(side: u32) -> (f64, f64) {
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

    // In turns, so that a busy moment of the machine meets both.
    let (mut product, mut check) = (f64::MAX, f64::MAX);
    for round in 0..6u8 {
        let begin = Instant::now();
        let outputs = eval::run(&graph, 0, &inputs, &[]).unwrap();
        product = product.min(begin.elapsed().as_secs_f64());
        for again in 0..10u8 {
            let mut coins = Coins::new([10 * round + again; 32]);
            let begin = Instant::now();
            let wrong = first_wrong_cell(&inputs[0], &inputs[1], &outputs[0], &mut coins).unwrap();
            check = check.min(begin.elapsed().as_secs_f64());
            assert_eq!(black_box(wrong), None, "a right product always passes");
        }
    }
    (product * 1e3, check * 1e3)
}
