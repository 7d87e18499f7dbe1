//! Deadlines: when they fall, how a cluster restart moves them, and what may be done before and after.
//!
//! All times are Unix seconds of the cluster's clock. A deadline itself is still in time; its crank needs one second more.

use crate::RuleError;

/// What each demand that is open already adds to a new demand's time, in seconds.
pub const DEMAND_QUEUE_SECS: u64 = 5;
/// The most that open demands add to a new demand's time, in seconds.
const DEMAND_QUEUE_MAX_SECS: u64 = 86_400;

/// Until when an open job may be taken: `min(entry + take_secs, ends_by)`.
///
/// It may lie before `entry` where `ends_by` does: such a job can only expire.
///
/// - Errors: [`RuleError::DeadlineOverflow`] when `entry + take_secs` can't be written.
/// - Source: formats.md, "Open: min(entry + take_secs, ends_by)".
pub fn open(entry: i64, take_secs: u32, ends_by: i64) -> Result<i64, RuleError> {
    Ok(after(entry, take_secs)?.min(ends_by))
}

/// The deadline `secs` after a state was entered, for work, review and resolution.
///
/// - Errors: [`RuleError::DeadlineOverflow`] when it can't be written.
/// - Source: formats.md, "Taken: entry + work_secs (ends_by does not bound it). Submitted: review_end = entry +
///   review_secs. Rejected: entry + resolve_secs."
pub fn after(entry: i64, secs: u32) -> Result<i64, RuleError> {
    entry
        .checked_add(i64::from(secs))
        .ok_or(RuleError::DeadlineOverflow)
}

/// A deadline as it stands after the cluster's last restart: moved by `restart_grace_secs` where the restart came after
/// the state was entered. Saturates, so that no restart can block a settlement.
///
/// - Units: `deadline` in Unix seconds, slots in slots, `restart_grace_secs` in seconds.
/// - Errors: none.
/// - Source: program.md, "where `LastRestartSlot` is later than the slot of the current state, every deadline of that state
///   moves by the copied restart-grace time".
pub fn extended(
    deadline: i64,
    state_slot: u64,
    last_restart_slot: u64,
    restart_grace_secs: u32,
) -> i64 {
    if last_restart_slot > state_slot {
        deadline.saturating_add(i64::from(restart_grace_secs))
    } else {
        deadline
    }
}

/// Whether what a deadline bounds may still be done: `now <= deadline`.
///
/// - Source: formats.md, "In time means now <= deadline".
pub fn in_time(now: i64, deadline: i64) -> bool {
    now <= deadline
}

/// Whether a deadline's crank may be turned: `now > deadline`. Exactly one of this and [`in_time`] holds.
///
/// - Source: formats.md, "cranks need now > deadline".
pub fn passed(now: i64, deadline: i64) -> bool {
    now > deadline
}

/// Who may finalize a submitted milestone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FinalizeGate {
    /// The client, who signs and accepts.
    Client,
    /// Nobody yet.
    TooEarly,
    /// Only the provider's owner or operator: the grace time runs.
    PartiesOnly,
    /// Anybody.
    Anybody,
}

/// Until when an answer leaves time to react: `max(review_end, answered_at + react_secs)`, the second only where there was an
/// answer. Demands below the answer may be opened until then, and nobody finalizes before it has passed.
///
/// - Units: Unix seconds and seconds; `answered_at` is 0 where nothing was answered.
/// - Errors: none; the sum saturates.
/// - Source: proof.md, "a child of an answered demand until max(review_end, the parent's answer + react_secs)".
pub fn reaction_end(review_end: i64, answered_at: i64, react_secs: u32) -> i64 {
    match answered_at {
        0 => review_end,
        at => review_end.max(at.saturating_add(i64::from(react_secs))),
    }
}

/// Who may finalize at `now`, provided that no demand is open (which the caller checks).
///
/// Where the client accepts (it signs, and it is the one who reviews), the wait for its own review has no purpose: at once.
/// Otherwise the milestone is ready after `max(review_end, last_answer_at + react_secs)`, the second only where there was an answer;
/// for `grace_secs` after that only the provider's owner or operator may finalize, then anybody.
///
/// - Units: Unix seconds and seconds; `last_answer_at` is 0 where no demand was answered. After a restart, pass times
///   that [`extended`] has moved, but leave a `last_answer_at` of 0 as it is.
/// - Errors: none; sums saturate.
/// - Source: program.md, "`finalize`: no open demand and now > max(review_end, last_answer_at + react_secs); during a grace
///   time after that only the provider's owner or operator, then anybody".
pub fn finalize_gate(
    client_accepts: bool,
    now: i64,
    review_end: i64,
    last_answer_at: i64,
    react_secs: u32,
    grace_secs: u32,
) -> FinalizeGate {
    if client_accepts {
        return FinalizeGate::Client;
    }
    let ready = reaction_end(review_end, last_answer_at, react_secs);
    if !passed(now, ready) {
        FinalizeGate::TooEarly
    } else if !passed(now, ready.saturating_add(i64::from(grace_secs))) {
        FinalizeGate::PartiesOnly
    } else {
        FinalizeGate::Anybody
    }
}

