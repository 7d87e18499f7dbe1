//! The golden vectors of commitments are what this crate makes today, and an independent implementation makes the
//! same from the design alone (`tests/golden/check.py`).
//!
//! `cargo xtask golden` writes them again: it runs this test with `QUERN_WRITE_GOLDEN` set.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod vectors;

use std::{path::Path, process::Command};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden")
}

#[test]
fn vectors_are_not_stale() {
    let file = folder().join("proof.json");
    let now = vectors::document();
    if std::env::var_os("QUERN_WRITE_GOLDEN").is_some() {
        let text = serde_json::to_string(&now).unwrap() + "\n";
        std::fs::write(&file, text).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    let committed: serde_json::Value = serde_json::from_str(&committed).unwrap();
    assert!(
        committed == now,
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
