//! How the price of a settled milestone is divided.

use crate::{BPS, RuleError, share};

/// The parts of a settled price. They sum to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// To the treasury owner's purse.
    pub fee_atoms: u64,
    /// To the model owner's purse.
    pub royalty_atoms: u64,
    /// To the provider's purse: the rest, and so all that rounding leaves over.
    pub provider_atoms: u64,
}

/// Divides a price into fee, royalty and the provider's part.
///
/// - Units: atoms and basis points.
/// - Errors: [`RuleError::ShareAboveOne`] when `fee_bps + royalty_bps` is above 10,000.
/// - Source: program.md, "fee = floor(price x fee_bps), royalty = floor(price x royalty_bps), provider = the rest".
pub fn split_price(price_atoms: u64, fee_bps: u16, royalty_bps: u16) -> Result<Split, RuleError> {
    if u64::from(fee_bps).saturating_add(u64::from(royalty_bps)) > BPS {
        return Err(RuleError::ShareAboveOne);
    }
    let fee_atoms = share::floor_at_most_one(price_atoms, fee_bps);
    let royalty_atoms = share::floor_at_most_one(price_atoms, royalty_bps);
    Ok(Split {
        fee_atoms,
        royalty_atoms,
        // Two floors of shares that sum to at most one whole never exceed it.
        provider_atoms: price_atoms
            .saturating_sub(fee_atoms)
            .saturating_sub(royalty_atoms),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{atoms, two_shares_above_one_bps, two_shares_bps};

    proptest! {
        #[test]
        fn parts_of_a_price_sum_to_it(price in atoms(), (fee, royalty) in two_shares_bps()) {
            let parts = split_price(price, fee, royalty).unwrap();
            let sum = u128::from(parts.fee_atoms)
                + u128::from(parts.royalty_atoms)
                + u128::from(parts.provider_atoms);
            prop_assert_eq!(sum, u128::from(price));
        }

        #[test]
        fn fee_and_royalty_are_floored_shares(price in atoms(), (fee, royalty) in two_shares_bps()) {
            let parts = split_price(price, fee, royalty).unwrap();
            let floor = |bps: u16| u128::from(price) * u128::from(bps) / u128::from(BPS);
            prop_assert_eq!(u128::from(parts.fee_atoms), floor(fee));
            prop_assert_eq!(u128::from(parts.royalty_atoms), floor(royalty));
            // What rounding leaves over is the provider's: never less than its own floored share.
            prop_assert!(u128::from(parts.provider_atoms) >= floor(10_000 - fee - royalty));
        }

        #[test]
        fn parts_grow_with_the_price(
            (a, b) in (atoms(), atoms()), (fee, royalty) in two_shares_bps(),
        ) {
            let low = split_price(a.min(b), fee, royalty).unwrap();
            let high = split_price(a.max(b), fee, royalty).unwrap();
            prop_assert!(low.fee_atoms <= high.fee_atoms);
            prop_assert!(low.royalty_atoms <= high.royalty_atoms);
            // The provider's part is a rest of two floors, so one atom more may turn into one atom of each of both.
            prop_assert!(low.provider_atoms <= high.provider_atoms.saturating_add(1));
        }

        #[test]
        fn shares_above_one_are_refused(
            price in atoms(), (fee, royalty) in two_shares_above_one_bps(),
        ) {
            prop_assert_eq!(split_price(price, fee, royalty), Err(RuleError::ShareAboveOne));
        }
    }

    #[test]
    fn split_price_edges() {
        let parts = |fee_atoms, royalty_atoms, provider_atoms| {
            Ok(Split {
                fee_atoms,
                royalty_atoms,
                provider_atoms,
            })
        };
        assert_eq!(split_price(0, 300, 500), parts(0, 0, 0));
        assert_eq!(split_price(1, 300, 500), parts(0, 0, 1));
        assert_eq!(split_price(1, 10_000, 0), parts(1, 0, 0));
        assert_eq!(split_price(1, 5_000, 5_000), parts(0, 0, 1));
        assert_eq!(split_price(10_001, 300, 500), parts(300, 500, 9_201));
        assert_eq!(split_price(u64::MAX, 0, 0), parts(0, 0, u64::MAX));
        assert_eq!(split_price(u64::MAX, 0, 10_000), parts(0, u64::MAX, 0));
        assert_eq!(
            split_price(u64::MAX, 5_000, 5_000),
            parts(u64::MAX / 2, u64::MAX / 2, 1)
        );
        assert_eq!(
            split_price(1, u16::MAX, u16::MAX),
            Err(RuleError::ShareAboveOne)
        );
    }
}