/// Until when a demand opened at `now` must be answered: `now + response_secs + min(5 x open_demands, 86,400)`.
///
/// - Units: Unix seconds and seconds; `open_demands` counts those open before this one.
/// - Errors: [`RuleError::DeadlineOverflow`] when it can't be written.
/// - Source: formats.md, "due = now + response_secs + min(5 x demands open before this one, 86,400)".
pub fn demand_due(now: i64, response_secs: u32, open_demands: u32) -> Result<i64, RuleError> {
    let queue_secs = u64::from(open_demands)
        .saturating_mul(DEMAND_QUEUE_SECS)
        .min(DEMAND_QUEUE_MAX_SECS);
    let wait_secs = u64::from(response_secs).saturating_add(queue_secs);
    now.checked_add_unsigned(wait_secs)
        .ok_or(RuleError::DeadlineOverflow)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{atoms, clock, secs, time};

    /// The exact sum, where it can be written.
    fn exact(time: i64, secs: i128) -> Result<i64, RuleError> {
        i64::try_from(i128::from(time) + secs).map_err(|_| RuleError::DeadlineOverflow)
    }

    /// The exact sum, saturated.
    fn saturated(time: i64, secs: u32) -> i64 {
        exact(time, i128::from(secs)).unwrap_or(i64::MAX)
    }

    proptest! {
        #[test]
        fn open_ends_at_the_earlier_bound(entry in time(), take in secs(), ends_by in time()) {
            let expected = exact(entry, i128::from(take)).map(|taken_by| taken_by.min(ends_by));
            prop_assert_eq!(open(entry, take, ends_by), expected);
        }

        #[test]
        fn after_is_the_exact_sum(entry in time(), secs in secs()) {
            prop_assert_eq!(after(entry, secs), exact(entry, i128::from(secs)));
        }

        #[test]
        fn after_grows_with_entry_and_length((a, b) in (time(), time()), (s, t) in (secs(), secs())) {
            if let Ok(late) = after(a.max(b), s.max(t)) {
                prop_assert!(after(a.min(b), s.min(t)).unwrap() <= late);
            }
        }

        #[test]
        fn reaction_ends_with_the_later_of_both(
            review_end in time(), answered_at in time(), react in secs(),
        ) {
            let expected = match answered_at {
                0 => review_end,
                at => saturated(at, react).max(review_end),
            };
            prop_assert_eq!(reaction_end(review_end, answered_at, react), expected);
        }

        #[test]
        fn only_a_later_restart_moves_a_deadline(
            deadline in time(), slot in atoms(), restart in atoms(), grace in secs(),
        ) {
            let expected = if restart > slot { saturated(deadline, grace) } else { deadline };
            prop_assert_eq!(extended(deadline, slot, restart, grace), expected);
            prop_assert_eq!(extended(deadline, slot, slot, grace), deadline);
            if let Some(next) = slot.checked_add(1) {
                prop_assert_eq!(extended(deadline, slot, next, grace), saturated(deadline, grace));
            }
        }

        #[test]
        fn in_time_and_passed_exclude_each_other(now in time(), deadline in time()) {
            prop_assert_eq!(in_time(now, deadline), now <= deadline);
            prop_assert_eq!(passed(now, deadline), now > deadline);
            prop_assert!(in_time(deadline, deadline) && !passed(deadline, deadline));
        }

        #[test]
        fn gate_follows_the_exact_sums(
            now in time(), review_end in time(), answer in time(), react in secs(), grace in secs(),
        ) {
            let answered = i128::from(answer) + i128::from(react);
            let ready = if answer == 0 {
                i128::from(review_end)
            } else {
                answered.max(i128::from(review_end))
            };
            let now_exact = i128::from(now);
            let expected = if now_exact <= ready {
                FinalizeGate::TooEarly
            } else if now_exact <= ready + i128::from(grace) {
                FinalizeGate::PartiesOnly
            } else {
                FinalizeGate::Anybody
            };
            prop_assert_eq!(finalize_gate(false, now, review_end, answer, react, grace), expected);
        }

        #[test]
        fn a_client_that_accepts_waits_for_nothing(
            now in time(), review_end in time(), answer in time(), react in secs(), grace in secs(),
        ) {
            let gate = finalize_gate(true, now, review_end, answer, react, grace);
            prop_assert_eq!(gate, FinalizeGate::Client);
        }

        #[test]
        fn gate_turns_at_the_second(
            review_end in 1..2_000_000_000i64,
            answer in prop_oneof![Just(0), 1..2_000_000_000i64],
            react in 0..100_000u32,
            grace in 1..100_000u32,
        ) {
            let ready = if answer == 0 { review_end } else { review_end.max(answer + i64::from(react)) };
            let gate = |now| finalize_gate(false, now, review_end, answer, react, grace);
            prop_assert_eq!(gate(ready), FinalizeGate::TooEarly);
            prop_assert_eq!(gate(ready + 1), FinalizeGate::PartiesOnly);
            prop_assert_eq!(gate(ready + i64::from(grace)), FinalizeGate::PartiesOnly);
            prop_assert_eq!(gate(ready + i64::from(grace) + 1), FinalizeGate::Anybody);
        }

        #[test]
        fn gate_never_closes_again(
            (a, b) in (time(), time()), review_end in time(), answer in time(),
            react in secs(), grace in secs(),
        ) {
            let rank = |now| finalize_gate(false, now, review_end, answer, react, grace) as u8;
            prop_assert!(rank(a.min(b)) <= rank(a.max(b)));
        }

        #[test]
        fn demand_is_due_after_response_and_queue(
            now in time(), response in secs(), open in prop_oneof![0..20_000u32, secs()],
        ) {
            let queue = (5 * i128::from(open)).min(86_400);
            let expected = exact(now, i128::from(response) + queue);
            prop_assert_eq!(demand_due(now, response, open), expected);
        }

        #[test]
        fn demand_waits_longer_the_more_are_open(
            now in clock(), response in secs(), (m, n) in (secs(), secs()),
        ) {
            if let Ok(late) = demand_due(now, response, m.max(n)) {
                prop_assert!(demand_due(now, response, m.min(n)).unwrap() <= late);
            }
        }
    }

    #[test]
    fn open_and_after_edges() {
        assert_eq!(open(100, 50, 200), Ok(150));
        assert_eq!(open(100, 100, 200), Ok(200));
        assert_eq!(open(100, 101, 200), Ok(200));
        assert_eq!(open(100, 50, 99), Ok(99));
        assert_eq!(open(i64::MAX, 1, 0), Err(RuleError::DeadlineOverflow));
        assert_eq!(after(0, 0), Ok(0));
        assert_eq!(after(i64::MAX, 0), Ok(i64::MAX));
        assert_eq!(after(i64::MAX, 1), Err(RuleError::DeadlineOverflow));
        assert_eq!(
            after(i64::MAX - i64::from(u32::MAX), u32::MAX),
            Ok(i64::MAX)
        );
        assert_eq!(
            after(i64::MIN, u32::MAX),
            Ok(i64::MIN + i64::from(u32::MAX))
        );
    }

    #[test]
    fn extended_edges() {
        assert_eq!(extended(100, 7, 6, 50), 100);
        assert_eq!(extended(100, 7, 7, 50), 100);
        assert_eq!(extended(100, 7, 8, 50), 150);
        assert_eq!(extended(100, u64::MAX, u64::MAX, 50), 100);
        assert_eq!(extended(i64::MAX, 0, u64::MAX, u32::MAX), i64::MAX);
    }

    #[test]
    fn finalize_gate_edges() {
        use FinalizeGate::{Anybody, PartiesOnly, TooEarly};
        // No answer: the reaction time does not count.
        assert_eq!(finalize_gate(false, 1_000, 1_000, 0, 5_000, 10), TooEarly);
        assert_eq!(
            finalize_gate(false, 1_001, 1_000, 0, 5_000, 10),
            PartiesOnly
        );
        assert_eq!(
            finalize_gate(false, 1_010, 1_000, 0, 5_000, 10),
            PartiesOnly
        );
        assert_eq!(finalize_gate(false, 1_011, 1_000, 0, 5_000, 10), Anybody);
        // A late answer puts it off, an early one does not.
        assert_eq!(finalize_gate(false, 1_050, 1_000, 990, 60, 10), TooEarly);
        assert_eq!(finalize_gate(false, 1_051, 1_000, 990, 60, 10), PartiesOnly);
        assert_eq!(finalize_gate(false, 1_001, 1_000, 900, 60, 10), PartiesOnly);
        // Without a grace time nobody comes first.
        assert_eq!(finalize_gate(false, 1_001, 1_000, 0, 60, 0), Anybody);
        assert_eq!(
            finalize_gate(false, i64::MAX, i64::MAX, 0, u32::MAX, u32::MAX),
            TooEarly
        );
        assert_eq!(
            finalize_gate(false, i64::MAX, 0, i64::MAX, u32::MAX, u32::MAX),
            TooEarly
        );
    }

    #[test]
    fn demand_due_edges() {
        assert_eq!(demand_due(1_000, 0, 0), Ok(1_000));
        assert_eq!(demand_due(1_000, 60, 0), Ok(1_060));
        assert_eq!(demand_due(1_000, 60, 1), Ok(1_065));
        assert_eq!(demand_due(1_000, 60, 17_279), Ok(1_060 + 86_395));
        assert_eq!(demand_due(1_000, 60, 17_280), Ok(1_060 + 86_400));
        assert_eq!(demand_due(1_000, 60, 17_281), Ok(1_060 + 86_400));
        assert_eq!(
            demand_due(0, u32::MAX, u32::MAX),
            Ok(i64::from(u32::MAX) + 86_400)
        );
        assert_eq!(demand_due(i64::MAX, 0, 1), Err(RuleError::DeadlineOverflow));
        assert_eq!(demand_due(i64::MAX, 0, 0), Ok(i64::MAX));
    }
}
