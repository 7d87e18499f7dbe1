//! Reading the addresses of pages, and writing those of others.

use {
    super::html::Failure,
    axum::{
        extract::{Path, Query, rejection::PathRejection},
        http::Uri,
    },
    quern_api::Key,
    quern_client::text::escaped,
    std::collections::BTreeMap,
    url::form_urlencoded,
};

/// Characters of a visitor's input that a page repeats at most.
const REPEATED_CHARS: usize = 60;

/// A page's parameters. Names that a page does not know are left alone: links get some of those on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Params(BTreeMap<&'static str, String>);

impl Params {
    /// The parameters of these names that are there and not empty, as forms send them.
    pub(super) fn read(uri: &Uri, known: &[&'static str]) -> Result<Self, Failure> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Failure::bad_request("the link's parameters cannot be read"))?;
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            if let Some(name) = known.iter().find(|known| **known == name)
                && !value.is_empty()
            {
                values.insert(*name, value);
            }
        }
        Ok(Self(values))
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them, for a request to the API.
    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (*name, value.clone())).collect()
    }

    /// The same with one of them changed or taken out.
    pub(super) fn with(&self, name: &'static str, value: Option<&str>) -> Self {
        let mut values = self.0.clone();
        match value {
            Some(value) => values.insert(name, value.to_owned()),
            None => values.remove(name),
        };
        Self(values)
    }

    /// A link to a page with them.
    pub(super) fn link(&self, path: &str) -> String {
        if self.0.is_empty() {
            return path.to_owned();
        }
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish();
        format!("{path}?{query}")
    }
}

/// The address in a page's path.
pub(super) fn address(path: Result<Path<String>, PathRejection>) -> Result<Key, Failure> {
    let unreadable = |_| Failure::bad_request("the link's address cannot be read");
    let Path(text) = path.map_err(unreadable)?;
    Key::parse(&text).ok_or_else(|| {
        let shown = repeated(&text);
        Failure::bad_request(format!("“{shown}” is not an address of Solana"))
    })
}

/// A visitor's input as a page may repeat it.
pub(super) fn repeated(text: &str) -> String {
    escaped(&cut(text, REPEATED_CHARS))
}

/// A text of at most this many characters; an ellipsis says that there are more.
pub(super) fn cut(text: &str, chars: usize) -> String {
    let mut shown: String = text.chars().take(chars).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
