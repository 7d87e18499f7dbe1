//! The standard library's source, corrected, and the target that it is built for.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{REVISION, compiler::Compiler, source};
use crate::cache;
use crate::shell::{self, Step};

/// The library's source, corrected, and the target that it is built for.
pub fn ensure(compiler: &Compiler) -> Result<PathBuf> {
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
        source::edit(
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_target_keeps_what_it_does_not_change() {
        let target = sbpf(json!({ "arch": "bpf", "atomic-cas": false })).unwrap();
        assert_eq!(target["arch"], "bpf");
        assert_eq!(target["atomic-cas"], true);
        assert_eq!(target["os"], "zkvm");
        assert!(sbpf(json!("bpf")).is_err());
    }
}
