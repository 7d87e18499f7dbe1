//! Measures the built program; writes `docs/BENCHMARKS.md` and `target/bench/summary.json`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use {
    quern_tests::bench,
    std::{fs, path::PathBuf, process::ExitCode},
};

fn main() -> ExitCode {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let figures = bench::measure();
    println!("{}", figures.tables());
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
    let json = serde_json::json!({ "exact": figures });
    fs::write(summary.join("summary.json"), format!("{json:#}\n")).expect("target can be written");
    eprintln!("wrote {} and target/bench/summary.json", bench::FILE);
    ExitCode::SUCCESS
}
