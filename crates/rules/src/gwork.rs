//! Rates per 10^9 units of work (one Gwork).
//!
//! Work is what a graph says of itself, summed over its ops and item inputs and times the items: what each value of a result reads
//! (K of a product, all columns of ARGMAX), and 64 for each byte that is hashed, in whole leaves of 128. One unit is about one
//! multiply-accumulate of 8-bit integers.

use crate::RuleError;

/// Units of work in one Gwork.
pub const GWORK: u64 = 1_000_000_000;

/// `ceil(rate_per_gwork_atoms x work / 10^9)`: what `work` units of work come to at a rate, rounded up so that no work is free.
///
/// - Errors: [`RuleError::AmountOverflow`] when the result does not fit 64 bits.
pub(crate) fn ceil_atoms(rate_per_gwork_atoms: u64, work: u64) -> Result<u64, RuleError> {
    let product = u128::from(rate_per_gwork_atoms) * u128::from(work);
    // Nearly every real product fits 64 bits, and a 64-bit division is one instruction on chain.
    match u64::try_from(product) {
        Ok(product) => Ok(product.div_ceil(GWORK)),
        Err(_) => u64::try_from(product.div_ceil(u128::from(GWORK)))
            .map_err(|_| RuleError::AmountOverflow),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::atoms;

    proptest! {
        #[test]
        fn rate_for_work_is_the_least_amount_that_covers_it(rate in atoms(), work in atoms()) {
            let owed = u128::from(rate) * u128::from(work);
            let covers = |amount: u64| u128::from(amount) * u128::from(GWORK) >= owed;
            match ceil_atoms(rate, work) {
                Ok(amount) => {
                    prop_assert!(covers(amount));
                    prop_assert!(amount == 0 || !covers(amount - 1));
                }
                Err(error) => {
                    prop_assert_eq!(error, RuleError::AmountOverflow);
                    prop_assert!(!covers(u64::MAX));
                }
            }
        }
    }

    #[test]
    fn rate_for_work_edges() {
        assert_eq!(ceil_atoms(0, u64::MAX), Ok(0));
        assert_eq!(ceil_atoms(u64::MAX, 0), Ok(0));
        assert_eq!(ceil_atoms(1, 1), Ok(1));
        assert_eq!(ceil_atoms(1, GWORK), Ok(1));
        assert_eq!(ceil_atoms(1, GWORK + 1), Ok(2));
        assert_eq!(ceil_atoms(GWORK, u64::MAX), Ok(u64::MAX));
        assert_eq!(ceil_atoms(u64::MAX, GWORK), Ok(u64::MAX));
        assert_eq!(
            ceil_atoms(u64::MAX, GWORK + 1),
            Err(RuleError::AmountOverflow)
        );
        assert_eq!(
            ceil_atoms(u64::MAX, u64::MAX),
            Err(RuleError::AmountOverflow)
        );
    }
}
