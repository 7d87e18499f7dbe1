//! Building for the chain's virtual machine, sBPFv3: the program, and the probe that tests compare with native code.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use sha2::{Digest, Sha256};

use crate::program_id;
use crate::setup::{self, Upstream};
use crate::shell::{self, Step, say, which};

/// A package of this workspace that is built for the chain's virtual machine.
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

/// Compiler flags of the upstream way.
const FLAGS: &[&str] = &[
    "-Clinker=sbpf-linker",
    "-Clinker-plugin-lto",
    "-Cpanic=immediate-abort",
    "-Zunstable-options",
    // One thread: atomics become plain loads and stores.
    "-Cpasses=lower-atomic",
    "-Crelocation-model=static",
    "-Ctarget-cpu=v3",
    "-Clink-arg=--arch=v3",
    // The virtual machine reads and writes at any address; without this, every field of a packed account is put together
    // from single bytes, which doubles both size and compute units.
    "-Clink-arg=--cpu-features=+allows-misaligned-mem-access",
    "-Clink-arg=--llvm-args=-bpf-stack-size=4096",
    // LLVM's link-time passes know no level "s" or "z", which a profile may ask for; functions carry that wish themselves.
    "-Clink-arg=-O3",
    // Large loops stay loops: the walk over an instruction's accounts, unrolled in every handler, is a sixth of the program
    // and saves no compute units. Both the compiler and the linker optimise.
    "-Cllvm-args=-unroll-threshold=130",
    "-Clink-arg=--llvm-args=-unroll-threshold=130",
    // We put the file in its place ourselves, when it is complete.
    "-Clink-arg=--deploy=false",
    "--cfg=target_os=\"solana\"",
    "-Aexplicit_builtin_cfgs_in_flags",
    // Anchor's macros ask for cfgs that only Solana's own compiler knows.
    "-Aunexpected_cfgs",
];

/// Which way to build the program.
#[derive(Clone, Copy, Default, ValueEnum)]
pub enum Toolchain {
    /// Solana's own tools when they are there, otherwise upstream
    #[default]
    Auto,
    /// `cargo build-sbf`
    Solana,
    /// Upstream Rust with sbpf-linker
    Upstream,
}

/// A way that was chosen.
pub enum Way {
    /// Solana's own tools, with what they say of their version.
    Solana(String),
    /// Upstream Rust with sbpf-linker.
    Upstream,
}

impl Artifact {
    /// Its own folder.
    fn folder(&self) -> &'static Path {
        Path::new(self.sources.first().copied().unwrap_or_default())
    }
}

impl Toolchain {
    /// Looks at what is installed.
    pub fn choose(self) -> Result<Way> {
        match self {
            Self::Upstream => Ok(Way::Upstream),
            Self::Auto => match solana_tools() {
                Ok(version) => Ok(Way::Solana(version)),
                Err(_) => Ok(Way::Upstream),
            },
            Self::Solana => Ok(Way::Solana(solana_tools()?)),
        }
    }
}

/// The version of Solana's own tools, when they are there and can build for sBPFv3.
pub fn solana_tools() -> Result<String> {
    if which("cargo-build-sbf").is_none() {
        bail!(
            "`cargo build-sbf` is not on the PATH: install Solana's tools, or use `--toolchain upstream`"
        );
    }
    let ask = |word: &str| shell::output(Command::new("cargo-build-sbf").args(["build-sbf", word]));
    if !ask("--help")?.contains("v3") {
        bail!(
            "this `cargo build-sbf` cannot build for sBPFv3: update Solana's tools, or use `--toolchain upstream`"
        );
    }
    Ok(ask("--version")?.lines().collect::<Vec<_>>().join(", "))
}

/// `cargo xtask build-program`: builds unless the program that is there was built from the same inputs. With `id`, a keypair
/// file or an address, it is built for that deployment: `target/deploy/quern-<address>.so`.
pub fn build(toolchain: Toolchain, force: bool, id: Option<&str>) -> Result<()> {
    let address = id.map(program_id::address).transpose()?;
    build_artifact(&PROGRAM, toolchain, force, address.as_deref())
}

/// `cargo xtask build-probe`: the same for the tests' probe.
pub fn build_probe(toolchain: Toolchain) -> Result<()> {
    build_artifact(&PROBE, toolchain, false, None)
}

