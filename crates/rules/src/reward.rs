//! Rewards that a provider accrues with the fees that its jobs paid.

/// What `rate_e9 x weight_bps` is divided by: the rate counts in 10^-9, the weight in 10^-4.
const SCALE: u64 = 10_000_000_000_000;

/// The reward that a settled milestone accrues: `floor(fee_atoms x rate_e9 x weight_bps / 10^13)`, at most what the
/// epoch's cap still allows and at most what the emission's purse has free.
///
/// - Units: `fee_atoms` in atoms of the payment mint; `rate_e9` in reward atoms per fee atom x 10^9; `weight_bps` in basis
///   points; the other amounts and the result in atoms of the reward mint.
/// - Errors: none. It saturates, because a reward never blocks a payment: an exhausted, overspent or empty emission
///   accrues 0.
/// - Source: incentives.md, "the provider accrues fee x reward_rate(mint) x weight(assurance), at most what the epoch's cap
///   still allows and at most the free part of the emission's purse"; formats.md, "reward = floor(fee x rate x weight /
///   10^13), in u128".
pub fn accrue(
    fee_atoms: u64,
    rate_e9: u64,
    weight_bps: u16,
    cap_atoms: u64,
    spent_atoms: u64,
    free_atoms: u64,
) -> u64 {
    let limit_atoms = cap_atoms.saturating_sub(spent_atoms).min(free_atoms);
    if limit_atoms == 0 {
        return 0;
    }
    let base = u128::from(fee_atoms) * u128::from(rate_e9);
    let reward_atoms = match base.checked_mul(u128::from(weight_bps)) {
        // A 64-bit division is one instruction on chain; most products of real fees need the long one.
        Some(product) => match u64::try_from(product) {
            Ok(product) => product / SCALE,
            Err(_) => u64::try_from(product / u128::from(SCALE)).unwrap_or(u64::MAX),
        },
        // 2^128 / 10^13 is above 2^64, so any limit is lower than this reward.
        None => u64::MAX,
    };
    reward_atoms.min(limit_atoms)
}

/// Whether rewards in the payment mint itself are always worth less than the fees that earned them: `rate x weight < 1`,
/// strictly.
///
/// Where the reward mint is another one this says nothing, and only the epoch's cap bounds the loss.
///
/// - Units: as in [`accrue`].
/// - Source: program.md, P12, "where reward and payment mint are the same, rate x weight < 1 is enforced".
pub fn is_wash_proof(rate_e9: u64, weight_bps: u16) -> bool {
    u128::from(rate_e9) * u128::from(weight_bps) < u128::from(SCALE)
}

