//! What is done next. Strangers create jobs, and identities cost nothing, so nothing is shared out by identity: what may stall
//! runs beside the slots in which results are computed and checked, what this watcher has demands in never waits for it, and
//! what failed before gets half of the room.

use {
    crate::case::CaseId,
    quern_client::Pubkey,
    std::{
        collections::{HashSet, VecDeque},
        hash::Hash,
    },
};

/// Tasks at a time. Most of them wait for strangers' servers, which costs next to nothing.
pub(crate) const MOST_TASKS: usize = 48;
/// As many more that are urgent.
const MOST_URGENT: usize = 16;

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

/// A task, and how it is treated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scheduled {
    pub task: Task,
    /// Whether time runs for what this watcher has paid for, or money waits to be paid out.
    pub is_urgent: bool,
    /// Whether it failed the last time.
    pub has_failed: bool,
}

/// Takes the first task that may run beside those that do.
pub(crate) fn next(queue: &mut VecDeque<Scheduled>, running: &[Scheduled]) -> Option<Scheduled> {
    let urgent = running.iter().filter(|one| one.is_urgent).count();
    let failed = running.iter().filter(|one| one.has_failed).count();
    let others = running.len() - urgent;
    let may_run = |one: &Scheduled| match one.is_urgent {
        true => urgent < MOST_URGENT,
        false => others < MOST_TASKS && (!one.has_failed || failed < MOST_TASKS / 2),
    };
    let at = queue.iter().position(may_run)?;
    queue.remove(at)
}

/// Two orders of the same things as one, in turns, each thing once.
pub(crate) fn interleaved<T: Copy + Eq + Hash>(one: &[T], other: &[T]) -> Vec<T> {
    let mut seen = HashSet::with_capacity(one.len());
    let pairs = one
        .iter()
        .zip(other)
        .flat_map(|(one, other)| [*one, *other]);
    pairs.filter(|thing| seen.insert(*thing)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn scheduled(job: u8, is_urgent: bool, has_failed: bool) -> Scheduled {
        Scheduled {
            task: Task::Settle(Pubkey::from([job; 32])),
            is_urgent,
            has_failed,
        }
    }

    /// How many of a queue run, and whether an urgent one does.
    fn running(queue: Vec<Scheduled>) -> (usize, usize) {
        let (mut queue, mut running) = (VecDeque::from(queue), Vec::new());
        while let Some(next) = next(&mut queue, &running) {
            running.push(next);
        }
        let urgent = running.iter().filter(|one| one.is_urgent).count();
        (running.len(), urgent)
    }

    #[test]
    fn what_is_urgent_and_what_never_failed_has_room_of_its_own() {
        let usual = (0..200).map(|job| scheduled(job, false, false));
        assert_eq!(running(usual.clone().collect()), (MOST_TASKS, 0));
        let urgent = (200..=255).map(|job| scheduled(job, true, false));
        let both = running(usual.clone().chain(urgent).collect());
        assert_eq!(both, (MOST_TASKS + MOST_URGENT, MOST_URGENT));
        let failed = (0..200).map(|job| scheduled(job, false, true));
        assert_eq!(running(failed.clone().collect()), (MOST_TASKS / 2, 0));
        let both = running(failed.chain(usual).collect());
        assert_eq!(both, (MOST_TASKS, 0));
    }

    #[test]
    fn two_orders_take_turns() {
        assert_eq!(interleaved(&[1, 2, 3, 4], &[4, 3, 2, 1]), [1, 4, 2, 3]);
        assert!(interleaved::<u8>(&[], &[]).is_empty());
    }
}
