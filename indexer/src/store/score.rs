//! A number, and the row in which the numbers of a subject stand.

use {
    crate::project::{ALL_TIME, Measure, ScoreKey, is_hour},
    quern_api::Key,
};

/// A number of a provider, model, client or the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Score {
    /// What it counts, and of whom.
    pub measure: Measure,
    /// Code of the assurance level.
    pub assurance: u8,
    /// The mint of an amount, otherwise none.
    pub mint: Key,
    /// The number.
    pub value: u128,
}

/// Where a subject's numbers stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScorePlace {
    /// The hour, or [`ALL_TIME`] for the row of sums.
    pub bucket: i64,
    /// The subject.
    pub subject: Key,
}

impl ScorePlace {
    pub(super) fn of(key: &ScoreKey) -> Self {
        Self {
            bucket: match is_hour(key.bucket) {
                true => key.bucket,
                false => ALL_TIME,
            },
            subject: key.subject,
        }
    }

    /// The row of a subject's sums.
    pub(super) fn of_sums(subject: Key) -> Self {
        Self {
            bucket: ALL_TIME,
            subject,
        }
    }
}

/// A row as engines keep it.
pub type ScoreRow = (ScorePlace, Vec<u8>);
