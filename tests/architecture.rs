//! The architecture invariants of `docs/ARCHITECTURE.md` that a test can check: who depends on whom, and what stands where.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Normal and build dependencies of each of our packages, by package name.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let names = package["dependencies"].as_array().unwrap().iter();
            let names = names
                .filter(|one| one["kind"] != "dev")
                .map(|one| one["name"].as_str().unwrap().to_owned());
            (
                package["name"].as_str().unwrap().to_owned(),
                names.collect(),
            )
        })
        .collect()
}

fn ours(names: &[String]) -> Vec<&str> {
    let mut ours: Vec<_> = names
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("quern"))
        .collect();
    ours.sort_unstable();
    ours.dedup();
    ours
}

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, into: &mut Vec<(PathBuf, String)>) {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|end| end == "rs") {
                into.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut files = Vec::new();
    walk(&root().join(folder), &mut files);
    assert!(!files.is_empty(), "{folder} has no sources");
    files
}

#[test]
fn rules_and_proof_stand_alone() {
    let all = dependencies();
    for name in ["quern-rules", "quern-proof"] {
        assert_eq!(ours(&all[name]), [] as [&str; 0], "{name}");
        for dependency in &all[name] {
            let is_chain = dependency.starts_with("anchor")
                || dependency.starts_with("solana-sdk")
                || dependency == "tokio";
            assert!(!is_chain, "{name} depends on {dependency}");
        }
    }
    for folder in ["crates/rules/src", "crates/proof/src"] {
        for (path, text) in sources(folder) {
            for word in ["std::fs", "std::net", "std::time", "SystemTime"] {
                assert!(!text.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn the_program_depends_on_rules_and_proof_only() {
    assert_eq!(
        ours(&dependencies()["quern"]),
        ["quern-proof", "quern-rules"]
    );
}

#[test]
fn only_the_client_depends_on_the_program() {
    for (name, names) in dependencies() {
        let may = ["quern-client", "quern-tests"].contains(&name.as_str());
        assert!(
            may || !names.iter().any(|one| one == "quern"),
            "{name} depends on the program"
        );
    }
}

#[test]
fn followers_do_not_depend_on_each_other() {
    let all = dependencies();
    let forbidden = [
        (
            "quern-indexer",
            ["quern-node", "quern-cli", "quern-localnet"],
        ),
        (
            "quern-node",
            ["quern-indexer", "quern-cli", "quern-localnet"],
        ),
        (
            "quern-client",
            ["quern-indexer", "quern-node", "quern-localnet"],
        ),
        ("quern-cli", ["quern-indexer", "quern", "quern-tests"]),
    ];
    for (name, others) in forbidden {
        for other in others {
            assert!(
                !ours(&all[name]).contains(&other),
                "{name} depends on {other}"
            );
        }
    }
}

#[test]
fn instructions_do_no_arithmetic_on_money() {
    for (path, text) in sources("programs/quern/src/instructions") {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for operator in [" * ", " / ", " % ", "checked_mul", "checked_div"] {
                let is_money = code.contains("atoms") || code.contains("bps");
                assert!(
                    !(is_money && code.contains(operator)),
                    "{}:{}: {line}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn sql_stands_in_the_store() {
    for (path, text) in sources("indexer/src") {
        let is_store = path.components().any(|part| part.as_os_str() == "store");
        assert!(
            is_store || !text.contains("sqlx::query"),
            "{} has SQL",
            path.display()
        );
    }
}

#[test]
fn no_unsafe_outside_the_program() {
    for folder in [
        "crates/rules/src",
        "crates/proof/src",
        "crates/client/src",
        "crates/node/src",
        "crates/cli/src",
        "indexer/src",
    ] {
        for (path, text) in sources(folder) {
            let found = text.lines().any(|line| {
                let code = line.split("//").next().unwrap();
                code.contains("unsafe ") && !code.contains("unsafe_code")
            });
            assert!(!found, "{} uses unsafe", path.display());
        }
    }
}
