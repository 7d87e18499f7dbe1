//! Which items of a job are checked: all, or some that nobody could know before the result was submitted.

use {
    crate::error::{Result, WatcherError},
    std::collections::BTreeSet,
};

/// How many items of a job are checked: this share of them, at least one; all without a share.
pub fn count(items: u32, share: Option<f64>) -> u32 {
    let Some(share) = share else {
        return items;
    };
    let count = (f64::from(items) * share).ceil();
    // The largest job has 2^24 items, so nothing is lost; a share that is no number counts as the least.
    (count as u32).clamp(1.min(items), items)
}

/// The items to check, in order: `count` of them, by the operating system's randomness.
///
/// # Errors
/// That there is no randomness.
pub(crate) fn draw(items: u32, count: u32) -> Result<Vec<u32>> {
    if count >= items {
        return Ok((0..items).collect());
    }
    // Floyd's algorithm: every set of this size is as likely as every other.
    let mut chosen = BTreeSet::new();
    let mut random = Random::default();
    for last in items - count..items {
        let item = random.up_to(last)?;
        if !chosen.insert(item) {
            chosen.insert(last);
        }
    }
    Ok(chosen.into_iter().collect())
}

/// Items to check of so many: a share of them, drawn by the operating system's randomness; all without one. They are in order.
///
/// # Errors
/// That there is no randomness.
pub fn drawn(items: u32, share: Option<f64>) -> Result<Vec<u32>> {
    draw(items, count(items, share))
}

/// Numbers from the operating system, some at a time.
#[derive(Default)]
struct Random(Vec<[u8; 8]>);

impl Random {
    /// A number from 0 to `last`. Of 2^64 values, at most 2^32 are more likely than others, by 1 in 2^32.
    fn up_to(&mut self, last: u32) -> Result<u32> {
        if self.0.is_empty() {
            let mut bytes = [0; 1_024];
            fill(&mut bytes)?;
            self.0 = bytes.as_chunks::<8>().0.to_vec();
        }
        let value = u64::from_le_bytes(self.0.pop().unwrap_or_default());
        Ok((value % (u64::from(last) + 1)) as u32)
    }
}

/// Bytes of the operating system's randomness, which nobody else ever sees.
///
/// # Errors
/// That there are none.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        WatcherError::NotReady(format!("the operating system gives no randomness: {error}"))
    })
}

/// The least chance that one of `checked` items is among those that are wrong, if that share of all is.
pub(crate) fn chance(checked: u32, wrong_share: f64) -> f64 {
    1.0 - (1.0 - wrong_share).powf(f64::from(checked))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_share_is_at_least_one_item_and_at_most_all() {
        for (items, share, expected) in [
            (1_000, None, 1_000),
            (1_000, Some(0.05), 50),
            (1_001, Some(0.05), 51),
            (10, Some(0.000_1), 1),
            (10, Some(1.0), 10),
            (10, Some(7.0), 10),
            (10, Some(-1.0), 1),
            (10, Some(f64::NAN), 1),
            (1, Some(0.5), 1),
        ] {
            assert_eq!(count(items, share), expected, "{items} {share:?}");
        }
    }

    #[test]
    fn every_item_is_drawn_about_as_often_as_every_other() {
        let mut times = [0u32; 20];
        for _ in 0..2_000 {
            let items = draw(20, 5).unwrap();
            assert_eq!(items.len(), 5);
            assert!(items.is_sorted_by(|a, b| a < b), "{items:?}");
            for item in items {
                times[item as usize] += 1;
            }
        }
        // 500 each; six standard deviations are 116.
        assert!(
            times.iter().all(|times| times.abs_diff(500) < 120),
            "{times:?}"
        );
        assert_eq!(draw(3, 3).unwrap(), [0, 1, 2]);
        assert_eq!(draw(3, 9).unwrap(), [0, 1, 2]);
    }

    #[test]
    fn chances_are_those_of_the_documents() {
        for (checked, share, expected) in [(50, 0.01, 0.395), (50, 0.1, 0.995), (1, 0.1, 0.1)] {
            assert!((chance(checked, share) - expected).abs() < 0.001);
        }
    }
}
