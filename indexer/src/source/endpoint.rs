//! A node's address. Providers put access keys into its path, query or user: none of that may be shown.

use {
    crate::error::{IndexerError, Result},
    std::fmt,
    url::Url,
};

/// Shorter parts of an address are no keys, and hiding them would garble the sentence.
const SHORTEST_SECRET_BYTES: usize = 4;

/// A node's address; shown, it is only scheme, host and port.
#[derive(Clone)]
pub struct Endpoint(Url);

impl Endpoint {
    /// The address that JSON-RPC calls go to, or one of Solana's names for clusters.
    ///
    /// # Errors
    /// If it is neither.
    pub fn rpc(text: &str) -> Result<Self> {
        let bad = || IndexerError::BadUrl {
            option: "--url",
            form: "http://HOST:PORT or https://HOST, or one of localhost, devnet, testnet, mainnet-beta",
        };
        let url = quern_client::config::url(text).map_err(|_| bad())?;
        Self::parse(&url, &["http", "https"]).ok_or_else(bad)
    }

    /// The address that sends notices.
    ///
    /// # Errors
    /// If it is not a WebSocket address.
    pub fn notices(text: &str) -> Result<Self> {
        Self::parse(text, &["ws", "wss"]).ok_or(IndexerError::BadUrl {
            option: "--ws-url",
            form: "ws://HOST:PORT or wss://HOST",
        })
    }

    /// The address of a Yellowstone gRPC stream.
    ///
    /// # Errors
    /// If it is none, or has a path or a user: gRPC has its own path, and a key there would be left out without a word.
    #[cfg(feature = "yellowstone")]
    pub fn stream(text: &str) -> Result<Self> {
        let found = Self::parse(text, &["http", "https"]).ok_or(Self::no_stream())?;
        let url = &found.0;
        let has_user = !url.username().is_empty() || url.password().is_some();
        match url.path() == "/" && url.query().is_none() && !has_user {
            true => Ok(found),
            false => Err(Self::no_stream()),
        }
    }

    #[cfg(feature = "yellowstone")]
    pub(super) fn no_stream() -> IndexerError {
        IndexerError::BadUrl {
            option: "--yellowstone-url",
            form: "http://HOST:PORT or https://HOST:PORT, and a key as --yellowstone-token",
        }
    }

    fn parse(text: &str, schemes: &[&str]) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        (schemes.contains(&url.scheme()) && url.has_host()).then_some(Self(url))
    }

    /// The whole address, keys included: only for calling it.
    pub fn secret(&self) -> &str {
        self.0.as_str()
    }

    /// A text that others wrote, without the keys that it may quote.
    pub fn hide_keys(&self, text: &str) -> String {
        let url = &self.0;
        let user = [url.username(), url.password().unwrap_or_default()].map(str::to_owned);
        let path = url.path().split('/').map(str::to_owned);
        let decoded = url
            .query_pairs()
            .flat_map(|(name, value)| [name, value].map(|part| part.into_owned()));
        let raw = url.query().unwrap_or_default().split(['&', '=']);
        let mut secrets: Vec<String> = user
            .into_iter()
            .chain(path)
            .chain(decoded)
            .chain(raw.map(str::to_owned))
            .filter(|part| part.len() >= SHORTEST_SECRET_BYTES)
            .collect();
        // The longest first: a part can hold another one.
        secrets.sort_by_key(|part| std::cmp::Reverse(part.len()));
        secrets
            .iter()
            .fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_the_origin_is_shown() {
        let keyed = Endpoint::rpc("https://me:pass%20word@host:9/v2/token?api-key=a%20key&k=b#c");
        let keyed = keyed.unwrap();
        assert_eq!(
            format!("{keyed} {keyed:?}"),
            "https://host:9 https://host:9"
        );
        assert_eq!(
            keyed.hide_keys("no token, no pass%20word, no a%20key, no \"a key\": v2 at host"),
            "no …, no …, no …, no \"…\": v2 at host"
        );
        let plain = Endpoint::notices("wss://host").unwrap();
        assert_eq!(plain.to_string(), "wss://host");
        assert_eq!(plain.hide_keys("as it was"), "as it was");
    }

    #[cfg(feature = "yellowstone")]
    #[test]
    fn the_address_of_a_stream_has_neither_path_nor_user() {
        assert_eq!(
            Endpoint::stream("https://host:10000/").unwrap().to_string(),
            "https://host:10000"
        );
        for text in [
            "host:1",
            "wss://host",
            "http://h/KEY",
            "http://h?api-key=KEY",
            "https://me:KEY@h",
            "https://:KEY@h",
            "https://KEY@h",
        ] {
            let error = Endpoint::stream(text).unwrap_err().to_string();
            assert!(
                error.starts_with("--yellowstone-url is not") && !error.contains("KEY"),
                "{error}"
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_and_not_quoted() {
        for text in [
            "garbage",
            "",
            "host:8899",
            "ws://host",
            "http://",
            "http://h:70000",
        ] {
            let error = Endpoint::rpc(text).unwrap_err().to_string();
            assert!(
                error.starts_with("--url is not") && !error.contains("70000"),
                "{error}"
            );
        }
        let error = Endpoint::notices("http://host/KEY")
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--ws-url") && !error.contains("KEY"),
            "{error}"
        );
    }
}
