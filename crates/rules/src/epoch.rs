//! The emission's epochs: how much may be accrued in each.

use crate::RuleError;

/// The emission's account of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Number of the epoch, counted from 1970.
    pub index: u64,
    /// Accrued so far in this epoch.
    pub spent_atoms: u64,
    /// The most that may be accrued in this epoch.
    pub cap_atoms: u64,
}

/// The number of the epoch in which `now` lies: `floor(now / epoch_secs)`.
///
/// - Units: `now` in Unix seconds, `epoch_secs` in seconds.
/// - Errors: [`RuleError::TimeNegative`] for a time before 1970, [`RuleError::EpochLengthZero`] for an empty epoch.
/// - Source: program.md, `Emission`, "epoch length (set once), cap per epoch, epoch index".
pub fn index_at(now: i64, epoch_secs: u32) -> Result<u64, RuleError> {
    let now = u64::try_from(now).map_err(|_| RuleError::TimeNegative)?;
    now.checked_div(u64::from(epoch_secs))
        .ok_or(RuleError::EpochLengthZero)
}

/// Rolls the emission's window forward to the epoch of `now`: a new epoch begins with nothing spent and with
/// `next_cap_atoms` in force. Within the window's own epoch nothing changes.
///
/// Time never runs back: for a `now` before the window's epoch the window is returned as it is, so that nothing spent is
/// ever forgotten.
///
/// - Units: atoms, Unix seconds and seconds.
/// - Errors: as [`index_at`]; neither occurs once the emission is configured.
/// - Source: program.md, `Emission`, "cap per epoch (a lower one holds from the next epoch), epoch index, spent this
///   epoch"; P5, "spent per epoch <= cap".
pub fn roll(
    window: Window,
    next_cap_atoms: u64,
    now: i64,
    epoch_secs: u32,
) -> Result<Window, RuleError> {
    let index = index_at(now, epoch_secs)?;
    if index <= window.index {
        return Ok(window);
    }
    Ok(Window {
        index,
        spent_atoms: 0,
        cap_atoms: next_cap_atoms,
    })
}

