//! What the operator decides about the pages: where a transaction is shown, and what mints are called.

use {
    quern_api::{Key, Signature},
    quern_client::text,
    std::{collections::BTreeMap, fmt},
    url::Url,
};

/// Where the signature stands in an explorer's address.
const PLACE: &str = "{signature}";
/// Most characters of a mint's name: it stands beside every amount.
const NAME_CHARS: usize = 12;

/// What the operator decides about the pages.
#[derive(Clone, Debug, Default)]
pub struct Site {
    explorer: Option<Explorer>,
    names: BTreeMap<Key, String>,
}

impl Site {
    /// With an explorer of transactions, if there is one, and names of mints.
    pub fn new(explorer: Option<Explorer>, names: &[MintName]) -> Self {
        let names = names.iter().map(|one| (one.mint, one.name.clone()));
        Self {
            explorer,
            names: names.collect(),
        }
    }

    /// Where a transaction is shown.
    pub(super) fn transaction(&self, signature: &Signature) -> Option<String> {
        let Explorer(template) = self.explorer.as_ref()?;
        Some(template.replace(PLACE, &signature.to_string()))
    }

    /// What the operator calls a mint.
    pub(super) fn mint_name(&self, mint: &Key) -> Option<&str> {
        self.names.get(mint).map(String::as_str)
    }
}

/// The address of a transaction in an explorer, with `{signature}` where its signature stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explorer(String);

impl Explorer {
    /// Reads the address, for the command line.
    ///
    /// # Errors
    /// That it is no web address, or where the signature must stand.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.matches(PLACE).count() != 1 {
            return Err(format!(
                "it must contain {PLACE} once, as https://explorer.solana.com/tx/{PLACE}?cluster=devnet does"
            ));
        }
        // A signature is letters and digits: what is a web address with one of them stays one with another.
        let url = Url::parse(&text.replace(PLACE, "1")).map_err(|error| error.to_string())?;
        match matches!(url.scheme(), "http" | "https") {
            true => Ok(Self(text.to_owned())),
            false => Err("it must begin with https:// or http://".to_owned()),
        }
    }
}

impl fmt::Display for Explorer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What the pages call a mint. No account of the program holds such a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintName {
    mint: Key,
    name: String,
}

impl MintName {
    /// Reads `MINT=NAME`, for the command line.
    ///
    /// # Errors
    /// Which half is wrong, and how to write it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mint, name) = text
            .split_once('=')
            .ok_or("it must be of the form MINT=NAME")?;
        let mint = Key::parse(mint).ok_or("the mint must be a base58 address of 32 bytes")?;
        if name.is_empty() || name.chars().count() > NAME_CHARS {
            return Err(format!("a name has 1 to {NAME_CHARS} characters"));
        }
        text::check(name)?;
        let name = name.to_owned();
        Ok(Self { mint, name })
    }

    /// A name that the caller knows to be fit.
    ///
    /// # Errors
    /// See [`Self::parse`].
    pub fn new(mint: Key, name: &str) -> Result<Self, String> {
        Self::parse(&format!("{mint}={name}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_web_addresses_with_one_place_are_explorers() {
        for good in [
            "https://explorer.solana.com/tx/{signature}?cluster=devnet",
            "http://127.0.0.1:8080/#/{signature}",
        ] {
            let site = Site::new(Some(Explorer::parse(good).unwrap()), &[]);
            let link = site.transaction(&Signature([0; 64])).unwrap();
            assert_eq!(link, good.replace(PLACE, &"1".repeat(64)));
        }
        for (bad, why) in [
            ("https://explorer.solana.com/tx/", "once"),
            ("https://e.com/{signature}/{signature}", "once"),
            ("javascript:alert('{signature}')", "https://"),
            ("data:text/html,{signature}", "https://"),
            ("/tx/{signature}", "relative"),
        ] {
            let error = Explorer::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_mint_is_called_what_fits_beside_an_amount() {
        let mint = Key([7; 32]);
        let site = Site::new(None, &[MintName::parse(&format!("{mint}=qUSD")).unwrap()]);
        assert_eq!(site.mint_name(&mint), Some("qUSD"));
        assert_eq!(site.mint_name(&Key([8; 32])), None);
        for bad in [
            "qUSD",
            "abc=qUSD",
            &format!("{mint}="),
            &format!("{mint}=ab\u{202e}c"),
        ] {
            assert!(MintName::parse(bad).is_err(), "{bad}");
        }
        assert!(MintName::new(mint, &"x".repeat(NAME_CHARS + 1)).is_err());
    }
}
