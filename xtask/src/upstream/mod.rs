//! The upstream way to build for the chain: a Rust with its library's source, a linker for sBPF, and small corrections that
//! this compiler and this linker need to fit together. All of it is cached.

mod builtins;
mod compiler;
mod framework;
mod library;
mod linker;
mod source;

use std::path::PathBuf;

use anyhow::Result;

use compiler::Compiler;

/// Goes up when a correction changes.
const REVISION: u32 = 6;

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
    /// `anchor-lang` with its account checks out of line.
    pub framework: PathBuf,
    /// Names all the versions above.
    pub key: String,
}

/// Prepares the upstream way, or finds it prepared.
pub fn prepare() -> Result<Upstream> {
    let compiler = Compiler::ensure()?;
    let linker = linker::ensure()?;
    let library = library::ensure(&compiler)?;
    let builtins = builtins::ensure()?;
    let framework = framework::ensure()?;
    Ok(Upstream {
        cargo: compiler.sysroot.join("bin/cargo"),
        linker_folder: linker.join("bin"),
        target: library.join("sbpf-solana.json"),
        library: library.join("library"),
        builtins: builtins.join("solana-compiler-builtins"),
        framework: framework.join("anchor-lang"),
        key: format!(
            "upstream Rust {} and sbpf-linker {} (LLVM {}), revision {REVISION}",
            compiler.release,
            linker::VERSION,
            linker::LLVM
        ),
        rustc: compiler.rustc,
    })
}
