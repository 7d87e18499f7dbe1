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
/// Divisors of two words, which the program never has, are divided by in a few lines instead of 3 KB.
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
    let two_words = "    if d_hi > n_hi || (d_hi == n_hi && d_lo > n_lo) {\n";
    edits.push((two_words.to_owned(), format!("{TWO_WORDS}{two_words}")));
    let edits: Vec<_> = edits
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    source::edit(file, &edits)?;
    let text = fs::read_to_string(file)? + SIGNED_DIVISION + ON_CHAIN + DIVISION;
    Ok(fs::write(file, text)?)
}

/// Stands before what the crate does with a divisor of two words, so that the compiler leaves that out.
const TWO_WORDS: &str = "    if d_hi != 0 {
        let (quotient, rest) = divide_by_two_words((n_hi, n_lo), (d_hi, d_lo));
        return (quotient as u128, (rest.0 as u128) << 64 | rest.1 as u128);
    }
";

const ON_CHAIN: &str = "\n#[cfg(target_arch = \"bpf\")]\n";

/// A file of its own, so that it is tested as it is.
const DIVISION: &str = include_str!("division.rs");

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

#[cfg(test)]
mod tests {
    include!("division.rs");

    /// Numbers of every length, from a multiplicative generator.
    fn numbers() -> impl Iterator<Item = u128> {
        let mut state = 1u128;
        (0..4_000u32).map(move |turn| {
            state = state.wrapping_mul(0xda94_2042_e4dd_58b5).wrapping_add(1);
            (state ^ state >> 64) >> (turn % 128)
        })
    }

    #[test]
    fn a_divisor_of_two_words_divides_as_numbers_do() {
        let words = |number: u128| ((number >> 64) as u64, number as u64);
        let edges = [u128::MAX, 1 << 127, 1 << 64, (1 << 64) + 1, u128::MAX << 64];
        let dividends: Vec<u128> = numbers().chain(edges).chain([0, 1]).collect();
        let divisors = edges.into_iter().chain(numbers().skip(7));
        let mut divided = 0;
        for (n, d) in dividends.iter().copied().cycle().zip(divisors) {
            for n in [n, d, d - u128::from(d > 0), d.saturating_mul(3)] {
                if d >> 64 != 0 {
                    let expected = ((n / d) as u64, words(n % d));
                    assert_eq!(divide_by_two_words(words(n), words(d)), expected);
                    divided += 1;
                }
            }
        }
        assert!(divided > 4_000);
    }
}
