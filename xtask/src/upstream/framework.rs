//! `anchor-lang` with account checks that stand in the program once instead of in every handler.
//!
//! No check is changed, added or left out: each correction takes lines that Anchor has inlined everywhere and makes a
//! function of them that is called (docs/decisions/030). Solana's own tools build with Anchor as it is.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{REVISION, source};
use crate::cache;
use crate::shell::{self, Step};

/// The version that the corrections are for.
const ANCHOR: &str = "2.0.0-rc.2";

/// The corrected source, in the cache.
pub fn ensure() -> Result<PathBuf> {
    let lock = fs::read_to_string(shell::root().join("Cargo.lock"))?;
    if !lock.contains(&format!("name = \"anchor-lang\"\nversion = \"{ANCHOR}\"\n")) {
        bail!(
            "Cargo.lock holds no anchor-lang {ANCHOR}, which the corrections in xtask/src/upstream/framework.rs are for: review them for the new version"
        );
    }
    cache::entry(&format!("anchor-{ANCHOR}-r{REVISION}"), |draft| {
        let step = Step::start("Copying anchor-lang (seconds, once it is downloaded)");
        let folder = draft.join("anchor-lang");
        cache::copy(&origin()?, &folder)?;
        correct(&folder.join("src"))?;
        step.done("copied and corrected");
        Ok(())
    })
}

/// Where cargo keeps the source that the workspace is locked to.
fn origin() -> Result<PathBuf> {
    let mut metadata = shell::cargo();
    metadata
        .args(["metadata", "--format-version", "1", "--locked"])
        // Without it cargo downloads what only other systems need.
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let metadata: Value = serde_json::from_str(&shell::output(&mut metadata)?)
        .context("cargo printed no metadata of the workspace")?;
    let packages = metadata["packages"].as_array();
    packages
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "anchor-lang" && package["version"] == ANCHOR)
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_path_buf)
        .with_context(|| format!("cargo knows no anchor-lang {ANCHOR}"))
}

fn correct(sources: &Path) -> Result<()> {
    source::edit(&sources.join("cursor.rs"), WALK)?;
    source::edit(&sources.join("accounts/slab.rs"), OWNER_ERROR)?;
    source::edit(&sources.join("accounts/slab_hooks.rs"), VALIDATION)?;
    source::edit(&sources.join("lib.rs"), ADDRESSES)
}

/// The walk over the accounts of an instruction: a tenth of the program.
const WALK: &[(&str, &str)] = &[
    (
        "        for _ in 0..n {
            self.next();
        }
",
        "        self.walk(n);
",
    ),
    (
        "    /// Advance past one account record and return its `AccountView`.
",
        "    #[inline(never)]
    unsafe fn walk(&mut self, n: usize) {
        for _ in 0..n {
            self.next();
        }
    }

    /// Advance past one account record and return its `AccountView`.
",
    ),
];

/// Why an account has the wrong owner.
const OWNER_ERROR: &[(&str, &str)] = &[(
    "#[inline(always)]
pub(super) fn cold_owner_error",
    "#[cold]
#[inline(never)]
pub(super) fn cold_owner_error",
)];

/// Owner, length and discriminator of an account; its error names the first that is wrong, as before.
const VALIDATION: &[(&str, &str)] = &[
    (
        "crate::{require, require_eq, Discriminator, Owner}",
        "crate::{Discriminator, Owner}",
    ),
    (
        "    fn validate(view: &AccountView, data: &[u8]) -> Result<(), ProgramError> {
        require!(
            view.owned_by(&T::OWNER),
            super::slab::cold_owner_error(view)
        );
        let disc = T::DISCRIMINATOR;
        if data.len() < Self::MIN_DATA_LEN {
            return Err(ProgramError::AccountDataTooSmall);
        }
        require_eq!(&data[..disc.len()], disc, ProgramError::InvalidAccountData);
        Ok(())
    }
}
",
        "    fn validate(view: &AccountView, _: &[u8]) -> Result<(), ProgramError> {
        match is_valid(view, &T::OWNER, T::DISCRIMINATOR, Self::MIN_DATA_LEN) {
            true => Ok(()),
            false => Err(why_invalid(view, &T::OWNER, Self::MIN_DATA_LEN)),
        }
    }
}

#[inline(never)]
fn is_valid(view: &AccountView, owner: &pinocchio::Address, disc: &[u8], min_len: usize) -> bool {
    // SAFETY: as in the callers, which pass these very data.
    let data = unsafe { view.borrow_unchecked() };
    pinocchio::address::address_eq(view.owner(), owner)
        && data.len() >= min_len
        && data[..disc.len()] == *disc
}

#[cold]
#[inline(never)]
fn why_invalid(view: &AccountView, owner: &pinocchio::Address, min_len: usize) -> ProgramError {
    if !view.owned_by(owner) {
        super::slab::cold_owner_error(view)
    } else if view.data_len() < min_len {
        ProgramError::AccountDataTooSmall
    } else {
        ProgramError::InvalidAccountData
    }
}
",
    ),
];

/// Comparing two addresses, which constraints do.
const ADDRESSES: &[(&str, &str)] = &[(
    "pub use pinocchio::address::address_eq;
",
    "/// Whether two addresses are the same.
#[inline(never)]
pub fn address_eq(a: &Address, b: &Address) -> bool {
    pinocchio::address::address_eq(a, b)
}
",
)];
