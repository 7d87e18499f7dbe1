//! What this provider has promised: the jobs that it has taken, or is about to take, how long each of them occupies it, and by
//! when. A job is taken only if all promises are kept with it, with a margin.

use {
    crate::policy::Refusal,
    quern_client::{
        Pubkey,
        quern::{
            clock::Moment,
            state::{Job, JobState, Purse},
        },
    },
    quern_rules::deadline::in_time,
    std::{collections::HashMap, time::Duration},
};

/// How much longer everything may take than it should: other processes, slow hours, transactions that need a second attempt.
const SAFETY: u32 = 2;
/// How long a take whose outcome is unknown may still land, in seconds: its blockhash is valid for 150 blocks.
const MAY_LAND_SECS: i64 = 120;

/// What a job takes of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    /// How long it takes with nothing beside it.
    pub time: Duration,
    /// What its result, and what is kept for demands, take on the disk.
    pub disk_bytes: u64,
}

/// One job.
#[derive(Clone, Copy, Debug)]
struct Promise {
    needs: Needs,
    /// Until when it must be done, by the cluster's clock.
    by: i64,
    /// While the chain does not show the take: what it reserves, in which mint, and when it was sent.
    pending: Option<(Pubkey, u64, i64)>,
}

/// All jobs that are promised.
#[derive(Debug, Default)]
pub(crate) struct Promises(HashMap<Pubkey, Promise>);

/// A job that may be promised.
#[derive(Clone, Copy)]
pub(crate) struct Proposal<'a> {
    pub address: &'a Pubkey,
    pub job: &'a Job,
    pub needs: Needs,
}

/// What there is for all jobs that are promised.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    /// Jobs that may wait at a time.
    pub max_jobs: usize,
    /// Disk for what is promised.
    pub disk_bytes: u64,
}

impl Promises {
    /// What the chain shows now; `needs_of` says what a job takes that was taken by another process.
    pub(crate) fn note(
        &mut self,
        own: &[(Pubkey, Job)],
        moment: &Moment,
        needs_of: impl Fn(&Job) -> Needs,
    ) {
        let mut known = std::mem::take(&mut self.0);
        for (address, job) in own {
            let deadline = job.effective_deadline(moment);
            if job.is_in(JobState::Taken) && in_time(moment.now, deadline) {
                // What is not measured yet takes no time, and is looked at again.
                let before = known.remove(address);
                let before = before.filter(|before| !before.needs.time.is_zero());
                let promise = Promise {
                    needs: before.map_or_else(|| needs_of(job), |before| before.needs),
                    by: deadline,
                    pending: None,
                };
                self.0.insert(*address, promise);
            } else {
                known.remove(address);
            }
        }
        // A node may be behind: what was just taken is not forgotten.
        known.retain(|_, promise| {
            let sent = promise.pending.map(|(_, _, sent_at)| sent_at);
            sent.is_some_and(|sent| moment.now <= sent.saturating_add(MAY_LAND_SECS))
        });
        self.0.extend(known);
    }

    /// How many jobs wait for this provider's work.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes what takes on their way reserve out of a purse.
    pub(crate) fn reserve_pending(&self, purse: &mut Purse, is_by_operator: bool) {
        let pending = self.0.values().filter_map(|promise| promise.pending);
        let of_mint = pending.filter(|(mint, ..)| *mint == purse.mint);
        let bonds_atoms: u64 = of_mint.map(|(_, bond_atoms, _)| bond_atoms).sum();
        purse.free_atoms = purse.free_atoms.get().saturating_sub(bonds_atoms).into();
        if is_by_operator {
            let reserved_atoms = purse.operator_reserved_atoms.get();
            purse.operator_reserved_atoms = reserved_atoms.saturating_add(bonds_atoms).into();
        }
    }

