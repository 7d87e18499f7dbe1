//! Transactions that the stream has told and no walk has asked for yet.

use {
    super::messages::Info,
    crate::{metrics, source::Item},
    prost::Message,
    quern_api::Signature,
    std::{
        collections::{BTreeMap, HashMap},
        sync::{Mutex, MutexGuard, PoisonError},
    },
};

/// Slots that are kept at most, with or without transactions.
const MOST_SLOTS: usize = 4_096;

/// A block's time and parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Unix time, if the server knows it.
    pub time: Option<i64>,
    /// The slot of the block before it.
    pub parent: u64,
}

/// Bounded: what has no room, the oldest first, is forgotten here and read from the node.
#[derive(Debug)]
pub struct Held {
    most_bytes: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    by_slot: BTreeMap<u64, Content>,
    bytes: usize,
    /// What is older, no walk asks for again.
    floor: u64,
}

#[derive(Debug, Default)]
struct Content {
    transactions: HashMap<Signature, (Info, usize)>,
    head: Option<Head>,
}

impl Content {
    fn bytes(&self) -> usize {
        self.transactions.values().map(|(_, bytes)| bytes).sum()
    }
}

impl Held {
    /// Holds up to so many bytes of messages; in memory they take about three times as many.
    pub fn new(most_bytes: usize) -> Self {
        Self {
            most_bytes,
            slots: Mutex::default(),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Who panicked left at most a wrong sum of bytes.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a transaction; one that is told twice is kept once.
    pub fn put(&self, slot: u64, signature: Signature, info: Info) {
        let bytes = info.encoded_len();
        let mut slots = self.slots();
        if slot < slots.floor {
            return;
        }
        let content = slots.by_slot.entry(slot).or_default();
        let before = content.transactions.insert(signature, (info, bytes));
        slots.bytes += bytes;
        slots.bytes -= before.map_or(0, |(_, bytes)| bytes);
        slots.shrink(self.most_bytes);
    }

    /// Keeps what is told of a block.
    pub fn head(&self, slot: u64, head: Head) {
        let mut slots = self.slots();
        if slot >= slots.floor {
            slots.by_slot.entry(slot).or_default().head = Some(head);
            slots.shrink(self.most_bytes);
        }
    }

    /// Takes the end of a slot; gives back its block and whether it has transactions.
    pub fn end(&self, slot: u64) -> (Option<Head>, bool) {
        let mut slots = self.slots();
        let Some(content) = slots.by_slot.get(&slot) else {
            return (None, false);
        };
        let (head, is_empty) = (content.head, content.transactions.is_empty());
        if is_empty {
            slots.by_slot.remove(&slot);
        }
        (head, !is_empty)
    }

    /// Gives a transaction away with its block's time: what turns out to be useless is not given twice.
    pub fn take(&self, item: &Item) -> Option<(Info, Option<i64>)> {
        let mut slots = self.slots();
        let content = slots.by_slot.get_mut(&item.slot)?;
        let time = content.head?.time;
        let (info, bytes) = content.transactions.remove(&item.signature)?;
        if content.transactions.is_empty() {
            slots.by_slot.remove(&item.slot);
        }
        slots.bytes -= bytes;
        Some((info, time))
    }

    /// Forgets what no walk asks for again.
    pub fn forget_below(&self, floor: u64) {
        let mut slots = self.slots();
        slots.floor = slots.floor.max(floor);
        let kept = slots.by_slot.split_off(&floor);
        let gone = std::mem::replace(&mut slots.by_slot, kept);
        slots.bytes -= gone.values().map(Content::bytes).sum::<usize>();
    }

    /// Bytes of messages that are held.
    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.slots().bytes
    }
}

impl Slots {
    fn shrink(&mut self, most_bytes: usize) {
        while (self.bytes > most_bytes || self.by_slot.len() > MOST_SLOTS)
            && let Some((_, content)) = self.by_slot.pop_first()
        {
            self.bytes -= content.bytes();
            metrics::streamed("no_room", content.transactions.len() as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn info(n: u8) -> Info {
        Info {
            signature: vec![n; 64],
            ..Info::default()
        }
    }

    fn item(n: u8, slot: u64) -> Item {
        Item {
            signature: Signature([n; 64]),
            slot,
            failed: false,
        }
    }

    const HEAD: Head = Head {
        time: Some(5),
        parent: 9,
    };

    #[test]
    fn a_transaction_is_given_once_from_its_slot_and_with_its_time() {
        let held = Held::new(1_000);
        for _ in 0..2 {
            held.put(10, Signature([1; 64]), info(1));
        }
        assert_eq!(held.bytes(), info(1).encoded_len());
        assert!(held.take(&item(1, 10)).is_none(), "its time is not known");
        held.head(10, HEAD);
        assert_eq!(held.end(10), (Some(HEAD), true));
        assert!(held.take(&item(1, 11)).is_none(), "another slot");
        assert!(held.take(&item(2, 10)).is_none(), "another transaction");
        assert_eq!(held.take(&item(1, 10)).unwrap(), (info(1), Some(5)));
        assert!(held.take(&item(1, 10)).is_none(), "given twice");
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn what_has_no_room_goes_oldest_first_and_so_do_slots_without_end() {
        let one = info(1).encoded_len();
        let held = Held::new(2 * one);
        for slot in [30, 10, 20] {
            held.head(slot, HEAD);
            held.put(slot, Signature([1; 64]), info(1));
        }
        assert_eq!(held.bytes(), 2 * one);
        assert!(held.take(&item(1, 10)).is_none());
        assert!(held.take(&item(1, 20)).is_some() && held.take(&item(1, 30)).is_some());
        for slot in 0..3 * MOST_SLOTS as u64 {
            held.head(slot, HEAD);
        }
        assert_eq!(held.slots().by_slot.len(), MOST_SLOTS);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn what_is_behind_every_walk_is_forgotten_and_not_taken_again() {
        let held = Held::new(1_000);
        held.put(10, Signature([1; 64]), info(1));
        held.put(20, Signature([2; 64]), info(2));
        held.head(15, HEAD);
        held.forget_below(20);
        held.put(19, Signature([3; 64]), info(3));
        held.head(19, HEAD);
        assert_eq!(held.bytes(), info(2).encoded_len());
        assert_eq!(held.slots().by_slot.len(), 1);
        held.forget_below(0);
        assert_eq!(held.end(20), (None, true));
        assert_eq!(held.end(21), (None, false));
    }
}
