//! Rejected milestones: the client's deposit, the arbiter's resolution, and its silence.

use crate::{RuleError, settle, share};

/// Share of the arbitrated rest from which the provider prevails, in basis points.
const PREVAILS_BPS: u16 = 5_000;

/// What the client's purse reserves to reject a milestone: `floor(price_atoms x reject_bps / 10,000)`.
///
/// - Units: atoms and basis points.
/// - Errors: [`RuleError::ShareAboveOne`] when `reject_bps` is above 10,000.
/// - Source: program.md, "`reject` (Reviewed with arbiter) reserves reject_bps of the price in the client's purse".
pub fn deposit(price_atoms: u64, reject_bps: u16) -> Result<u64, RuleError> {
    share::floor_bps(price_atoms, reject_bps)
}

/// The parts of a resolved milestone's price. They sum to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// To the arbiter, in any case.
    pub arbiter_atoms: u64,
    /// To the provider: its share less fee and royalty.
    pub provider_atoms: u64,
    /// To the treasury, out of the provider's share.
    pub fee_atoms: u64,
    /// To the model's owner, out of the provider's share.
    pub royalty_atoms: u64,
    /// To the client: what the provider was not given, rounding included.
    pub client_atoms: u64,
    /// The provider was given at least one half: it also gets the reject deposit, and the checkpoint advances.
    pub provider_prevails: bool,
}

/// Divides a rejected milestone's price as the arbiter decided.
///
/// The arbiter gets `floor(price x arbiter_bps)`. Of the rest the provider is given `floor(rest x provider_share_bps)`,
/// out of which fee and royalty are paid as in [`settle::split_price`]; the client gets what remains of the rest.
///
/// - Units: atoms and basis points.
/// - Errors: [`RuleError::ShareAboveOne`] when `arbiter_bps`, `provider_share_bps` or `fee_bps + royalty_bps` is above
///   10,000.
/// - Source: program.md, "`resolve` (the arbiter, who is neither party and gets arbiter_bps of the price): a share of the
///   rest for the provider, the remainder to the client"; "A share of at least one half: the provider also gets the
///   reject deposit"; "Fee and royalty come out of the provider's share only".
pub fn resolve(
    price_atoms: u64,
    arbiter_bps: u16,
    provider_share_bps: u16,
    fee_bps: u16,
    royalty_bps: u16,
) -> Result<Resolution, RuleError> {
    let arbiter_atoms = share::floor_bps(price_atoms, arbiter_bps)?;
    let rest_atoms = price_atoms.saturating_sub(arbiter_atoms);
    let given_atoms = share::floor_bps(rest_atoms, provider_share_bps)?;
    let parts = settle::split_price(given_atoms, fee_bps, royalty_bps)?;
    Ok(Resolution {
        arbiter_atoms,
        provider_atoms: parts.provider_atoms,
        fee_atoms: parts.fee_atoms,
        royalty_atoms: parts.royalty_atoms,
        client_atoms: rest_atoms.saturating_sub(given_atoms),
        provider_prevails: provider_share_bps >= PREVAILS_BPS,
    })
}

/// The penalty that an arbiter takes from the provider's bond for the client: what it asks for, within the bound. A provider
/// that prevails pays none: otherwise each milestone that it won would cost it a share of its bond.
///
/// - Units: atoms and basis points.
/// - Errors: [`RuleError::PenaltyAboveShare`] when `asked_atoms` is above `floor(bond_left_atoms x late_penalty_bps /
///   10,000)`, or above 0 if `provider_prevails`; [`RuleError::ShareAboveOne`] when `late_penalty_bps` is above 10,000.
/// - Source: program.md, "at most late_penalty_bps of bond_left to the client".
pub fn penalty(
    bond_left_atoms: u64,
    asked_atoms: u64,
    late_penalty_bps: u16,
    provider_prevails: bool,
) -> Result<u64, RuleError> {
    let bound_atoms = share::floor_bps(bond_left_atoms, late_penalty_bps)?;
    if asked_atoms > if provider_prevails { 0 } else { bound_atoms } {
        return Err(RuleError::PenaltyAboveShare);
    }
    Ok(asked_atoms)
}

/// The parts of the price of a milestone whose arbiter stayed silent. They sum to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// To the provider: its half less fee and royalty.
    pub provider_atoms: u64,
    /// To the treasury, out of the provider's half.
    pub fee_atoms: u64,
    /// To the model's owner, out of the provider's half.
    pub royalty_atoms: u64,
    /// To the burn purse: the other half, rounding included.
    pub burn_atoms: u64,
}

