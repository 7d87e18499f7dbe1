//! The local network that the examples run on: `quern localnet`, as a user starts it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
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
    /// Starts the built command on free ports and waits until it says what it set up.
    pub fn start(root: &Path) -> Result<Self> {
        let step =
            Step::start("Starting a local network for the examples (seconds, after building it)");
        let program = start::built("quern")?;
        let home = root.join("target/clients/network");
        cache::remove(&home)?;
        fs::create_dir_all(&home)?;
        let (rpc, ws) = free_ports()?;
        let mut process = Command::new(program)
            .args(["localnet", "--output", "json", "--keys-dir", "keys"])
            .args(["--rpc-port", &rpc.to_string(), "--ws-port", &ws.to_string()])
            .arg("--program-so")
            .arg(root.join("target/deploy/quern.so"))
            .current_dir(&home)
            // The user's own wallet takes no part.
            .env("HOME", &home)
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
        network.mint = mint(BufReader::new(said))?;
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

/// The mint, out of the JSON that the network prints when it is ready.
fn mint(mut said: impl BufRead) -> Result<String> {
    let mut text = String::new();
    while said.read_line(&mut text)? > 0 {
        if let Ok(fields) = serde_json::from_str::<Value>(&text) {
            let mint = fields["mint"].as_str();
            return Ok(mint.context("`quern localnet` named no mint")?.to_owned());
        }
    }
    bail!("`quern localnet` ended before it was ready; the lines above say why")
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
    fn the_mint_is_read_as_soon_as_it_is_there() {
        let said = "{\n  \"mint\": \"Abc\",\n  \"rpc_url\": \"x\"\n}\n";
        assert_eq!(mint(said.as_bytes()).unwrap(), "Abc");
        assert!(mint("{\n".as_bytes()).is_err());
        assert!(mint("{}\n".as_bytes()).is_err());
    }
}
