//! Other people's clients against the committed IDL: Anchor's library under both names, Codama with kit, anchorpy3, Rust's
//! `declare_program!`, and the two examples, which run a whole job on a local network. OpenAI's libraries and LangChain against
//! the gateway.
//!
//! Every client has a lock file in the checkout. What is downloaded stays in the cache folder; everything runs in a copy below
//! `target/clients`, so a folder in which you try an example is left alone.

mod gateway;
mod install;
mod network;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache;
use crate::shell::{self, Step, say};
use gateway::Gateway;
use network::Network;

/// What the suite is called.
pub const NAME: &str = "clients";
/// What both examples must print: an error in words, a decoded account, a settlement.
const WANTED: [&str; 3] = [
    "The amount is zero",
    "free atoms",
    "the provider got 1950000 atoms",
];

/// Python packages of the example, of anchorpy3, and numpy for the package in clients/python.
const EXAMPLE: &str = "examples/python/requirements.txt";
const ANCHORPY: &str = "tests/clients/python/requirements.txt";
const NUMPY: &str = "tests/clients/python/numpy.txt";
/// OpenAI's library, and LangChain's use of it.
const OPENAI: &str = "tests/clients/gateway/requirements.txt";
const LANGCHAIN: &str = "examples/langchain/requirements.txt";
/// Requests of the batches that OpenAI's libraries send.
const BATCH_REQUESTS: [&str; 2] = ["10000", "100"];

