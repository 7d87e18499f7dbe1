//! The local network that the examples run on: `quern localnet`, as a user starts it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::Step;
use crate::{cache, start};

/// A running network; it ends when this is dropped.
pub struct Network {
    process: Child,
    url: String,
    mint: String,
    keys: String,
}

impl Network {
    /// Starts the built command in a folder, on free ports and with these arguments, and waits until it says what it set up.
    pub fn start(root: &Path, home: &Path, args: &[&str]) -> Result<Self> {
        let step = Step::start("Starting a local network (seconds, after building it)");
        let program = start::built("quern")?;
        let (rpc, ws) = free_ports()?;
        let mut process = Command::new(program)
            .args(["localnet", "--output", "json", "--keys-dir", "keys"])
            .args(["--rpc-port", &rpc.to_string(), "--ws-port", &ws.to_string()])
            .args(args)
            .arg("--program-so")
            .arg(root.join("target/deploy/quern.so"))
            .current_dir(home)
            // The user's own wallet takes no part.
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start `quern localnet`")?;
        let said = process
            .stdout
            .take()
            .context("`quern localnet` has no standard output")?;
        // Made before anything can fail, so that the process ends then, too.
        let mut network = Self {
            process,
            url: format!("http://127.0.0.1:{rpc}"),
            mint: String::new(),
            keys: home.join("keys").display().to_string(),
        };
        let fields = fields(BufReader::new(said), "localnet")?;
        let mint = fields["mint"].as_str();
        network.mint = mint.context("`quern localnet` named no mint")?.to_owned();
        step.done(&network.url);
        Ok(network)
    }

    /// What the examples take: URL, mint, folder with wallets.
    pub fn arguments(&self) -> [&str; 3] {
        [&self.url, &self.mint, &self.keys]
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // It is gone already if this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An empty folder for a network, in the copy of the checkout.
pub fn home(root: &Path, name: &str) -> Result<PathBuf> {
    let home = root.join("target/clients").join(name);
    cache::remove(&home)?;
    fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
    Ok(home)
}

/// The JSON that a command prints when it is ready.
pub fn fields(mut said: impl BufRead, command: &str) -> Result<Value> {
    let mut text = String::new();
    while said.read_line(&mut text)? > 0 {
        if let Ok(fields) = serde_json::from_str::<Value>(&text) {
            return Ok(fields);
        }
    }
    bail!("`quern {command}` ended before it was ready; the lines above say why")
}

/// A port that nobody listens on, with the next one: libraries look for the WebSocket there.
fn free_ports() -> Result<(u16, u16)> {
    for _ in 0..100 {
        let rpc = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
        let rpc_port = rpc.local_addr()?.port();
        let ws_port = rpc_port.saturating_add(1);
        if TcpListener::bind(("127.0.0.1", ws_port)).is_ok() {
            return Ok((rpc_port, ws_port));
        }
    }
    bail!("no two free ports beside each other")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn fields_are_read_as_soon_as_they_are_there() {
        let said = "{\n  \"mint\": \"Abc\",\n  \"rpc_url\": \"x\"\n}\n";
        assert_eq!(fields(said.as_bytes(), "x").unwrap()["mint"], "Abc");
        assert!(fields("{\n".as_bytes(), "x").is_err());
    }
}
