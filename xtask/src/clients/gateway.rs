//! A gateway with a small encoder behind it: `quern model import`, `quern localnet --serve` and `quern gateway`, as a user types
//! them.

use std::io::BufReader;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::network::{self, Network};
use crate::shell::{self, Step};
use crate::start;

/// What the model is called.
pub const MODEL: &str = "Small";
/// Tokens of a text.
const SEQUENCE: &str = "16";

/// A running gateway; it ends when this is dropped, and its network after it.
pub struct Gateway {
    process: Child,
    base_url: String,
    key: String,
    _network: Network,
}

impl Gateway {
    /// Makes the model and starts both.
    pub fn start(root: &Path) -> Result<Self> {
        let program = start::built("quern")?;
        let home = network::home(root, "gateway")?;
        import(root, &home, &program)?;
        let network = Network::start(root, &home, &["--serve", "models/small"])?;
        let step = Step::start("Starting a gateway (seconds)");
        let [url, mint, keys] = network.arguments();
        let mut process = Command::new(program)
            .args(["--keypair", &format!("{keys}/client.json"), "--url", url])
            .args(["--output", "json", "gateway", "--model", "models/small"])
            .args(["--mint", mint])
            .args(["--listen", "127.0.0.1:0", "--state", "state"])
            .current_dir(&home)
            .env("HOME", &home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start `quern gateway`")?;
        let said = process.stdout.take();
        // Made before anything can fail, so that the process ends then, too.
        let mut gateway = Self {
            process,
            base_url: String::new(),
            key: String::new(),
            _network: network,
        };
        let said = said.context("`quern gateway` has no standard output")?;
        let fields = network::fields(BufReader::new(said), "gateway")?;
        let field = |name: &str| {
            let text = fields[name].as_str();
            text.map(str::to_owned)
                .with_context(|| format!("`quern gateway` named no {name}"))
        };
        gateway.base_url = field("OPENAI_BASE_URL")?;
        gateway.key = field("OPENAI_API_KEY")?;
        step.done(&gateway.base_url);
        Ok(gateway)
    }

    /// Sets the two variables of an application.
    pub fn tell(&self, application: &mut Command) {
        application
            .env("OPENAI_BASE_URL", &self.base_url)
            .env("OPENAI_API_KEY", &self.key);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It is gone already if this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn import(root: &Path, home: &Path, program: &Path) -> Result<()> {
    let mut encoder = Command::new("python3");
    encoder
        .arg(root.join("tests/clients/gateway/encoder.py"))
        .arg(home.join("float"));
    shell::must(&mut encoder, "No encoder was made.")?;
    let mut import = Command::new(program);
    import
        .args(["model", "import", "float/model.safetensors"])
        .args(["--calibration", "float/calibration.txt"])
        .args(["--held-out", "float/held-out.txt"])
        .args([
            "--name",
            MODEL,
            "--sequence",
            SEQUENCE,
            "--out",
            "models/small",
        ])
        .current_dir(home)
        .env("HOME", home);
    shell::must_quietly(
        &mut import,
        "importing the encoder",
        "The lines above say why.",
    )
}
