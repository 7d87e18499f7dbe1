//! What a request bears of the price of a job that it shares with others.

/// The share of `rows` of the `all_rows` that a price is paid for.
///
/// - Units: `price_atoms` and the result in atoms.
/// - Rounding: floored, so a request never bears more of the least price than its rows cost alone. What is left over, less than an atom
///   for each request, is borne by none: it counts against the caps of hour and day only.
/// - More rows than there are count as all of them; of no rows nobody bears anything.
pub fn share(price_atoms: u64, rows: u64, all_rows: u64) -> u64 {
    if all_rows == 0 {
        return 0;
    }
    let rows = rows.min(all_rows);
    let exact = u128::from(price_atoms) * u128::from(rows) / u128::from(all_rows);
    // No more than the price, since the rows are no more than all.
    u64::try_from(exact).unwrap_or(price_atoms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::{
            arbitrary::atoms,
            caps::job::{RowCost, job_price},
            quote::Floors,
        },
        proptest::prelude::*,
    };

    #[test]
    fn share_edges() {
        assert_eq!(share(10, 1, 3), 3);
        assert_eq!(share(10, 3, 3), 10);
        assert_eq!(share(10, 4, 3), 10);
        assert_eq!(share(10, 1, 0), 0);
        assert_eq!(share(u64::MAX, u64::MAX, u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn shares_are_the_whole_but_for_less_than_an_atom_each(
            price in atoms(),
            rows in proptest::collection::vec(0..1_000_000u64, 1..20),
        ) {
            let all: u64 = rows.iter().sum();
            let shares = rows.iter().map(|rows| share(price, *rows, all));
            let sum: u128 = shares.clone().map(u128::from).sum();
            for own in shares {
                prop_assert!(own <= price);
            }
            let whole = if all == 0 { 0 } else { u128::from(price) };
            prop_assert!(sum <= whole);
            // None is left over where one bears all.
            let bearers = rows.iter().filter(|rows| **rows > 0).count() as u128;
            prop_assert!(whole - sum <= bearers.saturating_sub(1));
        }

        #[test]
        fn a_share_is_never_more_than_a_job_of_these_rows_alone(
            least_price_atoms in 0..1_000u64,
            price_per_gwork_atoms in 0..1_000u64,
            work in 0..10_000_000_000u64,
            rows in proptest::collection::vec(1..5_000u64, 1..20),
        ) {
            let floors = Floors { least_price_atoms, price_per_gwork_atoms, ..Floors::default() };
            let row = RowCost { floors, work };
            let price = |rows| job_price(&row, rows, 10_000).unwrap().price_atoms;
            let all: u64 = rows.iter().sum();
            for own in rows {
                prop_assert!(share(price(all), own, all) <= price(own));
            }
        }
    }
}