    /// Whether all promises are kept with another one. Jobs share the machine, so each may be done last.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) fn check(&self, proposal: Proposal<'_>, now: i64) -> Result<(), Refusal> {
        let Proposal {
            address,
            job,
            needs,
        } = proposal;
        let mut all = needs.time;
        let mut least_secs = i64::from(job.work_secs.get());
        for other in self.others(address) {
            all = all.saturating_add(other.needs.time);
            least_secs = least_secs.min(other.by.saturating_sub(now));
        }
        let left = Duration::from_secs(u64::try_from(least_secs).unwrap_or_default());
        match all.saturating_mul(SAFETY) <= left {
            true => Ok(()),
            false => Err(Refusal::Busy),
        }
    }

    /// Promises a job whose take is about to be sent.
    ///
    /// # Errors
    /// `Busy` if that would break a promise, or more jobs would wait than may; `Disk` if their results would not fit.
    pub(crate) fn promise(
        &mut self,
        proposal: Proposal<'_>,
        room: Room,
        now: i64,
    ) -> Result<(), Refusal> {
        let Proposal {
            address,
            job,
            needs,
        } = proposal;
        self.check(proposal, now)?;
        if !self.0.contains_key(address) && self.0.len() >= room.max_jobs {
            return Err(Refusal::Busy);
        }
        let disk_bytes = self.others(address).fold(needs.disk_bytes, |sum, other| {
            sum.saturating_add(other.needs.disk_bytes)
        });
        if disk_bytes > room.disk_bytes {
            return Err(Refusal::Disk);
        }
        let promise = Promise {
            needs,
            by: now.saturating_add(i64::from(job.work_secs.get())),
            pending: Some((job.mint, job.bond_atoms.get(), now)),
        };
        self.0.insert(*address, promise);
        Ok(())
    }

    fn others(&self, address: &Pubkey) -> impl Iterator<Item = &Promise> {
        let others = self.0.iter().filter(move |(other, _)| *other != address);
        others.map(|(_, promise)| promise)
    }

    /// The take was refused.
    pub(crate) fn withdraw(&mut self, address: &Pubkey) {
        self.0.remove(address);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, bytemuck::Zeroable};

    fn job(work_secs: u32) -> Job {
        let mut job = Job::zeroed();
        job.work_secs = work_secs.into();
        job.bond_atoms = 10u64.into();
        job
    }

    fn key(byte: u8) -> Pubkey {
        Pubkey::from([byte; 32])
    }

    fn moment(now: i64) -> Moment {
        Moment {
            now,
            slot: 1,
            last_restart_slot: 0,
        }
    }

    fn promise(promises: &mut Promises, byte: u8, job: &Job, secs: u64) -> Result<(), Refusal> {
        let needs = Needs {
            time: Duration::from_secs(secs),
            disk_bytes: 0,
        };
        promise_all(promises, byte, job, needs)
    }

    fn promise_all(
        promises: &mut Promises,
        byte: u8,
        job: &Job,
        needs: Needs,
    ) -> Result<(), Refusal> {
        let proposal = Proposal {
            address: &key(byte),
            job,
            needs,
        };
        let room = Room {
            max_jobs: 8,
            disk_bytes: 1_000,
        };
        promises.promise(proposal, room, 100)
    }

    #[test]
    fn results_that_are_promised_fit_on_the_disk_together() {
        let of = |disk_bytes| Needs {
            disk_bytes,
            ..Needs::default()
        };
        let mut promises = Promises::default();
        let job = job(60);
        let mut promise = |byte, disk_bytes| promise_all(&mut promises, byte, &job, of(disk_bytes));
        assert_eq!(promise(1, 1_001), Err(Refusal::Disk));
        assert_eq!(promise(1, 400), Ok(()));
        assert_eq!(promise(2, 601), Err(Refusal::Disk));
        assert_eq!(promise(2, u64::MAX), Err(Refusal::Disk));
        assert_eq!(promise(2, 600), Ok(()));
        // The same job again replaces what it was promised as.
        assert_eq!(promise(2, 500), Ok(()));
        assert_eq!(promise(3, 100), Ok(()));
    }

    #[test]
    fn as_much_is_promised_as_can_be_kept_twice_over() {
        let mut promises = Promises::default();
        let short = job(60);
        assert_eq!(promise(&mut promises, 1, &short, 31), Err(Refusal::Busy));
        assert_eq!(promise(&mut promises, 1, &short, 20), Ok(()));
        // Each of them alone is in time; together they are not, whichever comes last.
        assert_eq!(promise(&mut promises, 2, &short, 20), Err(Refusal::Busy));
        assert_eq!(promise(&mut promises, 2, &job(600), 20), Err(Refusal::Busy));
        assert_eq!(promise(&mut promises, 2, &short, 10), Ok(()));
        assert_eq!(promises.count(), 2);
        promises.withdraw(&key(1));
        assert_eq!(promise(&mut promises, 3, &short, 20), Ok(()));
    }

    #[test]
    fn takes_on_their_way_count_until_they_cannot_land() {
        let mut promises = Promises::default();
        promise(&mut promises, 1, &job(600), 20).unwrap();
        let mut purse = Purse::zeroed();
        purse.free_atoms = 25u64.into();
        let mut left = purse;
        promises.reserve_pending(&mut left, true);
        assert_eq!(left.free_atoms.get(), 15);
        assert_eq!(left.operator_reserved_atoms.get(), 10);
        promises.note(&[], &moment(100 + MAY_LAND_SECS), |_| Needs::default());
        assert_eq!(promises.count(), 1);
        promises.note(&[], &moment(101 + MAY_LAND_SECS), |_| Needs::default());
        assert_eq!(promises.count(), 0);
        // What another process has taken counts, too, and what is done does not.
        let mut taken = job(600);
        (taken.state, taken.deadline) = (JobState::Taken as u8, 700i64.into());
        promises.note(&[(key(2), taken)], &moment(100), |_| Needs::default());
        promises.note(&[(key(2), taken)], &moment(100), |_| Needs {
            time: Duration::from_secs(290),
            disk_bytes: 0,
        });
        assert_eq!(promise(&mut promises, 3, &job(600), 20), Err(Refusal::Busy));
        let mut left = purse;
        promises.reserve_pending(&mut left, false);
        assert_eq!(left.free_atoms.get(), 25, "the chain's purse shows it");
        taken.state = JobState::Submitted as u8;
        promises.note(&[(key(2), taken)], &moment(100), |_| Needs::default());
        assert_eq!(promises.count(), 0);
    }
}
