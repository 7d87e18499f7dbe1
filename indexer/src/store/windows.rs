//! Sums over the last hours, kept beside those over all time: boards then know every window without its hours, however long it
//! is.
//!
//! A window ends with the hour of the cursor's time. As long as there is no cursor, there are no windows: a backfill
//! makes them once, at its end.

use {
    super::{
        rows::{Meta, Rows},
        scores::{self, Numbers},
    },
    crate::{
        error::Result,
        project::{ALL_TIME, ScoreKey, first_hour, hour_of, is_hour, window_bucket},
    },
    futures::TryStreamExt,
    quern_api::Window,
};

/// Adds what these scores of hours add to the windows that end with this hour.
pub(super) fn spread(scores: &mut Numbers, hour: i64) {
    let hours: Vec<(ScoreKey, u128)> = scores
        .iter()
        .filter(|(key, _)| is_hour(key.bucket))
        .map(|(key, value)| (*key, *value))
        .collect();
    for (key, value) in hours {
        add(scores, key, value, hour);
    }
}

fn add(sums: &mut Numbers, key: ScoreKey, value: u128, hour: i64) {
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
        Some(known) if known < hour => expire(rows, (known, hour), meta.change).await?,
        _ => begin(rows, hour, meta.change).await?,
    }
    meta.window_hour = Some(hour);
    Ok(())
}

/// Makes every window from the hours in it.
async fn begin(rows: &mut dyn Rows, hour: i64, change: i64) -> Result<()> {
    let mut old = Numbers::new();
    let mut found = scores::between(rows, ALL_TIME, ALL_TIME);
    while let Some((key, value)) = found.try_next().await? {
        if key.bucket != ALL_TIME {
            old.insert(key, value);
        }
    }
    drop(found);
    scores::take_away(rows, old, change).await?;
    let firsts = Window::ALL.iter().map(|window| first_hour(*window, hour));
    let first = firsts.flatten().min().unwrap_or(hour);
    let mut sums = Numbers::new();
    let mut found = scores::between(rows, first, i64::MAX);
    while let Some((key, value)) = found.try_next().await? {
        add(&mut sums, key, value, hour);
    }
    drop(found);
    scores::add(rows, sums, change).await
}

/// Takes what is older than the windows out of them.
async fn expire(rows: &mut dyn Rows, (from, to): (i64, i64), change: i64) -> Result<()> {
    let mut old = Numbers::new();
    for window in Window::ALL {
        let (Some(first), Some(next)) = (first_hour(*window, from), first_hour(*window, to)) else {
            continue;
        };
        let mut found = scores::between(rows, first, next - 1);
        while let Some((key, value)) = found.try_next().await? {
            let sum = old.entry(in_window(key, *window)).or_default();
            *sum = sum.saturating_add(value);
        }
    }
    scores::take_away(rows, old, change).await
}
