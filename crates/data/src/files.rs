//! Files that are whole or not there, and folders that one process uses at a time.

use {
    crate::error::{DataError, Result},
    std::{
        fs::{self, File, TryLockError},
        io::{ErrorKind, Seek, SeekFrom, Write},
        path::Path,
        sync::atomic::{AtomicU64, Ordering},
        time::{Duration, SystemTime},
    },
};

/// How the names of files end that are not whole yet.
const PART: &str = "part";
/// The file of a folder that says which cluster it belongs to.
pub const CLUSTER: &str = "cluster";

/// Writes a file whole or not at all: beside its place, flushed, renamed; then the folder is flushed too, or the name could be
/// lost. Every write has a file of its own, so that two of the same path never mix: the later one wins.
///
/// # Errors
/// `Files`.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole(path, bytes).map_err(|error| unwritten(path, &error))
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    name.push(format!(".{}-{write}.{PART}", std::process::id()));
    let part = folder.join(name);
    let written = File::create_new(&part)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // What cannot be removed either is swept up at a later start.
        let _ = fs::remove_file(&part);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// Writes bytes at a place of a file that grows, and flushes them; what was behind it goes. A kill in between leaves a part of
/// them: the reader must be able to tell.
///
/// # Errors
/// `Files`, or `DiskFull`.
pub fn write_from(path: &Path, at: u64, bytes: &[u8]) -> Result<()> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        file.set_len(at)?;
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)?;
        file.sync_data()
    };
    write().map_err(|error| unwritten(path, &error))
}

/// Puts a file that is whole into its place; both are in one folder.
///
/// # Errors
/// `Files`, or `DiskFull`.
pub fn persist(part: tempfile::TempPath, path: &Path) -> Result<()> {
    let put = || {
        File::open(&part)?.sync_all()?;
        part.persist(path).map_err(|error| error.error)?;
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    put().map_err(|error| unwritten(path, &error))
}

/// Notes that a file was used now: those that are not go first.
pub fn touch(path: &Path) {
    let used = File::options()
        .append(true)
        .open(path)
        .and_then(|file| file.set_modified(SystemTime::now()));
    if let Err(error) = used {
        tracing::debug!(path = %path.display(), %error, "cannot note the use of a file");
    }
}

/// A file's bytes, if it exists.
///
/// # Errors
/// `Files`.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Removes a file, if it exists.
///
/// # Errors
/// `Files`.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

/// Makes a folder with all above it.
///
/// # Errors
/// `Files`.
pub fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))
}

/// Locks a folder as long as the returned file lives; the system lets go of it when the process ends, however it ends.
///
/// # Errors
/// `Locked` if another process or part of this one has it, `Files` if it cannot be used.
pub fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let lock = File::create(&path).map_err(|error| failed(&path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(DataError::Locked {
            path: folder.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(&path, &error)),
    }
}

/// Removes all files of a folder but the newest.
///
/// # Errors
/// `Files`.
pub fn keep_newest(folder: &Path, most: usize) -> Result<()> {
    let remove_others = || -> std::io::Result<()> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            all.push((entry.metadata()?.modified()?, entry.path()));
        }
        all.sort();
        let old = all.len().saturating_sub(most);
        all.iter()
            .take(old)
            .try_for_each(|(_, path)| fs::remove_file(path))
    };
    remove_others().map_err(|error| failed(folder, &error))
}

/// Binds a folder to one cluster: the first time its genesis hash is written down, later it must be the same. Says whether it
/// is.
///
/// # Errors
/// `Files`, or `DiskFull`.
pub fn is_bound_to(folder: &Path, genesis: &str) -> Result<bool> {
    let path = folder.join(CLUSTER);
    match read(&path)? {
        Some(known) => Ok(known == genesis.as_bytes()),
        None => write(&path, genesis.as_bytes()).map(|()| true),
    }
}

/// Bytes of all files below a folder; nothing if it is not there. Links are not followed.
///
/// # Errors
/// `Files`.
pub fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes = 0u64;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(failed(&folder, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed(&folder, &error))?;
            // What goes meanwhile takes no room.
            let Ok(found) = entry.metadata() else {
                continue;
            };
            match found.is_dir() {
                true => folders.push(entry.path()),
                false => bytes = bytes.saturating_add(found.len()),
            }
        }
    }
    Ok(bytes)
}

/// Removes what a killed process left half-written at least `age` ago.
///
/// # Errors
/// `Files`.
pub fn sweep(folder: &Path, age: Duration) -> Result<()> {
    sweep_parts(folder, age).map_err(|error| failed(folder, &error))
}

fn sweep_parts(folder: &Path, age: Duration) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_none_or(|found| found != PART) {
            continue;
        }
        let written = entry.metadata()?.modified()?;
        let is_old = SystemTime::now()
            .duration_since(written)
            .map_or(age.is_zero(), |since| since >= age);
        if is_old {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Something that could not be written.
pub fn unwritten(path: &Path, error: &std::io::Error) -> DataError {
    // The last one is a limit of this process or of the disk's format.
    let is_full = matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    );
    match is_full {
        true => DataError::DiskFull {
            path: path.to_owned(),
        },
        false => failed(path, error),
    }
}

/// A file or folder that cannot be used.
pub fn failed(path: &Path, why: &dyn std::fmt::Display) -> DataError {
    DataError::Files {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_belongs_to_one_cluster() {
        let folder = tempfile::tempdir().expect("a folder");
        for (genesis, expected) in [("a", true), ("a", true), ("b", false), ("a", true)] {
            assert_eq!(is_bound_to(folder.path(), genesis).ok(), Some(expected));
        }
    }

    #[test]
    fn only_the_newest_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a", "b", "c"] {
            write(&folder.path().join(name), b"x").expect("it is written");
        }
        keep_newest(folder.path(), 2).expect("they are removed");
        assert_eq!(
            fs::read_dir(folder.path()).map(Iterator::count).ok(),
            Some(2)
        );
    }

    #[test]
    fn a_full_disk_is_called_so() {
        let path = Path::new("/data/x");
        for kind in [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::FileTooLarge,
        ] {
            let said = unwritten(path, &kind.into()).to_string();
            assert!(
                said.contains("is full") && said.contains("/data/x"),
                "{said}"
            );
        }
        let said = unwritten(path, &ErrorKind::PermissionDenied.into()).to_string();
        assert!(said.contains("permissions"), "{said}");
        // The system itself says it.
        #[cfg(target_os = "linux")]
        {
            let written = std::fs::OpenOptions::new().write(true).open("/dev/full");
            let written = written.and_then(|mut full| full.write_all(b"x"));
            let error = written.expect_err("it is full");
            assert!(matches!(
                unwritten(path, &error),
                DataError::DiskFull { .. }
            ));
        }
    }
}
