//! What is kept in memory between steps: as much as the limit allows, the least recently used goes first.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// Values with their sizes.
pub(super) struct Kept<K, V> {
    max_bytes: u64,
    inner: Mutex<Inner<K, V>>,
}

struct Inner<K, V> {
    entries: HashMap<K, Entry<V>>,
    bytes: u64,
    uses: u64,
}

struct Entry<V> {
    value: Arc<V>,
    bytes: u64,
    used: u64,
}

impl<K: Eq + Hash + Clone, V> Kept<K, V> {
    /// Nothing yet.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            max_bytes,
            inner: Mutex::new(Inner {
                entries: HashMap::new(),
                bytes: 0,
                uses: 0,
            }),
        }
    }

    /// A value, if it is still there.
    pub(super) fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.uses += 1;
        let now = inner.uses;
        let entry = inner.entries.get_mut(key)?;
        entry.used = now;
        Some(Arc::clone(&entry.value))
    }

    /// Keeps a value, unless it is larger than everything that may be kept.
    pub(super) fn put(&self, key: K, value: Arc<V>, bytes: u64) {
        self.forget(&key);
        if bytes > self.max_bytes {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while inner.bytes + bytes > self.max_bytes {
            let oldest = inner.entries.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
                break;
            };
            inner.remove(&oldest);
        }
        inner.uses += 1;
        let used = inner.uses;
        inner.bytes += bytes;
        inner.entries.insert(key, Entry { value, bytes, used });
    }

    /// Lets go of a value.
    pub(super) fn forget(&self, key: &K) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.remove(key);
    }
}

impl<K: Eq + Hash, V> Inner<K, V> {
    fn remove(&mut self, key: &K) {
        if let Some(gone) = self.entries.remove(key) {
            self.bytes -= gone.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_least_used_goes_first_and_the_limit_holds() {
        let kept = Kept::new(10);
        kept.put(1, Arc::new("one"), 4);
        kept.put(2, Arc::new("two"), 4);
        assert_eq!(*kept.get(&1).unwrap(), "one");
        kept.put(3, Arc::new("three"), 4);
        assert!(kept.get(&2).is_none(), "used longest ago");
        assert!(kept.get(&1).is_some() && kept.get(&3).is_some());
        kept.put(4, Arc::new("too large"), 11);
        assert!(kept.get(&4).is_none() && kept.get(&1).is_some());
        // The same key again does not count twice.
        kept.put(1, Arc::new("one"), 6);
        assert!(kept.get(&3).is_some() && kept.get(&1).is_some());
        kept.put(5, Arc::new("all"), 10);
        assert!(kept.get(&1).is_none() && kept.get(&3).is_none() && kept.get(&5).is_some());
    }
}
