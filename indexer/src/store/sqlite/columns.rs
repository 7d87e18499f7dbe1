//! Between values and columns.

use {
    crate::{
        error::{IndexerError, Result},
        project::{
            Concern, EntityKey, EntityRow, Event, EventId, PartyRow, Settlement, Stated, StepKind,
            Total, TotalKey, program::QuernEvent,
        },
        store::rows::{DeadLetter, Entity, Gap, Milestone, Recorded, StepRow, TimelineStep},
        store::score::{ScorePlace, ScoreRow},
    },
    quern_api::{Key, Signature},
    sqlx::{Row, sqlite::SqliteRow},
};

/// What [`entity_row`] reads.
macro_rules! entity_columns {
    () => {
        "kind, address, seq, seen, closed, slot, signature, instruction, inner, state_seq, state_signature, \
         state_instruction, state_inner, state_bytes, text_seq, text"
    };
}
pub(super) use entity_columns;

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

/// What is kept of a key that may be none: nothing then, which sorts like it.
pub(super) fn short(key: &Key) -> &[u8] {
    match *key == Key::NONE {
        true => &[],
        false => &key.0,
    }
}

/// The key of which [`short`] was kept.
fn key_or_none(row: &SqliteRow, column: &'static str) -> Result<Key> {
    match row.try_get::<&[u8], _>(column)? {
        [] => Ok(Key::NONE),
        _ => key(row, column),
    }
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

pub(super) fn event_id(row: &SqliteRow) -> Result<EventId> {
    Ok(EventId {
        signature: Signature(bytes(row, "signature")?),
        instruction: small(row, "instruction")?,
        inner: small(row, "inner")?,
    })
}

pub(super) fn maybe_key(row: &SqliteRow, column: &'static str) -> Result<Option<Key>> {
    Ok(maybe_bytes(row, column)?.map(Key))
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

pub(super) fn entity_row(row: &SqliteRow) -> Result<EntityRow> {
    let cause = event_id(row)?;
    let state = match maybe_number(row, "state_seq")? {
        Some(seq) => {
            let cause = EventId {
                signature: maybe_signature(row, "state_signature")?.unwrap_or(cause.signature),
                instruction: small(row, "state_instruction")?,
                inner: small(row, "state_inner")?,
            };
            Some(Stated {
                seq,
                cause,
                bytes: row.try_get("state_bytes")?,
            })
        }
        None => None,
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
        cause,
        state,
        text,
    })
}

pub(super) fn entity(row: &SqliteRow) -> Result<Entity> {
    Ok(Entity {
        address: key(row, "address")?,
        row: entity_row(row)?,
    })
}

pub(super) fn keyed_entity(row: &SqliteRow) -> Result<(EntityKey, EntityRow)> {
    Ok((
        (small(row, "kind")?, key(row, "address")?),
        entity_row(row)?,
    ))
}

pub(super) fn gap(row: &SqliteRow) -> Result<Gap> {
    Ok(Gap {
        kind: small(row, "kind")?,
        address: key(row, "address")?,
        seq: number(row, "seq")?,
        seen: number(row, "seen")?,
    })
}

pub(super) fn score(row: &SqliteRow) -> Result<ScoreRow> {
    let place = ScorePlace {
        bucket: row.try_get("bucket")?,
        subject: key(row, "subject")?,
    };
    Ok((place, row.try_get("numbers")?))
}

pub(super) fn total(row: &SqliteRow) -> Result<(TotalKey, Total)> {
    let category: &str = row.try_get("category")?;
    let key = TotalKey {
        category: category
            .parse()
            .map_err(|_| IndexerError::Damaged("category"))?,
        assurance: small(row, "assurance")?,
        mint: key(row, "mint")?,
    };
    let total = Total {
        atoms: large(row, "atoms")?,
        count: number(row, "count")?,
    };
    Ok((key, total))
}

pub(super) fn step(row: &SqliteRow) -> Result<StepRow> {
    let kind = row.try_get::<Option<i64>, _>("kind")?.map(|code| {
        let kind = u8::try_from(code).ok().and_then(StepKind::from_code);
        kind.ok_or(IndexerError::Damaged("kind"))
    });
    Ok(StepRow {
        job: key(row, "job")?,
        seq: number(row, "seq")?,
        event: event_id(row)?,
        kind: kind.transpose()?,
    })
}

pub(super) fn timeline_step(row: &SqliteRow) -> Result<TimelineStep> {
    Ok(TimelineStep {
        seq: number(row, "step_seq")?,
        event: event(row)?,
    })
}

pub(super) fn party(row: &SqliteRow) -> Result<PartyRow> {
    Ok(PartyRow {
        party: key(row, "party")?,
        concern: Concern::from_code(small(row, "concern")?)
            .ok_or(IndexerError::Damaged("concern"))?,
        at: row.try_get("at")?,
        event: event_id(row)?,
    })
}

pub(super) fn dead_letter(row: &SqliteRow) -> Result<DeadLetter> {
    Ok(DeadLetter {
        id: event_id(row)?,
        slot: number(row, "slot")?,
        reason: row.try_get("reason")?,
        data: row.try_get("data")?,
    })
}

/// A settled milestone with its event.
pub(super) fn milestone(row: &SqliteRow) -> Result<Milestone> {
    let (id, settlement) = settlement(row)?;
    let data: Option<&[u8]> = row.try_get("data")?;
    Ok(Milestone {
        id,
        recorded: Recorded::of(id, settlement.slot, data),
        settlement,
    })
}

pub(super) fn settlement(row: &SqliteRow) -> Result<(EventId, Settlement)> {
    let settlement = Settlement {
        slot: number(row, "slot")?,
        at: row.try_get("at")?,
        job: key(row, "job")?,
        provider: key(row, "provider")?,
        client: key(row, "client")?,
        model: key_or_none(row, "model")?,
        mint: key(row, "mint")?,
        campaign: key_or_none(row, "campaign")?,
        assurance: small(row, "assurance")?,
        milestone: small(row, "milestone")?,
        work: number(row, "work")?,
        price_atoms: number(row, "price_atoms")?,
        fee_atoms: number(row, "fee_atoms")?,
        royalty_atoms: number(row, "royalty_atoms")?,
        provider_atoms: number(row, "provider_atoms")?,
        reward_atoms: number(row, "reward_atoms")?,
        submitted_at: row.try_get("submitted_at")?,
        score: number(row, "score")?,
    };
    Ok((event_id(row)?, settlement))
}
