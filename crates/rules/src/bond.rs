//! What a provider must at least put at stake.

use crate::{BPS, RuleError, gwork};

/// The least bond of a job: a share of one milestone's price, or the mint's bond for the work where that is more.
///
/// `max(floor(price_atoms x bond_bps / 10,000), ceil(bond_per_gwork_atoms x work / 10^9))`.
///
/// - Units: `price_atoms` of one milestone and the result in atoms; `bond_bps` in basis points, where 20,000 is twice the
///   price; `bond_per_gwork_atoms` in atoms per 10^9 units of work; `work` in units of work.
/// - Errors: [`RuleError::AmountOverflow`] when either bound does not fit 64 bits.
/// - Source: program.md, "Bond at least twice the price and at least the mint's bond per unit of work"; formats.md, "Bond shares
///   refer to one milestone's price; a bond per unit of work rounds up".
pub fn least_bond(
    price_atoms: u64,
    bond_bps: u32,
    bond_per_gwork_atoms: u64,
    work: u64,
) -> Result<u64, RuleError> {
    let bond_bps = u64::from(bond_bps);
    // Split at 10,000 as in `share`: exact, and without a 128-bit division. The part is below 10,000 x 2^32.
    let whole = (price_atoms / BPS)
        .checked_mul(bond_bps)
        .ok_or(RuleError::AmountOverflow)?;
    let part = (price_atoms % BPS).saturating_mul(bond_bps) / BPS;
    let for_price = whole.checked_add(part).ok_or(RuleError::AmountOverflow)?;
    let for_work = gwork::ceil_atoms(bond_per_gwork_atoms, work)?;
    Ok(for_price.max(for_work))
}

/// Whether what an operator's takes have reserved, and what was ever lost from their bonds, fit the owner's limit together:
/// the limit is a budget for losses, so that a stolen hot key costs at most the limit, however often it is used.
///
/// - Errors: none; a sum that no counter holds is above any limit.
/// - Source: program.md, `operator_limit`, read as docs/THREATS.md says.
pub fn is_within_operator_limit(limit_atoms: u64, reserved_atoms: u64, lost_atoms: u64) -> bool {
    operator_room(limit_atoms, lost_atoms) >= reserved_atoms
}

/// What an operator's takes may have reserved at a time, after what was lost from their bonds.
pub fn operator_room(limit_atoms: u64, lost_atoms: u64) -> u64 {
    limit_atoms.saturating_sub(lost_atoms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::atoms;

    /// Bond shares of every size, usual ones more often.
    fn bond_bps() -> impl Strategy<Value = u32> {
        prop_oneof![
            Just(0),
            Just(20_000),
            Just(u32::MAX),
            0..100_000u32,
            any::<u32>()
        ]
    }

    proptest! {
        #[test]
        fn least_bond_is_the_larger_of_both_bounds(
            price in atoms(), share in bond_bps(), rate in atoms(), work in atoms(),
        ) {
            let for_price = u128::from(price) * u128::from(share) / u128::from(BPS);
            let for_work = (u128::from(rate) * u128::from(work)).div_ceil(1_000_000_000);
            let expected = u64::try_from(for_price.max(for_work))
                .map_err(|_| RuleError::AmountOverflow);
            prop_assert_eq!(least_bond(price, share, rate, work), expected);
        }

        #[test]
        fn least_bond_for_a_price_alone_is_the_floored_share(price in atoms(), share in bond_bps()) {
            let expected = u64::try_from(u128::from(price) * u128::from(share) / u128::from(BPS))
                .map_err(|_| RuleError::AmountOverflow);
            prop_assert_eq!(least_bond(price, share, 0, 0), expected);
        }

        #[test]
        fn least_bond_grows_with_price_share_and_work(
            (p, q) in (atoms(), atoms()),
            (s, t) in (bond_bps(), bond_bps()),
            rate in atoms(),
            (m, n) in (atoms(), atoms()),
        ) {
            if let Ok(high) = least_bond(p.max(q), s.max(t), rate, m.max(n)) {
                prop_assert!(least_bond(p.min(q), s.min(t), rate, m.min(n)).unwrap() <= high);
            }
        }
    }

    #[test]
    fn least_bond_edges() {
        assert_eq!(least_bond(0, 20_000, 0, 0), Ok(0));
        assert_eq!(least_bond(1, 20_000, 0, 0), Ok(2));
        assert_eq!(least_bond(1, 9_999, 0, 0), Ok(0));
        assert_eq!(least_bond(1, 9_999, 1, 1), Ok(1));
        assert_eq!(least_bond(100, 20_000, 7, 30_000_000_000), Ok(210));
        assert_eq!(least_bond(u64::MAX, 10_000, 0, 0), Ok(u64::MAX));
        assert_eq!(
            least_bond(u64::MAX, 10_001, 0, 0),
            Err(RuleError::AmountOverflow)
        );
        assert_eq!(least_bond(u64::MAX / 2, 20_000, 0, 0), Ok(u64::MAX - 1));
        assert_eq!(
            least_bond(u64::MAX / 2 + 1, 20_000, 0, 0),
            Err(RuleError::AmountOverflow)
        );
        assert_eq!(
            least_bond(u64::MAX, u32::MAX, u64::MAX, u64::MAX),
            Err(RuleError::AmountOverflow)
        );
        assert_eq!(
            least_bond(1, 1, u64::MAX, u64::MAX),
            Err(RuleError::AmountOverflow)
        );
    }

    #[test]
    fn losses_use_an_operators_limit_up() {
        assert_eq!(operator_room(40_000, 4_000), 36_000);
        assert_eq!(operator_room(3, 4), 0);
        assert!(is_within_operator_limit(40_000, 36_000, 4_000));
        assert!(!is_within_operator_limit(40_000, 36_001, 4_000));
        assert!(!is_within_operator_limit(40_000, 1, 40_000));
        assert!(is_within_operator_limit(0, 0, 7));
        assert!(!is_within_operator_limit(u64::MAX, u64::MAX, u64::MAX));
    }
}
