//! What building the program the upstream way needs: a Rust with its library's source, a linker for sBPF, and three
//! small corrections that this compiler and this linker need to fit together. All of it is cached.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use crate::program::{Toolchain, Way};
use crate::shell::{self, Step, say, which};
use crate::{cache, host};

/// The compiler whose code generation is known; another one would shift the committed compute units.
const RUST: &str = "1.96.0";
/// Debian's packages with that compiler and its library's source.
const RUST_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
const LINKER: &str = "0.2.6";
/// LLVM with its BPF back end as static libraries; only the linker's build needs it.
const LLVM: &str = "23.1.1.post0";
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
const BUILTINS: &str = "0.3.0";
/// Goes up when a correction below changes.
const REVISION: u32 = 5;

/// Everything that a build the upstream way uses.
pub struct Upstream {
    /// The compiler.
    pub rustc: PathBuf,
    /// The cargo that belongs to it.
    pub cargo: PathBuf,
    /// The folder with `sbpf-linker`.
    pub linker_folder: PathBuf,
    /// The corrected source of the standard library.
    pub library: PathBuf,
    /// The target's specification.
    pub target: PathBuf,
    /// The corrected `solana-compiler-builtins`.
    pub builtins: PathBuf,
    /// Names all the versions above.
    pub key: String,
}

/// `cargo xtask setup`.
pub fn run(toolchain: Toolchain) -> Result<()> {
    let step = Step::start("Setting up (about 2.5 minutes the first time, under a second later)");
    host::ensure_build_tools()?;
    match toolchain.choose()? {
        Way::Solana(version) => {
            say(format!(
                "the program will be built with Solana's own tools: {version}"
            ));
        }
        Way::Upstream => {
            let ready = upstream()?;
            say(format!("the program will be built with {}", ready.key));
        }
    }
    say(format!("cache: {}", cache::folder()?.display()));
    step.done("ready");
    Ok(())
}

/// Prepares the upstream way, or finds it prepared.
pub fn upstream() -> Result<Upstream> {
    let compiler = compiler()?;
    let linker = linker()?;
    let library = library(&compiler)?;
    let builtins = builtins()?;
    Ok(Upstream {
        cargo: compiler.sysroot.join("bin/cargo"),
        linker_folder: linker.join("bin"),
        target: library.join("sbpf-solana.json"),
        library: library.join("library"),
        builtins: builtins.join("solana-compiler-builtins"),
        key: format!(
            "upstream Rust {} and sbpf-linker {LINKER} (LLVM {LLVM}), revision {REVISION}",
            compiler.release
        ),
        rustc: compiler.rustc,
    })
}

/// A rustc that has its library's source beside it.
struct Compiler {
    rustc: PathBuf,
    sysroot: PathBuf,
    release: String,
}

impl Compiler {
    /// Looks at one rustc; `None` when it cannot serve.
    fn at(rustc: PathBuf, must_be: Option<&str>) -> Option<Self> {
        let version = shell::output(Command::new(&rustc).arg("-vV")).ok()?;
        let release = version
            .lines()
            .find_map(|line| line.strip_prefix("release: "))?;
        if must_be.is_some_and(|wanted| wanted != release) {
            return None;
        }
        let sysroot = shell::output(Command::new(&rustc).args(["--print", "sysroot"])).ok()?;
        let sysroot = PathBuf::from(sysroot.trim());
        let found = Self {
            rustc,
            release: release.to_owned(),
            sysroot,
        };
        (found.source().join("std/Cargo.toml").is_file()
            && found.sysroot.join("bin/cargo").is_file())
        .then_some(found)
    }

    fn source(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib/src/rust/library")
    }

    /// The first fitting one on this machine.
    fn find() -> Option<Self> {
        let by_rustup = || {
            let mut rustup = Command::new("rustup");
            rustup.args(["which", "rustc", "--toolchain", RUST]);
            let path = which("rustup").and_then(|_| shell::output(&mut rustup).ok())?;
            Some(PathBuf::from(path.trim()))
        };
        Self::at("/usr/bin/rustc".into(), Some(RUST))
            .or_else(|| Self::at(by_rustup()?, Some(RUST)))
            .or_else(|| Self::at(which("rustc")?, Some(RUST)))
    }
}

