//! Solana's conventions: the command-line configuration, cluster names and keypair files.
//!
//! What Solana's own tools read, these read, too. What names nothing is an error and never a default: the defaults are the
//! cluster with real money and the wallet that holds it.

mod cluster_url;
mod deployments;
mod home;
mod keypair;
mod text;

pub use {
    cluster_url::{is_local, url},
    deployments::{deployment, deployments_path},
    home::expand,
    keypair::{parse_keypair, read_keypair, write_keypair},
};

use {
    crate::{
        errors::{ClientError, Result},
        files::unread,
    },
    home::home,
    solana_commitment_config::CommitmentConfig,
    std::{
        fs,
        path::{Path, PathBuf},
    },
};

/// Where requests go, if no configuration says it.
const USUAL_URL: &str = "https://api.mainnet-beta.solana.com";

/// What `solana config set` writes and every Solana tool reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The file, if there is one: then nothing that it leaves out is guessed.
    path: Option<PathBuf>,
    rpc_url: Option<String>,
    keypair_path: Option<PathBuf>,
    /// How sure an answer must be.
    pub commitment: CommitmentConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            rpc_url: Some(USUAL_URL.to_owned()),
            keypair_path: Some(home().join(".config/solana/id.json")),
            commitment: CommitmentConfig::confirmed(),
        }
    }
}

/// The settings that matter here. Solana's file has more, and other tools have put still more into it.
#[derive(serde::Deserialize)]
struct Settings {
    json_rpc_url: Option<String>,
    keypair_path: Option<String>,
    commitment: Option<String>,
}

impl Config {
    /// The usual path: `~/.config/solana/cli/config.yml`.
    pub fn default_path() -> PathBuf {
        home().join(".config/solana/cli/config.yml")
    }

    /// Reads the configuration. With no path given, a missing file at the usual one means the defaults.
    ///
    /// # Errors
    /// `Config` if the file cannot be read, a value makes no sense, or a file that was named holds no setting at all.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let (path, is_named) = match path {
            Some(path) => (path.to_owned(), true),
            None => (Self::default_path(), false),
        };
        let bad = |reason: String| ClientError::Config {
            path: path.clone(),
            reason,
        };
        match fs::read(&path) {
            Ok(bytes) => {
                let config = Self::parse(&path, &bytes).map_err(bad)?;
                if is_named && config.rpc_url.is_none() && config.keypair_path.is_none() {
                    let keys = text::keys(&bytes);
                    return Err(bad(format!(
                        "there is no json_rpc_url and no keypair_path in it{keys}"
                    )));
                }
                Ok(config)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => {
                Ok(Self::default())
            }
            Err(error) => Err(bad(unread(&path, &error))),
        }
    }

    /// Where requests go.
    ///
    /// # Errors
    /// `Config` if there is a file that does not say it.
    pub fn rpc_url(&self) -> Result<String> {
        self.setting("json_rpc_url", &self.rpc_url)
    }

    /// The wallet.
    ///
    /// # Errors
    /// `Config` if there is a file that does not say it.
    pub fn keypair_path(&self) -> Result<PathBuf> {
        self.setting("keypair_path", &self.keypair_path)
    }

    fn setting<T: Clone>(&self, key: &str, value: &Option<T>) -> Result<T> {
        let path = || self.path.clone().unwrap_or_default();
        value.clone().ok_or_else(|| ClientError::Config {
            reason: format!(
                "it names no {key}{}",
                text::keys(&fs::read(path()).unwrap_or_default())
            ),
            path: path(),
        })
    }

    /// The settings in the text of a file.
    fn parse(path: &Path, bytes: &[u8]) -> std::result::Result<Self, String> {
        let settings: Option<Settings> = text::parse(bytes)?;
        let given = |value: Option<String>| {
            value
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let (json_rpc_url, keypair_path, level) = match settings {
            Some(found) => (
                given(found.json_rpc_url),
                given(found.keypair_path),
                given(found.commitment),
            ),
            None => (None, None, None),
        };
        let rpc_url = json_rpc_url.as_deref().map(url).transpose();
        Ok(Self {
            path: Some(path.to_owned()),
            rpc_url: rpc_url.map_err(|error| format!("json_rpc_url: {error}"))?,
            keypair_path: keypair_path.as_deref().map(expand),
            commitment: level.map_or(Ok(CommitmentConfig::confirmed()), |level| {
                commitment(&level).map_err(|why| format!("commitment: {why}"))
            })?,
        })
    }
}

