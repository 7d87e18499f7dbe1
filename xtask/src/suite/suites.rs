//! The suites of the inner loop; docs/TESTING.md says which one a change needs.

use crate::shell;

/// A part of the tests that runs alone.
pub struct Suite {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it tests.
    pub what: &'static str,
    /// Whose tests; one that the workspace does not have is left out.
    packages: &'static [&'static str],
    /// Further arguments of `cargo test`.
    args: &'static [&'static str],
    /// Whether it runs the built program.
    pub needs_program: bool,
}

/// Without the local network a test of bytecode builds in a fraction of the time.
const BYTECODE: &[&str] = &["quern-tests"];

/// Features that are off unless somebody asks for them; lints and tests do. Builds of the commands leave them out, so both are compiled.
pub const OPTIONAL: &[&str] = &["--features", "quern-indexer/yellowstone"];

/// All of them. Together they name every package of the workspace.
const ALL: &[Suite] = &[
    suite("rules", "money and time", &["quern-rules"], &[], false),
    suite(
        "proof",
        "graphs, commitments and evidence",
        &["quern-proof"],
        &[],
        false,
    ),
    suite(
        "import",
        "float models to graphs, and their quality",
        &["quern-import"],
        &[],
        false,
    ),
    suite(
        "client",
        "addresses, instructions, decoding",
        &["quern-client"],
        &[],
        false,
    ),
    suite(
        "program",
        "the bytecode, one file an instruction",
        BYTECODE,
        &["--no-default-features", "--test", "program"],
        true,
    ),
    suite(
        "protocol",
        "payoffs, delays and the committed figures",
        BYTECODE,
        &["--no-default-features", "--test", "protocol"],
        true,
    ),
    suite(
        "architecture",
        "who may depend on whom",
        BYTECODE,
        &["--no-default-features", "--test", "architecture"],
        false,
    ),
    suite(
        "unit",
        "the program crate on the host",
        &["quern"],
        &[],
        false,
    ),
    suite(
        "data",
        "fetching and publishing",
        &["quern-data"],
        &[],
        false,
    ),
    suite(
        "provider",
        "the provider's agent",
        &["quern-provider"],
        &[],
        false,
    ),
    suite("watcher", "the watcher", &["quern-watcher"], &[], false),
    suite("deploy", "the deployer", &["quern-deploy"], &[], true),
    suite(
        "gateway",
        "the gateway and its HTTP front",
        &["quern-gateway", "quern-serve"],
        &[],
        false,
    ),
    suite(
        "indexer",
        "indexer and HTTP API",
        &["quern-indexer", "quern-api"],
        OPTIONAL,
        false,
    ),
    suite(
        "cli",
        "the command line, its logs and man pages",
        &["quern-cli", "quern-process"],
        &[],
        true,
    ),
    suite(
        "localnet",
        "the local network",
        &["quern-localnet"],
        &[],
        true,
    ),
    suite(
        "e2e",
        "everything together over RPC",
        BYTECODE,
        &["--test", "e2e_*"],
        true,
    ),
    suite("demo", "the demo", &["quern-demo"], &[], true),
    suite(
        "tools",
        "this task runner, a release, the test kit and the probe",
        &["xtask", "quern-testkit", "quern-probe"],
        &[],
        true,
    ),
];

const fn suite(
    name: &'static str,
    what: &'static str,
    packages: &'static [&'static str],
    args: &'static [&'static str],
    needs_program: bool,
) -> Suite {
    Suite {
        name,
        what,
        packages,
        args,
        needs_program,
    }
}

/// The suite of that name.
pub fn named(name: &str) -> Option<&'static Suite> {
    ALL.iter().find(|suite| suite.name == name)
}

/// The names of all, for the help text.
pub fn names() -> String {
    let names: Vec<_> = ALL.iter().map(|suite| suite.name).collect();
    names.join(", ")
}

impl Suite {
    /// Whether it runs a PostgreSQL of its own.
    pub fn needs_database(&self) -> bool {
        self.packages.contains(&"quern-indexer")
    }

    /// What `cargo test` is told.
    pub fn arguments(&self) -> Vec<String> {
        let lock = std::fs::read_to_string(shell::root().join("Cargo.lock")).unwrap_or_default();
        let is_member = |package: &&&str| lock.contains(&format!("name = \"{package}\"\n"));
        self.packages
            .iter()
            .filter(is_member)
            .flat_map(|package| ["--package", package])
            .chain(self.args.iter().copied())
            .map(str::to_owned)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    #[test]
    fn every_package_of_the_workspace_is_in_a_suite() {
        let root = shell::root();
        let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
        let (_, rest) = manifest.split_once("members = [").unwrap();
        let (members, _) = rest.split_once("\n]").unwrap();
        let folders = members.split('"').skip(1).step_by(2);
        for folder in folders {
            let manifest = fs::read_to_string(root.join(folder).join("Cargo.toml")).unwrap();
            let (_, rest) = manifest.split_once("name = \"").unwrap();
            let (name, _) = rest.split_once('"').unwrap();
            assert!(
                ALL.iter().any(|suite| suite.packages.contains(&name)),
                "{name} is in no suite: add it to one, and to the table of docs/TESTING.md"
            );
        }
    }

    #[test]
    fn no_name_stands_twice() {
        for suite in ALL {
            assert_eq!(
                ALL.iter().filter(|other| other.name == suite.name).count(),
                1
            );
            assert!(named(suite.name).is_some());
        }
        assert!(named("-p").is_none());
    }
}