/// What a provider's lifetime counter of accrued rewards can still hold, in atoms: a reward above it is not accrued, so that a
/// full counter never blocks a payment.
///
/// - Errors: none.
/// - Source: incentives.md, "Nothing left in the epoch means zero accrued, ... never an error that blocks the payment".
pub fn room(accrued_atoms: u64) -> u64 {
    u64::MAX - accrued_atoms
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::atoms;

    /// `floor(fee x rate x weight / 10^13)` without overflow, by another route than the product under test.
    fn exact(fee: u64, rate: u64, weight: u16) -> u128 {
        let base = u128::from(fee) * u128::from(rate);
        let (scale, weight) = (u128::from(SCALE), u128::from(weight));
        base / scale * weight + base % scale * weight / scale
    }

    proptest! {
        #[test]
        fn reward_is_the_floor_within_both_limits(
            fee in atoms(), rate in atoms(), weight in any::<u16>(),
            cap in atoms(), spent in atoms(), free in atoms(),
        ) {
            let limit = cap.saturating_sub(spent).min(free);
            let expected = exact(fee, rate, weight).min(u128::from(limit));
            prop_assert_eq!(u128::from(accrue(fee, rate, weight, cap, spent, free)), expected);
        }

        #[test]
        fn unlimited_reward_is_the_floor_or_saturates(
            fee in atoms(), rate in atoms(), weight in any::<u16>(),
        ) {
            let expected = u64::try_from(exact(fee, rate, weight)).unwrap_or(u64::MAX);
            prop_assert_eq!(accrue(fee, rate, weight, u64::MAX, 0, u64::MAX), expected);
        }

        #[test]
        fn spent_never_passes_the_cap(
            cap in atoms(),
            rate in atoms(),
            weight in any::<u16>(),
            fees in prop::collection::vec(atoms(), 0..20),
            funds in atoms(),
        ) {
            let (mut spent, mut free) = (0u64, funds);
            for fee in fees {
                let reward = accrue(fee, rate, weight, cap, spent, free);
                spent = spent.checked_add(reward).unwrap();
                free = free.checked_sub(reward).unwrap();
                prop_assert!(spent <= cap);
            }
            prop_assert_eq!(u128::from(spent) + u128::from(free), u128::from(funds));
        }

        #[test]
        fn reward_grows_with_fee_rate_weight_and_limits(
            (f, g) in (atoms(), atoms()),
            (r, s) in (atoms(), atoms()),
            (v, w) in (any::<u16>(), any::<u16>()),
            (c, d) in (atoms(), atoms()),
            spent in atoms(),
            (x, y) in (atoms(), atoms()),
        ) {
            let low = accrue(f.min(g), r.min(s), v.min(w), c.min(d), spent, x.min(y));
            let high = accrue(f.max(g), r.max(s), v.max(w), c.max(d), spent, x.max(y));
            prop_assert!(low <= high);
        }

        #[test]
        fn wash_proof_rewards_are_worth_less_than_the_fee(
            fee in 1..=u64::MAX, rate in 0..2_000_000_000u64, weight in 0..=20_000u16,
        ) {
            let reward = accrue(fee, rate, weight, u64::MAX, 0, u64::MAX);
            if is_wash_proof(rate, weight) {
                prop_assert!(reward < fee);
            } else {
                prop_assert!(reward >= fee);
            }
        }

        #[test]
        fn wash_proof_is_decided_exactly(rate in atoms(), weight in any::<u16>()) {
            // The largest rate below 1 / weight, by division instead of multiplication.
            let expected = match SCALE.checked_sub(1).and_then(|top| top.checked_div(u64::from(weight))) {
                Some(largest) => rate <= largest,
                None => true,
            };
            prop_assert_eq!(is_wash_proof(rate, weight), expected);
        }
    }

    #[test]
    fn accrue_edges() {
        const ONE_E9: u64 = 1_000_000_000;
        const MAX: u64 = u64::MAX;
        assert_eq!(accrue(0, MAX, u16::MAX, MAX, 0, MAX), 0);
        assert_eq!(accrue(MAX, 0, 10_000, MAX, 0, MAX), 0);
        assert_eq!(accrue(MAX, ONE_E9, 0, MAX, 0, MAX), 0);
        assert_eq!(accrue(1, ONE_E9, 10_000, MAX, 0, MAX), 1);
        assert_eq!(accrue(1, ONE_E9, 9_999, MAX, 0, MAX), 0);
        assert_eq!(accrue(300, ONE_E9 / 2, 10_000, MAX, 0, MAX), 150);
        assert_eq!(accrue(MAX, ONE_E9, 10_000, MAX, 0, MAX), MAX);
        assert_eq!(accrue(MAX, MAX, u16::MAX, MAX, 0, MAX), MAX);
        // Limits: the cap's rest, the free funds, an exhausted and an overspent epoch.
        assert_eq!(accrue(300, ONE_E9, 10_000, 250, 0, MAX), 250);
        assert_eq!(accrue(300, ONE_E9, 10_000, 250, 100, MAX), 150);
        assert_eq!(accrue(300, ONE_E9, 10_000, MAX, 0, 7), 7);
        assert_eq!(accrue(300, ONE_E9, 10_000, 250, 250, MAX), 0);
        assert_eq!(accrue(300, ONE_E9, 10_000, 250, 251, MAX), 0);
        assert_eq!(accrue(MAX, MAX, u16::MAX, 5, 4, MAX), 1);
    }

    #[test]
    fn wash_proof_edges() {
        assert!(is_wash_proof(0, u16::MAX));
        assert!(is_wash_proof(u64::MAX, 0));
        assert!(is_wash_proof(999_999_999, 10_000));
        assert!(!is_wash_proof(1_000_000_000, 10_000));
        assert!(is_wash_proof(1_000_000_000, 9_999));
        assert!(!is_wash_proof(u64::MAX, u16::MAX));
        assert!(!is_wash_proof(u64::MAX, 1));
    }

    #[test]
    fn room_and_accrued_fill_the_counter() {
        for accrued in [0, 1, u64::MAX - 1, u64::MAX] {
            assert_eq!(accrued.checked_add(super::room(accrued)), Some(u64::MAX));
        }
    }
}
