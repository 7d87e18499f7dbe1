//! The golden vectors are what this crate makes today, and an independent implementation makes the same from the design
//! alone (`tests/golden/check.py`).
//!
//! `cargo xtask golden` writes them again: it runs this test with `QUERN_WRITE_GOLDEN` set.
#![allow(clippy::unwrap_used, clippy::panic)]

mod vectors;

use std::{path::Path, process::Command};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

#[test]
fn vectors_are_not_stale() {
    let file = folder().join("proof.json");
    let now = vectors::text().unwrap();
    if std::env::var_os("QUERN_WRITE_GOLDEN").is_some() {
        std::fs::write(&file, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    // As JSON: the order of keys depends on how serde_json was built.
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        parsed(&committed) == parsed(&now),
        "tests/golden/proof.json is stale: if the change is meant, write it again with `cargo xtask golden`"
    );
}

#[test]
fn an_independent_implementation_agrees() {
    let Ok(output) = Command::new("python3")
        .arg(folder().join("check.py"))
        .output()
    else {
        println!("not checked: there is no python3 on this machine");
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    println!("{said}");
}
