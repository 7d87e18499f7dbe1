//! A copy of a store that somebody can rely on: made of one state, checked, written to the disk, and only then given its name.

use {
    super::{Checked, Role, Sqlite, Store, rows::Engine},
    crate::error::{IndexerError, Result},
    std::{
        fs::{self, File},
        io,
        path::Path,
    },
};

pub(super) async fn backup(engine: &dyn Engine, to: &Path) -> Result<Option<Checked>> {
    let failed = |reason: String| IndexerError::Backup {
        to: to.display().to_string(),
        reason,
        by_hand: "name a file that is not there yet, in a folder with room for it".to_owned(),
    };
    let because = |error: io::Error| failed(error.to_string());
    if to.try_exists().map_err(because)? {
        return Err(failed("it is there already".to_owned()));
    }
    // Whoever cuts this short leaves a name behind that nobody takes for a copy.
    let folder = match to.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let part = tempfile::Builder::new()
        .prefix(".quern-backup-")
        .tempdir_in(folder)
        .map_err(because)?;
    let copy = part.path().canonicalize().map_err(because)?.join("copy");
    engine.backup(&copy).await?;
    let checked = match engine.copies_itself() {
        true => Some(check(&copy).await?),
        false => None,
    };
    if checked.as_ref().is_some_and(|checked| !checked.is_sound()) {
        let advice = "the copy is not sound; see what quern-indexer check says of the store";
        return Err(failed(advice.to_owned()));
    }
    File::open(&copy)
        .and_then(|file| file.sync_all())
        .map_err(because)?;
    fs::rename(&copy, to).map_err(because)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(because)?;
    Ok(checked)
}

async fn check(copy: &Path) -> Result<Checked> {
    let store = Store::new(Sqlite::open(copy, Role::Replica).await?).await?;
    let checked = store.check().await?;
    store.close().await;
    Ok(checked)
}
