//! Building for the chain's virtual machine, sBPFv3: the program, and the probe that tests compare with native code.

mod compile;
mod elf;
mod inputs;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::program_id;
use crate::shell::{self, Step, say};
use crate::toolchain::{Toolchain, Tools};

/// A package of this workspace that is built for the chain's virtual machine.
#[derive(Clone, Copy)]
struct Artifact {
    /// What people call it.
    what: &'static str,
    package: &'static str,
    /// What its file is called.
    library: &'static str,
    /// What it is made of, apart from the lock file and the tools; its own folder comes first.
    sources: &'static [&'static str],
}

/// What is deployed.
const PROGRAM: Artifact = Artifact {
    what: "the program",
    package: "quern",
    library: "quern",
    sources: &["programs/quern", "crates/proof", "crates/rules"],
};

/// What tests compare with native code; it is never deployed.
const PROBE: Artifact = Artifact {
    what: "the probe",
    package: "quern-probe",
    library: "quern_probe",
    sources: &["tests/probe", "crates/proof"],
};

/// The keypair of another deployment, which the command is tested with.
const OTHER_DEPLOYMENT: &str = "crates/cli/tests/other-program.json";

impl Artifact {
    /// Its own folder.
    fn folder(&self) -> &'static Path {
        Path::new(self.sources.first().copied().unwrap_or_default())
    }
}

/// `cargo xtask build-program`: builds unless the program that is there was built from the same inputs. With `id`, a keypair
/// file or an address, it is built for that deployment: `target/deploy/quern-<address>.so`.
pub fn build(toolchain: Toolchain, force: bool, id: Option<&str>) -> Result<()> {
    let address = id.map(program_id::address).transpose()?;
    let tools = toolchain.prepare()?;
    build_artifact(&PROGRAM, &tools, force, address.as_deref())
}

/// What tests need: the program, the same for another deployment, and the probe.
pub fn build_for_tests() -> Result<()> {
    let tools = Toolchain::Auto.prepare()?;
    build_artifact(&PROGRAM, &tools, false, None)?;
    let other = program_id::address(&shell::root().join(OTHER_DEPLOYMENT).to_string_lossy())?;
    build_artifact(&PROGRAM, &tools, false, Some(&other))?;
    build_artifact(&PROBE, &tools, false, None)
}

fn build_artifact(
    artifact: &Artifact,
    tools: &Tools,
    force: bool,
    address: Option<&str>,
) -> Result<()> {
    let what = artifact.what;
    let root = shell::root();
    let name = match address {
        None => artifact.library.to_owned(),
        Some(address) => format!("{}-{address}", artifact.library),
    };
    let place = root.join("target/deploy").join(&name).with_extension("so");
    let note = place.with_extension("so.inputs");
    let settings = [tools.name(), &compile::FLAGS.join(" ")];
    let inputs = inputs::digest(&root, artifact.sources, &settings)?;
    if !force && inputs::recorded(&note, &place).is_some_and(|known| known == inputs) {
        say(format!(
            "{what} is up to date: {} bytes, {}",
            fs::metadata(&place)?.len(),
            tools.name()
        ));
        return Ok(());
    }
    let step = Step::start(format!(
        "Building {what} to sBPFv3 with {} (1 minute the first time, then seconds)",
        tools.name()
    ));
    let (workspace, library) = match address {
        None => (root.clone(), artifact.library),
        Some(address) => (
            program_id::copy(&root, artifact.sources, address)?,
            program_id::LIBRARY,
        ),
    };
    let named = Artifact {
        library,
        ..*artifact
    };
    let built = compile::compile(&workspace, &root, &named, tools)?;
    let program = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let checked = elf::check_is_v3(&program).and_then(|()| match artifact.package {
        "quern" => program_id::check(&root, &program, address),
        _ => Ok(()),
    });
    checked.with_context(|| format!("{} is not what was asked for", built.display()))?;
    fs::create_dir_all(place.parent().context("no folder for the program")?)?;
    let draft = place.with_extension("so.draft");
    fs::write(&draft, &program)?;
    fs::rename(&draft, &place)?;
    fs::write(
        &note,
        // The last line is for people and for the test that compares exact figures.
        format!(
            "{inputs}\n{}\n{}\n",
            inputs::hex(&Sha256::digest(&program)),
            tools.name()
        ),
    )?;
    step.done(format!(
        "target/deploy/{name}.so: {} bytes, sBPFv3",
        program.len()
    ));
    Ok(())
}
