//! The golden vectors are what this crate makes today, and an independent implementation makes the same.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{path::Path, process::Command};

#[allow(dead_code)]
#[path = "../examples/golden.rs"]
mod golden;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

#[test]
fn vectors_are_not_stale() {
    let committed = std::fs::read_to_string(folder().join("proof.json")).unwrap();
    let now = golden::text().unwrap();
    // As JSON: the order of keys depends on how serde_json was built.
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert!(
        parsed(&committed) == parsed(&now),
        "tests/golden/proof.json is stale: if the change is meant, write it again (see examples/golden.rs)"
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
