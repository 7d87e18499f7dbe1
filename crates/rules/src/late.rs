//! What a provider that misses its deadline loses.

use crate::{RuleError, share};

/// The parts of a late provider's bond. They sum to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Late {
    /// To the client.
    pub penalty_atoms: u64,
    /// Back to the provider's free balance: the rest.
    pub released_atoms: u64,
}

/// Divides what is left of a late provider's bond into the penalty and the release.
///
/// - Units: atoms and basis points.
/// - Errors: [`RuleError::ShareAboveOne`] when `late_penalty_bps` is above 10,000.
/// - Source: program.md, "Taken past its deadline -> late_penalty_bps of bond_left to the client, the rest released";
///   "Penalties are shares of `bond_left`, floored".
pub fn split(bond_left_atoms: u64, late_penalty_bps: u16) -> Result<Late, RuleError> {
    let penalty_atoms = share::floor_bps(bond_left_atoms, late_penalty_bps)?;
    Ok(Late {
        penalty_atoms,
        released_atoms: bond_left_atoms.saturating_sub(penalty_atoms),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{atoms, share_bps};

    proptest! {
        #[test]
        fn parts_of_a_late_bond_sum_to_it(bond in atoms(), bps in share_bps()) {
            let parts = split(bond, bps).unwrap();
            let sum = u128::from(parts.penalty_atoms) + u128::from(parts.released_atoms);
            prop_assert_eq!(sum, u128::from(bond));
            let floor = u128::from(bond) * u128::from(bps) / 10_000;
            prop_assert_eq!(u128::from(parts.penalty_atoms), floor);
        }

        #[test]
        fn penalty_grows_with_bond_and_share(
            (a, b) in (atoms(), atoms()), (s, t) in (share_bps(), share_bps()),
        ) {
            let low = split(a.min(b), s.min(t)).unwrap();
            let high = split(a.max(b), s.max(t)).unwrap();
            prop_assert!(low.penalty_atoms <= high.penalty_atoms);
        }

        #[test]
        fn late_share_above_one_is_refused(bond in atoms(), bps in 10_001..=u16::MAX) {
            prop_assert_eq!(split(bond, bps), Err(RuleError::ShareAboveOne));
        }
    }

    #[test]
    fn late_edges() {
        let parts = |penalty_atoms, released_atoms| {
            Ok(Late {
                penalty_atoms,
                released_atoms,
            })
        };
        assert_eq!(split(0, 10_000), parts(0, 0));
        assert_eq!(split(1, 9_999), parts(0, 1));
        assert_eq!(split(1, 10_000), parts(1, 0));
        assert_eq!(split(10_001, 1_000), parts(1_000, 9_001));
        assert_eq!(split(u64::MAX, 0), parts(0, u64::MAX));
        assert_eq!(split(u64::MAX, 10_000), parts(u64::MAX, 0));
    }
}
