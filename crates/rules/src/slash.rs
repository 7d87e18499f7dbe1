//! How a slashed bond is divided.

use crate::share;

/// Share of the bond for the prover, in basis points.
const PROVER_BPS: u16 = 4_000;
/// Share of the bond for the client, in basis points.
const CLIENT_BPS: u16 = 2_000;

/// The parts of a slashed bond. They sum to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BondSplit {
    /// To the prover: 40 %, floored.
    pub prover_atoms: u64,
    /// To the client: 20 %, floored.
    pub client_atoms: u64,
    /// To the treasury: the rest, 40 % and all that rounding leaves over.
    pub treasury_atoms: u64,
}

/// Divides what is left of a slashed bond: 40 % to the prover, 20 % to the client, the rest to the treasury.
///
/// A provider that convicts itself therefore loses at least 60 %, and at least 40 % together with the client.
///
/// - Units: atoms.
/// - Errors: none; a slash can't be blocked.
/// - Source: program.md, "splits the bond: 40 % to the prover, 20 % to the client, 40 % to the treasury (rounding too)".
pub fn split_bond(bond_left_atoms: u64) -> BondSplit {
    let prover_atoms = share::floor_at_most_one(bond_left_atoms, PROVER_BPS);
    let client_atoms = share::floor_at_most_one(bond_left_atoms, CLIENT_BPS);
    BondSplit {
        prover_atoms,
        client_atoms,
        treasury_atoms: bond_left_atoms
            .saturating_sub(prover_atoms)
            .saturating_sub(client_atoms),
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
        fn parts_of_a_slashed_bond_sum_to_it(bond in atoms()) {
            let parts = split_bond(bond);
            let sum = u128::from(parts.prover_atoms)
                + u128::from(parts.client_atoms)
                + u128::from(parts.treasury_atoms);
            prop_assert_eq!(sum, u128::from(bond));
        }

        #[test]
        fn prover_and_client_get_floored_shares(bond in atoms()) {
            let parts = split_bond(bond);
            prop_assert_eq!(u128::from(parts.prover_atoms), u128::from(bond) * 40 / 100);
            prop_assert_eq!(u128::from(parts.client_atoms), u128::from(bond) * 20 / 100);
        }

        #[test]
        fn convicting_oneself_loses_60_percent_and_40_with_the_client(bond in atoms()) {
            let parts = split_bond(bond);
            let alone_lost = u128::from(bond - parts.prover_atoms);
            let together_lost = u128::from(bond - parts.prover_atoms - parts.client_atoms);
            prop_assert!(alone_lost * 100 >= u128::from(bond) * 60);
            prop_assert!(together_lost * 100 >= u128::from(bond) * 40);
        }
    }

    #[test]
    fn split_bond_edges() {
        let parts = |prover_atoms, client_atoms, treasury_atoms| BondSplit {
            prover_atoms,
            client_atoms,
            treasury_atoms,
        };
        assert_eq!(split_bond(0), parts(0, 0, 0));
        assert_eq!(split_bond(1), parts(0, 0, 1));
        assert_eq!(split_bond(2), parts(0, 0, 2));
        assert_eq!(split_bond(3), parts(1, 0, 2));
        assert_eq!(split_bond(5), parts(2, 1, 2));
        assert_eq!(split_bond(100), parts(40, 20, 40));
        assert_eq!(
            split_bond(u64::MAX),
            parts(u64::MAX / 5 * 2, u64::MAX / 5, u64::MAX / 5 * 2)
        );
    }
}
