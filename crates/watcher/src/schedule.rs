//! What is done next. Strangers create jobs, and a stranger who keeps a watcher busy keeps it away from the others' jobs; so no
//! kind of task that may be a stranger's doing gets more than half of the slots.

use {crate::case::CaseId, quern_client::Pubkey, std::collections::VecDeque};

/// Something to do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Task {
    /// A step of a case.
    Examine(CaseId),
    /// A recorded conviction to be paid out.
    Settle(Pubkey),
    /// Data to be fetched while they are there.
    Prepare(Pubkey),
}

impl Task {
    pub(crate) fn job(&self) -> Pubkey {
        match self {
            Self::Examine(id) => id.job,
            Self::Settle(job) | Self::Prepare(job) => *job,
        }
    }
}

/// A task, and on whose account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheduled {
    pub task: Task,
    /// Whose job it is.
    pub client: Pubkey,
    /// Whether it failed the last time.
    pub has_failed: bool,
}

/// How slots are shared.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// Tasks at a time.
    pub slots: usize,
    /// Whether jobs of every client are examined, so that no client gets more than half of the slots.
    pub is_for_all: bool,
}

impl Schedule {
    /// Takes the first task that may have a slot beside those that run.
    pub(crate) fn next(
        &self,
        queue: &mut VecDeque<Scheduled>,
        running: &[Scheduled],
    ) -> Option<Scheduled> {
        let slots = self.slots.max(1);
        if running.len() >= slots {
            return None;
        }
        let half = (slots / 2).max(1);
        let has_slot = |one: &Scheduled| {
            let failed = running.iter().filter(|other| other.has_failed).count();
            let of_client = running.iter().filter(|other| other.client == one.client);
            (!one.has_failed || failed < half) && (!self.is_for_all || of_client.count() < half)
        };
        let at = queue.iter().position(has_slot)?;
        queue.remove(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn scheduled(job: u8, client: u8, has_failed: bool) -> Scheduled {
        Scheduled {
            task: Task::Settle(Pubkey::from([job; 32])),
            client: Pubkey::from([client; 32]),
            has_failed,
        }
    }

    /// Jobs that get a slot, in order.
    fn picked(schedule: Schedule, queue: &[Scheduled]) -> Vec<u8> {
        let (mut queue, mut running) = (VecDeque::from(queue.to_vec()), Vec::new());
        while let Some(next) = schedule.next(&mut queue, &running) {
            running.push(next);
        }
        let jobs = running.iter().map(|one| one.task.job().to_bytes()[0]);
        jobs.collect()
    }

    #[test]
    fn one_client_and_failures_get_half_of_the_slots() {
        let schedule = Schedule {
            slots: 4,
            is_for_all: true,
        };
        let one = [
            scheduled(1, 1, false),
            scheduled(2, 1, false),
            scheduled(3, 1, false),
            scheduled(4, 2, false),
        ];
        assert_eq!(picked(schedule, &one), [1, 2, 4]);
        let failed = [
            scheduled(1, 1, true),
            scheduled(2, 2, true),
            scheduled(3, 3, true),
            scheduled(4, 4, false),
        ];
        assert_eq!(picked(schedule, &failed), [1, 2, 4]);
        // A watcher for one client uses all slots for it, but not for what fails.
        let own = Schedule {
            is_for_all: false,
            ..schedule
        };
        assert_eq!(picked(own, &one), [1, 2, 3, 4]);
        assert_eq!(picked(own, &failed), [1, 2, 4]);
        // There is always one.
        let single = Schedule {
            slots: 1,
            ..schedule
        };
        assert_eq!(picked(single, &failed), [1]);
    }
}
