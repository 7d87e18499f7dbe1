//! Sums over the last hours, kept beside the hours themselves: a page of a leaderboard then reads its rows and no others,
//! however long the window is.
//!
//! A window ends with the hour of the cursor's time. As long as there is no cursor, there are no windows: a backfill
//! makes them once, at its end. Sums that are zero are not kept.

use {
    super::rows::{Meta, Rows},
    crate::{
        error::Result,
        project::{ScoreKey, first_hour, hour_of, is_hour, window_bucket},
    },
    futures::TryStreamExt,
    quern_api::Window,
    std::collections::BTreeMap,
};

/// Adds what these scores of hours add to the windows that end with this hour.
pub(super) fn spread(scores: &mut BTreeMap<ScoreKey, u128>, hour: i64) {
    let hours: Vec<(ScoreKey, u128)> = scores
        .iter()
        .filter(|(key, value)| is_hour(key.bucket) && **value > 0)
        .map(|(key, value)| (*key, *value))
        .collect();
    for (key, value) in hours {
        add(scores, key, value, hour);
    }
}

fn add(sums: &mut BTreeMap<ScoreKey, u128>, key: ScoreKey, value: u128, hour: i64) {
    for window in Window::ALL {
        if first_hour(*window, hour).is_some_and(|first| key.bucket >= first) {
            let sum = sums.entry(in_window(key, *window)).or_default();
            *sum = sum.saturating_add(value);
        }
    }
}

fn in_window(key: ScoreKey, window: Window) -> ScoreKey {
    ScoreKey {
        bucket: window_bucket(window),
        ..key
    }
}

/// Makes the windows end with the cursor's hour.
pub(super) async fn advance(rows: &mut dyn Rows, meta: &mut Meta) -> Result<()> {
    let Some(cursor) = meta.cursor else {
        return Ok(());
    };
    let hour = hour_of(cursor.chain_time);
    match meta.window_hour {
        Some(known) if known == hour => return Ok(()),
        Some(known) if known < hour => expire(rows, known, hour).await?,
        _ => begin(rows, hour).await?,
    }
    meta.window_hour = Some(hour);
    Ok(())
}

/// Makes every window from the hours in it.
async fn begin(rows: &mut dyn Rows, hour: i64) -> Result<()> {
    let firsts = Window::ALL.iter().map(|window| first_hour(*window, hour));
    let first = firsts.flatten().min().unwrap_or(hour);
    let mut sums = BTreeMap::new();
    let mut found = rows.scores_between(first, i64::MAX);
    while let Some((key, value)) = found.try_next().await? {
        if value > 0 {
            add(&mut sums, key, value, hour);
        }
    }
    drop(found);
    for window in Window::ALL.iter().filter(|window| window.hours().is_some()) {
        rows.clear_scores(window_bucket(*window)).await?;
    }
    let sums: Vec<(ScoreKey, u128)> = sums.into_iter().collect();
    rows.put_scores(&sums).await
}

/// Takes what is older than the windows out of them.
async fn expire(rows: &mut dyn Rows, from: i64, to: i64) -> Result<()> {
    let mut old = BTreeMap::<ScoreKey, u128>::new();
    for window in Window::ALL {
        let (Some(first), Some(next)) = (first_hour(*window, from), first_hour(*window, to)) else {
            continue;
        };
        let mut found = rows.scores_between(first, next - 1);
        while let Some((key, value)) = found.try_next().await? {
            let sum = old.entry(in_window(key, *window)).or_default();
            *sum = sum.saturating_add(value);
        }
    }
    let keys: Vec<ScoreKey> = old.keys().copied().collect();
    let mut sums = rows.scores(&keys).await?;
    for (key, sum) in &mut sums {
        *sum = sum.saturating_sub(old.get(key).copied().unwrap_or(0));
    }
    rows.put_scores(&sums).await?;
    rows.delete_empty_windows().await
}
