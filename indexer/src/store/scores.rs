//! All numbers of a subject in one row: a milestone changes several of them, and each row that is written costs the same.
//!
//! A subject has a row for each hour, and one with its sums over all time and over the windows. Engines keep a row as bytes;
//! what they mean stands here. Numbers that are zero are not kept.

use {
    super::{
        rows::{Queries, Rows},
        score::{ScorePlace, ScoreRow},
    },
    crate::{
        error::{IndexerError, Result},
        project::{Measure, ScoreKey},
    },
    futures::{StreamExt, TryStreamExt, stream, stream::BoxStream},
    quern_api::Key,
    std::{
        collections::{BTreeMap, HashMap},
        future::ready,
    },
};

/// Rows that are changed at once: unpacked, one takes some kilobytes.
const ROWS_AT_ONCE: usize = 1_024;

/// Numbers by their keys.
pub type Numbers = BTreeMap<ScoreKey, u128>;

/// Numbers as bytes, mint by mint: whether there is one, the mint, how many numbers (u16); of each number the bucket within the row,
/// measure and assurance level, then its length and as many bytes of it, the highest first.
pub(super) fn pack(numbers: &Numbers) -> Vec<u8> {
    let mut by_mint = BTreeMap::<Key, (u16, Vec<u8>)>::new();
    for (key, value) in numbers.iter().filter(|(_, value)| **value > 0) {
        let (count, bytes) = by_mint.entry(key.mint).or_default();
        *count = count.saturating_add(1);
        let within = key.bucket.wrapping_sub(ScorePlace::of(key).bucket);
        let value = value.to_be_bytes();
        let zeroes = value.iter().take_while(|byte| **byte == 0).count();
        let value = value.get(zeroes..).unwrap_or_default();
        bytes.extend([within as u8, key.measure.code(), key.assurance]);
        bytes.push(value.len() as u8);
        bytes.extend(value);
    }
    let mut packed = Vec::new();
    for (mint, (count, bytes)) in by_mint {
        packed.push(u8::from(mint != Key::NONE));
        if mint != Key::NONE {
            packed.extend(mint.0);
        }
        packed.extend(count.to_be_bytes());
        packed.extend(bytes);
    }
    packed
}

/// The numbers in a row.
pub(super) fn unpack((place, packed): &ScoreRow) -> Result<Numbers> {
    let mut numbers = Numbers::new();
    let mut bytes = packed.as_slice();
    while !bytes.is_empty() {
        group(place, &mut bytes, &mut numbers).ok_or(IndexerError::Damaged("score"))?;
    }
    Ok(numbers)
}

fn group(place: &ScorePlace, bytes: &mut &[u8], numbers: &mut Numbers) -> Option<()> {
    let mint = match take::<1>(bytes)? {
        [0] => Key::NONE,
        _ => Key(take(bytes)?),
    };
    for _ in 0..u16::from_be_bytes(take(bytes)?) {
        let [within, measure, assurance, length] = take(bytes)?;
        let (value, rest) = bytes.split_at_checked(usize::from(length))?;
        *bytes = rest;
        let mut whole = [0; 16];
        whole
            .get_mut(16_usize.checked_sub(value.len())?..)?
            .copy_from_slice(value);
        let key = ScoreKey {
            bucket: place.bucket.checked_add(i64::from(within))?,
            subject: place.subject,
            measure: Measure::from_code(measure)?,
            assurance,
            mint,
        };
        numbers.insert(key, u128::from_be_bytes(whole));
    }
    Some(())
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

/// Every number of the rows in these buckets, in no order.
pub(super) fn between<Q: Queries + ?Sized>(
    rows: &mut Q,
    first: i64,
    last: i64,
) -> BoxStream<'_, Result<(ScoreKey, u128)>> {
    let numbers = |row| ready(unpack(&row).map(|numbers| stream::iter(numbers).map(Ok)));
    let found = rows.scores_between(first, last);
    found.and_then(numbers).try_flatten().boxed()
}

