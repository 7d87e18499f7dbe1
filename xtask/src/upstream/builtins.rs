//! `solana-compiler-builtins`, corrected for this compiler and this linker.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::{REVISION, source};
use crate::cache;
use crate::shell::{self, Step};

/// The version that the corrections are for.
const BUILTINS: &str = "0.3.0";

/// `solana-compiler-builtins` with 128-bit results where LLVM looks for them.
///
/// LLVM 23 takes the 128-bit result of its own helper calls (multiplication, division; also behind every checked 64-bit
/// multiplication) from two registers, this rustc returns it through memory. The "unadjusted" ABI leaves the choice to
/// LLVM. The signed divisions are added so that no helper with the other convention remains.
///
/// `memcmp` stays out of line: inlined into every comparison it is a fifteenth of the program, and costs compute units.
pub fn ensure() -> Result<PathBuf> {
    let locked = source::locked_version(
        &fs::read_to_string(shell::root().join("Cargo.lock"))?,
        "solana-compiler-builtins",
    );
    if let Some(locked) = locked.filter(|locked| locked != BUILTINS) {
        bail!(
            "Cargo.lock holds solana-compiler-builtins {locked}, the correction in xtask/src/upstream/builtins.rs is for {BUILTINS}: review it for the new version"
        );
    }
    cache::entry(&format!("builtins-{BUILTINS}-r{REVISION}"), |draft| {
        let step = Step::start("Fetching solana-compiler-builtins (seconds)");
        let folder = fetch(draft)?;
        correct(&folder.join("src/lib.rs"))?;
        step.done("fetched and corrected");
        Ok(())
    })
}

/// Downloads the crate's source into its place in the entry.
fn fetch(draft: &Path) -> Result<PathBuf> {
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
    let folder = draft.join("solana-compiler-builtins");
    fs::rename(draft.join("vendor/solana-compiler-builtins"), &folder)?;
    for spent in ["Cargo.lock", ".cargo-checksum.json"] {
        fs::remove_file(folder.join(spent)).ok();
    }
    Ok(folder)
}

fn correct(file: &Path) -> Result<()> {
    let mut edits: Vec<_> = ["__multi3", "__udivti3", "__umodti3"]
        .iter()
        .map(|name| {
            (
                format!("pub unsafe fn {name}("),
                format!("pub unsafe extern \"unadjusted\" fn {name}("),
            )
        })
        .collect();
    let first = "#![cfg_attr(target_arch = \"bpf\", no_std)]\n";
    let feature =
        "#![cfg_attr(target_arch = \"bpf\", feature(abi_unadjusted), allow(internal_features))]\n";
    edits.push((first.to_owned(), format!("{first}{feature}")));
    let memcmp = "pub unsafe extern \"C\" fn memcmp(";
    edits.push((memcmp.to_owned(), format!("#[inline(never)]\n{memcmp}")));
    let edits: Vec<_> = edits
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    source::edit(file, &edits)?;
    let text = fs::read_to_string(file)? + SIGNED_DIVISION;
    Ok(fs::write(file, text)?)
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
