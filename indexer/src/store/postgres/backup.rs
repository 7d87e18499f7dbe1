//! A dump by PostgreSQL's own command.

use {
    super::{SCHEMA, name},
    crate::error::{IndexerError, Result},
    std::{path::Path, process::Stdio},
    tokio::process::Command,
};

/// Writes a dump of the store to this file and sees that it can be read.
pub(super) async fn dump(store: &str, to: &Path) -> Result<()> {
    let Some((url, password)) = name::without_password(store) else {
        return Err(IndexerError::BadStore(name::shown(store)));
    };
    let mut dump = Command::new("pg_dump");
    dump.args(["--format=custom", "--no-owner", "--no-privileges"])
        .arg(format!("--schema={SCHEMA}"))
        .arg("--file")
        .arg(to)
        .arg("--dbname")
        .arg(url.as_str());
    // Arguments can be read by everybody on this machine; the environment cannot.
    if let Some(password) = password {
        dump.env("PGPASSWORD", password);
    }
    run(dump, to).await?;
    let mut list = Command::new("pg_restore");
    list.arg("--list").arg(to);
    run(list, to).await
}

async fn run(mut command: Command, to: &Path) -> Result<()> {
    let failed = |reason: String| IndexerError::Backup {
        to: to.display().to_string(),
        reason,
        by_hand: format!(
            "have PostgreSQL's client commands (Debian: postgresql-client) of the server's version in PATH, or run by hand: \
             pg_dump --format=custom --schema={SCHEMA} --file=FILE --dbname=URL"
        ),
    };
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = command.output().await;
    let output = output.map_err(|error| failed(format!("cannot run pg_dump: {error}")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}
