//! What a batch changes: new events are projected, and their rows are merged with those that are there.

use {
    super::{
        rows::{Cursor, DeadLetter, Meta, Rows, StepRow},
        scores, windows,
    },
    crate::{
        error::Result,
        project::{Delta, EntityKey, EntityRow, Event, EventId, Settlement, Total, TotalKey},
    },
    quern_api::Signature,
    std::collections::{BTreeMap, HashMap, HashSet},
    tokio::task::yield_now,
};

/// Events projected before the database gets its turn.
const PROJECTED_IN_TURN: usize = 32;

/// What was read of a source.
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
    /// The transactions that were read, each with its slot and how many events and dead letters it has.
    pub(super) fn read(&self) -> Vec<(Signature, u64, u32)> {
        let events = self.events.iter().map(|event| event.id);
        let letters = self.dead_letters.iter().map(|letter| letter.id);
        let mut entries = HashMap::<Signature, u32>::new();
        // A transaction that was listed twice has each of them once.
        let mut seen = HashSet::new();
        for id in events.chain(letters).filter(|id| seen.insert(*id)) {
            *entries.entry(id.signature).or_default() += 1;
        }
        let of = |signature| entries.get(signature).copied().unwrap_or_default();
        let read = self.transactions.iter();
        read.map(|(signature, slot)| (*signature, *slot, of(signature)))
            .collect()
    }
}

/// What was new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events that were new.
    pub events: u64,
    /// Dead letters that were new.
    pub dead_letters: u64,
}

/// Records the events that are new and projects them; says how many. Only an event that is new is projected: this is what makes
/// duplicates harmless.
pub(super) async fn record(
    rows: &mut dyn Rows,
    events: &[Event],
    delta: &mut Delta,
) -> Result<u64> {
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let mut seen = rows.recorded(&ids).await?;
    let new: Vec<&Event> = events
        .iter()
        .filter(|event| seen.insert(event.id))
        .collect();
    // While the database works, what follows from the events is put together.
    let project = async {
        for some in new.chunks(PROJECTED_IN_TURN) {
            for event in some {
                delta.add(event);
            }
            yield_now().await;
        }
    };
    let (inserted, ()) = tokio::join!(rows.insert_events(&new), project);
    inserted?;
    Ok(new.len() as u64)
}

/// Moves the cursor; it never goes back, and its origin is the oldest that was seen.
pub(super) fn advance(meta: &mut Meta, to: &Cursor) {
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

/// Merges rows into the projections, and into the windows that there are.
pub(super) async fn merge(rows: &mut dyn Rows, mut delta: Delta, meta: &Meta) -> Result<()> {
    if let Some(hour) = meta.window_hour {
        windows::spread(&mut delta.scores, hour);
    }
    merge_entities(rows, delta.entities).await?;
    scores::add(rows, delta.scores, meta.change).await?;
    merge_totals(rows, delta.totals).await?;
    // As they lie in the tables.
    delta.steps.sort_unstable();
    delta.steps.dedup();
    let steps = delta.steps.into_iter();
    let steps: Vec<StepRow> = steps
        .map(|(job, seq, event, kind)| StepRow {
            job,
            seq,
            event,
            kind,
        })
        .collect();
    rows.insert_steps(&steps).await?;
    let settlements: Vec<(EventId, Settlement)> = delta.settlements.into_iter().collect();
    rows.insert_settlements(&settlements).await?;
    delta.parties.sort_unstable();
    delta.parties.dedup();
    rows.insert_parties(&delta.parties).await
}

async fn merge_entities(
    rows: &mut dyn Rows,
    mut added: BTreeMap<EntityKey, EntityRow>,
) -> Result<()> {
    let keys: Vec<EntityKey> = added.keys().copied().collect();
    for (key, mut known) in rows.entities(&keys).await? {
        if let Some(row) = added.get_mut(&key) {
            std::mem::swap(row, &mut known);
            row.merge(known);
        }
    }
    let merged: Vec<(EntityKey, EntityRow)> = added.into_iter().collect();
    rows.put_entities(&merged).await
}

async fn merge_totals(rows: &mut dyn Rows, mut added: BTreeMap<TotalKey, Total>) -> Result<()> {
    let keys: Vec<TotalKey> = added.keys().copied().collect();
    for (key, known) in rows.totals(&keys).await? {
        added.entry(key).or_default().merge(known);
    }
    let merged: Vec<(TotalKey, Total)> = added.into_iter().collect();
    rows.put_totals(&merged).await
}
