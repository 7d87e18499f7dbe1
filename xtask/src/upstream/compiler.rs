//! The compiler whose code generation is known; another one would shift the committed compute units.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, anyhow};

use crate::host;
use crate::shell::{self, Step, which};

/// Its release.
const RUST: &str = "1.96.0";
/// Debian's packages with that compiler and its library's source.
const RUST_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// A rustc that has its library's source beside it.
pub struct Compiler {
    pub rustc: PathBuf,
    pub sysroot: PathBuf,
    pub release: String,
}

impl Compiler {
    /// Finds a fitting one on this machine, or installs one.
    pub fn ensure() -> Result<Self> {
        if let Some(chosen) = env::var_os("QUERN_SBPF_RUSTC") {
            return Self::at(chosen.clone().into(), None).ok_or_else(|| {
                anyhow!(
                    "QUERN_SBPF_RUSTC is {}, which is no rustc with cargo and its library's source (rust-src) beside it",
                    chosen.display()
                )
            });
        }
        match Self::find() {
            Some(found) => Ok(found),
            None => Self::install(),
        }
    }

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

    /// Where its library's source is.
    pub fn source(&self) -> PathBuf {
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

    /// Installs it through rustup, or Debian's packages where that fails.
    fn install() -> Result<Self> {
        let by_rustup =
            format!("rustup toolchain install {RUST} --profile minimal --component rust-src");
        if which("rustup").is_some() {
            let step = Step::start(format!(
                "Installing Rust {RUST} with its library's source through rustup (up to 1 minute)"
            ));
            let words: Vec<_> = by_rustup.split(' ').skip(1).collect();
            let status = shell::stream(Command::new("rustup").args(words).arg("--no-self-update"))?;
            match Self::find() {
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
        Self::find().ok_or_else(|| anyhow!("Debian's packages hold another version. {advice}"))
    }
}