fn build_artifact(
    artifact: &Artifact,
    toolchain: Toolchain,
    force: bool,
    address: Option<&str>,
) -> Result<()> {
    let what = artifact.what;
    let root = shell::root();
    let way = toolchain.choose()?;
    let upstream = match &way {
        Way::Solana(_) => None,
        Way::Upstream => Some(setup::upstream()?),
    };
    let tools = match (&way, &upstream) {
        (Way::Solana(version), _) => version.clone(),
        (_, Some(ready)) => ready.key.clone(),
        (Way::Upstream, None) => bail!("the upstream tools are not set up"),
    };
    let name = match address {
        None => artifact.library.to_owned(),
        Some(address) => format!("{}-{address}", artifact.library),
    };
    let place = root.join("target/deploy").join(&name).with_extension("so");
    let note = place.with_extension("so.inputs");
    let inputs = inputs(&root, artifact.sources, &tools)?;
    if !force && recorded(&note, &place).is_some_and(|known| known == inputs) {
        say(format!(
            "{what} is up to date: {} bytes, {tools}",
            fs::metadata(&place)?.len()
        ));
        return Ok(());
    }
    let step = Step::start(format!(
        "Building {what} to sBPFv3 with {tools} (1 minute the first time, then seconds)"
    ));
    let workspace = match address {
        None => root.clone(),
        Some(address) => program_id::copy(&root, artifact.sources, address)?,
    };
    let built = match &upstream {
        Some(ready) => build_upstream(&workspace, &root, artifact, ready)?,
        None => build_solana(&workspace, &root, artifact)?,
    };
    let program = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    check_is_v3(&program)
        .with_context(|| format!("{} is not what was asked for", built.display()))?;
    fs::create_dir_all(place.parent().context("no folder for the program")?)?;
    let draft = place.with_extension("so.draft");
    fs::write(&draft, &program)?;
    fs::rename(&draft, &place)?;
    fs::write(
        &note,
        // The last line is for people and for the test that compares exact figures.
        format!("{inputs}\n{}\n{tools}\n", hex(&Sha256::digest(&program))),
    )?;
    step.done(format!(
        "target/deploy/{name}.so: {} bytes, sBPFv3",
        program.len()
    ));
    Ok(())
}

fn build_upstream(
    workspace: &Path,
    root: &Path,
    artifact: &Artifact,
    tools: &Upstream,
) -> Result<PathBuf> {
    let file = artifact.folder().join("src/lib.rs");
    let source = fs::read_to_string(workspace.join(&file))
        .with_context(|| format!("cannot read {}", file.display()))?;
    // Without it every 128-bit helper has the wrong calling convention, and the program would fail only when it runs.
    if !source.contains("use solana_compiler_builtins as _;") {
        bail!(
            "{} must say `use solana_compiler_builtins as _;`",
            file.display()
        );
    }
    let target_folder = root.join("target/sbpf");
    let mut folders = vec![tools.linker_folder.clone()];
    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let mut cargo = Command::new(&tools.cargo);
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        // Settings of the cargo and rustup that run us, or of the user's host builds.
        if name.starts_with("CARGO_")
            && name != "CARGO_HOME"
            && !name.starts_with("CARGO_NET_")
            && !name.starts_with("CARGO_REGISTR")
            && !name.starts_with("CARGO_HTTP_")
            && !name.starts_with("CARGO_TERM_")
            || name == "RUSTUP_TOOLCHAIN"
            || name == "RUSTFLAGS"
            || name.starts_with("RUSTC")
        {
            cargo.env_remove(&key);
        }
    }
    cargo
        .current_dir(workspace)
        .env("PATH", env::join_paths(folders)?)
        .env("RUSTC", &tools.rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC_BOOTSTRAP_SYNTHETIC_TARGET", "1")
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", &tools.library)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
        .args(["build", "--release", "--package", artifact.package, "--lib"])
        .args(["--ignore-rust-version", "-Zjson-target-spec"])
        .arg("-Zbuild-std=std,panic_abort")
        .arg("--target")
        .arg(&tools.target)
        .arg("--target-dir")
        .arg(&target_folder)
        .arg("--config")
        .arg(format!("paths=[{:?}]", tools.builtins.to_string_lossy()));
    shell::must(
        &mut cargo,
        &format!(
            "The lines above say why; `cargo check -p {}` says it for the host.",
            artifact.package
        ),
    )?;
    let file = format!("sbpf-solana/release/lib{}.so", artifact.library);
    Ok(target_folder.join(file))
}

fn build_solana(workspace: &Path, root: &Path, artifact: &Artifact) -> Result<PathBuf> {
    let out = root.join("target/sbf/deploy");
    let mut cargo = shell::cargo();
    cargo
        .args(["build-sbf", "--arch", "v3", "--manifest-path"])
        .arg(workspace.join(artifact.folder()).join("Cargo.toml"))
        .arg("--sbf-out-dir")
        .arg(&out)
        .args(["--", "--ignore-rust-version"])
        .env("CARGO_TARGET_DIR", root.join("target/sbf"));
    shell::must(
        &mut cargo,
        "If these tools are too old for the program, try `cargo xtask build-program --toolchain upstream`.",
    )?;
    Ok(out.join(artifact.library).with_extension("so"))
}

