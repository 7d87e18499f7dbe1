//! Measures the built program and the proof kernels; writes `docs/BENCHMARKS.md` and `target/bench/summary.json`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use {
    quern_tests::bench,
    serde_json::Value,
    std::{
        fs,
        path::{Path, PathBuf},
        process::{Command, ExitCode},
    },
};

fn main() -> ExitCode {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let figures = bench::measure();
    println!("{}", figures.tables());
    let Some((commitments, watchers)) =
        timings(&root, "commitment").zip(timings(&root, "freivalds"))
    else {
        eprintln!(
            "timing the kernels failed: the lines above say why; `cargo run --release -p quern-proof --example commitment` (or `freivalds`) does it alone"
        );
        return ExitCode::FAILURE;
    };
    println!(
        "| product of int8 matrices | its commitment, share of the product's time | goal |\n| --- | ---: | ---: |"
    );
    for share in &commitments {
        println!(
            "| {0} x {0} x {0} | {1} % | 25 % |",
            share["side"], share["percent"]
        );
    }
    println!(
        "\n| product of int8 matrices | computing it again takes, times a watcher's check | goal |\n| --- | ---: | ---: |"
    );
    for one in &watchers {
        println!("| {0} x {0} x {0} | {1} | 50 |", one["side"], one["ratio"]);
    }
    let file = root.join(bench::FILE);
    let text = fs::read_to_string(&file).unwrap_or_default();
    let text = figures.replace_in(&text);
    let text = match (text, bench::encoder::claim()) {
        (Some(text), Some(claim)) => {
            bench::encoder::replace_in(&text, &bench::encoder::convictions(claim))
        }
        (text, _) => {
            eprintln!("the encoder is not measured: its files are not here");
            text
        }
    };
    let Some(text) = text else {
        eprintln!(
            "{} has no markers for the figures; restore it from git",
            bench::FILE
        );
        return ExitCode::FAILURE;
    };
    fs::write(&file, text).expect("the file was just read");
    let summary = root.join("target/bench");
    fs::create_dir_all(&summary).expect("target can be written: this program was built there");
    let json = serde_json::json!({ "exact": figures, "commitment_percent_of_product": commitments, "product_times_of_a_check": watchers });
    fs::write(summary.join("summary.json"), format!("{json:#}\n")).expect("target can be written");
    eprintln!("wrote {} and target/bench/summary.json", bench::FILE);
    ExitCode::SUCCESS
}

/// Times need an optimised build, so they come from examples of the proof crate.
fn timings(root: &Path, example: &str) -> Option<Vec<Value>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root)
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "quern-proof",
            "--example",
            example,
            "--ignore-rust-version",
        ])
        .stderr(std::process::Stdio::inherit())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let lines: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .ok()?;
    (output.status.success() && !lines.is_empty()).then_some(lines)
}
