//! Times a 1000 x 1000 x 1000 product and the commitment of its result: `cargo run --release -p quern-proof --example speed`.

use std::{error::Error, time::Instant};

use quern_proof::{DType, Graph, Tensor, builder::GraphBuilder, commit, eval};

fn main() -> Result<(), Box<dyn Error>> {
    const N: u32 = 1000;
    let fill = |seed: u32| {
        let data = (0..N * N)
            .map(|i| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        Tensor::from_bytes(DType::I8, N, N, data)
    };
    let inputs = [fill(1)?, fill(7)?];
    let mut builder = GraphBuilder::new();
    let a = builder.input_fixed(DType::I8, N, N);
    let b = builder.input_fixed(DType::I8, N, N);
    builder.matmul(a, b);
    let bytes = builder.finish()?;
    let graph = Graph::parse(&bytes)?;

    // The best of several: what the machine does when nothing else runs on it.
    let (mut product_secs, mut commitment_secs) = (f64::MAX, f64::MAX);
    for _ in 0..7 {
        let start = Instant::now();
        let outputs = eval::run(&graph, 0, &inputs, &[])?;
        product_secs = product_secs.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let root = outputs.first().map(commit::data_root);
        commitment_secs = commitment_secs.min(start.elapsed().as_secs_f64());
        std::hint::black_box(root);
    }
    println!(
        "product {:.1} ms, commitment {:.1} ms: {:.1} %",
        product_secs * 1e3,
        commitment_secs * 1e3,
        commitment_secs / product_secs * 100.0
    );
    Ok(())
}
