//! Who is examined next. Strangers create jobs, and whoever keeps a watcher busy keeps it away from the others' jobs; so no
//! kind of task that may be somebody's doing gets more than half of the slots.

use {super::Task, quern_client::Pubkey, std::collections::VecDeque};

/// Something to do, and on whose account.
#[derive(Clone, Copy, Debug)]
pub(super) struct Todo {
    pub task: Task,
    /// Whose job it is.
    pub client: Pubkey,
    /// Whether it failed the last time.
    pub has_failed: bool,
}

/// How slots are shared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lanes {
    /// Tasks at a time.
    pub slots: usize,
    /// Whether jobs of every client are examined, so that no client gets more than half of the slots.
    pub is_for_all: bool,
}

impl Lanes {
    /// Takes the first task that may have a slot beside those that run.
    pub(super) fn next(&self, queue: &mut VecDeque<Todo>, running: &[Todo]) -> Option<Todo> {
        let slots = self.slots.max(1);
        if running.len() >= slots {
            return None;
        }
        let half = (slots / 2).max(1);
        let has_slot = |todo: &Todo| {
            let failed = running.iter().filter(|other| other.has_failed).count();
            let of_client = running.iter().filter(|other| other.client == todo.client);
            (!todo.has_failed || failed < half) && (!self.is_for_all || of_client.count() < half)
        };
        let at = queue.iter().position(has_slot)?;
        queue.remove(at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn todo(job: u8, client: u8, has_failed: bool) -> Todo {
        Todo {
            task: Task::Settle(Pubkey::from([job; 32])),
            client: Pubkey::from([client; 32]),
            has_failed,
        }
    }

    /// Jobs that get a slot, in order.
    fn picked(lanes: Lanes, queue: &[Todo]) -> Vec<u8> {
        let (mut queue, mut running) = (VecDeque::from(queue.to_vec()), Vec::new());
        while let Some(next) = lanes.next(&mut queue, &running) {
            running.push(next);
        }
        let jobs = running.iter().map(|todo| todo.task.job().to_bytes()[0]);
        jobs.collect()
    }

    #[test]
    fn one_client_and_failures_get_half_of_the_slots() {
        let lanes = Lanes {
            slots: 4,
            is_for_all: true,
        };
        let one = [
            todo(1, 1, false),
            todo(2, 1, false),
            todo(3, 1, false),
            todo(4, 2, false),
        ];
        assert_eq!(picked(lanes, &one), [1, 2, 4]);
        let failed = [
            todo(1, 1, true),
            todo(2, 2, true),
            todo(3, 3, true),
            todo(4, 4, false),
        ];
        assert_eq!(picked(lanes, &failed), [1, 2, 4]);
        // Whoever watches for one client uses all slots for it, but not for what fails.
        let own = Lanes {
            is_for_all: false,
            ..lanes
        };
        assert_eq!(picked(own, &one), [1, 2, 3, 4]);
        assert_eq!(picked(own, &failed), [1, 2, 4]);
        // There is always one.
        let single = Lanes { slots: 1, ..lanes };
        assert_eq!(picked(single, &failed), [1]);
    }
}