/// The caps after the authority names a new one, as `(cap now, cap from the next epoch)`: a higher cap holds at once, a
/// lower one from the next epoch, so that what is spent never exceeds the cap in force.
///
/// [`roll`] the window to the present first, so that `window_cap_atoms` is the cap of the running epoch.
///
/// - Units: atoms.
/// - Errors: none.
/// - Source: program.md, `Emission`, "cap per epoch (a lower one holds from the next epoch)".
pub fn schedule_cap(window_cap_atoms: u64, next_cap_atoms: u64) -> (u64, u64) {
    (window_cap_atoms.max(next_cap_atoms), next_cap_atoms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary::{atoms, clock, secs, time};

    /// Any window.
    fn windows() -> impl Strategy<Value = Window> {
        (prop_oneof![0..100_000u64, atoms()], atoms(), atoms()).prop_map(
            |(index, spent_atoms, cap_atoms)| Window {
                index,
                spent_atoms,
                cap_atoms,
            },
        )
    }

    proptest! {
        #[test]
        fn index_counts_whole_epochs(now in time(), epoch_secs in secs()) {
            match index_at(now, epoch_secs) {
                Ok(index) => {
                    let start = i128::from(index) * i128::from(epoch_secs);
                    prop_assert!(start <= i128::from(now));
                    prop_assert!(i128::from(now) < start + i128::from(epoch_secs));
                }
                Err(RuleError::TimeNegative) => prop_assert!(now < 0),
                Err(error) => {
                    prop_assert_eq!(error, RuleError::EpochLengthZero);
                    prop_assert_eq!(epoch_secs, 0);
                }
            }
        }

        #[test]
        fn index_grows_with_time((a, b) in (clock(), clock()), epoch_secs in 1..=u32::MAX) {
            let index = |now| index_at(now, epoch_secs).unwrap();
            prop_assert!(index(a.min(b)) <= index(a.max(b)));
        }

        #[test]
        fn rolling_resets_only_in_a_later_epoch(
            window in windows(), next_cap in atoms(), now in clock(), epoch_secs in 1..=u32::MAX,
        ) {
            let rolled = roll(window, next_cap, now, epoch_secs).unwrap();
            let index = index_at(now, epoch_secs).unwrap();
            if index > window.index {
                let fresh = Window { index, spent_atoms: 0, cap_atoms: next_cap };
                prop_assert_eq!(rolled, fresh);
            } else {
                prop_assert_eq!(rolled, window);
            }
            // Once is enough.
            prop_assert_eq!(roll(rolled, next_cap, now, epoch_secs), Ok(rolled));
        }

        #[test]
        fn time_never_runs_back(
            window in windows(), next_cap in atoms(), nows in prop::collection::vec(clock(), 1..20),
            epoch_secs in 1..=u32::MAX,
        ) {
            let mut window = window;
            for now in nows {
                let rolled = roll(window, next_cap, now, epoch_secs).unwrap();
                prop_assert!(rolled.index >= window.index);
                window = rolled;
            }
        }

        #[test]
        fn rolling_fails_only_as_the_index_does(
            window in windows(), next_cap in atoms(), now in time(), epoch_secs in secs(),
        ) {
            let rolled = roll(window, next_cap, now, epoch_secs).map(|_| ());
            prop_assert_eq!(rolled, index_at(now, epoch_secs).map(|_| ()));
        }

        #[test]
        fn lower_caps_wait_and_higher_caps_do_not(cap in atoms(), new in atoms()) {
            let expected = if new < cap { (cap, new) } else { (new, new) };
            prop_assert_eq!(schedule_cap(cap, new), expected);
        }

        #[test]
        fn spent_stays_within_the_cap_whatever_is_scheduled(
            first_cap in atoms(),
            steps in prop::collection::vec((0..5_000i64, atoms(), any::<bool>(), atoms()), 0..30),
            epoch_secs in 1..10_000u32,
        ) {
            let mut now = 1_700_000_000;
            let mut window = Window {
                index: index_at(now, epoch_secs).unwrap(),
                spent_atoms: 0,
                cap_atoms: first_cap,
            };
            let mut next_cap = first_cap;
            for (pause, fee, reschedule, new_cap) in steps {
                now += pause;
                window = roll(window, next_cap, now, epoch_secs).unwrap();
                if reschedule {
                    (window.cap_atoms, next_cap) = schedule_cap(window.cap_atoms, new_cap);
                }
                window.spent_atoms += crate::reward::accrue(
                    fee, 900_000_000, 10_000, window.cap_atoms, window.spent_atoms, u64::MAX,
                );
                prop_assert!(window.spent_atoms <= window.cap_atoms);
            }
        }
    }

    #[test]
    fn index_edges() {
        assert_eq!(index_at(0, 1), Ok(0));
        assert_eq!(index_at(86_399, 86_400), Ok(0));
        assert_eq!(index_at(86_400, 86_400), Ok(1));
        assert_eq!(index_at(i64::MAX, 1), Ok(u64::MAX / 2));
        assert_eq!(index_at(-1, 1), Err(RuleError::TimeNegative));
        assert_eq!(index_at(i64::MIN, 0), Err(RuleError::TimeNegative));
        assert_eq!(index_at(0, 0), Err(RuleError::EpochLengthZero));
    }

    #[test]
    fn roll_edges() {
        let window = Window {
            index: 10,
            spent_atoms: 5,
            cap_atoms: 7,
        };
        let fresh = |index| Window {
            index,
            spent_atoms: 0,
            cap_atoms: 3,
        };
        assert_eq!(roll(window, 3, 1_000, 100), Ok(window));
        assert_eq!(roll(window, 3, 1_099, 100), Ok(window));
        assert_eq!(roll(window, 3, 1_100, 100), Ok(fresh(11)));
        assert_eq!(roll(window, 3, 9_900, 100), Ok(fresh(99)));
        assert_eq!(roll(window, 3, 999, 100), Ok(window));
        assert_eq!(roll(window, 3, 0, 100), Ok(window));
    }

    #[test]
    fn schedule_cap_edges() {
        assert_eq!(schedule_cap(0, 0), (0, 0));
        assert_eq!(schedule_cap(100, 50), (100, 50));
        assert_eq!(schedule_cap(100, 100), (100, 100));
        assert_eq!(schedule_cap(100, 101), (101, 101));
        assert_eq!(schedule_cap(u64::MAX, 0), (u64::MAX, 0));
        assert_eq!(schedule_cap(0, u64::MAX), (u64::MAX, u64::MAX));
    }
}
