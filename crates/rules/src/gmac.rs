//! Rates per 10^9 multiply-accumulates (one GMAC).

use crate::RuleError;

/// Multiply-accumulates in one GMAC.
const GMAC: u64 = 1_000_000_000;

/// `ceil(rate_per_gmac_atoms x macs / 10^9)`: what `macs` of work come to at a rate, rounded up so that no work is free.
///
/// - Errors: [`RuleError::AmountOverflow`] when the result does not fit 64 bits.
pub(crate) fn ceil_atoms(rate_per_gmac_atoms: u64, macs: u64) -> Result<u64, RuleError> {
    let product = u128::from(rate_per_gmac_atoms) * u128::from(macs);
    // Nearly every real product fits 64 bits, and a 64-bit division is one instruction on chain.
    match u64::try_from(product) {
        Ok(product) => Ok(product.div_ceil(GMAC)),
        Err(_) => {
            u64::try_from(product.div_ceil(u128::from(GMAC))).map_err(|_| RuleError::AmountOverflow)
        }
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
        fn rate_for_work_is_the_least_amount_that_covers_it(rate in atoms(), macs in atoms()) {
            let owed = u128::from(rate) * u128::from(macs);
            let covers = |amount: u64| u128::from(amount) * u128::from(GMAC) >= owed;
            match ceil_atoms(rate, macs) {
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
        assert_eq!(ceil_atoms(1, GMAC), Ok(1));
        assert_eq!(ceil_atoms(1, GMAC + 1), Ok(2));
        assert_eq!(ceil_atoms(GMAC, u64::MAX), Ok(u64::MAX));
        assert_eq!(ceil_atoms(u64::MAX, GMAC), Ok(u64::MAX));
        assert_eq!(
            ceil_atoms(u64::MAX, GMAC + 1),
            Err(RuleError::AmountOverflow)
        );
        assert_eq!(
            ceil_atoms(u64::MAX, u64::MAX),
            Err(RuleError::AmountOverflow)
        );
    }
}
