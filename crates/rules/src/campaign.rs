//! Campaigns: what a settled milestone scores, and what a score is worth in the end.
//!
//! A sponsor reserves a pot; milestones of jobs that name the campaign add to their providers' scores when they settle; after
//! `settle_by` each provider takes its score out of the pot, or its share of the pot where all scores are more than that.
//!
//! Times are Unix seconds. No deadline of a campaign moves, cluster restarts included.

use crate::{BPS, RuleError, share};

/// Longest that a campaign's claims may wait, counted from its creation, in seconds: two years.
pub const MOST_SECS: i64 = 2 * 366 * 86_400;

/// When a campaign counts, and when its pot is paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Results submitted from here on count.
    pub start: i64,
    /// Results submitted from here on do not.
    pub end: i64,
    /// What settles later scores nothing.
    pub settle_by: i64,
    /// Last moment for claims.
    pub claim_by: i64,
}

impl Times {
    /// Whether a campaign with these times may be created at `now`:
    /// `now <= start < end < settle_by`, `claim_by >= settle_by + least_claim_secs`, `claim_by <= now + MOST_SECS`.
    ///
    /// - Units: Unix seconds and seconds.
    /// - Source: incentives.md, "now <= start < end < settle_by; claim_by >= settle_by + campaign_claim_secs, at most two years
    ///   ahead".
    pub fn may_begin(&self, now: i64, least_claim_secs: u32) -> bool {
        let in_order = now <= self.start && self.start < self.end && self.end < self.settle_by;
        let least = self.settle_by.checked_add(i64::from(least_claim_secs));
        let most = now.saturating_add(MOST_SECS);
        in_order && least.is_some_and(|least| least <= self.claim_by) && self.claim_by <= most
    }

    /// Whether providers may join and jobs may name the campaign: `now < end`.
    pub fn is_open(&self, now: i64) -> bool {
        now < self.end
    }

    /// Whether a result that was submitted then scores if it settles at `now`:
    /// `start <= submitted_at < end` and `now <= settle_by`.
    pub fn counts(&self, submitted_at: i64, now: i64) -> bool {
        (self.start..self.end).contains(&submitted_at) && now <= self.settle_by
    }

    /// Whether scores are fixed and may be claimed: `settle_by < now <= claim_by`.
    pub fn may_claim(&self, now: i64) -> bool {
        self.settle_by < now && now <= self.claim_by
    }

    /// Whether the rest of the pot goes back: `now > claim_by`, or `now > settle_by` where nobody scored.
    pub fn may_sweep(&self, now: i64, total_score: u64) -> bool {
        now > self.claim_by || (now > self.settle_by && total_score == 0)
    }

    /// Whether the longest review that a job can have ends by `settle_by`, wherever before `end` its result is submitted:
    /// `longest_secs <= settle_by - end`.
    pub fn leaves_room_for(&self, longest_secs: u64) -> bool {
        longest_secs <= self.room_secs()
    }

    /// How long results that were submitted before `end` may still settle; nothing where the times are out of order.
    pub fn room_secs(&self) -> u64 {
        u64::try_from(self.settle_by.saturating_sub(self.end)).unwrap_or(0)
    }
}

/// The longest that a result of a refereed job may be under review: its window, and then an answer and a reaction for each
/// question that leads from a root down to a leaf.
///
/// - Units: seconds; `depth` in demands one below the other.
/// - Errors: none; it saturates.
/// - Source: incentives.md, "review_secs (Refereed: + the deepest number of questions x (response_secs + react_secs))".
pub fn longest_review(review_secs: u32, depth: u8, response_secs: u32, react_secs: u32) -> u64 {
    let question = u64::from(response_secs) + u64::from(react_secs);
    u64::from(review_secs).saturating_add(u64::from(depth).saturating_mul(question))
}

/// Checks the weights of a campaign: each below one whole, so that a score is always less than the fee that earned it, and not
/// both zero.
///
/// - Units: basis points.
/// - Errors: [`RuleError::WeightNotBelowOne`], [`RuleError::NoWeight`].
/// - Source: incentives.md, "each < 10,000, not both 0".
pub fn check_weights(refereed_bps: u16, reviewed_bps: u16) -> Result<(), RuleError> {
    if [refereed_bps, reviewed_bps]
        .iter()
        .any(|bps| u64::from(*bps) >= BPS)
    {
        return Err(RuleError::WeightNotBelowOne);
    }
    if refereed_bps == 0 && reviewed_bps == 0 {
        return Err(RuleError::NoWeight);
    }
    Ok(())
}

