//! What a batch changes: new events are projected, and their rows are merged with those that are there.

use {
    super::rows::{Cursor, DeadLetter, Meta, Rows, StepRow},
    crate::{
        error::Result,
        project::{Delta, Event},
    },
    quern_api::Signature,
    std::collections::HashMap,
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
    /// Whether that walk went back to the start.
    pub from_start: bool,
}

impl Batch {
    /// How many events and dead letters each transaction has.
    fn entries(&self) -> HashMap<Signature, u32> {
        let events = self.events.iter().map(|event| event.id.signature);
        let letters = self.dead_letters.iter().map(|letter| letter.id.signature);
        let mut entries = HashMap::new();
        for signature in events.chain(letters) {
            *entries.entry(signature).or_default() += 1;
        }
        entries
    }
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
    let entries = batch.entries();
    for (signature, slot) in &batch.transactions {
        let entries = entries.get(signature).copied().unwrap_or_default();
        let is_new = rows.insert_transaction(signature, *slot, entries).await?;
        meta.transactions += u64::from(is_new);
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
        meta.walk_due &= !batch.from_start;
    }
    rows.put_meta(&meta).await?;
    Ok(written)
}

/// Moves the cursor; it never goes back, and its origin is the oldest that was seen.
fn advance(meta: &mut Meta, to: &Cursor) {
    match &mut meta.cursor {
        None => meta.cursor = Some(*to),
        Some(known) if known.slot <= to.slot => {
            let origins = known.origin.into_iter().chain(to.origin);
            *known = Cursor {
                origin: origins.min_by_key(|origin| origin.slot),
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
    for (job, seq, event, is_submission) in delta.steps {
        let step = StepRow {
            job,
            seq,
            event,
            is_submission,
        };
        rows.insert_step(&step).await?;
    }
    for (id, settlement) in delta.settlements {
        rows.insert_settlement(&id, &settlement).await?;
    }
    Ok(())
}
