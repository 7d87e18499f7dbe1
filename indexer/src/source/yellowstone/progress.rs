//! How far the stream has told everything, so that a new connection begins there again.

use std::collections::BTreeMap;

/// Slots that are told again: a server may tell a slot's end before the last of its transactions.
const OVERLAP_SLOTS: u64 = 8;
/// Ends that wait for the end of the slot before them. More of them, and that end was lost.
const MOST_WAITING: usize = 150;

/// What follows from the end of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Go on.
    On,
    /// A slot's end is missing: connect again and have it told again.
    Again,
    /// It was missing again. The stream goes on behind it, and what is missing comes from the node.
    Without,
}

/// Ends of finalized slots: each names its parent, so they make a chain without holes.
#[derive(Debug, Default)]
pub struct Progress {
    /// Everything up to here was told.
    whole: Option<u64>,
    /// Slots whose parent has not ended, by that parent.
    waiting: BTreeMap<u64, u64>,
    /// Where the last connection was cut for a missing end.
    cut_at: Option<u64>,
}

impl Progress {
    /// The last slot up to which everything was told.
    pub fn whole(&self) -> Option<u64> {
        self.whole
    }

    /// Where a new connection is to begin; none: with what comes.
    pub fn resume(&self) -> Option<u64> {
        self.whole.map(|slot| slot.saturating_sub(OVERLAP_SLOTS))
    }

    /// Takes the end of a slot. Who names no parent is believed: the node's list proves that nothing is missing.
    pub fn end(&mut self, slot: u64, parent: Option<u64>) -> Step {
        let Some(whole) = self.whole else {
            self.whole = Some(slot);
            return Step::On;
        };
        if slot <= whole {
            // Told again.
            return Step::On;
        }
        match parent.filter(|parent| *parent > whole) {
            None => self.reach(slot),
            Some(parent) => {
                self.waiting.insert(parent, slot);
            }
        }
        if self.waiting.len() <= MOST_WAITING {
            return Step::On;
        }
        self.missing()
    }

    /// A connection has ended. What waited is told again.
    pub fn cut(&mut self) {
        self.waiting.clear();
    }

    /// The server cannot tell again what is missing.
    pub fn begin_anew(&mut self) {
        *self = Self::default();
    }

    fn reach(&mut self, slot: u64) {
        let mut whole = slot;
        while let Some(next) = self.waiting.remove(&whole) {
            whole = next;
        }
        self.waiting.retain(|parent, _| *parent > whole);
        self.whole = Some(whole);
    }

    fn missing(&mut self) -> Step {
        if self.cut_at != self.whole {
            self.cut_at = self.whole;
            return Step::Again;
        }
        if let Some((_, slot)) = self.waiting.pop_first() {
            self.reach(slot);
        }
        Step::Without
    }
}

#[cfg(test)]
mod tests {
    use {super::*, proptest::prelude::*};

    #[test]
    fn a_chain_is_whole_up_to_its_first_hole() {
        let mut progress = Progress::default();
        assert_eq!((progress.whole(), progress.resume()), (None, None));
        for (slot, parent, whole) in [
            (10, Some(9), 10),
            // The leader of slot 11 made no block.
            (12, Some(10), 12),
            (14, Some(13), 12),
            (12, Some(10), 12),
            (13, Some(12), 14),
            (20, None, 20),
        ] {
            assert_eq!(progress.end(slot, parent), Step::On);
            assert_eq!(progress.whole(), Some(whole));
        }
        assert_eq!(progress.resume(), Some(20 - OVERLAP_SLOTS));
        progress.begin_anew();
        assert_eq!(progress.resume(), None);
    }

    #[test]
    fn a_lost_end_is_asked_for_once_and_then_done_without() {
        let mut progress = Progress::default();
        progress.end(100, Some(99));
        let ends = 102..102 + MOST_WAITING as u64;
        let after_first = |progress: &mut Progress| {
            for slot in ends.clone() {
                assert_eq!(progress.end(slot, Some(slot - 1)), Step::On);
            }
            progress.end(ends.end, Some(ends.end - 1))
        };
        assert_eq!(after_first(&mut progress), Step::Again);
        progress.cut();
        assert_eq!(progress.resume(), Some(100 - OVERLAP_SLOTS));
        assert_eq!(after_first(&mut progress), Step::Without);
        assert_eq!(progress.whole(), Some(ends.end));
    }

    proptest! {
        #[test]
        fn order_and_repetition_do_not_matter(
            steps in prop::collection::vec(1..4_u64, 1..100),
            order in any::<u64>(),
        ) {
            let mut slot = 1_000;
            let mut ends: Vec<(u64, u64)> = steps.iter().map(|step| {
                let parent = slot;
                slot += step;
                (slot, parent)
            }).collect();
            let mut rng = quern_testkit::rng::Rng::new(order);
            for at in (1..ends.len()).rev() {
                let other = rng.below(at as u64 + 1) as usize;
                ends.swap(at, other);
            }
            let mut progress = Progress::default();
            progress.end(1_000, None);
            for (slot, parent) in ends.iter().chain(&ends) {
                prop_assert_eq!(progress.end(*slot, Some(*parent)), Step::On);
            }
            prop_assert_eq!(progress.whole(), Some(slot));
        }
    }
}
