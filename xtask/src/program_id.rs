//! Building the program for a deployment of one's own: a copy of its sources below `target/` that names another address.
//!
//! The committed id has a published keypair, good for local networks only: on a real cluster anybody could take it first.
//! No source file is rewritten, and no host crate is built from the copy: tools learn the address when they run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Where the address stands.
const SOURCE: &str = "programs/quern/src/lib.rs";
/// Where the package is described.
const MANIFEST: &str = "programs/quern/Cargo.toml";
/// What the copy's library is called. Cargo gives such a file no name of its own below a target folder, and takes another
/// build's for what it made before.
pub const LIBRARY: &str = "quern_deployment";

/// Copies these packages into a workspace of their own whose program names `address`; returns its folder.
pub fn copy(root: &Path, packages: &[&str], address: &str) -> Result<PathBuf> {
    let copy = root.join("target/deployments").join(address);
    if copy.exists() {
        fs::remove_dir_all(&copy).with_context(|| format!("cannot replace {}", copy.display()))?;
    }
    for package in packages {
        copy_folder(&root.join(package), &copy.join(package))?;
    }
    let text = fs::read_to_string(root.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    fs::write(copy.join("Cargo.toml"), manifest(&text, packages)?)?;
    fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock"))?;
    let lib = copy.join(SOURCE);
    let text = fs::read_to_string(&lib).with_context(|| format!("cannot read {SOURCE}"))?;
    fs::write(&lib, replace(&text, address)?)?;
    let package = copy.join(MANIFEST);
    let text = fs::read_to_string(&package).with_context(|| format!("cannot read {MANIFEST}"))?;
    let Some((head, tail)) = text.split_once("[lib]\n") else {
        bail!("{MANIFEST} has no `[lib]`; restore it from git");
    };
    fs::write(&package, format!("{head}[lib]\nname = {LIBRARY:?}\n{tail}"))?;
    Ok(copy)
}

/// Refuses a program that does not name its address: it would refuse to work there.
pub fn check(root: &Path, program: &[u8], address: Option<&str>) -> Result<()> {
    let address = match address {
        Some(address) => address.to_owned(),
        None => {
            let text = fs::read_to_string(root.join(SOURCE))
                .with_context(|| format!("cannot read {SOURCE}"))?;
            let declared = text
                .split_once(BEGIN)
                .and_then(|(_, rest)| rest.split_once('"'));
            declared
                .map(|(address, _)| address.to_owned())
                .with_context(|| format!("{SOURCE} has no `declare_id!`"))?
        }
    };
    let bytes = bs58::decode(&address).into_vec()?;
    if program.windows(bytes.len()).any(|window| window == bytes) {
        return Ok(());
    }
    bail!(
        "it does not name its address {address}; remove target/sbpf and target/sbf, and build again"
    )
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for item in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let (path, name) = item.map(|item| (item.path(), item.file_name()))?;
        match path.is_dir() {
            true => copy_folder(&path, &to.join(name))?,
            false => fs::copy(&path, to.join(name)).map(|_| ())?,
        }
    }
    Ok(())
}

/// The workspace's manifest with these members only; everything that the build depends on stays as it is.
fn manifest(text: &str, packages: &[&str]) -> Result<String> {
    let list = packages.iter().map(|package| format!("{package:?}"));
    let list = list.collect::<Vec<_>>().join(", ");
    let mut out = String::new();
    let mut rest = text;
    for key in ["members = [", "default-members = ["] {
        let (head, tail) = rest
            .split_once(&format!("\n{key}"))
            .with_context(|| format!("Cargo.toml has no `{key}`"))?;
        let (_, tail) = tail
            .split_once(']')
            .context("Cargo.toml has a broken list")?;
        out += &format!("{head}\n{key}{list}]");
        rest = tail;
    }
    Ok(out + rest)
}

/// The address that an argument stands for.
pub fn address(id: &str) -> Result<String> {
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

/// What stands before the address.
const BEGIN: &str = "declare_id!(\"";

/// The source with another address in its one `declare_id!`. Anchor's macros read the literal from the file, to compute addresses
/// ahead of time, so a constant from elsewhere would cost compute units in every instruction.
fn replace(source: &str, address: &str) -> Result<String> {
    let Some((head, rest)) = source.split_once(BEGIN) else {
        bail!("{SOURCE} has no `declare_id!`; restore it from git");
    };
    let Some((_, tail)) = rest.split_once("\")") else {
        bail!("{SOURCE} has a broken `declare_id!`; restore it from git");
    };
    Ok(format!("{head}{BEGIN}{address}\"){tail}"))
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
    fn keeps_everything_but_the_members() {
        let text = "[workspace]\nresolver = \"3\"\nmembers = [\n  \"a\",\n  \"b\",\n]\n# why\ndefault-members = [\"a\", \"b\"]\n\n[profile.release]\nlto = \"fat\"\n";
        assert_eq!(
            manifest(text, &["a"]).unwrap(),
            "[workspace]\nresolver = \"3\"\nmembers = [\"a\"]\n# why\ndefault-members = [\"a\"]\n\n[profile.release]\nlto = \"fat\"\n"
        );
        assert!(manifest("[workspace]", &["a"]).is_err());
    }

    #[test]
    fn a_program_names_its_address() {
        let program = [&[1; 7][..], &[0; 32], &[2]].concat();
        check(Path::new(""), &program, Some(SYSTEM)).unwrap();
        let other = bs58::encode([3; 32]).into_string();
        assert!(check(Path::new(""), &program, Some(&other)).is_err());
        // The committed one is found in the source.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(check(&root, &program, None).is_err());
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
