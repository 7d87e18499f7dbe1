//! What a job costs at least and reserves: one rule for the program, the command line and a provider's policy.

use crate::{RuleError, bond, price};

/// What a mint and the protocol ask of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    /// Least price of a milestone, in atoms.
    pub least_price_atoms: u64,
    /// Least price of 10^9 units of work, in atoms.
    pub price_per_gwork_atoms: u64,
    /// Least bond in basis points of a milestone's price.
    pub bond_bps: u32,
    /// Least bond for 10^9 units of work that can be convicted, in atoms.
    pub bond_per_gwork_atoms: u64,
}

/// What a client offers and asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Units of work of a milestone, 0 where none are counted.
    pub work: u64,
    /// Whether a wrong result can be convicted on chain.
    pub is_refereed: bool,
    /// Milestones, at least one.
    pub milestones: u8,
    /// Price of a milestone, in atoms.
    pub price_atoms: u64,
}

/// The numbers of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Least price of a milestone, in atoms.
    pub least_price_atoms: u64,
    /// Least bond at the offered price, in atoms.
    pub least_bond_atoms: u64,
    /// What the client's purse reserves, in atoms.
    pub escrow_atoms: u64,
}

/// Quotes a job. An offer below the least price is quoted at the least price.
///
/// Counted work is paid for at every level; only what can be convicted is also secured by a bond per unit of work.
///
/// - Errors: those of [`price::least_price`], [`bond::least_bond`] and [`price::escrow`].
/// - Source: program.md, `create_job`.
#[inline]
pub fn quote(floors: &Floors, offer: &Offer) -> Result<Quote, RuleError> {
    let least_price_atoms = price::least_price(
        floors.least_price_atoms,
        floors.price_per_gwork_atoms,
        offer.work,
    )?;
    let price_atoms = offer.price_atoms.max(least_price_atoms);
    let judged_work = if offer.is_refereed { offer.work } else { 0 };
    Ok(Quote {
        least_price_atoms,
        least_bond_atoms: bond::least_bond(
            price_atoms,
            floors.bond_bps,
            floors.bond_per_gwork_atoms,
            judged_work,
        )?,
        escrow_atoms: price::escrow(price_atoms, offer.milestones)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::atoms;

    const FLOORS: Floors = Floors {
        least_price_atoms: 10,
        price_per_gwork_atoms: 100,
        bond_bps: 20_000,
        bond_per_gwork_atoms: 1_000,
    };
    const OFFER: Offer = Offer {
        work: 2_000_000_000,
        is_refereed: true,
        milestones: 1,
        price_atoms: 300,
    };

    #[test]
    fn work_is_paid_for_and_secured() {
        let expected = |least_price_atoms, least_bond_atoms, escrow_atoms| {
            Ok(Quote {
                least_price_atoms,
                least_bond_atoms,
                escrow_atoms,
            })
        };
        assert_eq!(quote(&FLOORS, &OFFER), expected(200, 2_000, 300));
        // Nothing can be convicted: the price alone is secured.
        let reviewed = Offer {
            is_refereed: false,
            milestones: 3,
            ..OFFER
        };
        assert_eq!(quote(&FLOORS, &reviewed), expected(200, 600, 900));
        let uncounted = Offer { work: 0, ..OFFER };
        assert_eq!(quote(&FLOORS, &uncounted), expected(10, 600, 300));
        // Too little is quoted at what is enough.
        let cheap = Offer {
            price_atoms: 1,
            ..reviewed
        };
        assert_eq!(quote(&FLOORS, &cheap), expected(200, 400, 600));
        let none = Offer {
            milestones: 0,
            ..OFFER
        };
        assert_eq!(quote(&FLOORS, &none), Err(RuleError::NoMilestones));
        let free = Offer {
            price_atoms: 0,
            ..OFFER
        };
        assert_eq!(quote(&Floors::default(), &free), Err(RuleError::PriceZero));
    }

    proptest! {
        #[test]
        fn an_offer_at_its_quote_is_quoted_the_same(
            (least, rate, bond_rate) in (atoms(), atoms(), atoms()),
            (work, price) in (atoms(), atoms()),
            bond_bps in any::<u32>(),
            (is_refereed, milestones) in (any::<bool>(), any::<u8>()),
        ) {
            let floors = Floors {
                least_price_atoms: least,
                price_per_gwork_atoms: rate,
                bond_bps,
                bond_per_gwork_atoms: bond_rate,
            };
            let offer = Offer { work, is_refereed, milestones, price_atoms: price };
            if let Ok(quoted) = quote(&floors, &offer) {
                let paid = price.max(quoted.least_price_atoms);
                let again = quote(&floors, &Offer { price_atoms: paid, ..offer });
                prop_assert_eq!(again, Ok(quoted));
                prop_assert_eq!(
                    u128::from(quoted.escrow_atoms), u128::from(paid) * u128::from(milestones)
                );
                prop_assert!(
                    u128::from(quoted.least_bond_atoms) >= u128::from(paid) * u128::from(bond_bps) / 10_000
                );
            }
        }
    }
}
