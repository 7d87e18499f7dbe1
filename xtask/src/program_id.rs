//! `cargo xtask program-id`: makes the program yours before it goes to a real cluster.
//!
//! The committed id has a published keypair, good for local networks only: on a real cluster anybody could take it first.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::idl;
use crate::shell::{root, say};

const SOURCE: &str = "programs/quern/src/lib.rs";

/// Writes the address into `declare_id!`, the IDL and `Anchor.toml`. `id` is a base58 address or a keypair file.
pub fn run(id: &str) -> Result<()> {
    let address = address(id)?;
    let file = root().join(SOURCE);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {SOURCE}"))?;
    let changed = replace(&text, &address)?;
    if changed == text {
        say(format!("{SOURCE} names {address} already"));
    } else {
        fs::write(&file, changed).with_context(|| format!("cannot write {SOURCE}"))?;
        say(format!(
            "{SOURCE} names {address} now; next: cargo xtask build-program"
        ));
    }
    idl::write()
}

/// The address that an argument stands for.
fn address(id: &str) -> Result<String> {
    if !Path::new(id).is_file() {
        return match bs58::decode(id).into_vec() {
            Ok(bytes) if bytes.len() == 32 => Ok(id.to_owned()),
            _ => bail!("`{id}` is neither a keypair file nor a base58 address; give one of them"),
        };
    }
    let text = fs::read_to_string(id).with_context(|| format!("cannot read {id}"))?;
    let bytes: Vec<u8> = serde_json::from_str(&text)
        .with_context(|| format!("{id} is not a keypair file of Solana's tools (64 numbers)"))?;
    match bytes.get(32..64) {
        Some(public) if bytes.len() == 64 => Ok(bs58::encode(public).into_string()),
        _ => bail!(
            "{id} is not a keypair file of Solana's tools: it has {} numbers, not 64",
            bytes.len()
        ),
    }
}

/// The source with another address in its one `declare_id!`.
fn replace(source: &str, address: &str) -> Result<String> {
    let begin = "declare_id!(\"";
    let Some((head, rest)) = source.split_once(begin) else {
        bail!("{SOURCE} has no `declare_id!`; restore it from git");
    };
    let Some((_, tail)) = rest.split_once("\")") else {
        bail!("{SOURCE} has a broken `declare_id!`; restore it from git");
    };
    Ok(format!("{head}{begin}{address}\"){tail}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SYSTEM: &str = "11111111111111111111111111111111";

    #[test]
    fn replaces_only_the_address() {
        let source = "a\ndeclare_id!(\"old\");\nb";
        assert_eq!(
            replace(source, SYSTEM).unwrap(),
            format!("a\ndeclare_id!(\"{SYSTEM}\");\nb")
        );
        assert!(replace("nothing", SYSTEM).is_err());
    }

    #[test]
    fn takes_an_address_or_a_keypair_file() {
        assert_eq!(address(SYSTEM).unwrap(), SYSTEM);
        assert!(address("not base58: 0OIl").is_err());
        let file = std::env::temp_dir().join(format!("quern-xtask-key-{}", std::process::id()));
        fs::write(&file, format!("{:?}", [0u8; 64])).unwrap();
        assert_eq!(address(file.to_str().unwrap()).unwrap(), SYSTEM);
        fs::write(&file, "[1,2]").unwrap();
        assert!(address(file.to_str().unwrap()).is_err());
        fs::remove_file(&file).unwrap();
    }
}