/// Adds numbers to those that are there.
pub(super) async fn add(rows: &mut dyn Rows, added: Numbers, change: i64) -> Result<()> {
    change_rows(rows, added, change, u128::saturating_add).await
}

/// Takes numbers from those that are there.
pub(super) async fn take_away(rows: &mut dyn Rows, taken: Numbers, change: i64) -> Result<()> {
    change_rows(rows, taken, change, u128::saturating_sub).await
}

async fn change_rows(
    rows: &mut dyn Rows,
    by: Numbers,
    change: i64,
    changed: fn(u128, u128) -> u128,
) -> Result<()> {
    let mut wanted = BTreeMap::<ScorePlace, Vec<(ScoreKey, u128)>>::new();
    for (key, value) in by {
        let place = wanted.entry(ScorePlace::of(&key)).or_default();
        place.push((key, value));
    }
    let mut wanted = wanted.into_iter();
    loop {
        let some: Vec<_> = wanted.by_ref().take(ROWS_AT_ONCE).collect();
        if some.is_empty() {
            return Ok(());
        }
        let places: Vec<ScorePlace> = some.iter().map(|(place, _)| *place).collect();
        let mut known = HashMap::new();
        for row in rows.scores(&places).await? {
            known.insert(row.0, row);
        }
        let mut packed = Vec::with_capacity(some.len());
        for (place, by) in some {
            let mut numbers = match known.remove(&place) {
                Some(row) => unpack(&row)?,
                None => Numbers::new(),
            };
            for (key, value) in by {
                let number = numbers.entry(key).or_default();
                *number = changed(*number, value);
            }
            packed.push((place, pack(&numbers)));
        }
        rows.put_scores(&packed, change).await?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {
        super::*,
        crate::project::{ALL_TIME, FIRST_HOUR, Subject, window_bucket},
        quern_api::{Metric, Window},
    };

    fn numbers(bucket: i64) -> Numbers {
        let mut numbers = Numbers::new();
        for (n, value) in [1, 255, 256, u128::from(u64::MAX), u128::MAX]
            .into_iter()
            .enumerate()
        {
            for mint in [Key::NONE, Key([n as u8 + 1; 32])] {
                for metric in Metric::ALL {
                    let key = ScoreKey {
                        bucket,
                        subject: Key([7; 32]),
                        measure: Measure {
                            subject: Subject::Provider,
                            metric: *metric,
                        },
                        assurance: n as u8,
                        mint,
                    };
                    numbers.insert(key, value);
                }
            }
        }
        numbers
    }

    #[test]
    fn numbers_come_back_from_their_bytes() {
        let mut sums = numbers(ALL_TIME);
        for window in Window::ALL {
            sums.extend(numbers(window_bucket(*window)));
        }
        for numbers in [Numbers::new(), numbers(FIRST_HOUR), numbers(500_000), sums] {
            let place = numbers
                .keys()
                .next()
                .map_or(ScorePlace::of_sums(Key::NONE), ScorePlace::of);
            assert!(numbers.keys().all(|key| ScorePlace::of(key) == place));
            assert_eq!(unpack(&(place, pack(&numbers))).unwrap(), numbers);
        }
    }

    #[test]
    fn zeroes_are_not_kept() {
        let mut some = numbers(500_000);
        let all = some.clone();
        some.first_entry().map(|mut first| first.insert(0)).unwrap();
        let place = ScorePlace::of(all.keys().next().unwrap());
        let kept = unpack(&(place, pack(&some))).unwrap();
        assert_eq!(kept.len(), all.len() - 1);
    }

    #[test]
    fn what_is_cut_short_or_unknown_is_damaged() {
        let some = numbers(500_000);
        let place = ScorePlace::of(some.keys().next().unwrap());
        let packed = pack(&some);
        assert!(unpack(&(place, packed[..packed.len() - 1].to_vec())).is_err());
        assert!(unpack(&(place, vec![0, 0, 1, 0, u8::MAX, 0, 0])).is_err());
        assert!(unpack(&(place, [&[0, 0, 1, 0, 0, 0, 17][..], &[1; 17]].concat())).is_err());
    }
}
