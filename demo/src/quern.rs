//! The `quern` command, typed as people type it: a process of its own, which the demo's binary becomes when its first word says so.

use {
    anyhow::{Context, Result, ensure},
    quern_client::{Keypair, Signer, config},
    quern_testkit::net::Stage,
    serde_json::Value,
    std::path::{Path, PathBuf},
    tokio::process::Command,
};

/// The first word of a command line that is `quern`'s.
pub const WORD: &str = "quern";

/// Runs `quern` with these words on the stage's network and returns what it shows.
///
/// # Errors
/// That it cannot be started or fails, with what it says.
pub async fn run(binary: &Path, stage: &Stage, wallet: &Keypair, words: &[&str]) -> Result<Value> {
    let mut command = Command::new(binary);
    command
        .arg(WORD)
        .args(words)
        .args(["--output", "json", "--url", stage.net.rpc_url()])
        .arg("--keypair")
        .arg(key(stage, wallet)?)
        // Nothing that the person who watches has configured.
        .env("HOME", stage.folder())
        .env("USERPROFILE", stage.folder());
    for variable in ["QUERN_URL", "QUERN_PROGRAM_ID", "XDG_CONFIG_HOME"] {
        command.env_remove(variable);
    }
    let line = words.join(" ");
    let output = command.output().await;
    let output = output.with_context(|| format!("cannot start `quern {line}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`quern {line}`: {}", said.trim());
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`quern {line}` shows something else than JSON"))
}

/// A wallet's keypair file.
///
/// # Errors
/// That it cannot be written.
pub fn key(stage: &Stage, wallet: &Keypair) -> Result<PathBuf> {
    let path = stage.folder().join(format!("{}.json", wallet.pubkey()));
    if !path.exists() {
        config::write_keypair(&path, wallet)?;
    }
    Ok(path)
}
