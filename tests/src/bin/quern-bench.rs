//! Measures the built program and the proof kernels; writes `docs/BENCHMARKS.md` and `target/bench/summary.json`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use {
    quern_proof::{DType, Tensor, builder::ProgramBuilder, commit, eval, program::Program},
    quern_tests::bench,
    std::{fs, path::PathBuf, process::ExitCode, time::Instant},
};

/// Sizes of the square products whose time is compared with that of their commitment.
const SIDES: [u32; 2] = [1_000, 2_048];

fn main() -> ExitCode {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let figures = bench::measure();
    let ratios: Vec<_> = SIDES.into_iter().map(commitment_share).collect();
    println!("{}", figures.tables());
    println!(
        "| product of int8 matrices | commitment of the result, share of the product's time | goal |\n| --- | ---: | ---: |"
    );
    for (side, percent) in &ratios {
        println!("| {side} x {side} x {side} | {percent:.1} % | 25 % |");
    }
    let file = root.join(bench::FILE);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let Some(text) = figures.replace_in(&text) else {
        eprintln!(
            "{} has no markers for the exact figures; restore it from git",
            bench::FILE
        );
        return ExitCode::FAILURE;
    };
    fs::write(&file, text).expect("the file was just read");
    let summary = root.join("target/bench");
    fs::create_dir_all(&summary).expect("target can be written: this program was built there");
    let json = serde_json::json!({ "exact": figures, "commitment_percent_of_product": ratios });
    fs::write(summary.join("summary.json"), format!("{json:#}\n")).expect("target can be written");
    eprintln!("wrote {} and target/bench/summary.json", bench::FILE);
    ExitCode::SUCCESS
}

/// Best of five runs of both in this process: times of this machine are noisy, their ratio is not.
fn commitment_share(side: u32) -> (u32, f64) {
    let mut state = 1u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as i8
    };
    let count = (side * side) as usize;
    let values = |random: &mut dyn FnMut() -> i8| (0..count).map(|_| random()).collect::<Vec<_>>();
    let a = Tensor::from_i8(side, side, &values(&mut random)).unwrap();
    let b = Tensor::from_i8(side, side, &values(&mut random)).unwrap();
    let mut builder = ProgramBuilder::new();
    let left = builder.input_fixed(DType::I8, side, side);
    let right = builder.input_fixed(DType::I8, side, side);
    builder.matmul(left, right);
    let bytes = builder.finish().unwrap();
    let program = Program::parse(&bytes).unwrap();
    let inputs = [a, b];
    let (mut product, mut commitment) = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let begin = Instant::now();
        let outputs = eval::run(&program, 0, &inputs, &[]).unwrap();
        product = product.min(begin.elapsed().as_secs_f64());
        let begin = Instant::now();
        std::hint::black_box(commit::data_root(&outputs[0]));
        commitment = commitment.min(begin.elapsed().as_secs_f64());
    }
    (side, 100.0 * commitment / product)
}
