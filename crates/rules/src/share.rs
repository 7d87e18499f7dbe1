//! Shares of an amount, in basis points.

use crate::{BPS, RuleError};

/// The share `floor(amount x bps / 10,000)`.
///
/// - Units: `amount` and the result in atoms, `bps` in basis points.
/// - Errors: [`RuleError::ShareAboveOne`] when `bps` is above 10,000.
/// - Source: formats.md, "Shares in basis points of 10,000, floored".
pub fn floor_bps(amount: u64, bps: u16) -> Result<u64, RuleError> {
    if u64::from(bps) > BPS {
        return Err(RuleError::ShareAboveOne);
    }
    Ok(floor_at_most_one(amount, bps))
}

/// As [`floor_bps`], for shares already known to be at most one whole. A larger share saturates.
///
/// Splitting the amount at 10,000 gives the exact floor without a 128-bit division, which costs the program hundreds of
/// compute units: with `amount = q x 10,000 + r`, the share is `q x bps + floor(r x bps / 10,000)`.
pub(crate) fn floor_at_most_one(amount: u64, bps: u16) -> u64 {
    let bps = u64::from(bps);
    let whole = (amount / BPS).saturating_mul(bps);
    // Below 10,000 x 65,536, so the product always fits.
    let part = (amount % BPS).saturating_mul(bps) / BPS;
    whole.saturating_add(part)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{atoms, share_bps};

    proptest! {
        #[test]
        fn share_is_the_floor_of_the_128_bit_product(amount in atoms(), bps in share_bps()) {
            let exact = u128::from(amount) * u128::from(bps) / u128::from(BPS);
            prop_assert_eq!(floor_bps(amount, bps).map(u128::from), Ok(exact));
        }

        #[test]
        fn share_never_exceeds_the_amount(amount in atoms(), bps in share_bps()) {
            prop_assert!(floor_bps(amount, bps).unwrap() <= amount);
        }

        #[test]
        fn share_grows_with_amount_and_share(
            (a, b) in (atoms(), atoms()),
            (s, t) in (share_bps(), share_bps()),
        ) {
            let low = floor_bps(a.min(b), s.min(t)).unwrap();
            let high = floor_bps(a.max(b), s.max(t)).unwrap();
            prop_assert!(low <= high);
        }

        #[test]
        fn share_above_one_is_refused(amount in atoms(), bps in 10_001..=u16::MAX) {
            prop_assert_eq!(floor_bps(amount, bps), Err(RuleError::ShareAboveOne));
        }

        #[test]
        fn inner_share_saturates_over_the_whole_range(amount in atoms(), bps in any::<u16>()) {
            let exact = u128::from(amount) * u128::from(bps) / u128::from(BPS);
            let exact = u64::try_from(exact).unwrap_or(u64::MAX);
            prop_assert_eq!(floor_at_most_one(amount, bps), exact);
        }
    }

    #[test]
    fn share_edges() {
        assert_eq!(floor_bps(0, 10_000), Ok(0));
        assert_eq!(floor_bps(1, 9_999), Ok(0));
        assert_eq!(floor_bps(1, 10_000), Ok(1));
        assert_eq!(floor_bps(9_999, 1), Ok(0));
        assert_eq!(floor_bps(10_000, 1), Ok(1));
        assert_eq!(floor_bps(19_999, 5_000), Ok(9_999));
        assert_eq!(floor_bps(u64::MAX, 0), Ok(0));
        assert_eq!(floor_bps(u64::MAX, 1), Ok(1_844_674_407_370_955));
        assert_eq!(floor_bps(u64::MAX, 10_000), Ok(u64::MAX));
        assert_eq!(floor_bps(0, 10_001), Err(RuleError::ShareAboveOne));
    }
}