/// What a settled milestone adds to its provider's score and to the campaign's: `floor(fee x weight / 10,000)`, at most what the
/// total can still hold.
///
/// - Units: atoms of the campaign's mint, in which the job pays; basis points below 10,000.
/// - Errors: none: a full total scores nothing, because a score never blocks a payment.
/// - Source: incentives.md, "s = floor(fee x weight / 10,000), at most what total_score can still hold".
pub fn score(fee_atoms: u64, weight_bps: u16, total_score: u64) -> u64 {
    share::floor_at_most_one(fee_atoms, weight_bps).min(u64::MAX - total_score)
}

/// What a provider gets for its score: the score itself where the pot holds all scores, its share of the pot otherwise, floored.
///
/// - Units: atoms. `score` is part of `total_score`.
/// - Errors: none.
/// - Source: incentives.md, "amount = score if total_score <= pot, else floor(pot x score / total_score), u128".
pub fn amount(pot_atoms: u64, score: u64, total_score: u64) -> u64 {
    if !is_shared(pot_atoms, total_score) {
        return score;
    }
    // The total is above the pot, so it is not zero, and the quotient is at most the pot.
    let product = u128::from(pot_atoms) * u128::from(score);
    let share = product.checked_div(u128::from(total_score)).unwrap_or(0);
    u64::try_from(share).unwrap_or(pot_atoms)
}

/// Whether the pot holds less than all scores together, so that each gets its share and not its score.
///
/// - Units: atoms.
pub fn is_shared(pot_atoms: u64, total_score: u64) -> bool {
    total_score > pot_atoms
}

/// What is left of a pot.
///
/// - Units: atoms. No more is ever claimed than the pot holds (P18).
pub fn left(pot_atoms: u64, claimed_atoms: u64) -> u64 {
    pot_atoms.saturating_sub(claimed_atoms)
}

