//! The committed figures are those of the built program.

#![allow(clippy::unwrap_used, clippy::panic)]

use {quern_tests::bench, std::path::PathBuf};

#[test]
fn committed_figures_are_those_of_the_built_program() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(bench::FILE);
    let committed = std::fs::read_to_string(file).unwrap();
    let measured = bench::measure().replace_in(&committed).unwrap();
    assert!(
        committed == measured,
        "figures have drifted: run `cargo xtask bench` and commit {}; measured now:\n{}",
        bench::FILE,
        bench::measure().tables()
    );
}

#[test]
fn figures_do_not_change_between_runs() {
    assert_eq!(bench::measure(), bench::measure());
}
