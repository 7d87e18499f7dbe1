//! Compiling a package to sBPFv3, the one way or the other.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Artifact;
use crate::shell;
use crate::toolchain::Tools;
use crate::upstream::Upstream;

/// Compiler flags of the upstream way.
pub const FLAGS: &[&str] = &[
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

/// Builds an artifact from the sources in `workspace`, below the `target` of `root`; where it is then.
pub fn compile(
    workspace: &Path,
    root: &Path,
    artifact: &Artifact,
    tools: &Tools,
) -> Result<PathBuf> {
    match tools {
        Tools::Solana(_) => build_solana(workspace, root, artifact),
        Tools::Upstream(upstream) => build_upstream(workspace, root, artifact, upstream),
    }
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
        .arg(format!(
            "paths=[{:?}, {:?}]",
            tools.builtins.to_string_lossy(),
            tools.framework.to_string_lossy()
        ));
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
