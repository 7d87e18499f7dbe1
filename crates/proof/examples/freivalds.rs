//! What checking a product of int8 matrices costs beside computing it: prints JSON lines with the ratio of both times.
//! Times of a machine are noisy, so both are the best of several runs in this one process.

#![allow(clippy::unwrap_used, clippy::panic)]

mod product;

use {
    quern_proof::{
        Op,
        freivalds::{Coins, ProductTest},
    },
    std::{hint::black_box, time::Instant},
};

fn main() {
    for side in [1_000, 2_048] {
        let (product_ms, check_ms) = times(side);
        println!(
            "{{\"side\":{side},\"ratio\":{:.1},\"product_ms\":{product_ms:.2},\"check_ms\":{check_ms:.3}}}",
            product_ms / check_ms
        );
    }
}

/// Milliseconds of a product and of its check.
fn times(side: u32) -> (f64, f64) {
    let product = product::Product::new(side);
    let batch = product.batch();
    let Ok(Op::Dot(dot)) = batch.graph().op(0) else {
        panic!("the graph is a product")
    };
    // In turns, so that a busy moment of the machine meets both.
    let (mut product, mut check) = (f64::MAX, f64::MAX);
    for round in 0..6u8 {
        let begin = Instant::now();
        let outputs = batch.item(0).unwrap();
        product = product.min(begin.elapsed().as_secs_f64());
        // The sums as a provider publishes them.
        let sums: Vec<i64> = outputs[0].values().into_iter().map(i64::from).collect();
        let tensors = batch.tensors(0, &outputs).unwrap();
        for again in 0..10u8 {
            let mut coins = Coins::new([10 * round + again; 32]);
            let begin = Instant::now();
            let test = ProductTest::new(&dot.product, &tensors, &mut coins).unwrap();
            let mut rows = (0..).zip(sums.chunks(side as usize));
            let is_right = rows.all(|(row, sums)| test.is_right(row, sums));
            check = check.min(begin.elapsed().as_secs_f64());
            assert!(black_box(is_right), "a right product always passes");
        }
    }
    (product * 1e3, check * 1e3)
}
