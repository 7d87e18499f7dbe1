//! How long the rewards last.

use {
    super::decimals,
    crate::project::{
        key,
        program::{Emission, MintConfig, Purse},
    },
    quern_api::EmissionPage,
    quern_rules::epoch,
};

/// Seconds over which the rate of granting is measured.
pub const RATE_SECS: u64 = 7 * 24 * 3_600;
/// Seconds over which it is measured at least.
const LEAST_RATE_SECS: u64 = 3_600;

/// What was granted lately.
#[derive(Clone, Copy, Debug)]
pub struct Granted {
    /// Within [`RATE_SECS`].
    pub atoms: u128,
    /// In how many seconds: fewer if nothing was granted before.
    pub secs: u64,
}

impl Granted {
    /// With the first second of the first hour in which something was granted, if it was the first one ever.
    pub fn new(atoms: u128, first: Option<i64>, now: i64) -> Self {
        let passed = first.and_then(|first| u64::try_from(now.saturating_sub(first)).ok());
        let secs = passed.map_or(RATE_SECS, |secs| secs.clamp(LEAST_RATE_SECS, RATE_SECS));
        Self { atoms, secs }
    }
}

/// The emission at a time.
pub fn emission(
    emission: Option<&Emission>,
    purse: Option<&Purse>,
    granted: Granted,
    now: i64,
    mints: &[MintConfig],
) -> EmissionPage {
    let Some(emission) = emission.filter(|emission| emission.is_configured()) else {
        return unconfigured();
    };
    let mint = key(&emission.reward_mint);
    let epoch_secs = emission.epoch_secs.get();
    let known = epoch::Window {
        index: emission.epoch_index.get(),
        spent_atoms: emission.spent_atoms.get(),
        cap_atoms: emission.cap_atoms.get(),
    };
    let next_cap_atoms = emission.next_cap_atoms.get();
    // An epoch in which nothing was granted yet begins when something is.
    let current = epoch::roll(known, next_cap_atoms, now, epoch_secs).unwrap_or(known);
    let free_atoms = purse.map_or(0, |purse| purse.free_atoms.get());
    EmissionPage {
        mint: Some(mint),
        decimals: decimals(mint, mints),
        epoch_secs,
        epoch: current.index,
        epoch_ends_at: ends_at(current.index, epoch_secs),
        cap_atoms: current.cap_atoms,
        next_cap_atoms,
        spent_atoms: current.spent_atoms,
        outstanding_atoms: emission.outstanding_atoms.get(),
        free_atoms,
        granted_7d_atoms: granted.atoms,
        runs_dry_at: runs_dry_at(free_atoms, granted, now),
        is_dry: free_atoms == 0,
    }
}

fn unconfigured() -> EmissionPage {
    EmissionPage {
        mint: None,
        decimals: None,
        epoch_secs: 0,
        epoch: 0,
        epoch_ends_at: None,
        cap_atoms: 0,
        next_cap_atoms: 0,
        spent_atoms: 0,
        outstanding_atoms: 0,
        free_atoms: 0,
        granted_7d_atoms: 0,
        runs_dry_at: None,
        is_dry: true,
    }
}

fn ends_at(epoch: u64, epoch_secs: u32) -> Option<i64> {
    let end = epoch.checked_add(1)?.checked_mul(epoch_secs.into())?;
    i64::try_from(end).ok()
}

/// When what is left is granted, if it goes on at this rate.
fn runs_dry_at(free_atoms: u64, granted: Granted, now: i64) -> Option<i64> {
    if free_atoms == 0 {
        return None;
    }
    let secs = u128::from(free_atoms) * u128::from(granted.secs);
    let secs = secs.checked_div(granted.atoms)?;
    now.checked_add(i64::try_from(secs).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_lasts_at_the_rate_of_the_last_days() {
        let week = i64::try_from(RATE_SECS).unwrap_or_default();
        let runs_dry_at = |free_atoms, granted_atoms| {
            runs_dry_at(free_atoms, Granted::new(granted_atoms, None, 1_000), 1_000)
        };
        assert_eq!(runs_dry_at(100, 50), Some(1_000 + 2 * week));
        assert_eq!(runs_dry_at(0, 50), None);
        assert_eq!(runs_dry_at(100, 0), None);
        assert_eq!(runs_dry_at(u64::MAX, 1), None);
        assert_eq!(runs_dry_at(1, u128::MAX), Some(1_000));
        assert_eq!(ends_at(1, 3_600), Some(7_200));
        assert_eq!(ends_at(u64::MAX, 1), None);
    }

    /// A network of a day has no rate of a week.
    #[test]
    fn the_rate_is_measured_since_the_first_grant() {
        let day = 24 * 3_600;
        let now = 100 * day;
        let of = |first| runs_dry_at(700, Granted::new(100, first, now), now);
        assert_eq!(of(Some(now - day)), Some(now + 7 * day));
        assert_eq!(of(Some(now - 10)), Some(now + 7 * 3_600));
        assert_eq!(of(Some(now + 10)), of(None));
        assert_eq!(of(Some(0)), of(None));
        assert_eq!(of(None), Some(now + 49 * day));
    }
}
