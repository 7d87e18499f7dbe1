//! What a hot wallet may spend by itself: for one request, within an hour, within a day; what its jobs cost, and what each request
//! bears of them.

mod job;
mod share;

pub use {
    job::{JobPrice, RowCost, job_price},
    share::share,
};

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
    /// For one request, of its own.
    Own,
    /// For one request.
    Request,
    /// Within an hour.
    Hour,
    /// Within a day.
    Day,
}

/// What counts against the limits of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestUse {
    /// What it has used, in vain too.
    pub used_atoms: u64,
    /// The limit that it brings itself; `u64::MAX` is none.
    pub own_atoms: u64,
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

    /// Whether a request may use `atoms` more: its own limit first, then that of every request.
    ///
    /// # Errors
    /// The limit that leaves too little. Waiting does not help.
    pub fn admit_request(&self, request: RequestUse, atoms: u64) -> Result<(), Exceeded> {
        let limits = [
            (CapKind::Own, request.own_atoms),
            (CapKind::Request, self.request_atoms),
        ];
        for (kind, cap_atoms) in limits {
            let left_atoms = cap_atoms.saturating_sub(request.used_atoms);
            // What was used may be more than the limit: nothing more is then, not even nothing.
            if atoms > left_atoms || request.used_atoms > cap_atoms {
                return Err(Exceeded {
                    kind,
                    cap_atoms,
                    left_atoms,
                    retry_after_secs: None,
                });
            }
        }
        Ok(())
    }

    /// Whether `atoms` more may be spent at `now`. `spent` is in order of time; what lies ahead of `now`, because a clock was put
    /// back, counts as spent now.
    ///
    /// # Errors
    /// The first limit that leaves too little: the hour's, the day's.
    pub fn admit(&self, spent: &[Spent], now: i64, atoms: u64) -> Result<(), Exceeded> {
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
    fn a_request_has_its_own_limit_and_that_of_all() {
        let refused = |used_atoms, own_atoms, atoms| {
            let request = RequestUse {
                used_atoms,
                own_atoms,
            };
            let why = CAPS.admit_request(request, atoms).err();
            why.map(|why| (why.kind, why.left_atoms))
        };
        assert_eq!(refused(0, u64::MAX, 10), None);
        assert_eq!(refused(0, u64::MAX, 11), Some((CapKind::Request, 10)));
        assert_eq!(refused(4, u64::MAX, 7), Some((CapKind::Request, 6)));
        assert_eq!(refused(4, 9, 5), None);
        assert_eq!(refused(4, 9, 6), Some((CapKind::Own, 5)));
        assert_eq!(refused(4, 3, 0), Some((CapKind::Own, 0)));
        assert_eq!(refused(u64::MAX, u64::MAX, 1), Some((CapKind::Own, 0)));
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        assert_eq!(kind(&[], 0, 20), None);
        assert_eq!(kind(&[], 0, 21), Some((CapKind::Hour, 20, None)));
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
            (hour_atoms, day_atoms) in (atoms(), atoms()),
        ) {
            let caps = Caps { hour_atoms, day_atoms, ..Caps::NONE };
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
            }
        }

        #[test]
        fn a_request_never_uses_more_than_its_limits(
            asked in proptest::collection::vec(atoms(), 0..40),
            (own_atoms, request_atoms) in (atoms(), atoms()),
        ) {
            let caps = Caps { request_atoms, ..Caps::NONE };
            let mut used_atoms = 0;
            for atoms in asked {
                let request = RequestUse { used_atoms, own_atoms };
                match caps.admit_request(request, atoms) {
                    Ok(()) => used_atoms += atoms,
                    Err(why) => prop_assert!(atoms > why.left_atoms),
                }
                prop_assert!(used_atoms <= own_atoms.min(request_atoms));
            }
        }
    }
}
