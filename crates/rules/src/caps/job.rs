//! What a job of rows is created for: the least price, or some part of it more.

use crate::{
    BPS, RuleError,
    quote::{Floors, Offer, Quote, quote},
};

/// What a row of a job costs at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowCost {
    /// What a mint and the protocol ask for.
    pub floors: Floors,
    /// Units of work of one row. That of many is no more than the sum.
    pub work: u64,
}

/// What a job pays and locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobPrice {
    /// Of its one milestone, in atoms.
    pub price_atoms: u64,
    /// What it takes at that price.
    pub quote: Quote,
}

/// The price of a refereed job of `rows` rows and one milestone: `price_bps` of the least price, and never below it.
///
/// - Rounding: floored, as a share is.
/// - Errors: those of [`quote`].
pub fn job_price(row: &RowCost, rows: u64, price_bps: u32) -> Result<JobPrice, RuleError> {
    let work = row.work.saturating_mul(rows);
    let of = |price_atoms| {
        let offer = Offer {
            work,
            is_refereed: true,
            milestones: 1,
            price_atoms,
        };
        quote(&row.floors, &offer)
    };
    // A price of nothing is no job.
    let least = of(1)?.least_price_atoms.max(1);
    let scaled = u128::from(least) * u128::from(price_bps) / u128::from(BPS);
    let price_atoms = u64::try_from(scaled).unwrap_or(u64::MAX).max(least);
    Ok(JobPrice {
        price_atoms,
        quote: of(price_atoms)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, proptest::prelude::*};

    const ROW: RowCost = RowCost {
        floors: Floors {
            least_price_atoms: 10,
            price_per_gwork_atoms: 2,
            bond_bps: 20_000,
            bond_per_gwork_atoms: 1,
        },
        work: 1_000_000_000,
    };

    #[test]
    fn many_rows_cost_what_they_are_and_few_the_least() {
        let price = |rows, bps| job_price(&ROW, rows, bps).unwrap().price_atoms;
        assert_eq!([1, 5, 6].map(|rows| price(rows, 10_000)), [10, 10, 12]);
        assert_eq!([0, 9_999, 12_500].map(|bps| price(1, bps)), [10, 10, 12]);
        let offered = job_price(&ROW, 6, 15_000).unwrap();
        assert_eq!((offered.price_atoms, offered.quote.escrow_atoms), (18, 18));
        assert_eq!(offered.quote.least_bond_atoms, 36);
        let free = RowCost {
            floors: Floors::default(),
            work: 0,
        };
        assert_eq!(job_price(&free, 1, 10_000).unwrap().price_atoms, 1);
    }

    proptest! {
        #[test]
        fn more_rows_and_higher_offers_cost_no_less(
            (rows, more) in (0..1_000_000u64, 0..1_000_000u64),
            (bps, higher) in (0..1_000_000u32, 0..1_000_000u32),
        ) {
            let price = |rows, bps| job_price(&ROW, rows, bps).unwrap().price_atoms;
            prop_assert!(price(rows, bps) <= price(rows + more, bps + higher));
            // Together rows cost no more than apart.
            prop_assert!(price(rows + more, 10_000) <= price(rows, 10_000) + price(more, 10_000));
        }
    }
}
