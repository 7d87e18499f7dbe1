//! The two ways to build for the chain: Solana's own tools, or upstream Rust with sbpf-linker.

use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::shell::{self, which};
use crate::upstream::{self, Upstream};

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

/// Tools that are there and ready.
pub enum Tools {
    /// Solana's own, with what they say of their version.
    Solana(String),
    /// Upstream Rust with sbpf-linker.
    Upstream(Upstream),
}

impl Toolchain {
    /// Looks at what is installed, and installs what the chosen way lacks.
    pub fn prepare(self) -> Result<Tools> {
        match self {
            Self::Upstream => Ok(Tools::Upstream(upstream::prepare()?)),
            Self::Solana => Ok(Tools::Solana(solana_version()?)),
            Self::Auto => match solana_version() {
                Ok(version) => Ok(Tools::Solana(version)),
                Err(_) => Self::Upstream.prepare(),
            },
        }
    }
}

impl Tools {
    /// Their versions, in words.
    pub fn name(&self) -> &str {
        match self {
            Self::Solana(version) => version,
            Self::Upstream(upstream) => &upstream.key,
        }
    }
}

/// The version of Solana's own tools, when they are there and can build for sBPFv3.
fn solana_version() -> Result<String> {
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
