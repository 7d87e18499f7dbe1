//! Names of what is kept, and the clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// A name that nobody guesses.
pub fn random(prefix: &str) -> String {
    format!("{prefix}{}", hex::encode(random_bytes::<12>()))
}

/// A name that sorts by the time of its making, also within this process's microsecond.
pub fn ordered(prefix: &str) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX);
    let next = |last: u64| Some(now.max(last.saturating_add(1)));
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    let at = now.max(last.unwrap_or(0).saturating_add(1));
    format!("{prefix}{at:014x}{}", hex::encode(random_bytes::<9>()))
}

/// Seconds of Unix time.
pub fn now() -> i64 {
    i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX)
}

fn since_epoch() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The names of requests are no secrets: without a source of randomness their order still tells them apart.
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::warn!(%error, "the system gives no random bytes");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_time_and_differ() {
        let names: Vec<_> = (0..1000).map(|_| ordered("file-")).collect();
        assert!(names.is_sorted_by(|one, next| one < next));
        assert!(names.iter().all(|name| name.len() == 5 + 14 + 18));
        assert_ne!(random("req_"), random("req_"));
    }
}
