//! Solana's conventions: the command-line configuration, cluster names and keypair files.

use {
    crate::errors::{ClientError, Result},
    solana_commitment_config::CommitmentConfig,
    solana_sdk::{pubkey::Pubkey, signature::Keypair},
    std::{
        env, fs,
        path::{Path, PathBuf},
    },
};

/// What `solana config set` writes and every Solana tool reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where requests go.
    pub rpc_url: String,
    /// The wallet.
    pub keypair_path: PathBuf,
    /// How sure an answer must be.
    pub commitment: CommitmentConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rpc_url: "https://api.mainnet-beta.solana.com".to_owned(),
            keypair_path: home().join(".config/solana/id.json"),
            commitment: CommitmentConfig::confirmed(),
        }
    }
}

impl Config {
    /// The usual path: `~/.config/solana/cli/config.yml`.
    pub fn default_path() -> PathBuf {
        home().join(".config/solana/cli/config.yml")
    }

    /// Reads the configuration. With no path given, a missing file at the usual one means the defaults.
    ///
    /// # Errors
    /// `Config` if the file cannot be read or a value makes no sense.
    pub fn load(path: Option<&Path>) -> Result<Self> {
        let (path, is_named) = match path {
            Some(path) => (path.to_owned(), true),
            None => (Self::default_path(), false),
        };
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => {
                Ok(Self::default())
            }
            Err(error) => Err(ClientError::Config {
                path,
                reason: error.to_string(),
            }),
        }
    }

    /// Solana writes a flat list of `key: value`; nested parts (address labels) are of no use here and skipped.
    fn parse(path: &Path, text: &str) -> Result<Self> {
        let bad = |reason: String| ClientError::Config {
            path: path.to_owned(),
            reason,
        };
        let mut config = Self::default();
        for line in text.lines() {
            let is_nested = line.starts_with([' ', '\t', '-', '#']);
            let Some((key, value)) = line.split_once(':').filter(|_| !is_nested) else {
                continue;
            };
            let value = scalar(value);
            match key.trim() {
                "json_rpc_url" if !value.is_empty() => config.rpc_url = url(value)?,
                "keypair_path" if !value.is_empty() => config.keypair_path = expand(value),
                "commitment" if !value.is_empty() => {
                    config.commitment = value
                        .parse()
                        .map_err(|_| bad(format!("unknown commitment `{value}`")))?;
                }
                _ => {}
            }
        }
        Ok(config)
    }
}

/// Where it stands which deployment each cluster uses: `~/.config/quern/deployments.yml`.
pub fn deployments_path() -> PathBuf {
    home().join(".config/quern/deployments.yml")
}

/// The program that a list of deployments names for the cluster at a URL. The list has lines of `URL_OR_MONIKER: ADDRESS`; a
/// missing one is empty.
///
/// # Errors
/// `Config` if the file cannot be read or a line makes no sense.
pub fn deployment(path: &Path, cluster: &str) -> Result<Option<Pubkey>> {
    let bad = |reason: String| ClientError::Config {
        path: path.to_owned(),
        reason,
    };
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| bad(error.to_string()))?,
    };
    let lines = text.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let unclear = || {
            bad(format!(
                "write `URL_OR_MONIKER: ADDRESS` instead of `{line}`"
            ))
        };
        // URLs have colons, too.
        let (name, address) = line.rsplit_once(": ").ok_or_else(unclear)?;
        let (name, address) = (url(scalar(name))?, scalar(address).parse());
        if name == url(cluster)? {
            return address.map(Some).map_err(|_| unclear());
        }
    }
    Ok(None)
}

/// A YAML scalar without its quotes or the comment behind it.
fn scalar(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.split(quote).next().unwrap_or(rest);
        }
    }
    value.split(" #").next().unwrap_or(value).trim_end()
}

/// The URL for a cluster's name (or its first letter), or the URL itself.
///
/// # Errors
/// `BadUrl` if it is neither.
pub fn url(name_or_url: &str) -> Result<String> {
    let url = match name_or_url {
        "l" | "localhost" | "localnet" => "http://127.0.0.1:8899",
        "d" | "devnet" => "https://api.devnet.solana.com",
        "t" | "testnet" => "https://api.testnet.solana.com",
        "m" | "mainnet-beta" => "https://api.mainnet-beta.solana.com",
        url if host(url).is_some() => url,
        _ => return Err(ClientError::BadUrl(name_or_url.to_owned())),
    };
    Ok(url.trim_end_matches('/').to_owned())
}

/// Whether a URL points to this machine. Only there may the public test key stand for the program.
pub fn is_local(url: &str) -> bool {
    matches!(
        host(url),
        Some("127.0.0.1" | "localhost" | "[::1]" | "0.0.0.0")
    )
}

fn host(url: &str) -> Option<&str> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let host = match authority.find(']') {
        Some(end) => authority.get(..=end)?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty() && !host.contains(char::is_whitespace)).then_some(host)
}