/// What a milestone would score if it settled now, and what that score is worth if nobody scores after it.
///
/// - Units and errors: as [`score`] and [`amount`].
pub fn prospect(fee_atoms: u64, weight_bps: u16, total_score: u64, pot_atoms: u64) -> (u64, u64) {
    let score = score(fee_atoms, weight_bps, total_score);
    // A score is at most what the total still holds.
    let total_score = total_score.saturating_add(score);
    (score, amount(pot_atoms, score, total_score))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, crate::arbitrary::atoms, proptest::prelude::*, std::vec::Vec};

    const TIMES: Times = Times {
        start: 100,
        end: 200,
        settle_by: 300,
        claim_by: 400,
    };

    #[test]
    fn begins_with_times_in_order_only() {
        let change = |change: fn(&mut Times)| {
            let mut times = TIMES;
            change(&mut times);
            times
        };
        assert!(TIMES.may_begin(100, 100));
        assert!(!TIMES.may_begin(101, 100), "it begins in the past");
        assert!(!TIMES.may_begin(100, 101), "too little time to claim");
        assert!(change(|times| times.end = 101).may_begin(100, 100));
        assert!(!change(|times| times.end = 100).may_begin(100, 100));
        assert!(change(|times| times.settle_by = 201).may_begin(100, 100));
        assert!(!change(|times| times.settle_by = 200).may_begin(100, 100));
        assert!(!change(|times| times.settle_by = i64::MAX).may_begin(100, 1));
        assert!(change(|times| times.claim_by = 100 + MOST_SECS).may_begin(100, 100));
        assert!(!change(|times| times.claim_by = 101 + MOST_SECS).may_begin(100, 100));
        assert!(!change(|times| times.claim_by = i64::MAX).may_begin(100, 100));
        assert!(!change(|times| times.start = i64::MIN).may_begin(0, 0));
    }

    #[test]
    fn each_edge_belongs_to_one_side() {
        for (at, is_open) in [(i64::MIN, true), (199, true), (200, false), (201, false)] {
            assert_eq!(TIMES.is_open(at), is_open, "{at}");
        }
        for (submitted_at, now, counts) in [
            (99, 250, false),
            (100, 250, true),
            (199, 300, true),
            (199, 301, false),
            (200, 250, false),
        ] {
            assert_eq!(
                TIMES.counts(submitted_at, now),
                counts,
                "{submitted_at} {now}"
            );
        }
        for (now, may_claim, may_sweep, may_sweep_unscored) in [
            (300, false, false, false),
            (301, true, false, true),
            (400, true, false, true),
            (401, false, true, true),
        ] {
            assert_eq!(TIMES.may_claim(now), may_claim, "{now}");
            assert_eq!(TIMES.may_sweep(now, 1), may_sweep, "{now}");
            assert_eq!(TIMES.may_sweep(now, 0), may_sweep_unscored, "{now}");
        }
        assert!(TIMES.leaves_room_for(100));
        assert!(!TIMES.leaves_room_for(101));
    }

    #[test]
    fn the_longest_review_counts_each_question() {
        assert_eq!(longest_review(60, 0, 10, 5), 60);
        assert_eq!(longest_review(60, 4, 10, 5), 120);
        let most = longest_review(u32::MAX, u8::MAX, u32::MAX, u32::MAX);
        assert_eq!(most, u64::from(u32::MAX) * 511);
    }

    #[test]
    fn weights_are_below_one_and_not_both_nothing() {
        assert_eq!(check_weights(9_999, 0), Ok(()));
        assert_eq!(check_weights(0, 1), Ok(()));
        assert_eq!(check_weights(0, 0), Err(RuleError::NoWeight));
        for (one, other) in [(10_000, 1), (1, 10_000), (u16::MAX, 0)] {
            assert_eq!(check_weights(one, other), Err(RuleError::WeightNotBelowOne));
        }
    }

    #[test]
    fn scores_and_amounts_at_their_edges() {
        const MAX: u64 = u64::MAX;
        assert_eq!(score(10_000, 9_999, 0), 9_999);
        assert_eq!(score(1, 9_999, 0), 0);
        assert_eq!(score(MAX, 9_999, MAX - 1), 1);
        assert_eq!(score(MAX, 9_999, MAX), 0);
        assert_eq!(amount(1, 1, 3), 0);
        for total in [9, 10] {
            assert_eq!(amount(10, 4, total), 4);
        }
        assert_eq!(amount(10, 4, 11), 3);
        assert_eq!(amount(MAX, MAX, MAX), MAX);
        assert_eq!(amount(MAX - 1, MAX, MAX), MAX - 1);
        assert_eq!(amount(0, 0, 0), 0);
    }

    /// The scores of some fees, one after the other, and their total.
    fn scored(fees: &[u64], weight_bps: u16) -> (Vec<u64>, u64) {
        let mut total = 0;
        let scores = fees.iter().map(|fee| {
            let score = score(*fee, weight_bps, total);
            total += score;
            score
        });
        (scores.collect(), total)
    }

    proptest! {
        /// Whatever happens, nobody gets as much as it paid, and all together get no more than the pot.
        #[test]
        fn the_pot_holds_and_nobody_gains_by_buying(
            fees in prop::collection::vec(atoms(), 1..20), weight_bps in 0..10_000u16, pot in atoms(),
        ) {
            let (scores, total) = scored(&fees, weight_bps);
            let amounts: Vec<u64> = scores.iter().map(|score| amount(pot, *score, total)).collect();
            let paid: u128 = amounts.iter().copied().map(u128::from).sum();
            prop_assert!(paid <= u128::from(pot));
            for (fee, amount) in fees.iter().zip(&amounts) {
                prop_assert!(amount < fee || *fee == 0 && *amount == 0);
            }
        }

        /// A prospect is what settling now brings.
        #[test]
        fn a_prospect_is_the_last_score(
            fees in prop::collection::vec(atoms(), 1..10), weight_bps in 0..10_000u16, pot in atoms(),
        ) {
            let (scores, total) = scored(&fees, weight_bps);
            let (last, score) = (fees[fees.len() - 1], scores[scores.len() - 1]);
            let expected = (score, amount(pot, score, total));
            prop_assert_eq!(prospect(last, weight_bps, total - score, pot), expected);
        }

        /// One provider that splits what it does over several identities gets no more.
        #[test]
        fn splitting_gains_nothing(
            fees in prop::collection::vec(atoms(), 2..10), others in atoms(), weight_bps in 0..10_000u16, pot in atoms(),
        ) {
            let mut all = fees.clone();
            all.insert(0, others);
            let (scores, total) = scored(&all, weight_bps);
            let own = &scores[1..];
            let split: u128 = own.iter().map(|score| u128::from(amount(pot, *score, total))).sum();
            let whole = amount(pot, own.iter().sum(), total);
            prop_assert!(split <= u128::from(whole));
        }

        /// The order in which milestones settle changes no score, as long as the total holds them all.
        #[test]
        fn order_changes_nothing(
            fees in prop::collection::vec(0..u64::MAX / 32, 1..16), weight_bps in 0..10_000u16,
        ) {
            let mut reversed = fees.clone();
            reversed.reverse();
            let (mut scores, total) = scored(&reversed, weight_bps);
            scores.reverse();
            prop_assert_eq!(scored(&fees, weight_bps), (scores, total));
        }

        #[test]
        fn a_larger_pot_or_score_pays_no_less(
            (a, b) in (atoms(), atoms()), (s, t) in (atoms(), atoms()), rest in atoms(),
        ) {
            let (low, high) = (s.min(t), s.max(t));
            let total = high.saturating_add(rest);
            prop_assert!(amount(a.min(b), low, total) <= amount(a.max(b), high, total));
        }
    }
}
