//! Which provider gets a job: from the record on chain, and from what the gateway has seen of it.

use {
    crate::{market::Candidate, record::address},
    quern_client::Pubkey,
    serde::{Deserialize, Serialize},
    std::{
        cmp::Reverse,
        collections::{BTreeMap, BTreeSet},
        time::Duration,
    },
};

/// Providers of whom something is remembered; strangers can make themselves many names.
const MOST_REMEMBERED: usize = 4_096;
/// After so long nothing is known of a provider any more, unless it cheated.
const FORGOTTEN_AFTER_SECS: i64 = 30 * 86_400;
/// The longest time for which a provider that let the gateway down gets no work.
const LONGEST_AVOID_SECS: i64 = 86_400;

/// What the gateway has seen of a provider.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    /// Answers that were right and came.
    pub right: u64,
    /// Times in a row that it was silent, late, or kept its answer back; jobs that it had at the same time count once.
    pub failures: u32,
    /// When the last of these times was noted.
    #[serde(default)]
    pub failed_at: Option<i64>,
    /// Until when it gets no work.
    pub avoid_until: i64,
    /// When it was last heard of.
    #[serde(default)]
    pub last_at: i64,
}

impl Seen {
    const fn is_cheat(&self) -> bool {
        self.avoid_until == i64::MAX
    }
}

/// What the gateway has seen of all providers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Experience(BTreeMap<Owner, Seen>);

/// An owner, written in base58.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Owner(#[serde(with = "address")] Pubkey);

impl Experience {
    pub(crate) fn of(&self, owner: &Pubkey) -> Seen {
        self.0.get(&Owner(*owner)).copied().unwrap_or_default()
    }

    /// An answer was right and came.
    pub(crate) fn answered(&mut self, owner: Pubkey, now: i64) {
        let seen = self.heard_of(owner, now);
        seen.right = seen.right.saturating_add(1);
        seen.failures = 0;
    }

    /// It was silent, late, or kept its answer back with a job that it was given at `given_at`: twice as long as the last time it
    /// gets no work. A last time long ago does not count. Jobs that it was given before the last time was noted fail with that.
    pub(crate) fn failed(&mut self, owner: Pubkey, avoid: Duration, given_at: i64, now: i64) {
        let seen = self.heard_of(owner, now);
        if now.saturating_sub(seen.avoid_until) > LONGEST_AVOID_SECS {
            seen.failures = 0;
        }
        let is_noted = seen.failed_at.is_some_and(|at| given_at <= at);
        if !is_noted || seen.failures == 0 {
            seen.failures = seen.failures.saturating_add(1);
            seen.failed_at = Some(now);
        }
        let doublings = seen.failures.saturating_sub(1).min(32);
        let secs = i64::try_from(avoid.as_secs()).unwrap_or(i64::MAX);
        let secs = secs.saturating_mul(1 << doublings).min(LONGEST_AVOID_SECS);
        seen.avoid_until = seen.avoid_until.max(now.saturating_add(secs));
    }

    /// Its answer was wrong: it gets no work any more.
    pub(crate) fn cheated(&mut self, owner: Pubkey, now: i64) {
        self.heard_of(owner, now).avoid_until = i64::MAX;
    }

    /// The entry of a provider, for which the one that matters least makes place if need be.
    fn heard_of(&mut self, owner: Pubkey, now: i64) -> &mut Seen {
        let is_old = |seen: &Seen| now.saturating_sub(seen.last_at) > FORGOTTEN_AFTER_SECS;
        self.0.retain(|_, seen| seen.is_cheat() || !is_old(seen));
        if self.0.len() >= MOST_REMEMBERED && !self.0.contains_key(&Owner(owner)) {
            let least = self.0.iter().min_by_key(|(_, seen)| {
                let is_good = seen.right > 0;
                (is_good, seen.is_cheat(), seen.last_at)
            });
            if let Some(least) = least.map(|(owner, _)| *owner) {
                self.0.remove(&least);
            }
        }
        let seen = self.0.entry(Owner(owner)).or_default();
        seen.last_at = seen.last_at.max(now);
        seen
    }

    fn avoids_anybody(&self, now: i64) -> bool {
        self.0.values().any(|seen| seen.avoid_until > now)
    }
}

/// Who may take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This provider only.
    Only(Pubkey),
    /// Whoever is first: nothing is known of anybody, and nobody is to be avoided.
    Anybody,
    /// Nobody is left.
    Nobody,
}