/// Reads a keypair file as `solana-keygen` writes it: a JSON list of 64 bytes.
///
/// # Errors
/// `Keypair`, which names the file and what is wrong with it.
pub fn read_keypair(path: &Path) -> Result<Keypair> {
    let bad = |reason: String| ClientError::Keypair {
        path: path.to_owned(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    parse_keypair(&text).map_err(bad)
}

/// A keypair from the text of a keypair file.
///
/// # Errors
/// What is wrong with it, never the text itself.
pub fn parse_keypair(text: &str) -> std::result::Result<Keypair, String> {
    let bytes: Vec<u8> =
        serde_json::from_str(text.trim()).map_err(|_| "it is no JSON list of bytes".to_owned())?;
    if bytes.len() != 64 {
        return Err(format!("it holds {} bytes instead of 64", bytes.len()));
    }
    Keypair::try_from(bytes.as_slice())
        .map_err(|_| "its public half does not belong to its secret half".to_owned())
}

/// Writes a new keypair file that only its owner can read; refuses to overwrite.
///
/// # Errors
/// `Keypair` if the file exists or cannot be written.
pub fn write_keypair(path: &Path, keypair: &Keypair) -> Result<()> {
    use std::io::Write;
    let bad = |reason: String| ClientError::Keypair {
        path: path.to_owned(),
        reason,
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| bad(error.to_string()))?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| bad(error.to_string()))?;
    let text = serde_json::to_string(&keypair.to_bytes().to_vec())
        .map_err(|error| bad(error.to_string()))?;
    file.write_all(text.as_bytes())
        .map_err(|error| bad(error.to_string()))
}

/// A path with a leading `~` replaced by the home folder.
pub fn expand(path: &str) -> PathBuf {
    path.strip_prefix("~/")
        .map_or_else(|| PathBuf::from(path), |rest| home().join(rest))
}

fn home() -> PathBuf {
    env::var_os("HOME")
        .or_else(|| env::var_os("USERPROFILE"))
        .map_or_else(PathBuf::new, PathBuf::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, solana_sdk::signature::Signer};

    #[test]
    fn reads_what_solana_writes() {
        let text = "---\njson_rpc_url: \"https://api.devnet.solana.com\"\nwebsocket_url: ''\n\
                    keypair_path: /home/me/id.json # mine\naddress_labels:\n  keypair_path: wrong\ncommitment: finalized\n";
        let config = Config::parse(Path::new("config.yml"), text).unwrap();
        assert_eq!(config.rpc_url, "https://api.devnet.solana.com");
        assert_eq!(config.keypair_path, Path::new("/home/me/id.json"));
        assert_eq!(config.commitment, CommitmentConfig::finalized());
        assert!(Config::parse(Path::new("config.yml"), "commitment: soon").is_err());
        assert!(Config::load(Some(Path::new("/nowhere/config.yml"))).is_err());
    }

    #[test]
    fn knows_clusters_by_name() {
        assert_eq!(url("d").unwrap(), "https://api.devnet.solana.com");
        assert_eq!(url("localhost").unwrap(), "http://127.0.0.1:8899");
        assert_eq!(
            url("http://10.0.0.1:8899/").unwrap(),
            "http://10.0.0.1:8899"
        );
        for wrong in ["devnett", "ftp://x", "http://", "https:///path"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn local_is_only_this_machine() {
        for local in [
            "http://127.0.0.1:8899",
            "http://localhost",
            "http://[::1]:1",
        ] {
            assert!(is_local(local), "{local}");
        }
        for remote in [
            "https://api.devnet.solana.com",
            "http://localhost.evil.com",
            "http://localhost@evil.com",
            "x",
        ] {
            assert!(!is_local(remote), "{remote}");
        }
    }

    #[test]
    fn keypair_files_round_trip_and_never_overwrite() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/id.json");
        let keypair = Keypair::new();
        write_keypair(&path, &keypair).unwrap();
        assert_eq!(read_keypair(&path).unwrap().pubkey(), keypair.pubkey());
        assert!(write_keypair(&path, &keypair).is_err());
    }

    #[test]
    fn bad_keypair_files_get_a_sentence_without_the_secret() {
        for (text, part) in [
            ("no", "JSON"),
            ("[1,2]", "2 bytes"),
            (&format!("{:?}", [7u8; 64]), "public half"),
        ] {
            let reason = parse_keypair(text).unwrap_err();
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn each_cluster_has_its_deployment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deployments.yml");
        assert_eq!(deployment(&path, "devnet").unwrap(), None);
        let (one, two) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
        let text =
            format!("# mine\ndevnet: {one}\n\"https://rpc.example:8899/\": '{two}' # paid\n");
        fs::write(&path, text).unwrap();
        let of = |cluster| deployment(&path, cluster).unwrap();
        assert_eq!(of("https://api.devnet.solana.com"), Some(one));
        assert_eq!(of("d"), Some(one));
        assert_eq!(of("https://rpc.example:8899"), Some(two));
        assert_eq!(of("localhost"), None);
        for wrong in ["devnet", "devnet: mine", "nowhere: 1"] {
            fs::write(&path, wrong).unwrap();
            assert!(deployment(&path, "devnet").is_err(), "{wrong}");
        }
    }
}
