//! The linker that turns LLVM bitcode into an sBPF program, built from crates.io against an LLVM from PyPI.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{self, Step};
use crate::{cache, host};

/// The linker's version.
pub const VERSION: &str = "0.2.6";
/// LLVM with its BPF back end as static libraries; only the linker's build needs it.
pub const LLVM: &str = "23.1.1.post0";
/// The LLVM wheels with the hashes of their builds for 64-bit Intel Linux.
const WHEELS: [(&str, &str); 2] = [
    (
        "mlc-llvm-static",
        "dcfec888abfaa418be77d41af585805f31463584cf9c90582992c00f392c1ac5",
    ),
    (
        "mlc-llvm-static-extra-targets",
        "c36e834d9a4e9cf9759f27fece65711ece7a2fc2b5a96dbb15d66f5e9e787929",
    ),
];

/// The linker that turns LLVM bitcode into an sBPF program.
pub fn ensure() -> Result<PathBuf> {
    let key = format!("sbpf-linker-{VERSION}-llvm-{LLVM}");
    if !cache::has(&key)? {
        host::ensure_linker_tools()?;
    }
    cache::entry(&key, |draft| {
        let prefix = llvm(&draft.join("llvm"))?;
        let step = Step::start(format!(
            "Building sbpf-linker {VERSION} (about 2 minutes on 2 cores)"
        ));
        let libraries = prefix.join("lib");
        shell::must(
            shell::cargo()
                .current_dir(draft)
                .arg("install")
                .arg(format!("sbpf-linker@{VERSION}"))
                .args(["--locked", "--no-default-features", "--features"])
                .arg("bpf-linker/llvm-23,bpf-linker/llvm-link-static")
                .arg("--root")
                .arg(draft.join("root"))
                .arg("--target-dir")
                .arg(draft.join("target"))
                .env("LLVM_PREFIX", &prefix)
                .env("ZLIB_PATH", &libraries)
                .env("LIBZSTD_PATH", &libraries)
                .env_remove("CARGO_TARGET_DIR"),
            "It needs the network (crates.io) and a C++ compiler; see the lines above.",
        )?;
        fs::rename(draft.join("root/bin"), draft.join("bin"))
            .context("cargo install left no linker")?;
        // LLVM is 400 MB and is inside the linker now.
        for spent in ["llvm", "target", "root"] {
            cache::remove(&draft.join(spent))?;
        }
        step.done("built");
        Ok(())
    })
}

/// Downloads LLVM and unpacks it; its prefix.
fn llvm(folder: &Path) -> Result<PathBuf> {
    let step = Step::start(format!(
        "Downloading LLVM {LLVM} from PyPI (90 MB; 400 MB unpacked for the time of the build)"
    ));
    fs::create_dir_all(folder)?;
    let is_known = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    let lines = WHEELS.map(|(name, hash)| match is_known {
        true => format!("{name}=={LLVM} --hash=sha256:{hash}\n"),
        false => format!("{name}=={LLVM}\n"),
    });
    let list = folder.join("wheels.txt");
    fs::write(&list, lines.concat())?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps"])
        .args([
            "--only-binary=:all:",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(&list)
        .arg("--dest")
        .arg(folder)
        .current_dir(folder);
    shell::must(
        &mut pip,
        "It needs the network (PyPI, or the mirror in pip's configuration) and Python 3.10 or newer.",
    )?;
    for file in fs::read_dir(folder)? {
        let wheel = file?.path();
        if wheel.extension().is_some_and(|kind| kind == "whl") {
            let mut unpack = Command::new("python3");
            unpack.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(folder);
            shell::must(
                &mut unpack,
                "The disk may be full: 600 MB are needed in the cache folder.",
            )?;
            fs::remove_file(&wheel)?;
        }
    }
    let prefix = folder.join("mlc_llvm_static/static");
    if !prefix.join("lib/libLLVMBPFCodeGen.a").is_file() {
        bail!(
            "the LLVM that PyPI serves has no BPF back end for this platform; install Solana's own tools (`cargo build-sbf`) instead"
        );
    }
    for tool in fs::read_dir(prefix.join("bin"))? {
        make_executable(&tool?.path())?;
    }
    step.done("downloaded and unpacked");
    Ok(prefix)
}

/// Python's zipfile forgets permissions.
fn make_executable(file: &Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {} executable", file.display()))?;
    }
    Ok(())
}
