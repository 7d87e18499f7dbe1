//! Adding up what the tables say.

use {
    crate::project::{Total, TotalKey},
    quern_api::{Category, Key},
    std::collections::{BTreeMap, HashMap},
};

/// Atoms by owner and mint.
pub(super) type Reserved = HashMap<(Key, Key), u128>;

/// A sum over all assurance levels.
pub(super) fn sum(totals: &BTreeMap<TotalKey, Total>, category: Category, mint: Key) -> u128 {
    let of_mint = totals
        .iter()
        .filter(|(key, _)| key.category == category && key.mint == mint);
    of_mint.fold(0, |sum, (_, total)| sum.saturating_add(total.atoms))
}

/// Adds to a sum that a damaged row must not make the process end.
pub(super) fn add(sum: &mut u128, more: impl Into<u128>) {
    *sum = sum.saturating_add(more.into());
}