/// The level that a commitment's name stands for.
///
/// # Errors
/// What to write instead: names that older tools took are told, not guessed.
pub fn commitment(name: &str) -> std::result::Result<CommitmentConfig, String> {
    let level = name.to_ascii_lowercase();
    if let Ok(known) = level.parse() {
        return Ok(known);
    }
    let today = match level.as_str() {
        "max" | "root" => "finalized",
        "single" | "singlegossip" => "confirmed",
        "recent" => "processed",
        _ => {
            return Err(format!(
                "`{name}` is no commitment; write processed, confirmed or finalized"
            ));
        }
    };
    Err(format!(
        "`{name}` is an old name of a commitment; write `{today}`"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

    const URL: &str = "http://127.0.0.1:18899";
    const KEY: &str = "/home/me/id.json";

    fn parsed(bytes: &[u8]) -> std::result::Result<Config, String> {
        Config::parse(Path::new("config.yml"), bytes)
    }

    /// Every way to write the same two settings.
    #[test]
    fn whatever_solanas_loader_reads_is_read() {
        let written = [
            format!(
                "---\njson_rpc_url: \"{URL}\"\nwebsocket_url: \"\"\nkeypair_path: {KEY}\naddress_labels:\n  \"11111111111111111111111111111111\": System Program\n  keypair_path: wrong\ncommitment: confirmed\n"
            ),
            format!("json_rpc_url: '{URL}'\nkeypair_path: '{KEY}'"),
            format!(
                "{{\"json_rpc_url\": \"{URL}\", \"keypair_path\": \"{KEY}\", \"commitment\": \"confirmed\"}}"
            ),
            format!("{{\n  \"json_rpc_url\": \"{URL}\",\n  \"keypair_path\": \"{KEY}\"\n}}\n"),
            format!("{{json_rpc_url: {URL}, keypair_path: {KEY}}}"),
            format!("json_rpc_url : \"{URL}\" # local\nkeypair_path : {KEY} # mine\n"),
            format!("x: &u \"{URL}\"\njson_rpc_url: *u\nkeypair_path: {KEY}\n"),
            format!("json_rpc_url: >-\n  {URL}\nkeypair_path: |-\n  {KEY}\n"),
            format!("? json_rpc_url\n: {URL}\n? keypair_path\n: {KEY}\n"),
            format!(
                "\"json_rpc_url\": !!str {URL}\n'keypair_path': {KEY}\ncommitment: Confirmed\n"
            ),
            format!("---\r\njson_rpc_url: \"{URL}\"\r\nkeypair_path: {KEY}\r\n"),
            format!("\u{feff}---\njson_rpc_url: \" {URL}/ \"\nkeypair_path: {KEY}\n"),
            format!(
                "fee: \"0\"\nupdate_poll_secs: 3600\nlist: [1, 2]\njson_rpc_url: HTTP://127.0.0.1:18899\nkeypair_path: {KEY}\ncommitment: ''\n"
            ),
            format!("  json_rpc_url: {URL}\n  keypair_path: {KEY}\n"),
        ];
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            let marked = format!("\u{feff}{text}");
            marked.encode_utf16().flat_map(bytes).collect()
        };
        let mut all: Vec<Vec<u8>> = written
            .iter()
            .map(|text| text.clone().into_bytes())
            .collect();
        all.push(utf16(&written[0], u16::to_le_bytes));
        all.push(utf16(&written[0], u16::to_be_bytes));
        for bytes in all {
            let shown = String::from_utf8_lossy(&bytes).into_owned();
            let config = parsed(&bytes).unwrap_or_else(|why| panic!("{why}: {shown}"));
            assert_eq!(config.rpc_url().unwrap(), URL, "{shown}");
            assert_eq!(config.keypair_path().unwrap(), Path::new(KEY), "{shown}");
            assert_eq!(config.commitment, CommitmentConfig::confirmed(), "{shown}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for (text, part) in [
            (
                "json_rpc_url:http://127.0.0.1:1\nkeypair_path:/id.json\n",
                "space",
            ),
            ("json_rpc_url: http://a\njson_rpc_url: http://b\n", "twice"),
            ("- json_rpc_url\n", "`key: value`"),
            ("just a text", "`key: value`"),
            ("json_rpc_url: [a\n", "line"),
            ("json_rpc_url:\n  - http://a\n", "text"),
            ("a: 1\n\tb: 2\n", "line"),
            ("json_rpc_url: ws://127.0.0.1:8900\n", "websocket"),
            ("json_rpc_url: devnett\n", "devnett"),
            ("commitment: soon\n", "finalized"),
            ("commitment: max\n", "`finalized`"),
            ("commitment: root\n", "`finalized`"),
            ("commitment: recent\n", "`processed`"),
            ("commitment: singleGossip\n", "`confirmed`"),
            ("commitment: single\n", "`confirmed`"),
        ] {
            let why = parsed(text.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
        let latin = parsed(b"json_rpc_url: \"http://\xfc\"").unwrap_err();
        assert!(latin.contains("UTF-8"), "{latin}");
        // A key of a node does not get into the sentence.
        let secret = parsed(b"json_rpc_url:https://rpc.example/v2/SECRET").unwrap_err();
        assert!(!secret.contains("SECRET"), "{secret}");
    }

    /// What a file leaves out is not guessed, and a file that was named and holds nothing is refused at once.
    #[test]
    fn nothing_falls_back_to_the_cluster_with_real_money() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yml");
        let load = |text: &str| {
            fs::write(&path, text).unwrap();
            Config::load(Some(&path)).map_err(|error| error.to_string())
        };
        for text in [
            "",
            "\n\n",
            "---\n",
            "# nothing yet\n",
            "---\n# still nothing\n...\n",
            "{}",
            "~",
            "rpc: http://127.0.0.1:1\nkeypair: id.json\n",
            "json_rpc_url: ~\nkeypair_path: ''\n",
            "commitment: finalized\n",
        ] {
            let why = load(text).unwrap_err();
            let said = why.contains("no json_rpc_url") && why.contains("config.yml");
            assert!(said, "{text:?}: {why}");
        }
        let misspelt = load("json_rpc_ulr: http://127.0.0.1:1\nkeypair_path: id.json\n").unwrap();
        let why = misspelt.rpc_url().unwrap_err().to_string();
        let said = why.contains("no json_rpc_url") && why.contains("json_rpc_ulr");
        assert!(said, "{why}");
        assert_eq!(misspelt.keypair_path().unwrap(), Path::new("id.json"));
        let install = load("json_rpc_url: d\nreleases_dir: /home/me\nlist:\n  - 0\n").unwrap();
        assert_eq!(install.rpc_url().unwrap(), "https://api.devnet.solana.com");
        let why = install.keypair_path().unwrap_err().to_string();
        assert!(why.contains("no keypair_path"), "{why}");
        assert!(Config::load(Some(Path::new("/nowhere/config.yml"))).is_err());
    }

    #[test]
    fn paths_may_start_at_home() {
        let at = |text: &str| {
            let text = format!("keypair_path: {text}\n");
            parsed(text.as_bytes()).unwrap().keypair_path().unwrap()
        };
        let wallet = home().join("wallet.json");
        for text in [
            "~/wallet.json",
            "\"~/wallet.json\"",
            "$HOME/wallet.json",
            "${HOME}/wallet.json",
            "\"%USERPROFILE%/wallet.json\"",
        ] {
            assert_eq!(at(text), wallet, "{text}");
        }
        let windows = r"C:\Users\me\id.json";
        assert_eq!(at(windows), Path::new(windows));
        assert_eq!(at(r#""C:\\Users\\me\\id.json""#), Path::new(windows));
        for text in [
            "my wallet/id.json",
            "usb://ledger?key=0",
            "prompt://?key=0/0",
        ] {
            assert_eq!(at(text), Path::new(text));
        }
        assert_eq!(expand("$HOMER/x"), Path::new("$HOMER/x"));
        assert_eq!(expand("~"), home());
    }
}