/// An ELF file for BPF with the flags of sBPFv3.
fn check_is_v3(program: &[u8]) -> Result<()> {
    let half = |at: usize| {
        Some(u16::from_le_bytes([
            *program.get(at)?,
            *program.get(at + 1)?,
        ]))
    };
    if !program.starts_with(b"\x7fELF") {
        bail!("it is no ELF file");
    }
    // e_machine is BPF, or Solana's own number for it.
    if !matches!(half(18), Some(247 | 263)) {
        bail!("it is an ELF file for another machine");
    }
    match (half(48), half(50)) {
        (Some(3), Some(0)) => Ok(()),
        (flags, _) => bail!("its sBPF version is {flags:?}, new deployments take only 3"),
    }
}

/// A hash of everything that something is built from.
fn inputs(root: &Path, sources: &[&str], tools: &str) -> Result<String> {
    let mut files = vec![root.join("Cargo.toml"), root.join("Cargo.lock")];
    for source in sources {
        let folder = root.join(source);
        files.push(folder.join("Cargo.toml"));
        collect(&folder.join("src"), &mut files)?;
    }
    files.sort();
    let mut hash = Sha256::new();
    for text in [tools, &FLAGS.join(" ")] {
        hash.update(text.as_bytes());
        hash.update([0]);
    }
    for file in files {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file.strip_prefix(root).unwrap_or(&file);
        hash.update(name.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(bytes));
    }
    Ok(hex(&hash.finalize()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for item in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = item?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The inputs of the program that is there, if it is still the one that was built from them.
fn recorded(note: &Path, program: &Path) -> Option<String> {
    let text = fs::read_to_string(note).ok()?;
    let mut lines = text.lines();
    let (inputs, hash) = (lines.next()?, lines.next()?);
    let is_same = hex(&Sha256::digest(fs::read(program).ok()?)) == hash;
    is_same.then(|| inputs.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn elf(machine: u16, flags: u32) -> Vec<u8> {
        let mut bytes = b"\x7fELF".to_vec();
        bytes.resize(64, 0);
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[48..52].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    #[test]
    fn only_sbpf_v3_passes() {
        check_is_v3(&elf(247, 3)).unwrap();
        check_is_v3(&elf(263, 3)).unwrap();
        assert!(check_is_v3(&elf(247, 0)).is_err());
        assert!(check_is_v3(&elf(247, 0x1_0003)).is_err());
        assert!(check_is_v3(&elf(62, 3)).is_err());
        assert!(check_is_v3(b"\x7fELF").is_err());
        assert!(check_is_v3(b"").is_err());
    }

    #[test]
    fn every_input_counts() {
        let root = env::temp_dir().join(format!("quern-xtask-inputs-{}", std::process::id()));
        for source in PROGRAM.sources {
            fs::create_dir_all(root.join(source).join("src/deep")).unwrap();
            fs::write(root.join(source).join("Cargo.toml"), "").unwrap();
            fs::write(root.join(source).join("src/deep/a.rs"), "").unwrap();
        }
        fs::write(root.join("Cargo.toml"), "").unwrap();
        fs::write(root.join("Cargo.lock"), "").unwrap();
        let first = inputs(&root, PROGRAM.sources, "tools").unwrap();
        assert_eq!(first, inputs(&root, PROGRAM.sources, "tools").unwrap());
        assert_ne!(
            first,
            inputs(&root, PROGRAM.sources, "other tools").unwrap()
        );
        fs::write(root.join("crates/rules/src/deep/a.rs"), "// changed").unwrap();
        assert_ne!(first, inputs(&root, PROGRAM.sources, "tools").unwrap());
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn a_replaced_program_is_built_again() {
        let folder = env::temp_dir().join(format!("quern-xtask-note-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (note, program) = (folder.join("note"), folder.join("program"));
        fs::write(&program, "bytes").unwrap();
        fs::write(
            &note,
            format!("inputs\n{}\n", hex(&Sha256::digest("bytes"))),
        )
        .unwrap();
        assert_eq!(recorded(&note, &program).as_deref(), Some("inputs"));
        fs::write(&program, "other bytes").unwrap();
        assert_eq!(recorded(&note, &program), None);
        fs::remove_dir_all(&folder).unwrap();
    }
}
