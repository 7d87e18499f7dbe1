//! Whether the tables follow from the events. Nothing of the store is changed: what the events make goes to a store beside it.

use {
    super::{
        Role, Sqlite, Store, apply,
        digest::digest_with_windows,
        rebuild::{self, Loss, REBUILD_EVENTS},
        rows::{Meta, Queries, Rows},
        windows,
    },
    crate::{
        error::{IndexerError, Result},
        project::{Delta, Event, EventId},
    },
    quern_api::Signature,
    std::collections::BTreeMap,
    tempfile::TempDir,
};

/// What was found in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Events stored.
    pub events: u64,
    /// Things not understood.
    pub dead_letters: u64,
    /// Hash of the tables, windows included.
    pub stored: [u8; 32],
    /// Hash of the tables that the events make, windows included.
    pub rebuilt: [u8; 32],
    /// What was recorded once and is gone.
    pub loss: Option<Loss>,
    /// Accounts that miss changes.
    pub gaps: u64,
    /// What the database itself finds wrong with its files.
    pub faults: Vec<String>,
}

impl Checked {
    /// Whether the tables follow from the events.
    pub fn is_equal(&self) -> bool {
        self.stored == self.rebuilt
    }

    /// Whether nothing is wrong with the store itself. Gaps and dead letters are the history's.
    pub fn is_sound(&self) -> bool {
        self.is_equal() && self.loss.is_none() && self.faults.is_empty()
    }
}

/// Compares one state of a store with what its events make.
pub(super) async fn check(rows: &mut dyn Queries) -> Result<Checked> {
    let faults = rows.faults().await?;
    let meta = rows.meta().await?;
    let folder =
        TempDir::with_prefix("quern-indexer-").map_err(|source| IndexerError::OpenStore {
            path: std::env::temp_dir().display().to_string(),
            source,
        })?;
    let engine = Sqlite::open(&folder.path().join("check"), Role::Leader).await?;
    let beside = Store::new(engine).await?;
    let mut made = beside.engine.write().await?;
    let events = project_all(rows, &mut *made, &meta).await?;
    let checked = Checked {
        events,
        dead_letters: meta.dead_letters,
        stored: digest_with_windows(rows).await?,
        rebuilt: digest_with_windows(&mut *made).await?,
        loss: rebuild::loss(rows).await?,
        gaps: rows.holes().await?.gaps,
        faults,
    };
    drop(made);
    beside.close().await;
    Ok(checked)
}

/// Projects every event of a store into another one; says how many there were.
async fn project_all(from: &mut dyn Queries, to: &mut dyn Rows, meta: &Meta) -> Result<u64> {
    let mut made = to.meta().await?;
    let mut events = 0;
    let mut last: Option<EventId> = None;
    loop {
        let page: Vec<Event> = from.events(last.as_ref(), REBUILD_EVENTS).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.id);
        events += page.len() as u64;
        let read: BTreeMap<Signature, u64> = page
            .iter()
            .map(|event| (event.id.signature, event.slot))
            .collect();
        let read: Vec<(Signature, u64, u32)> = read
            .into_iter()
            .map(|(signature, slot)| (signature, slot, 0))
            .collect();
        to.insert_transactions(&read).await?;
        let mut delta = Delta::default();
        page.iter().for_each(|event| delta.add(event));
        apply::merge(to, delta, &made).await?;
    }
    made.cursor = meta.cursor;
    windows::advance(to, &mut made).await?;
    Ok(events)
}
