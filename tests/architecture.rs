//! The architecture invariants of `docs/ARCHITECTURE.md` that a test can check: who depends on whom, and what stands where.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
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
            if path.components().any(|part| part.as_os_str() == "tests") {
                continue;
            }
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
        let may = ["quern-client", "quern-testkit", "quern-tests"].contains(&name.as_str());
        assert!(
            may || !names.iter().any(|one| one == "quern"),
            "{name} depends on the program"
        );
    }
}

/// What tests share stays out of what ships.
#[test]
fn only_tests_and_demo_depend_on_the_testkit() {
    for (name, names) in dependencies() {
        let may = ["quern-demo", "quern-tests"].contains(&name.as_str());
        assert!(
            may || !names.iter().any(|one| one == "quern-testkit"),
            "{name} depends on the testkit"
        );
    }
}

/// All of our packages that a package builds upon, directly or not.
fn below(all: &BTreeMap<String, Vec<String>>, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![name.to_owned()];
    while let Some(next) = left.pop() {
        for one in ours(&all[&next]) {
            if found.insert(one.to_owned()) {
                left.push(one.to_owned());
            }
        }
    }
    found
}

#[test]
fn followers_do_not_depend_on_each_other() {
    let all = dependencies();
    let forbidden: [(&str, &[&str]); 7] = [
        (
            "quern-indexer",
            &["quern-data", "quern-provider", "quern-watcher", "quern-cli"],
        ),
        (
            "quern-provider",
            &["quern-watcher", "quern-indexer", "quern-cli"],
        ),
        (
            "quern-watcher",
            &["quern-provider", "quern-indexer", "quern-cli"],
        ),
        (
            "quern-gateway",
            &["quern-provider", "quern-indexer", "quern-cli"],
        ),
        (
            "quern-data",
            &[
                "quern-provider",
                "quern-watcher",
                "quern-indexer",
                "quern-cli",
            ],
        ),
        (
            "quern-deploy",
            &[
                "quern-data",
                "quern-provider",
                "quern-watcher",
                "quern-indexer",
            ],
        ),
        ("quern-cli", &["quern-indexer", "quern-tests"]),
    ];
    for (name, others) in forbidden {
        let below = below(&all, name);
        for other in others {
            assert!(!below.contains(*other), "{name} depends on {other}");
        }
        let is_local = below.contains("quern-localnet");
        assert!(
            name == "quern-cli" || !is_local,
            "{name} depends on the local network"
        );
    }
}

#[test]
fn nothing_but_the_program_and_its_parts_is_below_the_client() {
    let all = dependencies();
    let found = below(&all, "quern-client");
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["quern", "quern-proof", "quern-rules"]);
    for name in ["quern-data", "quern-deploy"] {
        assert!(ours(&all[name]).contains(&"quern-client"), "{name}");
    }
}

/// Printing a job, its history and its outcome takes the client alone.
#[test]
fn the_command_line_needs_neither_provider_nor_watcher_to_print_a_job() {
    let may = [
        "commands/provider/run.rs",
        // What agents with usual settings leave alone is said before a job is created.
        "commands/job/create/warnings.rs",
        "commands/watch.rs",
        // A local network runs a provider of its own.
        "commands/localnet/serve.rs",
        // It checks what it asked for.
        "commands/embed.rs",
        "src/error.rs",
        "src/lib.rs",
    ];
    for (path, text) in sources("crates/cli/src") {
        let is_follower = may.iter().any(|end| path.ends_with(end));
        for name in ["quern_provider", "quern_watcher"] {
            let is_named = text.contains(name);
            assert!(is_follower || !is_named, "{} names {name}", path.display());
        }
    }
}