/// What is known of a provider, the best first. A name costs little, so one of which nothing is known comes after those that
/// have shown something, even after one that has answered before and was late once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It has answered this gateway.
    Proven,
    /// Others have paid it.
    Recorded,
    /// It has answered this gateway, and let it down once since.
    Excused,
    /// Nothing, or it was convicted by others.
    Unknown,
    /// It let the gateway down: better than nobody.
    Avoided,
}

impl Standing {
    fn of(one: &Candidate, seen: &Seen, now: i64) -> Self {
        match (seen.avoid_until > now, seen.right > 0) {
            (true, true) if seen.failures <= 1 => Self::Excused,
            (true, _) => Self::Avoided,
            (false, true) => Self::Proven,
            (false, false) if one.settled > 0 && one.convicted == 0 => Self::Recorded,
            (false, false) => Self::Unknown,
        }
    }
}

/// The share of its turns that a provider let pass, in millionths, as one would guess it: a short record tells little.
fn late_ppm(one: &Candidate) -> u64 {
    let turns = one.settled.saturating_add(one.late).saturating_add(2);
    let late = u128::from(one.late.saturating_add(1)) * 1_000_000 / u128::from(turns);
    u64::try_from(late).unwrap_or(u64::MAX)
}

/// Chooses. `allowed` are the only ones that may get work, unless it is empty; the wallet cannot work for itself.
pub(crate) fn choose(
    candidates: &[Candidate],
    experience: &Experience,
    allowed: &BTreeSet<Pubkey>,
    wallet: &Pubkey,
    now: i64,
) -> Choice {
    let may = |one: &&Candidate| {
        let is_allowed = allowed.is_empty() || allowed.contains(&one.owner);
        let is_cheat = experience.of(&one.owner).is_cheat();
        is_allowed && one.owner != *wallet && !is_cheat
    };
    let best = candidates.iter().filter(may).min_by_key(|one| {
        let seen = experience.of(&one.owner);
        let standing = Standing::of(one, &seen, now);
        let silence = if standing == Standing::Avoided {
            seen.avoid_until
        } else {
            i64::MIN
        };
        let late_ppm = late_ppm(one);
        (
            (standing, silence, one.convicted),
            (late_ppm, Reverse(one.settled), one.owner),
        )
    });
    let Some(best) = best else {
        return Choice::Nobody;
    };
    let is_known = experience.of(&best.owner).right > 0;
    match allowed.is_empty() && !is_known && !experience.avoids_anybody(now) {
        true => Choice::Anybody,
        false => Choice::Only(best.owner),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn owner(byte: u8) -> Pubkey {
        Pubkey::from([byte; 32])
    }

    fn candidate(byte: u8, settled: u64, late: u64, convicted: u64) -> Candidate {
        Candidate {
            owner: owner(byte),
            settled,
            late,
            convicted,
        }
    }

    const AVOID: Duration = Duration::from_secs(10);

    #[test]
    fn a_record_decides_and_experience_before_it() {
        let all = [
            candidate(1, 100, 0, 1),
            candidate(2, 100, 10, 0),
            candidate(3, 5, 0, 0),
        ];
        let mut experience = Experience::default();
        let nobody = BTreeSet::new();
        let choice = |experience: &Experience, allowed: &BTreeSet<Pubkey>, now| {
            choose(&all, experience, allowed, &owner(9), now)
        };
        assert_eq!(choice(&experience, &nobody, 0), Choice::Anybody);
        // Who is named is meant, even if nothing is known.
        let named = [owner(1), owner(2)].into();
        assert_eq!(choice(&experience, &named, 0), Choice::Only(owner(2)));
        // Who has answered before is asked again.
        experience.answered(owner(2), 0);
        assert_eq!(choice(&experience, &nobody, 0), Choice::Only(owner(2)));
        // Who was silent gets no work for a while, then again.
        experience.failed(owner(2), AVOID, 100, 100);
        assert_eq!(choice(&experience, &nobody, 109), Choice::Only(owner(3)));
        assert_eq!(choice(&experience, &nobody, 110), Choice::Only(owner(2)));
        experience.failed(owner(2), AVOID, 200, 200);
        assert_eq!(choice(&experience, &nobody, 219), Choice::Only(owner(3)));
        assert_eq!(choice(&experience, &nobody, 220), Choice::Only(owner(2)));
        // If nobody else is left, who was silent the longest ago is asked.
        experience.failed(owner(3), AVOID, 201, 201);
        experience.failed(owner(1), AVOID, 205, 205);
        assert_eq!(choice(&experience, &nobody, 206), Choice::Only(owner(3)));
        // Who cheated gets none, ever.
        experience.cheated(owner(2), 300);
        assert_eq!(
            choice(&experience, &nobody, i64::MAX - 1),
            Choice::Only(owner(3)),
            "the third has no conviction"
        );
        assert_eq!(choice(&experience, &named, 300), Choice::Only(owner(1)));
        experience.cheated(owner(1), 300);
        assert_eq!(choice(&experience, &named, 300), Choice::Nobody);
        // Nobody works for itself.
        let own = choose(&all[2..], &experience, &nobody, &owner(3), 300);
        assert_eq!(own, Choice::Nobody);
    }

    #[test]
    fn experience_is_read_as_it_was_written() {
        let mut experience = Experience::default();
        experience.cheated(owner(1), 7);
        experience.answered(owner(2), 8);
        let text = serde_json::to_string(&experience).unwrap();
        let read: Experience = serde_json::from_str(&text).unwrap();
        assert_eq!(read, experience);
    }

    #[test]
    fn a_new_name_comes_after_what_has_shown_something() {
        let new = candidate(1, 0, 0, 0);
        let mut experience = Experience::default();
        let first = |known: Candidate, experience: &Experience, now| {
            choose(
                &[new, known],
                experience,
                &[owner(1), owner(2)].into(),
                &owner(9),
                now,
            )
        };
        // Late once, or half of the time: it has shown something.
        for late in [1, 50] {
            let known = candidate(2, 50, late, 0);
            assert_eq!(first(known, &experience, 0), Choice::Only(owner(2)));
        }
        assert_eq!(
            first(candidate(2, 50, 0, 1), &experience, 0),
            Choice::Only(owner(1)),
            "a cheat has shown something, too"
        );
        // One that has answered here and then was late once; after that it is the new one's turn.
        experience.answered(owner(2), 0);
        let known = candidate(2, 0, 0, 0);
        experience.failed(owner(2), AVOID, 0, 0);
        assert_eq!(first(known, &experience, 1), Choice::Only(owner(2)));
        experience.failed(owner(2), AVOID, 1, 1);
        assert_eq!(first(known, &experience, 2), Choice::Only(owner(1)));
        // Much later its failures are none.
        let later = 2 * LONGEST_AVOID_SECS;
        experience.failed(owner(2), AVOID, later, later);
        assert_eq!(experience.of(&owner(2)).failures, 1);
        assert_eq!(experience.of(&owner(2)).avoid_until, later + 10);
    }

    #[test]
    fn jobs_that_fail_together_count_once() {
        let (one, mut experience) = (owner(1), Experience::default());
        experience.answered(one, 0);
        // Eight jobs that were given before anybody knew; they end one after the other.
        for now in 100..108 {
            experience.failed(one, AVOID, 90, now);
        }
        let seen = experience.of(&one);
        assert_eq!((seen.failures, seen.avoid_until), (1, 117));
        let standing = Standing::of(&candidate(1, 0, 0, 0), &seen, 108);
        assert_eq!(standing, Standing::Excused);
        // One that was given afterwards is another failure, and those beside it are not.
        for now in 130..134 {
            experience.failed(one, AVOID, 120, now);
        }
        let seen = experience.of(&one);
        assert_eq!((seen.failures, seen.avoid_until), (2, 153));
        // After an answer it begins anew.
        experience.answered(one, 160);
        experience.failed(one, AVOID, 125, 161);
        assert_eq!(experience.of(&one).failures, 1);
    }

    #[test]
    fn a_longer_record_counts_more() {
        let long = candidate(1, 1_000, 1, 0);
        assert!(late_ppm(&long) < late_ppm(&candidate(2, 3, 0, 0)));
        let most = candidate(1, u64::MAX, u64::MAX, 0);
        assert!(late_ppm(&most) <= 1_000_000);
    }

    #[test]
    fn what_strangers_do_is_remembered_within_a_budget() {
        let name = |number: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&number.to_le_bytes());
            Pubkey::from(bytes)
        };
        let mut experience = Experience::default();
        experience.answered(name(0), 0);
        experience.cheated(name(1), 0);
        for number in 2..5_000 {
            experience.failed(name(number), AVOID, i64::from(number), i64::from(number));
        }
        assert_eq!(experience.0.len(), MOST_REMEMBERED);
        assert_eq!(experience.of(&name(0)).right, 1);
        assert!(experience.of(&name(1)).is_cheat());
        assert_eq!(experience.of(&name(2)), Seen::default());
        // What is old goes, but for who cheated.
        let later = FORGOTTEN_AFTER_SECS + 10_000;
        experience.answered(name(9_999), later);
        assert_eq!(experience.0.len(), 2);
        assert!(experience.of(&name(1)).is_cheat());
    }
}
