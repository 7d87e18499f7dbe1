//! What a batch changes: new events are projected, and their rows are merged with those that are there.

use {
    super::rows::{Cursor, DeadLetter, Meta, Rows, StepRow},
    crate::{
        error::Result,
        project::{Delta, Event},
    },
    quern_api::Signature,
};

/// What is written in one database transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Transactions that were read, with their slots.
    pub transactions: Vec<(Signature, u64)>,
    /// Their events.
    pub events: Vec<Event>,
    /// What was not understood.
    pub dead_letters: Vec<DeadLetter>,
    /// The new cursor, if this ends a whole walk.
    pub cursor: Option<Cursor>,
}

/// What a write did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events that were new.
    pub events: u64,
    /// Dead letters that were new.
    pub dead_letters: u64,
}

/// Writes everything of a batch; the caller commits.
pub(super) async fn apply(rows: &mut dyn Rows, batch: &Batch) -> Result<Written> {
    let mut meta = rows.meta().await?;
    let mut written = Written::default();
    for (signature, slot) in &batch.transactions {
        meta.transactions += u64::from(rows.insert_transaction(signature, *slot).await?);
    }
    let mut delta = Delta::default();
    for event in &batch.events {
        // Only an event that is new is projected; this is what makes duplicates harmless.
        if rows.insert_event(event).await? {
            delta.add(event);
            written.events += 1;
        }
    }
    for letter in &batch.dead_letters {
        written.dead_letters += u64::from(rows.insert_dead_letter(letter).await?);
    }
    merge(rows, delta).await?;
    meta.events += written.events;
    meta.dead_letters += written.dead_letters;
    if let Some(cursor) = &batch.cursor {
        advance(&mut meta, cursor);
    }
    rows.put_meta(&meta).await?;
    Ok(written)
}

/// Moves the cursor; it never goes back, and its origin is set once.
fn advance(meta: &mut Meta, to: &Cursor) {
    match &mut meta.cursor {
        None => meta.cursor = Some(*to),
        Some(known) if known.slot <= to.slot => {
            *known = Cursor {
                origin: known.origin.or(to.origin),
                ..*to
            };
        }
        Some(_) => {}
    }
}

/// Merges rows into the projections.
pub(super) async fn merge(rows: &mut dyn Rows, delta: Delta) -> Result<()> {
    for (key, added) in delta.entities {
        let row = match rows.entity(&key).await? {
            Some(mut known) => {
                known.merge(added);
                known
            }
            None => added,
        };
        let indexed = row.indexed(key.0);
        rows.put_entity(&key, &row, &indexed).await?;
    }
    for (key, added) in delta.scores {
        let known = rows.score(&key).await?.unwrap_or_default();
        rows.put_score(&key, known.saturating_add(added)).await?;
    }
    for (key, added) in delta.totals {
        let mut total = rows.total(&key).await?.unwrap_or_default();
        total.merge(added);
        rows.put_total(&key, &total).await?;
    }
    for (job, seq, event) in delta.steps {
        rows.insert_step(&StepRow { job, seq, event }).await?;
    }
    for (id, settlement) in delta.settlements {
        rows.insert_settlement(&id, &settlement).await?;
    }
    Ok(())
}
