//! Making every projection again from the events.

use {
    super::{
        apply,
        digest::digest,
        rows::{Projection, Rows},
    },
    crate::{
        error::Result,
        project::{Delta, Event, EventId, program::QuernEvent},
    },
};

/// Events projected at a time: bounds the memory.
const REBUILD_EVENTS: u32 = 5_000;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events projected.
    pub events: u64,
    /// Dead letters that are understood now.
    pub revived: u64,
    /// Hash of the tables before.
    pub before: [u8; 32],
    /// Hash of the tables after.
    pub after: [u8; 32],
}

/// Drops every projection and makes it again; the caller commits.
pub(super) async fn rebuild(rows: &mut dyn Rows) -> Result<Rebuilt> {
    let before = digest(rows).await?;
    let revived = revive(rows).await?;
    for projection in Projection::ALL {
        rows.clear(projection).await?;
    }
    let mut events = 0;
    let mut last: Option<EventId> = None;
    loop {
        let page = rows.events(last.as_ref(), REBUILD_EVENTS).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.id);
        let mut delta = Delta::default();
        for event in &page {
            delta.add(event);
            events += 1;
        }
        apply::merge(rows, delta).await?;
    }
    let after = digest(rows).await?;
    Ok(Rebuilt {
        events,
        revived,
        before,
        after,
    })
}

/// Moves dead letters that this version understands to the events.
async fn revive(rows: &mut dyn Rows) -> Result<u64> {
    let mut meta = rows.meta().await?;
    let mut revived = 0;
    for letter in rows.dead_letters().await? {
        let understood = QuernEvent::decode(&letter.data).filter(|body| Event::check(body).is_ok());
        let Some(body) = understood else { continue };
        let event = Event {
            id: letter.id,
            slot: letter.slot,
            body,
        };
        revived += u64::from(rows.insert_event(&event).await?);
        rows.delete_dead_letter(&letter.id).await?;
        meta.dead_letters = meta.dead_letters.saturating_sub(1);
    }
    meta.events += revived;
    rows.put_meta(&meta).await?;
    Ok(revived)
}