fn compiler() -> Result<Compiler> {
    if let Some(chosen) = env::var_os("QUERN_SBPF_RUSTC") {
        return Compiler::at(chosen.clone().into(), None).ok_or_else(|| {
            anyhow!(
                "QUERN_SBPF_RUSTC is {}, which is no rustc with cargo and its library's source (rust-src) beside it",
                chosen.display()
            )
        });
    }
    if let Some(found) = Compiler::find() {
        return Ok(found);
    }
    let by_rustup =
        format!("rustup toolchain install {RUST} --profile minimal --component rust-src");
    if which("rustup").is_some() {
        let step = Step::start(format!(
            "Installing Rust {RUST} with its library's source through rustup (up to 1 minute)"
        ));
        let words: Vec<_> = by_rustup.split(' ').skip(1).collect();
        let status = shell::stream(Command::new("rustup").args(words).arg("--no-self-update"))?;
        match Compiler::find() {
            Some(found) => {
                step.done("installed");
                return Ok(found);
            }
            None => step.done(format!(
                "rustup could not ({status}); trying Debian's packages"
            )),
        }
    }
    let by_apt = host::apt_line(&RUST_PACKAGES);
    let advice = format!(
        "Building the program needs Rust {RUST} with its library's source. Run one of these and start again:\n    \
         {by_rustup}\n    {by_apt}\nor install Solana's own tools, so that `cargo build-sbf` is on the PATH."
    );
    host::install(&RUST_PACKAGES).context(advice.clone())?;
    Compiler::find().ok_or_else(|| anyhow!("Debian's packages hold another version. {advice}"))
}