/// Divides the price of a rejected milestone whose arbiter let its deadline pass: one half (floored) to the provider,
/// less fee and royalty, the rest burnt, so that nobody gains by the silence.
///
/// - Units: atoms and basis points.
/// - Errors: [`RuleError::ShareAboveOne`] when `fee_bps + royalty_bps` is above 10,000.
/// - Source: program.md, "An arbiter silent past its deadline (`expire`): half the price to the provider, half to the burn
///   purse"; "Fee and royalty come out of the provider's share only".
pub fn silence(price_atoms: u64, fee_bps: u16, royalty_bps: u16) -> Result<Unanswered, RuleError> {
    let half_atoms = price_atoms / 2;
    let parts = settle::split_price(half_atoms, fee_bps, royalty_bps)?;
    Ok(Unanswered {
        provider_atoms: parts.provider_atoms,
        fee_atoms: parts.fee_atoms,
        royalty_atoms: parts.royalty_atoms,
        burn_atoms: price_atoms.saturating_sub(half_atoms),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{atoms, share_bps, two_shares_above_one_bps, two_shares_bps};

    proptest! {
        #[test]
        fn deposit_is_the_floored_share(price in atoms(), bps in any::<u16>()) {
            let expected = if bps > 10_000 {
                Err(RuleError::ShareAboveOne)
            } else {
                Ok(u128::from(price) * u128::from(bps) / 10_000)
            };
            prop_assert_eq!(deposit(price, bps).map(u128::from), expected);
        }

        #[test]
        fn parts_of_a_resolved_price_sum_to_it(
            price in atoms(),
            arbiter in share_bps(),
            share in share_bps(),
            (fee, royalty) in two_shares_bps(),
        ) {
            let parts = resolve(price, arbiter, share, fee, royalty).unwrap();
            let sum = u128::from(parts.arbiter_atoms)
                + u128::from(parts.provider_atoms)
                + u128::from(parts.fee_atoms)
                + u128::from(parts.royalty_atoms)
                + u128::from(parts.client_atoms);
            prop_assert_eq!(sum, u128::from(price));
        }

        #[test]
        fn fee_and_royalty_of_a_resolution_come_out_of_the_provider_share_only(
            price in atoms(),
            arbiter in share_bps(),
            share in share_bps(),
            (fee, royalty) in two_shares_bps(),
        ) {
            let parts = resolve(price, arbiter, share, fee, royalty).unwrap();
            let without = resolve(price, arbiter, share, 0, 0).unwrap();
            prop_assert_eq!(parts.arbiter_atoms, without.arbiter_atoms);
            prop_assert_eq!(parts.client_atoms, without.client_atoms);
            let given = without.provider_atoms;
            prop_assert_eq!(without.fee_atoms + without.royalty_atoms, 0);
            prop_assert_eq!(
                u128::from(parts.arbiter_atoms),
                u128::from(price) * u128::from(arbiter) / 10_000
            );
            let rest = u128::from(price - parts.arbiter_atoms);
            prop_assert_eq!(u128::from(given), rest * u128::from(share) / 10_000);
            let floor = |bps: u16| u128::from(given) * u128::from(bps) / 10_000;
            prop_assert_eq!(u128::from(parts.fee_atoms), floor(fee));
            prop_assert_eq!(u128::from(parts.royalty_atoms), floor(royalty));
        }

        #[test]
        fn provider_prevails_from_one_half(
            price in atoms(), arbiter in share_bps(), share in share_bps(),
        ) {
            let parts = resolve(price, arbiter, share, 0, 0).unwrap();
            prop_assert_eq!(parts.provider_prevails, share >= 5_000);
        }

        #[test]
        fn a_larger_provider_share_never_takes_from_the_provider(
            price in atoms(), arbiter in share_bps(), (s, t) in (share_bps(), share_bps()),
        ) {
            let low = resolve(price, arbiter, s.min(t), 0, 0).unwrap();
            let high = resolve(price, arbiter, s.max(t), 0, 0).unwrap();
            prop_assert!(low.provider_atoms <= high.provider_atoms);
            prop_assert!(low.client_atoms >= high.client_atoms);
        }

        #[test]
        fn resolution_shares_above_one_are_refused(
            price in atoms(),
            good in share_bps(),
            bad in 10_001..=u16::MAX,
            (fee, royalty) in two_shares_above_one_bps(),
        ) {
            let refused = Err(RuleError::ShareAboveOne);
            prop_assert_eq!(resolve(price, bad, good, 0, 0), refused);
            prop_assert_eq!(resolve(price, good, bad, 0, 0), refused);
            prop_assert_eq!(resolve(price, good, good, fee, royalty), refused);
        }

        #[test]
        fn penalty_is_what_was_asked_within_the_share(
            bond in atoms(), asked in atoms(), bps in share_bps(),
        ) {
            let bound = u128::from(bond) * u128::from(bps) / 10_000;
            let expected = if u128::from(asked) <= bound {
                Ok(asked)
            } else {
                Err(RuleError::PenaltyAboveShare)
            };
            prop_assert_eq!(penalty(bond, asked, bps, false), expected);
        }

        #[test]
        fn a_provider_that_prevails_pays_no_penalty(
            bond in atoms(), asked in atoms(), bps in share_bps(),
        ) {
            let expected = match asked {
                0 => Ok(0),
                _ => Err(RuleError::PenaltyAboveShare),
            };
            prop_assert_eq!(penalty(bond, asked, bps, true), expected);
        }

        #[test]
        fn penalty_bound_is_inclusive(bond in atoms(), bps in share_bps()) {
            let bound = crate::late::split(bond, bps).unwrap().penalty_atoms;
            prop_assert_eq!(penalty(bond, bound, bps, false), Ok(bound));
            if let Some(above) = bound.checked_add(1) {
                prop_assert_eq!(penalty(bond, above, bps, false), Err(RuleError::PenaltyAboveShare));
            }
        }

        #[test]
        fn parts_of_a_silently_arbitrated_price_sum_to_it(
            price in atoms(), (fee, royalty) in two_shares_bps(),
        ) {
            let parts = silence(price, fee, royalty).unwrap();
            let provider_half = u128::from(parts.provider_atoms)
                + u128::from(parts.fee_atoms)
                + u128::from(parts.royalty_atoms);
            prop_assert_eq!(provider_half, u128::from(price / 2));
            prop_assert_eq!(provider_half + u128::from(parts.burn_atoms), u128::from(price));
            let floor = |bps: u16| u128::from(price / 2) * u128::from(bps) / 10_000;
            prop_assert_eq!(u128::from(parts.fee_atoms), floor(fee));
            prop_assert_eq!(u128::from(parts.royalty_atoms), floor(royalty));
        }

        #[test]
        fn nobody_gains_by_an_arbiters_silence(price in atoms(), (fee, royalty) in two_shares_bps()) {
            // Against a settlement of the same price no purse gets more.
            let silent = silence(price, fee, royalty).unwrap();
            let settled = settle::split_price(price, fee, royalty).unwrap();
            prop_assert!(silent.fee_atoms <= settled.fee_atoms);
            prop_assert!(silent.royalty_atoms <= settled.royalty_atoms);
            prop_assert!(silent.provider_atoms <= settled.provider_atoms.saturating_add(1));
        }

        #[test]
        fn silence_shares_above_one_are_refused(
            price in atoms(), (fee, royalty) in two_shares_above_one_bps(),
        ) {
            prop_assert_eq!(silence(price, fee, royalty), Err(RuleError::ShareAboveOne));
        }
    }

    #[test]
    fn resolve_edges() {
        let parts = |price, arbiter, share| {
            resolve(price, arbiter, share, 300, 500).map(|parts| {
                (
                    parts.arbiter_atoms,
                    parts.provider_atoms,
                    parts.fee_atoms,
                    parts.royalty_atoms,
                    parts.client_atoms,
                    parts.provider_prevails,
                )
            })
        };
        assert_eq!(parts(0, 500, 5_000), Ok((0, 0, 0, 0, 0, true)));
        assert_eq!(parts(1, 500, 5_000), Ok((0, 0, 0, 0, 1, true)));
        assert_eq!(parts(1, 500, 10_000), Ok((0, 1, 0, 0, 0, true)));
        assert_eq!(parts(1, 10_000, 10_000), Ok((1, 0, 0, 0, 0, true)));
        assert_eq!(
            parts(10_000, 500, 4_999),
            Ok((500, 4_370, 142, 237, 4_751, false))
        );
        assert_eq!(
            parts(10_000, 500, 5_000),
            Ok((500, 4_371, 142, 237, 4_750, true))
        );
        assert_eq!(parts(10_000, 500, 0), Ok((500, 0, 0, 0, 9_500, false)));
        assert_eq!(parts(u64::MAX, 0, 0), Ok((0, 0, 0, 0, u64::MAX, false)));
    }

    #[test]
    fn silence_edges() {
        let parts = |price, fee, royalty| {
            silence(price, fee, royalty).map(|parts| {
                (
                    parts.provider_atoms,
                    parts.fee_atoms,
                    parts.royalty_atoms,
                    parts.burn_atoms,
                )
            })
        };
        assert_eq!(parts(0, 300, 500), Ok((0, 0, 0, 0)));
        assert_eq!(parts(1, 300, 500), Ok((0, 0, 0, 1)));
        assert_eq!(parts(2, 300, 500), Ok((1, 0, 0, 1)));
        assert_eq!(parts(20_001, 300, 500), Ok((9_200, 300, 500, 10_001)));
        assert_eq!(
            parts(u64::MAX, 0, 0),
            Ok((u64::MAX / 2, 0, 0, u64::MAX / 2 + 1))
        );
    }

    #[test]
    fn penalty_edges() {
        assert_eq!(penalty(0, 0, 10_000, false), Ok(0));
        assert_eq!(
            penalty(0, 1, 10_000, false),
            Err(RuleError::PenaltyAboveShare)
        );
        assert_eq!(
            penalty(1, 1, 9_999, false),
            Err(RuleError::PenaltyAboveShare)
        );
        assert_eq!(penalty(u64::MAX, u64::MAX, 10_000, false), Ok(u64::MAX));
        assert_eq!(
            penalty(u64::MAX, 0, 10_001, false),
            Err(RuleError::ShareAboveOne)
        );
    }
}
