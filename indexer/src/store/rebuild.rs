//! Making every projection again from the events.

use {
    super::{
        apply,
        digest::digest_with_windows,
        rows::{DeadLetter, Meta, Projection, Queries, Rows, Tally},
        version::TABLES,
        windows,
    },
    crate::{
        error::Result,
        project::{Delta, Event, EventId, program::QuernEvent},
    },
    std::{collections::BTreeMap, fmt},
};

/// Events projected at a time: bounds the memory.
pub(super) const REBUILD_EVENTS: u32 = 5_000;

/// What a rebuild did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events projected.
    pub events: u64,
    /// Dead letters that are understood now.
    pub revived: u64,
    /// What was recorded once and is gone.
    pub loss: Option<Loss>,
    /// Hash of the tables before, windows included.
    pub before: [u8; 32],
    /// Hash of the tables after, windows included.
    pub after: [u8; 32],
}

/// What was recorded once and is gone. The next whole walk fetches it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Transactions that are not noted any more.
    pub transactions: u64,
    /// Events and dead letters that are gone.
    pub entries: u64,
    /// Transactions of which a part is gone.
    pub incomplete: u64,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events are gone from the store, {} transactions are not noted any more and {} are incomplete",
            self.entries, self.transactions, self.incomplete
        )
    }
}

/// What is missing of the record.
pub(super) async fn loss(rows: &mut dyn Queries) -> Result<Option<Loss>> {
    let (meta, found) = (rows.meta().await?, rows.tally().await?);
    let noted = meta.events + meta.dead_letters;
    let loss = Loss {
        transactions: meta.transactions.saturating_sub(found.transactions),
        entries: noted.saturating_sub(found.events + found.dead_letters),
        incomplete: found.incomplete,
    };
    let is_whole = found
        == Tally {
            transactions: meta.transactions,
            events: meta.events,
            dead_letters: meta.dead_letters,
            incomplete: 0,
        };
    Ok((!is_whole).then_some(loss))
}

/// Whether a rebuild would find more, or less, than the tables were made from.
pub(super) async fn is_due(rows: &mut dyn Rows) -> Result<bool> {
    let letters = rows.dead_letters().await?;
    Ok(letters.iter().any(|letter| read(letter).is_some()) || loss(rows).await?.is_some())
}

/// The event in a dead letter, if this version understands it.
fn read(letter: &DeadLetter) -> Option<QuernEvent> {
    QuernEvent::decode(&letter.data).filter(|body| Event::check(body).is_ok())
}

/// Makes the counts true again and has the next walk fetch what is missing.
async fn give_up(rows: &mut dyn Rows) -> Result<()> {
    rows.forget_incomplete().await?;
    let found = rows.tally().await?;
    let mut meta = rows.meta().await?;
    meta.transactions = found.transactions;
    meta.events = found.events;
    meta.dead_letters = found.dead_letters;
    meta.walk_due = true;
    rows.put_meta(&meta).await
}

/// What a replay did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Dead letters that are understood now.
    pub revived: u64,
    /// Transactions without an event, which the next walk reads again: this version may know that they owe none.
    pub unread: u64,
    /// How many are left, by the reason why.
    pub left: BTreeMap<String, u64>,
}

/// Tries every dead letter again; the caller commits.
pub(super) async fn replay(rows: &mut dyn Rows) -> Result<Replayed> {
    let mut delta = Delta::default();
    let revived = revive(rows, &mut delta).await?;
    let mut meta = rows.meta().await?;
    meta.next_change();
    apply::merge(rows, delta, &meta).await?;
    rows.put_meta(&meta).await?;
    let (mut unread, mut left) = (0, BTreeMap::new());
    for letter in rows.dead_letters().await? {
        if letter.id.is_whole() {
            rows.delete_dead_letter(&letter.id).await?;
            unread += 1;
        } else {
            *left.entry(letter.reason).or_default() += 1;
        }
    }
    if unread > 0 {
        give_up(rows).await?;
    }
    Ok(Replayed {
        revived,
        unread,
        left,
    })
}

/// Drops every projection and makes it again; the caller commits.
pub(super) async fn rebuild(rows: &mut dyn Rows) -> Result<Rebuilt> {
    let before = digest_with_windows(rows).await?;
    let loss = loss(rows).await?;
    if loss.is_some() {
        give_up(rows).await?;
    }
    // Projected with all others, once all tables are empty.
    let revived = revive(rows, &mut Delta::default()).await?;
    for projection in Projection::ALL {
        rows.clear(projection).await?;
    }
    let events = project_all(rows).await?;
    let after = digest_with_windows(rows).await?;
    Ok(Rebuilt {
        events,
        revived,
        loss,
        before,
        after,
    })
}

/// Gives the projections the form of this version and fills them; the caller commits.
pub(super) async fn upgrade(rows: &mut dyn Rows) -> Result<u64> {
    rows.remake().await?;
    let events = project_all(rows).await?;
    let meta = Meta {
        tables: TABLES,
        ..rows.meta().await?
    };
    rows.put_meta(&meta).await?;
    Ok(events)
}

/// Fills empty projections; says from how many events.
async fn project_all(rows: &mut dyn Rows) -> Result<u64> {
    let mut meta = rows.meta().await?;
    meta.remade = meta.next_change();
    meta.window_hour = None;
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
        apply::merge(rows, delta, &meta).await?;
    }
    windows::advance(rows, &mut meta).await?;
    rows.put_meta(&meta).await?;
    Ok(events)
}

/// Moves dead letters that this version understands to the events, and adds what follows from them.
async fn revive(rows: &mut dyn Rows, delta: &mut Delta) -> Result<u64> {
    let mut meta = rows.meta().await?;
    let mut revived = 0;
    for letter in rows.dead_letters().await? {
        let Some(body) = read(&letter) else { continue };
        let event = Event {
            id: letter.id,
            slot: letter.slot,
            body,
        };
        revived += apply::record(rows, &[event], delta).await?;
        rows.delete_dead_letter(&letter.id).await?;
        meta.dead_letters = meta.dead_letters.saturating_sub(1);
    }
    meta.events += revived;
    rows.put_meta(&meta).await?;
    Ok(revived)
}
