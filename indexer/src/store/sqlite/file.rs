//! Which file is meant, whether it is free, and whether it is a store.

use {
    crate::error::{IndexerError, Result},
    sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions},
    std::{
        fs::File,
        io,
        path::{Path, PathBuf},
    },
};

/// What a store's header says it is: "Qurn". The migrations write it.
const APPLICATION_ID: i64 = 0x5175_726e;

/// The file that `sqlite:PATH` names.
pub(in crate::store) fn path_of(name: &str) -> Result<&Path> {
    name.strip_prefix("sqlite:")
        .map(|rest| rest.strip_prefix("//").unwrap_or(rest))
        // SQLite takes these for databases in memory and for addresses with options; neither is a file that can be kept.
        .filter(|path| {
            !path.is_empty() && !path.starts_with([':', '?']) && !path.starts_with("file:")
        })
        .filter(|path| !path.contains("mode=memory"))
        .map(Path::new)
        .ok_or_else(|| IndexerError::BadStore(name.to_owned()))
}

fn cannot_open(path: &Path) -> impl Fn(io::Error) -> IndexerError {
    move |source| IndexerError::OpenStore {
        path: path.display().to_string(),
        source,
    }
}

/// The file itself, whatever symbolic links lead to it: its lock stands beside it. A file with a second name could be locked
/// beside either.
pub(super) fn real_path(path: &Path) -> Result<PathBuf> {
    let failed = cannot_open(path);
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
            return new_path(path).map_err(failed);
        }
        Err(error) => return Err(failed(error)),
    };
    match has_other_names(&real).map_err(failed)? {
        true => Err(IndexerError::LinkedStore(path.display().to_string())),
        false => Ok(real),
    }
}

/// Where a file will be that is not there yet.
fn new_path(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    Ok(folder.canonicalize()?.join(name))
}

#[cfg(unix)]
fn has_other_names(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let metadata = path.metadata()?;
    Ok(metadata.is_file() && metadata.nlink() > 1)
}

#[cfg(not(unix))]
fn has_other_names(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Takes the file for this process.
pub(super) fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = cannot_open(path);
    let file = File::create(PathBuf::from(name)).map_err(&failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(IndexerError::StoreInUse(path.display().to_string()))
        }
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Refuses a database of another application, before anything is written to it.
pub(super) async fn refuse_others(path: &Path) -> Result<()> {
    let failed = |source| IndexerError::OpenDatabase {
        path: path.display().to_string(),
        source,
    };
    // A new store, or an empty file.
    if path.metadata().map_or(0, |metadata| metadata.len()) == 0 {
        return Ok(());
    }
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = options.connect().await.map_err(failed)?;
    let is_ours = is_store(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    match is_ours {
        true => Ok(()),
        false => Err(IndexerError::ForeignStore(path.display().to_string())),
    }
}

async fn is_store(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    let id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await?;
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master")
        .fetch_one(&mut *connection)
        .await?;
    Ok(id == APPLICATION_ID || (id == 0 && tables == 0))
}
