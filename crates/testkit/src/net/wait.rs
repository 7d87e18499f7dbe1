//! Waiting for conditions, with limits that say what was waited for. Nothing here sleeps for a fixed time and hopes.

use {
    anyhow::{Result, bail},
    std::time::{Duration, Instant},
};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks until `probe` finds something.
///
/// # Errors
/// The probe's own, or after `limit` a sentence with what was waited for.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = probe().await? {
            return Ok(found);
        }
        if started.elapsed() >= limit {
            bail!("waited {} s in vain for this: {what}", limit.as_secs());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