/// Layouts and seeds: whoever names one would have to change with the program.
#[test]
fn only_the_client_names_layouts_and_seeds() {
    for folder in [
        "crates/data/src",
        "crates/deploy/src",
        "crates/provider/src",
        "crates/watcher/src",
        "crates/gateway/src",
        "crates/cli/src",
    ] {
        for (path, text) in sources(folder) {
            for word in ["find_program_address", "try_from_bytes", "from_bytes::<"] {
                assert!(!text.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn html_stands_in_the_web_folder() {
    for folder in ["indexer/src", "crates/api/src", "crates/cli/src"] {
        if !root().join(folder).exists() {
            continue;
        }
        for (path, text) in sources(folder) {
            let is_web = path.components().any(|part| part.as_os_str() == "web");
            let has_html = ["<html", "<body", "<div", "text/html"]
                .iter()
                .any(|tag| text.contains(tag));
            assert!(is_web || !has_html, "{} has HTML", path.display());
        }
    }
}

#[test]
fn foreign_model_formats_stand_in_the_importer() {
    for (name, names) in dependencies() {
        for format in ["onnx", "tract", "safetensors", "candle", "gguf"] {
            let is_known = names.iter().any(|one| one.contains(format));
            assert!(name == "quern-import" || !is_known, "{name} reads {format}");
        }
    }
}

/// A model is made without a chain, a network or a node.
#[test]
fn the_importer_builds_upon_the_proofs_alone() {
    let all = dependencies();
    assert_eq!(ours(&all["quern-import"]), ["quern-proof"]);
    for dependency in &all["quern-import"] {
        let is_online = ["tokio", "reqwest", "hyper", "hf-hub"].contains(&dependency.as_str());
        let is_chain = dependency.starts_with("anchor") || dependency.starts_with("solana");
        assert!(
            !is_online && !is_chain,
            "the importer depends on {dependency}"
        );
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
fn sql_stands_in_the_engines_of_the_store() {
    let engines = ["indexer/src/store/sqlite", "indexer/src/store/postgres"];
    for folder in ["indexer/src", "crates", "demo", "tests/src"] {
        if !root().join(folder).exists() {
            continue;
        }
        for (path, text) in sources(folder) {
            let inside = path.strip_prefix(root()).unwrap();
            if engines.iter().any(|engine| inside.starts_with(engine)) {
                continue;
            }
            for sql in [
                "sqlx::query",
                "SELECT ",
                "INSERT INTO ",
                "DELETE FROM ",
                "CREATE TABLE ",
            ] {
                assert!(!text.contains(sql), "{} has SQL", path.display());
            }
        }
    }
}

#[test]
fn the_api_depends_on_no_crate_of_ours() {
    let all = dependencies();
    assert_eq!(ours(&all["quern-api"]), [] as [&str; 0]);
    for dependency in &all["quern-api"] {
        let is_chain = dependency.starts_with("anchor") || dependency.starts_with("solana");
        assert!(!is_chain, "quern-api depends on {dependency}");
    }
    for (name, names) in &all {
        let may = [
            "quern-indexer",
            "quern-cli",
            "quern-gateway",
            "quern-demo",
            "quern-testkit",
            "quern-tests",
        ];
        assert!(
            may.contains(&name.as_str()) || !ours(names).contains(&"quern-api"),
            "{name} depends on the API"
        );
    }
}

/// The one module outside the program that may have it: docs/decisions/033.
const UNSAFE: &str = "crates/proof/src/kernel/tiles/";

/// The program is built without the feature `std`, and so without that module.
#[test]
fn the_program_leaves_the_unsafe_module_out() {
    let kernel = fs::read_to_string(root().join("crates/proof/src/kernel/mod.rs")).unwrap();
    let parts: Vec<&str> = kernel.split("mod tiles;").collect();
    assert_eq!(
        parts.len(),
        3,
        "tiles, and what stands where there are none"
    );
    for part in &parts[..2] {
        let attribute = part.rsplit("#[cfg(").next().unwrap();
        assert!(
            attribute.starts_with("all(feature = \"std\""),
            "{attribute}"
        );
    }
    let manifest = fs::read_to_string(root().join("programs/quern/Cargo.toml")).unwrap();
    let proof = manifest.lines().find(|line| line.contains("quern-proof"));
    assert!(!proof.unwrap().contains("std"), "{proof:?}");
}

#[test]
fn no_unsafe_outside_the_program() {
    for folder in [
        "crates/rules/src",
        "crates/proof/src",
        "crates/client/src",
        "crates/data/src",
        "crates/deploy/src",
        "crates/provider/src",
        "crates/watcher/src",
        "crates/cli/src",
        "crates/api/src",
        "crates/gateway/src",
        "crates/serve/src",
        "indexer/src",
    ] {
        for (path, text) in sources(folder) {
            let found = text.lines().any(|line| {
                let code = line.split("//").next().unwrap();
                let is_allowed = code.contains("allow(unsafe_code)");
                is_allowed || code.contains("unsafe ") && !code.contains("unsafe_code")
            });
            let may = path.strip_prefix(root()).unwrap().starts_with(UNSAFE);
            assert!(may || !found, "{} uses unsafe", path.display());
        }
    }
}

/// A transaction that comes too late, or costs more than it is worth, loses money. So every method of provider and watcher that
/// sends names its errand, which states deadline and worth; `RpcChain` gives no sender without one. A new method gets a line here.
#[test]
fn every_transaction_of_provider_and_watcher_names_its_errand() {
    let expected = [
        ("take", "Errand::unhurried(job)"),
        ("submit", "Errand::before_deadline(job)"),
        ("reveal", "errand(answers)"),
        ("finalize", "Errand::anytime()"),
        ("claim", "Errand::anytime()"),
        ("ask", "Errand::demand(job)"),
        ("answer", "Errand::demand(job)"),
        ("convict", "Errand::before_payment(job)"),
        ("timeout", "Errand::unhurried(job)"),
        ("settle_conviction", "Errand::anytime()"),
        ("tidy", "Errand::anytime()"),
    ];
    let mut sending = Vec::new();
    for folder in ["crates/provider/src", "crates/watcher/src"] {
        for (path, text) in sources(folder) {
            assert!(
                !text.contains("Sender::new(") && !text.contains("Sender::over("),
                "{path:?}"
            );
            for method in text.split("async fn ").skip(1) {
                if method.contains(".sender(") {
                    let name = method.split('(').next().unwrap_or_default();
                    sending.push((name.to_owned(), method.to_owned()));
                }
            }
        }
    }
    let names: Vec<&str> = sending.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected.map(|(name, _)| name));
    for ((name, method), (_, errand)) in sending.iter().zip(expected) {
        assert!(method.contains(errand), "{name} does not name {errand}");
    }
}
