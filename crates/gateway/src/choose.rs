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

/// What the gateway has seen of a provider.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Seen {
    /// Answers that were right and came.
    pub right: u64,
    /// Times in a row that it was silent, late, or kept its answer back.
    pub failures: u32,
    /// Until when it gets no work.
    pub avoid_until: i64,
}

/// What the gateway has seen of all providers.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Experience(BTreeMap<Owner, Seen>);

/// An owner, written in base58.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Owner(#[serde(with = "address")] Pubkey);

/// The longest time for which a provider that let the gateway down gets no work.
const LONGEST_AVOID_SECS: i64 = 86_400;

impl Experience {
    pub(crate) fn of(&self, owner: &Pubkey) -> Seen {
        self.0.get(&Owner(*owner)).copied().unwrap_or_default()
    }

    /// An answer was right and came.
    pub(crate) fn answered(&mut self, owner: Pubkey) {
        let seen = self.0.entry(Owner(owner)).or_default();
        seen.right = seen.right.saturating_add(1);
        seen.failures = 0;
    }

    /// It was silent, late, or kept its answer back: twice as long as the last time it gets no work.
    pub(crate) fn failed(&mut self, owner: Pubkey, avoid: Duration, now: i64) {
        let seen = self.0.entry(Owner(owner)).or_default();
        let doublings = seen.failures.min(32);
        seen.failures = seen.failures.saturating_add(1);
        let secs = i64::try_from(avoid.as_secs()).unwrap_or(i64::MAX);
        let secs = secs.saturating_mul(1 << doublings).min(LONGEST_AVOID_SECS);
        seen.avoid_until = seen.avoid_until.max(now.saturating_add(secs));
    }

    /// Its answer was wrong: it gets no work any more.
    pub(crate) fn cheated(&mut self, owner: Pubkey) {
        self.0.entry(Owner(owner)).or_default().avoid_until = i64::MAX;
    }

    fn avoids(&self, owner: &Pubkey, now: i64) -> bool {
        self.of(owner).avoid_until > now
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
        let is_cheat = experience.of(&one.owner).avoid_until == i64::MAX;
        is_allowed && one.owner != *wallet && !is_cheat
    };
    // Who let the gateway down is better than nobody. Then the fewest convictions, own experience, the best record.
    let best = candidates.iter().filter(may).min_by_key(|one| {
        let seen = experience.of(&one.owner);
        let avoided = experience.avoids(&one.owner, now);
        let late_ppm = one.late.saturating_mul(1_000_000) / one.settled.max(1);
        (
            if avoided { seen.avoid_until } else { i64::MIN },
            one.convicted,
            Reverse(seen.right.min(1)),
            late_ppm,
            Reverse(one.settled),
            one.owner,
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
        experience.answered(owner(2));
        assert_eq!(choice(&experience, &nobody, 0), Choice::Only(owner(2)));
        // Who was silent gets no work for a while, then again.
        experience.failed(owner(2), AVOID, 100);
        assert_eq!(choice(&experience, &nobody, 109), Choice::Only(owner(3)));
        assert_eq!(choice(&experience, &nobody, 110), Choice::Only(owner(2)));
        experience.failed(owner(2), AVOID, 200);
        assert_eq!(choice(&experience, &nobody, 219), Choice::Only(owner(3)));
        assert_eq!(choice(&experience, &nobody, 220), Choice::Only(owner(2)));
        // If nobody else is left, who was silent the longest ago is asked.
        experience.failed(owner(3), AVOID, 201);
        experience.failed(owner(1), AVOID, 205);
        assert_eq!(choice(&experience, &nobody, 206), Choice::Only(owner(3)));
        // Who cheated gets none, ever.
        experience.cheated(owner(2));
        assert_eq!(
            choice(&experience, &nobody, i64::MAX - 1),
            Choice::Only(owner(3)),
            "the third has no conviction"
        );
        assert_eq!(choice(&experience, &named, 300), Choice::Only(owner(1)));
        experience.cheated(owner(1));
        assert_eq!(choice(&experience, &named, 300), Choice::Nobody);
        // Nobody works for itself.
        let own = choose(&all[2..], &experience, &nobody, &owner(3), 300);
        assert_eq!(own, Choice::Nobody);
    }

    #[test]
    fn experience_is_read_as_it_was_written() {
        let mut experience = Experience::default();
        experience.cheated(owner(1));
        experience.answered(owner(2));
        let text = serde_json::to_string(&experience).unwrap();
        let read: Experience = serde_json::from_str(&text).unwrap();
        assert_eq!(read, experience);
    }
}
