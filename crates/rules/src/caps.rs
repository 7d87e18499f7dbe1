//! What a hot wallet may spend by itself: for one request, within an hour, within a day.

/// Seconds of the two windows.
pub const HOUR_SECS: i64 = 3_600;
/// See [`HOUR_SECS`].
pub const DAY_SECS: i64 = 86_400;

/// Limits in atoms of one mint; `u64::MAX` is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// For one request.
    pub request_atoms: u64,
    /// Within any hour.
    pub hour_atoms: u64,
    /// Within any day.
    pub day_atoms: u64,
}

/// An amount and when it was spent, or reserved to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// When.
    pub at: i64,
    /// How much.
    pub atoms: u64,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapKind {
    /// For one request.
    Request,
    /// Within an hour.
    Hour,
    /// Within a day.
    Day,
}

/// That a limit leaves too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which limit.
    pub kind: CapKind,
    /// The limit.
    pub cap_atoms: u64,
    /// What is left of it.
    pub left_atoms: u64,
    /// After how many seconds enough is left, if nothing else is spent; never where the amount is above the limit itself.
    pub retry_after_secs: Option<u64>,
}

impl Caps {
    /// No limits.
    pub const NONE: Self = Self {
        request_atoms: u64::MAX,
        hour_atoms: u64::MAX,
        day_atoms: u64::MAX,
    };

    /// Whether `atoms` more may be spent at `now` for a request. `spent` is in order of time; what lies ahead of `now`, because
    /// a clock was put back, counts as spent now.
    ///
    /// # Errors
    /// The first limit that leaves too little: the request's, the hour's, the day's.
    pub fn admit(&self, spent: &[Spent], now: i64, atoms: u64) -> Result<(), Exceeded> {
        if atoms > self.request_atoms {
            return Err(Exceeded {
                kind: CapKind::Request,
                cap_atoms: self.request_atoms,
                left_atoms: self.request_atoms,
                retry_after_secs: None,
            });
        }
        self.admit_again(spent, now, atoms)
    }

    /// The same for what a request has spent in vain and spends once more: its own limit was looked at before.
    ///
    /// # Errors
    /// As [`Self::admit`], but the request's limit.
    pub fn admit_again(&self, spent: &[Spent], now: i64, atoms: u64) -> Result<(), Exceeded> {
        within(CapKind::Hour, HOUR_SECS, self.hour_atoms, spent, now, atoms)?;
        within(CapKind::Day, DAY_SECS, self.day_atoms, spent, now, atoms)
    }
}

/// Whether a window leaves enough. An amount leaves the window when it is as old as that.
fn within(
    kind: CapKind,
    secs: i64,
    cap_atoms: u64,
    spent: &[Spent],
    now: i64,
    atoms: u64,
) -> Result<(), Exceeded> {
    let age = |one: &Spent| now.saturating_sub(one.at);
    let recent = spent.iter().filter(|one| age(one) < secs);
    let used = recent.fold(0u64, |sum, one| sum.saturating_add(one.atoms));
    let left_atoms = cap_atoms.saturating_sub(used);
    if atoms <= left_atoms {
        return Ok(());
    }
    let mut still_used = used;
    let mut retry_after_secs = None;
    if atoms <= cap_atoms {
        for one in spent.iter().filter(|one| age(one) < secs) {
            still_used = still_used.saturating_sub(one.atoms);
            if atoms <= cap_atoms.saturating_sub(still_used) {
                retry_after_secs = secs.saturating_sub(age(one)).try_into().ok();
                break;
            }
        }
    }
    Err(Exceeded {
        kind,
        cap_atoms,
        left_atoms,
        retry_after_secs,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::arbitrary::atoms,
        proptest::prelude::*,
        std::{vec, vec::Vec},
    };

    const CAPS: Caps = Caps {
        request_atoms: 10,
        hour_atoms: 20,
        day_atoms: 30,
    };

    fn kind(spent: &[Spent], now: i64, atoms: u64) -> Option<(CapKind, u64, Option<u64>)> {
        let refused = CAPS.admit(spent, now, atoms).err();
        refused.map(|why| (why.kind, why.left_atoms, why.retry_after_secs))
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        assert_eq!(kind(&[], 0, 10), None);
        assert_eq!(kind(&[], 0, 11), Some((CapKind::Request, 10, None)));
        let at = |at, atoms| Spent { at, atoms };
        let hour = [at(0, 10), at(100, 5)];
        assert_eq!(kind(&hour, 200, 5), None);
        assert_eq!(kind(&hour, 200, 6), Some((CapKind::Hour, 5, Some(3_400))));
        // The first amount leaves the window when it is an hour old, to the second.
        assert_eq!(kind(&hour, 3_599, 6), Some((CapKind::Hour, 5, Some(1))));
        assert_eq!(kind(&hour, 3_600, 6), None);
        let day = [at(0, 10), at(40_000, 10), at(50_000, 5)];
        assert_eq!(kind(&day, 80_000, 5), None);
        assert_eq!(kind(&day, 80_000, 6), Some((CapKind::Day, 5, Some(6_400))));
        assert_eq!(kind(&day, 86_400, 6), None);
    }

    proptest! {
        #[test]
        fn what_is_admitted_keeps_every_window_below_its_limit(
            asked in proptest::collection::vec((0..200_000i64, atoms()), 0..40),
            (request_atoms, hour_atoms, day_atoms) in (atoms(), atoms(), atoms()),
        ) {
            let caps = Caps { request_atoms, hour_atoms, day_atoms };
            let mut asked = asked;
            asked.sort_by_key(|(at, _)| *at);
            let mut spent: Vec<Spent> = vec![];
            for (at, atoms) in asked {
                match caps.admit(&spent, at, atoms) {
                    Ok(()) => spent.push(Spent { at, atoms }),
                    Err(why) => if let Some(secs) = why.retry_after_secs {
                        // Waiting as long as it says helps with that limit, and waiting less does not.
                        let later = at + i64::try_from(secs).unwrap();
                        let again = |now| caps.admit(&spent, now, atoms).err().map(|why| why.kind);
                        prop_assert_ne!(again(later), Some(why.kind));
                        prop_assert_eq!(again(later - 1), Some(why.kind));
                    }
                }
            }
            for one in &spent {
                for (secs, cap) in [(HOUR_SECS, hour_atoms), (DAY_SECS, day_atoms)] {
                    let window = spent.iter().filter(|other| (one.at..one.at + secs).contains(&other.at));
                    let sum: u128 = window.map(|other| u128::from(other.atoms)).sum();
                    prop_assert!(sum <= u128::from(cap));
                }
                prop_assert!(one.atoms <= request_atoms);
            }
        }
    }
}
