//! What a job must at least cost, and what is escrowed for it.

use crate::{RuleError, gwork};

/// The least price of one milestone: the mint's least price, or its price for the work where that is more.
///
/// `max(min_price_atoms, ceil(price_per_gwork_atoms x work / 10^9))`; rounded up like the bond for the work.
///
/// - Units: `min_price_atoms` and the result in atoms, `price_per_gwork_atoms` in atoms per 10^9 units of work,
///   `work` in units of work (from the model's graph and the items; 0 where there is no sealed graph).
/// - Errors: [`RuleError::AmountOverflow`] when the price for the work does not fit 64 bits.
/// - Source: program.md, "price at least the mint's price per unit of work".
pub fn least_price(
    min_price_atoms: u64,
    price_per_gwork_atoms: u64,
    work: u64,
) -> Result<u64, RuleError> {
    Ok(gwork::ceil_atoms(price_per_gwork_atoms, work)?.max(min_price_atoms))
}

/// What the client's purse reserves for a whole job: `price_atoms x milestones`.
///
/// - Units: `price_atoms` of one milestone and the result in atoms.
/// - Errors: [`RuleError::PriceZero`] below one atom, [`RuleError::NoMilestones`] below one milestone,
///   [`RuleError::AmountOverflow`] when the product does not fit 64 bits.
/// - Source: program.md, "`create_job` reserves price x milestones in the client's purse".
pub fn escrow(price_atoms: u64, milestones: u8) -> Result<u64, RuleError> {
    if price_atoms == 0 {
        return Err(RuleError::PriceZero);
    }
    if milestones == 0 {
        return Err(RuleError::NoMilestones);
    }
    price_atoms
        .checked_mul(u64::from(milestones))
        .ok_or(RuleError::AmountOverflow)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::atoms;

    proptest! {
        #[test]
        fn least_price_is_the_larger_of_both_bounds(
            min in atoms(), rate in atoms(), work in atoms(),
        ) {
            let for_work = (u128::from(rate) * u128::from(work)).div_ceil(1_000_000_000);
            let expected = u64::try_from(for_work.max(u128::from(min)))
                .map_err(|_| RuleError::AmountOverflow);
            prop_assert_eq!(least_price(min, rate, work), expected);
        }

        #[test]
        fn least_price_grows_with_rate_and_work(
            min in atoms(), (a, b) in (atoms(), atoms()), (m, n) in (atoms(), atoms()),
        ) {
            if let Ok(high) = least_price(min, a.max(b), m.max(n)) {
                prop_assert!(least_price(min, a.min(b), m.min(n)).unwrap() <= high);
            }
        }

        #[test]
        fn escrow_is_the_exact_product(price in atoms(), milestones in any::<u8>()) {
            let exact = u128::from(price) * u128::from(milestones);
            match escrow(price, milestones) {
                Ok(atoms) => {
                    prop_assert_eq!(u128::from(atoms), exact);
                    prop_assert!(atoms >= price && price >= 1 && milestones >= 1);
                }
                Err(RuleError::PriceZero) => prop_assert_eq!(price, 0),
                Err(RuleError::NoMilestones) => prop_assert_eq!(milestones, 0),
                Err(RuleError::AmountOverflow) => prop_assert!(exact > u128::from(u64::MAX)),
                Err(other) => prop_assert!(false, "unexpected {other:?}"),
            }
        }
    }

    #[test]
    fn least_price_edges() {
        assert_eq!(least_price(0, 0, u64::MAX), Ok(0));
        assert_eq!(least_price(7, 0, u64::MAX), Ok(7));
        assert_eq!(least_price(0, 1, 1), Ok(1));
        assert_eq!(least_price(5, 3, 2_000_000_000), Ok(6));
        assert_eq!(least_price(5, 3, 2_000_000_001), Ok(7));
        assert_eq!(least_price(u64::MAX, 1, 1), Ok(u64::MAX));
        assert_eq!(
            least_price(0, u64::MAX, u64::MAX),
            Err(RuleError::AmountOverflow)
        );
    }

    #[test]
    fn escrow_edges() {
        assert_eq!(escrow(0, 1), Err(RuleError::PriceZero));
        assert_eq!(escrow(1, 0), Err(RuleError::NoMilestones));
        assert_eq!(escrow(1, 1), Ok(1));
        assert_eq!(escrow(1, 255), Ok(255));
        assert_eq!(escrow(u64::MAX, 1), Ok(u64::MAX));
        assert_eq!(escrow(u64::MAX, 2), Err(RuleError::AmountOverflow));
        assert_eq!(escrow(u64::MAX / 255, 255), Ok(u64::MAX));
        assert_eq!(
            escrow(u64::MAX / 255 + 1, 255),
            Err(RuleError::AmountOverflow)
        );
    }
}