/// What one client is asked.
type Check = (&'static str, fn(&Workplace) -> Result<()>);

const CHECKS: &[Check] = &[
    ("Rust's declare_program!", Workplace::rust),
    ("@anchor-lang/core", |place| {
        place.node(&["tests/clients/node/anchor.mjs", "@anchor-lang/core"])
    }),
    ("@coral-xyz/anchor", |place| {
        place.node(&["tests/clients/node/anchor.mjs", "@coral-xyz/anchor"])
    }),
    ("Codama with kit", Workplace::codama),
    ("anchorpy3", |place| {
        place.python(ANCHORPY, &["tests/clients/python/check.py"])
    }),
    ("roots in TypeScript", |place| {
        place.node(&["tests/clients/node/roots.mjs"])
    }),
    ("roots in Python", |place| {
        place.python(EXAMPLE, &["tests/clients/python/roots.py"])
    }),
    ("the Python package with numpy", |place| {
        place.python(NUMPY, &["tests/golden/check.py", "--fast"])?;
        place.python(NUMPY, &["tests/golden/cells.py", "--fast"])
    }),
    ("the digits model in Python", |place| {
        place.python(NUMPY, &["models/digits/reference.py"])
    }),
];

/// Runs every check and both examples; says of each what went wrong. Returns how many passed and how many failed.
pub fn run(problems: &mut Vec<String>) -> (u64, u64) {
    let step =
        Step::start("Other people's clients (up to 6 minutes the first time, then about one)");
    let (mut passed, mut failed) = (0, 0);
    let mut note = |name: &str, outcome: Result<()>| match outcome {
        Ok(()) => passed += 1,
        Err(error) => {
            problems.push(format!("client {name}: {error:#}"));
            failed += 1;
        }
    };
    match Workplace::prepare() {
        Err(error) => note("tools", Err(error)),
        Ok(place) => {
            for (name, check) in CHECKS {
                note(name, check(&place));
            }
            let network = network::home(&place.root, "network")
                .and_then(|home| Network::start(&place.root, &home, &[]));
            match network {
                Err(error) => note("network", Err(error)),
                Ok(network) => {
                    note(
                        "example in TypeScript",
                        place.typescript_example(&network, "."),
                    );
                    note(
                        "example in TypeScript with @coral-xyz/anchor",
                        place.typescript_example(&network, "coral"),
                    );
                    note("example in Python", place.python_example(&network));
                }
            }
            match Gateway::start(&place.root) {
                Err(error) => note("gateway", Err(error)),
                Ok(gateway) => {
                    note("openai of Python", place.openai_python(&gateway));
                    note("openai of JavaScript", place.openai_node(&gateway));
                    note("LangChain", place.langchain(&gateway));
                }
            }
        }
    }
    step.done(format!("{passed} clients work, {failed} do not"));
    (passed, failed)
}

/// A copy of what the clients read and run, with what they need installed beside it.
struct Workplace {
    /// The checkout.
    root: PathBuf,
    /// The copy.
    folder: PathBuf,
}

impl Workplace {
    fn prepare() -> Result<Self> {
        install::ensure_tools()?;
        let root = shell::root();
        let folder = root.join("target/clients");
        cache::remove(&folder)?;
        for part in [
            "idl",
            "examples/ts",
            "examples/python",
            "examples/langchain",
            "clients/python",
            "models/digits",
            "tests/clients",
            "tests/golden",
        ] {
            copy(&root.join(part), &folder.join(part))?;
        }
        let place = Self { root, folder };
        for project in ["examples/ts", "tests/clients/node", "tests/clients/gateway"] {
            let installed = install::node(&place.root.join(project))?;
            link(&installed, &place.folder.join(project).join("node_modules"))?;
        }
        place.compile("examples/ts")?;
        // The same example with the library's other name.
        let build = place.folder.join("examples/ts/build");
        cache::copy(&build, &place.folder.join("coral/examples/ts/build"))?;
        fs::copy(
            build.join("../package.json"),
            place.folder.join("coral/examples/ts/package.json"),
        )?;
        let coral = place
            .folder
            .join("tests/clients/node/node_modules/@coral-xyz/anchor");
        let library = place
            .folder
            .join("coral/examples/ts/node_modules/@anchor-lang/core");
        link(&fs::canonicalize(coral)?, &library)?;
        Ok(place)
    }

    /// Runs the TypeScript compiler in a folder.
    fn compile(&self, project: &str) -> Result<()> {
        let mut tsc = Command::new("node");
        tsc.arg("node_modules/typescript/bin/tsc")
            .current_dir(self.folder.join(project));
        shell::must(
            &mut tsc,
            "The IDL's type, or a generated client, does not compile.",
        )
    }

    fn rust(&self) -> Result<()> {
        let folder = self.folder.join("tests/clients/rust");
        copy(&self.folder.join("idl"), &folder.join("idls"))?;
        shell::must(
            shell::cargo()
                .current_dir(&folder)
                .args(["check", "--quiet", "--locked", "--ignore-rust-version"])
                .env("CARGO_TARGET_DIR", cache::folder()?.join("clients-rust")),
            "A Rust program cannot call this one.",
        )
    }

    fn codama(&self) -> Result<()> {
        const GENERATED: &str = "tests/clients/node/generated";
        self.node(&["tests/clients/node/codama-generate.mjs", GENERATED])?;
        self.compile("tests/clients/node")?;
        let built = format!("{GENERATED}/build");
        self.node(&["tests/clients/node/codama-check.mjs", &built])
    }

    fn typescript_example(&self, network: &Network, place: &str) -> Result<()> {
        let program = format!("{place}/examples/ts/build/examples/ts/job.js");
        let mut example = Command::new("node");
        example.arg(program).args(network.arguments());
        expect(example.current_dir(&self.folder))
    }

    fn python_example(&self, network: &Network) -> Result<()> {
        let mut example = self.python_command(EXAMPLE)?;
        example
            .arg("examples/python/job.py")
            .args(network.arguments());
        expect(&mut example)
    }

    fn openai_python(&self, gateway: &Gateway) -> Result<()> {
        let mut check = self.python_command(OPENAI)?;
        check.arg("tests/clients/gateway/check.py");
        self.application(gateway, check.args([gateway::MODEL, BATCH_REQUESTS[0]]))
    }

    fn openai_node(&self, gateway: &Gateway) -> Result<()> {
        let mut check = Command::new("node");
        check.arg("tests/clients/gateway/check.mjs");
        check.current_dir(&self.folder);
        self.application(gateway, check.args([gateway::MODEL, BATCH_REQUESTS[1]]))
    }

    /// The nearest sentence comes first.
    fn langchain(&self, gateway: &Gateway) -> Result<()> {
        let mut example = self.python_command(LANGCHAIN)?;
        example.arg("examples/langchain/embeddings.py");
        gateway.tell(example.args([gateway::MODEL, "w5 w9", "w100 w101 w102", "w5 w9"]));
        let said = shell::output(&mut example)?;
        said.lines().for_each(say);
        match said.lines().next() {
            Some("1.0000  w5 w9") => Ok(()),
            _ => bail!("the example did not find the same sentence first"),
        }
    }

    fn application(&self, gateway: &Gateway, application: &mut Command) -> Result<()> {
        gateway.tell(application);
        shell::must(
            application,
            "The lines above say what the gateway did not do.",
        )
    }

    fn node(&self, args: &[&str]) -> Result<()> {
        let mut node = Command::new("node");
        node.args(args).current_dir(&self.folder);
        shell::must(
            &mut node,
            "The lines above say what the client does not understand.",
        )
    }

    fn python(&self, list: &str, args: &[&str]) -> Result<()> {
        shell::must(
            self.python_command(list)?.args(args),
            "The lines above say what the client does not understand.",
        )
    }

    fn python_command(&self, list: &str) -> Result<Command> {
        let packages = install::python(&self.root.join(list))?;
        let mut python = Command::new("python3");
        python.env("PYTHONPATH", packages).current_dir(&self.folder);
        Ok(python)
    }
}

/// Runs an example and looks for what it must have said.
fn expect(example: &mut Command) -> Result<()> {
    let said = shell::output(example)?;
    said.lines().for_each(say);
    for wanted in WANTED {
        if !said.contains(wanted) {
            bail!("the example did not print `{wanted}`");
        }
    }
    Ok(())
}

/// Copies a folder without what is installed or built in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let skipped = [
        "node_modules",
        "build",
        "generated",
        "target",
        "idls",
        "__pycache__",
    ]
    .map(OsStr::new);
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for item in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let (source, name) = item.map(|item| (item.path(), item.file_name()))?;
        if skipped.contains(&name.as_os_str()) {
            continue;
        }
        if source.is_dir() {
            copy(&source, &to.join(name))?;
        } else {
            fs::copy(&source, to.join(name))
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

/// A link to a folder, with the folders above it.
fn link(target: &Path, place: &Path) -> Result<()> {
    fs::create_dir_all(place.parent().context("a link needs a folder")?)?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(target, place)
        .with_context(|| format!("cannot link {}", place.display()))?;
    #[cfg(not(unix))]
    cache::copy(target, place)?;
    Ok(())
}
