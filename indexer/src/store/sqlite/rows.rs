//! Between values and columns.

use {
    crate::{
        error::{IndexerError, Result},
        key::{EventId, Key, Signature},
        project::{EntityRow, Event, Metric, Stated, program::QuernEvent},
    },
    sqlx::{Row, sqlite::SqliteRow},
};

/// Columns of an entity, in the order of [`entity`].
pub(super) const ENTITY_COLUMNS: &str = "address, seq, seen, closed, slot, signature, instruction, inner, state_seq, \
    state_signature, state_instruction, state_inner, state_bytes, text_seq, text";

pub(super) fn bytes<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<[u8; N]> {
    row.try_get::<&[u8], _>(column)?
        .try_into()
        .map_err(|_| IndexerError::Damaged(column))
}

fn maybe_bytes<const N: usize>(row: &SqliteRow, column: &'static str) -> Result<Option<[u8; N]>> {
    let value: Option<&[u8]> = row.try_get(column)?;
    value
        .map(|value| value.try_into().map_err(|_| IndexerError::Damaged(column)))
        .transpose()
}

pub(super) fn key(row: &SqliteRow, column: &'static str) -> Result<Key> {
    bytes(row, column).map(Key)
}

pub(super) fn number(row: &SqliteRow, column: &'static str) -> Result<u64> {
    bytes(row, column).map(u64::from_be_bytes)
}

pub(super) fn maybe_number(row: &SqliteRow, column: &'static str) -> Result<Option<u64>> {
    Ok(maybe_bytes(row, column)?.map(u64::from_be_bytes))
}

pub(super) fn large(row: &SqliteRow, column: &'static str) -> Result<u128> {
    bytes(row, column).map(u128::from_be_bytes)
}

pub(super) fn small<T: TryFrom<i64>>(row: &SqliteRow, column: &'static str) -> Result<T> {
    T::try_from(row.try_get::<i64, _>(column)?).map_err(|_| IndexerError::Damaged(column))
}

pub(super) fn metric(row: &SqliteRow) -> Result<Metric> {
    let code: i64 = row.try_get("metric")?;
    Metric::ALL
        .into_iter()
        .find(|metric| *metric as i64 == code)
        .ok_or(IndexerError::Damaged("metric"))
}

pub(super) fn event_id(row: &SqliteRow) -> Result<EventId> {
    Ok(EventId {
        signature: Signature(bytes(row, "signature")?),
        instruction: small(row, "instruction")?,
        inner: small(row, "inner")?,
    })
}

pub(super) fn maybe_signature(row: &SqliteRow, column: &'static str) -> Result<Option<Signature>> {
    Ok(maybe_bytes(row, column)?.map(Signature))
}

pub(super) fn event(row: &SqliteRow) -> Result<Event> {
    let body = QuernEvent::decode(row.try_get("data")?).ok_or(IndexerError::Damaged("event"))?;
    Ok(Event {
        id: event_id(row)?,
        slot: number(row, "slot")?,
        body,
    })
}

pub(super) fn entity(row: &SqliteRow) -> Result<EntityRow> {
    let state = match (
        maybe_number(row, "state_seq")?,
        maybe_signature(row, "state_signature")?,
    ) {
        (Some(seq), Some(signature)) => {
            let cause = EventId {
                signature,
                instruction: small(row, "state_instruction")?,
                inner: small(row, "state_inner")?,
            };
            Some(Stated {
                seq,
                cause,
                bytes: row.try_get("state_bytes")?,
            })
        }
        _ => None,
    };
    let text = match maybe_number(row, "text_seq")? {
        Some(seq) => Some((seq, row.try_get("text")?)),
        None => None,
    };
    Ok(EntityRow {
        seq: number(row, "seq")?,
        seen: number(row, "seen")?,
        closed: row.try_get("closed")?,
        slot: number(row, "slot")?,
        cause: event_id(row)?,
        state,
        text,
    })
}
