//! Which rows become one job.

use {
    crate::book::Waiting,
    quern_client::Pubkey,
    std::time::{Duration, Instant},
};

/// Rows from a place on in parts of at most `most`, as even as they can be.
pub(crate) fn parts(from: usize, rows: usize, most: usize) -> Vec<(usize, usize)> {
    let count = rows.div_ceil(most.max(1)).max(1);
    let (each, more) = (rows / count, rows % count);
    let mut next = from;
    let parts = (0..count).map(|index| {
        let rows = each + usize::from(index < more);
        let from = next;
        next += rows;
        (from, rows)
    });
    parts.filter(|(_, rows)| *rows > 0).collect()
}

/// When a job is formed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// As many rows begin one at once.
    pub rows: usize,
    /// So long the first of them waits for others.
    pub time: Duration,
    /// Most rows of one.
    pub most_rows: usize,
}

/// What becomes one job now: the indices of waiting parts, all of one model. A part of a batch is one by itself.
pub(crate) fn due(waiting: &[Waiting], when: When, now: Instant) -> Option<Vec<usize>> {
    let mut models: Vec<Pubkey> = Vec::new();
    for (index, one) in waiting.iter().enumerate().filter(|(_, one)| one.is_kept) {
        if one.is_batch {
            return Some(vec![index]);
        }
        if models.contains(&one.model) {
            continue;
        }
        models.push(one.model);
        let mut taken = Vec::new();
        let mut rows = 0;
        let alike = waiting.iter().enumerate().skip(index);
        let alike =
            alike.filter(|(_, other)| other.is_kept && !other.is_batch && other.model == one.model);
        for (other, part) in alike {
            if rows + part.unit.rows > when.most_rows && !taken.is_empty() {
                break;
            }
            taken.push(other);
            rows += part.unit.rows;
            if rows >= when.rows {
                break;
            }
        }
        if rows >= when.rows || now.saturating_duration_since(one.since) >= when.time {
            return Some(taken);
        }
    }
    None
}

/// When the next job is due, if nothing else comes.
pub(crate) fn next_due(waiting: &[Waiting], when: When) -> Option<Instant> {
    let kept = waiting.iter().filter(|one| one.is_kept);
    kept.map(|one| one.since + when.time).min()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::{order::OrderId, record::Unit},
        proptest::prelude::*,
    };

    fn part(model: u8, rows: usize, is_batch: bool, since: Instant) -> Waiting {
        Waiting {
            unit: Unit {
                order: OrderId::new("a").unwrap(),
                from: 0,
                rows,
            },
            model: Pubkey::from([model; 32]),
            is_batch,
            is_kept: true,
            atoms: 1,
            since,
        }
    }

    const WHEN: When = When {
        rows: 4,
        time: Duration::from_millis(20),
        most_rows: 6,
    };

    #[test]
    fn a_job_begins_with_enough_rows_or_after_a_while() {
        let start = Instant::now();
        let all = [
            part(1, 1, false, start),
            part(2, 2, false, start),
            part(1, 1, false, start),
        ];
        assert_eq!(due(&all, WHEN, start), None);
        assert_eq!(next_due(&all, WHEN), Some(start + WHEN.time));
        // Its time has come: all of its model.
        assert_eq!(due(&all, WHEN, start + WHEN.time), Some(vec![0, 2]));
        // Enough of the second model.
        let more = [&all[..], &[part(2, 2, false, start)]].concat();
        assert_eq!(due(&more, WHEN, start), Some(vec![1, 3]));
        // A batch waits for nothing and is alone.
        let batch = [&all[..], &[part(1, 1, true, start)]].concat();
        assert_eq!(due(&batch, WHEN, start), Some(vec![3]));
        // What is not on disk yet is nothing.
        let mut unkept = batch.clone();
        unkept.iter_mut().for_each(|one| one.is_kept = false);
        assert_eq!(due(&unkept, WHEN, start + WHEN.time), None);
        // What is larger than a job may be by itself is one, and takes nothing with it.
        let large = [part(1, 9, false, start), part(1, 1, false, start)];
        assert_eq!(due(&large, WHEN, start), Some(vec![0]));
        let fits_not = [part(1, 3, false, start), part(1, 5, false, start)];
        assert_eq!(due(&fits_not, WHEN, start + WHEN.time), Some(vec![0]));
    }

    proptest! {
        #[test]
        fn parts_are_all_rows_once(from in 0..1_000usize, rows in 0..5_000usize, most in 1..600usize) {
            let parts = parts(from, rows, most);
            let mut next = from;
            for (from, rows) in &parts {
                prop_assert_eq!(*from, next);
                prop_assert!((1..=most).contains(rows));
                next += rows;
            }
            prop_assert_eq!(next, from + rows);
            let largest = parts.iter().map(|part| part.1).max();
            let smallest = parts.iter().map(|part| part.1).min();
            prop_assert!(largest.zip(smallest).is_none_or(|(most, least)| most - least <= 1));
        }
    }
}
