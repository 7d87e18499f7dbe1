//! A request that is kept until it is answered.

use {
    serde::{Deserialize, Serialize},
    std::fmt,
};

/// Most characters of a name.
const MOST_CHARACTERS: usize = 64;

/// Under which name a request is kept: letters, digits, `-` and `_`, at most 64 of them. It is a part of file names.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrderId(String);

impl OrderId {
    /// A name, if it may be one.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_name =
            !text.is_empty() && text.len() <= MOST_CHARACTERS && text.bytes().all(is_plain);
        is_name.then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OrderId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(text).ok_or_else(|| "not a name of a request".to_owned())
    }
}

impl From<OrderId> for String {
    fn from(id: OrderId) -> Self {
        id.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a request is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Rows wait, or are at work.
    Running,
    /// Every row has its vector.
    Answered,
    /// There will be no answer.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl Stage {
    /// Whether it goes no further.
    pub const fn has_ended(self) -> bool {
        !matches!(self, Self::Running)
    }
}

/// Where a kept request stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// How far it is.
    pub stage: Stage,
    /// Rows in all.
    pub rows: u64,
    /// Rows that have a checked vector.
    pub answered: u64,
    /// Its jobs so far, in base58.
    pub jobs: Vec<String>,
    /// Why there will be no answer.
    pub why: Option<String>,
    /// When it was placed, in seconds of Unix time.
    pub placed_at: i64,
    /// When it ended, in seconds of Unix time.
    pub ended_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_short() {
        for good in ["a", "req_0-Z", &"a".repeat(64)] {
            assert!(OrderId::new(good).is_some(), "{good}");
        }
        for bad in ["", "a/b", "..", "ä", "a b", &"a".repeat(65)] {
            assert!(OrderId::new(bad).is_none(), "{bad}");
        }
        assert!(serde_json::from_str::<OrderId>("\"../x\"").is_err());
    }
}
