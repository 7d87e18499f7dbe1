//! Tarballs that are the same whenever and wherever they are packed, and checksums.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::shell;

/// The time of every file, in seconds: 1980 is the earliest that every archive format knows.
const TIME: &str = "@315532800";

/// Packs the folder `name` in `base`: sorted, without owners, times and the packer's own rights.
pub fn pack(base: &Path, name: &str, tarball: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=ustar", "--sort=name"])
        .args(["--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mode=u=rwX,go=rX", &format!("--mtime={TIME}")])
        .arg("--directory")
        .arg(base)
        .arg(name)
        .env("LC_ALL", "C")
        .stdout(Stdio::piped());
    let mut packing = tar.spawn().context("could not start tar; install it")?;
    let unpacked = packing.stdout.take().context("tar has no output")?;
    let mut gzip = Command::new("gzip");
    gzip.args(["--no-name", "-6"])
        .env_remove("GZIP")
        .stdin(unpacked)
        .stdout(
            File::create(tarball)
                .with_context(|| format!("cannot create {}", tarball.display()))?,
        );
    let packed = gzip.status().context("could not start gzip; install it")?;
    let read = packing.wait()?;
    if !packed.success() || !read.success() {
        bail!("{} failed; the lines above say why", shell::show(&tar));
    }
    Ok(())
}

/// All files below a folder, sorted.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for item in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = item?.path();
        match path.is_dir() {
            true => all.extend(files(&path)?),
            false => all.push(path),
        }
    }
    all.sort();
    Ok(all)
}

/// Lines that `sha256sum --check` reads in `base`.
pub fn sums(base: &Path, files: &[&Path]) -> Result<String> {
    let mut text = String::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let hash = Sha256::digest(bytes);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = file.strip_prefix(base).unwrap_or(file);
        text.push_str(&format!("{hash}  {}\n", name.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    /// The same files, written in another order, at another time and with other rights.
    #[test]
    fn the_same_files_make_the_same_tarball() {
        let base = std::env::temp_dir().join(format!("quern-xtask-pack-{}", std::process::id()));
        crate::cache::remove(&base).unwrap();
        let mut packed = Vec::new();
        for (index, order) in [["b/x", "a"], ["a", "b/x"]].into_iter().enumerate() {
            let place = base.join(index.to_string());
            for name in order {
                let file = place.join("q").join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, name).unwrap();
                let mode = [0o600, 0o664][index];
                fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 * index as u64);
                File::open(&file).unwrap().set_modified(time).unwrap();
            }
            let tarball = base.join(format!("{index}.tar.gz"));
            pack(&place, "q", &tarball).unwrap();
            packed.push(fs::read(tarball).unwrap());
        }
        assert_eq!(packed[0], packed[1]);
        fs::write(base.join("1/q/a"), "other").unwrap();
        pack(&base.join("1"), "q", &base.join("2.tar.gz")).unwrap();
        assert_ne!(fs::read(base.join("2.tar.gz")).unwrap(), packed[0]);
        crate::cache::remove(&base).unwrap();
    }
}
