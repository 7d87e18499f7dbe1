//! Which deployment each cluster uses.

use {
    super::{cluster_url::url, home::home, text},
    crate::errors::{ClientError, Result},
    serde::{
        Deserialize, Deserializer,
        de::{MapAccess, Visitor},
    },
    solana_sdk::pubkey::Pubkey,
    std::{
        fmt, fs,
        path::{Path, PathBuf},
    },
};

/// Where it stands which deployment each cluster uses: `~/.config/quern/deployments.yml`.
pub fn deployments_path() -> PathBuf {
    home().join(".config/quern/deployments.yml")
}

/// The program that a list of deployments names for the cluster at a URL. The list has lines of `URL_OR_MONIKER: ADDRESS`; a
/// missing one is empty.
///
/// # Errors
/// `Config` if the file cannot be read, a line makes no sense, or a cluster has two programs.
pub fn deployment(path: &Path, cluster: &str) -> Result<Option<Pubkey>> {
    let bad = |reason: String| ClientError::Config {
        path: path.to_owned(),
        reason,
    };
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|error| bad(error.to_string()))?,
    };
    let pairs: Option<Pairs> = text::parse(&bytes).map_err(bad)?;
    let (cluster, mut found) = (url(cluster)?, None);
    for (name, address) in pairs.map_or_else(Vec::new, |pairs| pairs.0) {
        let address: Pubkey = address.trim().parse().map_err(|_| {
            bad(format!(
                "write `{name}: ADDRESS`, with the base58 address of a program"
            ))
        })?;
        let is_wanted = url(&name).map_err(|error| bad(error.to_string()))? == cluster;
        if is_wanted && found.replace(address).is_some() {
            return Err(bad(format!(
                "it names two programs for {cluster}; keep one"
            )));
        }
    }
    Ok(found)
}

/// Keys and values in order, so that none hides another one.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("lines of `URL_OR_MONIKER: ADDRESS`")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_cluster_has_its_deployment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deployments.yml");
        assert_eq!(deployment(&path, "devnet").unwrap(), None);
        let (one, two) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
        let lines =
            format!("# mine\ndevnet: {one}\n\"https://rpc.example:8899/\": '{two}' # paid\n");
        let json = format!("{{\"devnet\": \"{one}\", \"https://rpc.example:8899\": \"{two}\"}}");
        for text in [lines, json] {
            fs::write(&path, text).unwrap();
            let of = |cluster| deployment(&path, cluster).unwrap();
            assert_eq!(of("https://api.devnet.solana.com"), Some(one));
            assert_eq!(of("d"), Some(one));
            assert_eq!(of("HTTPS://RPC.example:8899"), Some(two));
            assert_eq!(of("localhost"), None);
        }
        // An address of digits alone is no number.
        fs::write(&path, "devnet: 11111111111111111111111111111112").unwrap();
        assert!(deployment(&path, "devnet").unwrap().is_some());
        fs::write(&path, "# nothing yet\n").unwrap();
        assert_eq!(deployment(&path, "devnet").unwrap(), None);
        let twice = format!("devnet: {one}\nd: {two}\n");
        for wrong in ["devnet", "devnet: mine", "nowhere: 1", &twice] {
            fs::write(&path, wrong).unwrap();
            assert!(deployment(&path, "devnet").is_err(), "{wrong}");
        }
    }
}