/// The linker that turns LLVM bitcode into an sBPF program.
fn linker() -> Result<PathBuf> {
    let key = format!("sbpf-linker-{LINKER}-llvm-{LLVM}");
    if !cache::has(&key)? {
        host::ensure_linker_tools()?;
    }
    cache::entry(&key, |draft| {
        let prefix = llvm(&draft.join("llvm"))?;
        let step = Step::start(format!(
            "Building sbpf-linker {LINKER} (about 2 minutes on 2 cores)"
        ));
        let libraries = prefix.join("lib");
        shell::must(
            shell::cargo()
                .current_dir(draft)
                .arg("install")
                .arg(format!("sbpf-linker@{LINKER}"))
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

/// The library's source, corrected, and the target that it is built for.
fn library(compiler: &Compiler) -> Result<PathBuf> {
    // Two builds of one release may differ in what they ship; the path tells them apart.
    let origin = match compiler.sysroot == Path::new("/usr") {
        true => "system",
        false => "rustup",
    };
    let key = format!("library-{}-{origin}-r{REVISION}", compiler.release);
    cache::entry(&key, |draft| {
        let step = Step::start("Copying the standard library's source (70 MB, a few seconds)");
        let library = draft.join("library");
        cache::copy(&compiler.source(), &library)?;
        // std knows no alignment for the architecture yet: 8, like other 64-bit words without vectors.
        edit(
            &library.join("std/src/sys/alloc/mod.rs"),
            &[(
                "    target_arch = \"x86\",\n",
                "    target_arch = \"x86\",\n    target_arch = \"bpf\",\n",
            )],
        )?;
        let mut rustc = Command::new(&compiler.rustc);
        rustc
            .args(["-Zunstable-options", "--print", "target-spec-json"])
            .args(["--target", "bpfel-unknown-none"])
            .env("RUSTC_BOOTSTRAP", "1");
        let target = serde_json::from_str(&shell::output(&mut rustc)?)
            .context("rustc printed no target specification")?;
        let target = serde_json::to_string_pretty(&sbpf(target)?)?;
        fs::write(draft.join("sbpf-solana.json"), target)?;
        step.done("copied and corrected");
        Ok(())
    })
}

/// The upstream BPF target as a Solana program needs it.
fn sbpf(mut target: Value) -> Result<Value> {
    let changes = [
        // std has a small back end for this name: no files, no threads, an allocator that the program brings.
        ("os", json!("zkvm")),
        // One thread: atomics are lowered to plain loads and stores.
        ("singlethread", json!(true)),
        ("atomic-cas", json!(true)),
        ("min-atomic-width", json!(8)),
    ];
    let fields = target
        .as_object_mut()
        .context("rustc's target specification is not an object")?;
    for (name, value) in changes {
        fields.insert(name.to_owned(), value);
    }
    Ok(target)
}

/// `solana-compiler-builtins` with 128-bit results where LLVM looks for them.
///
/// LLVM 23 takes the 128-bit result of its own helper calls (multiplication, division; also behind every checked 64-bit
/// multiplication) from two registers, this rustc returns it through memory. The "unadjusted" ABI leaves the choice to
/// LLVM. The signed divisions are added so that no helper with the other convention remains.
fn builtins() -> Result<PathBuf> {
    let locked = locked_version(
        &fs::read_to_string(shell::root().join("Cargo.lock"))?,
        "solana-compiler-builtins",
    );
    if let Some(locked) = locked.filter(|locked| locked != BUILTINS) {
        bail!(
            "Cargo.lock holds solana-compiler-builtins {locked}, the correction in xtask/src/setup.rs is for {BUILTINS}: review it for the new version"
        );
    }
    cache::entry(&format!("builtins-{BUILTINS}-r{REVISION}"), |draft| {
        let step = Step::start("Fetching solana-compiler-builtins (seconds)");
        fs::create_dir_all(draft.join("src"))?;
        fs::write(draft.join("src/lib.rs"), "")?;
        let manifest = format!(
            "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n\
             [dependencies]\nsolana-compiler-builtins = \"={BUILTINS}\"\n"
        );
        fs::write(draft.join("Cargo.toml"), manifest)?;
        shell::must(
            shell::cargo()
                .current_dir(draft)
                .args(["vendor", "--quiet", "vendor"]),
            "It needs the network (crates.io).",
        )?;
        let crate_folder = draft.join("solana-compiler-builtins");
        fs::rename(draft.join("vendor/solana-compiler-builtins"), &crate_folder)?;
        for spent in ["Cargo.lock", ".cargo-checksum.json"] {
            fs::remove_file(crate_folder.join(spent)).ok();
        }
        let unsigned = |name: &str| format!("pub unsafe fn {name}(");
        let corrected = |name: &str| format!("pub unsafe extern \"unadjusted\" fn {name}(");
        let mut edits: Vec<_> = ["__multi3", "__udivti3", "__umodti3"]
            .iter()
            .map(|name| (unsigned(name), corrected(name)))
            .collect();
        let first = "#![cfg_attr(target_arch = \"bpf\", no_std)]\n";
        let feature = "#![cfg_attr(target_arch = \"bpf\", feature(abi_unadjusted), allow(internal_features))]\n";
        edits.push((first.to_owned(), format!("{first}{feature}")));
        let memcmp = "pub unsafe extern \"C\" fn memcmp(";
        edits.push((memcmp.to_owned(), format!("#[inline(never)]\n{memcmp}")));
        let edits: Vec<_> = edits
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        let source = crate_folder.join("src/lib.rs");
        edit(&source, &edits)?;
        let text = fs::read_to_string(&source)? + SIGNED_DIVISION;
        fs::write(&source, text)?;
        step.done("fetched and corrected");
        Ok(())
    })
}

const SIGNED_DIVISION: &str = r#"
#[cfg(target_arch = "bpf")]
#[unsafe(no_mangle)]
pub unsafe extern "unadjusted" fn __divti3(n: i128, d: i128) -> i128 {
    let quotient = unsafe { __udivti3(n.unsigned_abs(), d.unsigned_abs()) } as i128;
    if (n < 0) == (d < 0) { quotient } else { quotient.wrapping_neg() }
}

#[cfg(target_arch = "bpf")]
#[unsafe(no_mangle)]
pub unsafe extern "unadjusted" fn __modti3(n: i128, d: i128) -> i128 {
    let rest = unsafe { __umodti3(n.unsigned_abs(), d.unsigned_abs()) } as i128;
    if n < 0 { rest.wrapping_neg() } else { rest }
}
"#;

/// Replaces each text, which must stand in the file exactly once.
fn edit(file: &Path, edits: &[(&str, &str)]) -> Result<()> {
    let mut text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    for (from, to) in edits {
        if text.matches(from).count() != 1 {
            bail!(
                "{} is not the source that xtask knows how to correct (looked for `{}`)",
                file.display(),
                from.trim()
            );
        }
        text = text.replace(from, to);
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// The version of a package in a lock file.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?;
    Some(version.strip_suffix('"')?.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn reads_a_locked_version() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"a\"\nversion = \"2.1.0\"\n";
        assert_eq!(locked_version(lock, "a").as_deref(), Some("2.1.0"));
        assert_eq!(locked_version(lock, "c"), None);
    }

    #[test]
    fn the_target_keeps_what_it_does_not_change() {
        let target = sbpf(json!({ "arch": "bpf", "atomic-cas": false })).unwrap();
        assert_eq!(target["arch"], "bpf");
        assert_eq!(target["atomic-cas"], true);
        assert_eq!(target["os"], "zkvm");
        assert!(sbpf(json!("bpf")).is_err());
    }

    #[test]
    fn an_edit_that_does_not_fit_is_refused() {
        let file = env::temp_dir().join(format!("quern-xtask-edit-{}", std::process::id()));
        fs::write(&file, "one two two").unwrap();
        assert!(edit(&file, &[("two", "2")]).is_err());
        assert!(edit(&file, &[("three", "3")]).is_err());
        edit(&file, &[("one", "1")]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "1 two two");
        fs::remove_file(&file).unwrap();
    }
}
