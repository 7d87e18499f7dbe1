//! What `quern provider run` tries before it starts: a bond is lost if the worker, the place to publish or the public address
//! turns out not to work after the first job was taken.

use {
    crate::error::{Error, Result},
    quern_client::{Keypair, Signer},
    quern_data::{FetchLimits, Fetcher, Publisher},
    std::{
        env,
        path::{Path, PathBuf},
    },
};

/// What is published and fetched again. It stays there: a later start replaces it.
const FILE: &str = "quern-probe.txt";

/// Refuses a place to publish that cannot be one, before anything is made there.
///
/// # Errors
/// What is wrong, and which option to correct.
pub fn place(place: &str, public_url: Option<&str>) -> Result<()> {
    let wrong = |option: &str, why: &dyn std::fmt::Display| {
        Error::Other(format!("{why}; correct {option}"))
    };
    match place.contains("://") {
        true => quern_data::check_uri(place).map_err(|error| wrong("--publish-dir", &error))?,
        false => {
            let folder = Path::new(place);
            if folder.exists() && !folder.is_dir() {
                return Err(Error::file(
                    folder,
                    "it is no folder; correct --publish-dir",
                ));
            }
        }
    }
    let public = public_url.map_or(Ok(()), quern_data::check_uri);
    public.map_err(|error| wrong("--public-url", &error))
}

/// Publishes a few bytes and fetches them again from where clients and watchers will look for results.
///
/// # Errors
/// What does not work, and which option to correct.
pub async fn publishing(publisher: &Publisher, place: &str, limits: &FetchLimits) -> Result<()> {
    // Bytes that no cache and no page for every address can know.
    let bytes = format!("{}\n", Keypair::new().pubkey()).into_bytes();
    let uri = publisher.put(FILE, bytes.clone()).await?;
    // An own address may be a private one, and an own folder is no stranger's.
    let file_roots = limits
        .file_roots
        .iter()
        .cloned()
        .chain([PathBuf::from(place)]);
    let fetcher = Fetcher::new(FetchLimits {
        file_roots: file_roots.collect(),
        allow_private: true,
        ..limits.clone()
    });
    let why = match fetcher.fetch(&uri, None).await {
        Ok(found) if found == bytes => return Ok(()),
        Ok(_) => format!("{uri} shows other bytes than were published"),
        Err(error) => error.to_string(),
    };
    Err(Error::Other(format!(
        "what is published to {place} cannot be read at its address: {why}; correct --publish-dir or --public-url, or the web server (--skip-probe starts regardless)"
    )))
}

/// Finds the worker's program as the system would, and refuses a file that cannot be run.
///
/// # Errors
/// That there is none.
pub fn worker(program: &Path) -> Result<()> {
    let is_bare = program.components().count() == 1;
    let found = match is_bare {
        true => env::var_os("PATH").and_then(|path| {
            let mut all = env::split_paths(&path).map(|folder| folder.join(program));
            all.find(|path| is_program(path))
        }),
        false => Some(program.to_owned()).filter(|path| is_program(path)),
    };
    match found {
        Some(_) => Ok(()),
        None if program.is_file() => Err(Error::file(
            program,
            match is_bare {
                true => "it is not in PATH; write ./ in front of a file of this folder",
                false => "it may not be executed; `chmod +x` it, or correct --worker",
            },
        )),
        None => Err(Error::file(
            program,
            "there is no such program; correct --worker",
        )),
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, std::time::Duration};

    #[test]
    fn a_place_that_cannot_be_one_is_refused_and_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let [file, new] = ["file", "new"].map(|name| folder.path().join(name));
        std::fs::write(&file, "x").unwrap();
        let said = |at: &Path, url| {
            place(&at.display().to_string(), url)
                .unwrap_err()
                .to_string()
        };
        assert!(said(&file, None).contains("--publish-dir"));
        assert!(said(&new, Some("nonsense")).contains("--public-url"));
        assert!(
            place("ftp://x", None)
                .unwrap_err()
                .to_string()
                .contains("--publish-dir")
        );
        place(&new.display().to_string(), Some("https://example.com/x")).unwrap();
        assert!(!new.exists());
    }

    #[tokio::test]
    async fn what_cannot_be_read_again_is_found_before_the_first_job() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().display().to_string();
        let limits = FetchLimits {
            timeout: Duration::from_secs(5),
            ..FetchLimits::default()
        };
        let here = Publisher::at(&place, None).unwrap();
        publishing(&here, &place, &limits).await.unwrap();
        assert!(folder.path().join(FILE).is_file());
        // A public address that shows another folder, or nothing.
        let other = tempfile::tempdir().unwrap();
        std::fs::write(other.path().join(FILE), "other").unwrap();
        let elsewhere = format!("file://{}", other.path().display());
        let reach = FetchLimits {
            file_roots: vec![other.path().to_owned()],
            ..limits
        };
        for address in [&elsewhere, "http://127.0.0.1:1/results"] {
            let there = Publisher::at(&place, Some(address)).unwrap();
            let refused = publishing(&there, &place, &reach).await.unwrap_err();
            assert!(refused.to_string().contains("--public-url"), "{refused}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_worker_must_be_there_and_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.sh");
        let said = |path: &Path| worker(path).unwrap_err().to_string();
        assert!(said(&path).contains("no such program"));
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        assert!(said(&path).contains("chmod +x"));
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, executable).unwrap();
        worker(&path).unwrap();
        worker(Path::new("sh")).unwrap();
        assert!(said(Path::new("no-such-program-anywhere")).contains("no such program"));
    }
}
