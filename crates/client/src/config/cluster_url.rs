//! Names and URLs of clusters, read alike by every tool.

use crate::errors::{ClientError, Result};

/// The URL for a cluster's name (or its first letter), or the URL itself: without spaces around it or a slash behind it, scheme
/// and host in small letters.
///
/// # Errors
/// `BadUrl` if it is neither.
pub fn url(name_or_url: &str) -> Result<String> {
    let text = name_or_url.trim();
    let known = match text.to_ascii_lowercase().as_str() {
        "l" | "localhost" | "localnet" => "http://127.0.0.1:8899",
        "d" | "devnet" => "https://api.devnet.solana.com",
        "t" | "testnet" => "https://api.testnet.solana.com",
        "m" | "mainnet-beta" => "https://api.mainnet-beta.solana.com",
        _ => {
            let plain = normalized(text).filter(|url| host(url).is_some());
            return plain.ok_or_else(|| ClientError::BadUrl(name_or_url.to_owned()));
        }
    };
    Ok(known.to_owned())
}

/// A URL whose scheme and host are in small letters: capital ones mean the same.
fn normalized(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (format!("{user}@"), place),
        None => (String::new(), authority),
    };
    let (scheme, place) = (scheme.to_ascii_lowercase(), place.to_ascii_lowercase());
    let url = format!("{scheme}://{user}{place}{path}");
    Some(url.trim_end_matches('/').to_owned())
}

/// Whether a URL points to this machine. Only there may the public test key stand for the program.
pub fn is_local(url: &str) -> bool {
    let url = normalized(url.trim()).unwrap_or_default();
    matches!(
        host(&url),
        Some("127.0.0.1" | "localhost" | "[::1]" | "0.0.0.0")
    )
}

/// The host of a normalized URL.
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
    let is_plain = |c: char| !c.is_whitespace() && !c.is_control();
    (!host.is_empty() && rest.chars().all(is_plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn knows_clusters_by_name() {
        for (name, cluster) in [
            ("d", "https://api.devnet.solana.com"),
            ("Devnet", "https://api.devnet.solana.com"),
            ("localhost", "http://127.0.0.1:8899"),
            ("localnet", "http://127.0.0.1:8899"),
            ("mainnet-beta", "https://api.mainnet-beta.solana.com"),
            ("http://10.0.0.1:8899/", "http://10.0.0.1:8899"),
            (" http://10.0.0.1:8899 ", "http://10.0.0.1:8899"),
            ("HTTP://10.0.0.1:8899", "http://10.0.0.1:8899"),
            (
                "HTTPS://Me:Pass@RPC.Example/V2/Key?K=V",
                "https://Me:Pass@rpc.example/V2/Key?K=V",
            ),
        ] {
            assert_eq!(url(name).unwrap(), cluster, "{name}");
        }
        for wrong in [
            "devnett",
            "ftp://x",
            "http://",
            "https:///path",
            "http:/x",
            "http://a b",
            "http://a/\nb",
            "",
        ] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
        let notices = url("ws://127.0.0.1:8900").unwrap_err().to_string();
        assert!(notices.contains("websocket"), "{notices}");
    }

    #[test]
    fn local_is_only_this_machine() {
        for local in [
            "http://127.0.0.1:8899",
            "http://localhost",
            "HTTP://LocalHost:8899/",
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
}
