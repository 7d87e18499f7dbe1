//! What the node has confirmed and not finalized, apart from everything else: in memory only, and replaced at each look. A fork that
//! drops a transaction drops it here too; what is finalized comes by the walk of [`crate::follow`] and not from here.

use {
    crate::{
        decode,
        error::Result,
        project::Event,
        source::{Ahead, Item},
        store::Store,
    },
    quern_api::{Key, Signature},
    std::{collections::HashMap, sync::Arc, time::Duration},
    tokio::sync::watch,
};

/// Transactions that are shown at most, the newest ones: finality is some 32 slots behind, and memory is bounded.
pub const MOST_TRANSACTIONS: usize = 256;

/// Longest time for a look. What it has read until then is kept for the next one.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

/// What one look found.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The confirmed slot; none before the first look, after one that failed, and where nobody looks.
    pub slot: Option<u64>,
    /// Events of transactions above the finalized slot, oldest first.
    pub events: Vec<Event>,
    /// Whether there were more than are shown.
    pub is_cut: bool,
}

impl Look {
    fn shows_as(&self, other: &Self) -> bool {
        let ids = |look: &Self| {
            let ids = look.events.iter().map(|event| (event.id, event.slot));
            ids.collect::<Vec<_>>()
        };
        self.is_cut == other.is_cut
            && self.slot.is_some() == other.slot.is_some()
            && ids(self) == ids(other)
    }
}

/// The last look, shared by who looks and the API.
#[derive(Clone, Debug)]
pub struct Provisional(watch::Sender<Arc<Look>>);

impl Default for Provisional {
    fn default() -> Self {
        Self(watch::Sender::new(Arc::default()))
    }
}

impl Provisional {
    /// The last look.
    pub fn now(&self) -> Arc<Look> {
        Arc::clone(&self.0.borrow())
    }

    /// Told of every look that shows something else than the one before.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Look>> {
        self.0.subscribe()
    }

    fn put(&self, look: Look) {
        self.0.send_if_modified(|last| {
            let is_new = !last.shows_as(&look);
            *last = Arc::new(look);
            is_new
        });
    }
}

/// Looks ahead of the follower.
pub struct Scout {
    /// The node.
    pub ahead: Arc<dyn Ahead>,
    /// What is stored is final.
    pub store: Arc<Store>,
    /// The program.
    pub program: Key,
    /// Pause between looks.
    pub every: Duration,
    /// Where looks are put.
    pub to: Provisional,
}

impl Scout {
    /// Looks until told to stop. A look that fails or takes too long shows nothing: what the one before saw may be gone.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let looking = async {
            let mut read = HashMap::new();
            loop {
                let look = match tokio::time::timeout(LONGEST_LOOK, self.look(&mut read)).await {
                    Ok(Ok(look)) => look,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "cannot look at what is not final");
                        Look::default()
                    }
                    Err(_) => {
                        tracing::debug!("a look at what is not final takes too long");
                        Look::default()
                    }
                };
                self.to.put(look);
                tokio::time::sleep(self.every).await;
            }
        };
        tokio::select! {
            () = looking => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// One look. `read` holds the events of transactions that are listed still.
    async fn look(&self, read: &mut HashMap<Signature, Vec<Event>>) -> Result<Look> {
        // Before the first walk is whole, everything would be above what is stored.
        let Some(cursor) = self.store.cursor().await? else {
            return Ok(Look::default());
        };
        let slot = self.ahead.confirmed_slot().await?;
        let (mut items, are_many) = self.ahead.confirmed(cursor.slot).await?;
        // Anybody can have failures listed for next to nothing, and so many that others are not.
        items.retain(|item| !item.failed);
        let is_cut = are_many || items.len() > MOST_TRANSACTIONS;
        items.truncate(MOST_TRANSACTIONS);
        read.retain(|signature, _| items.iter().any(|item| item.signature == *signature));
        for item in &items {
            if !read.contains_key(&item.signature)
                && let Some(events) = self.read(item).await?
            {
                read.insert(item.signature, events);
            }
        }
        let oldest_first = items.iter().rev();
        let events = oldest_first.filter_map(|item| read.get(&item.signature));
        Ok(Look {
            slot: Some(slot),
            events: events.flatten().cloned().collect(),
            is_cut,
        })
    }

    /// The events of a transaction; none where the node has dropped it meanwhile.
    async fn read(&self, item: &Item) -> Result<Option<Vec<Event>>> {
        let Some(encoded) = self.ahead.unfinal(item).await? else {
            return Ok(None);
        };
        // What cannot be read now is told of once it is final.
        let decoded = decode::transaction(&self.program, &encoded);
        Ok(Some(
            decoded.map_or_else(|_| Vec::new(), |decoded| decoded.events),
        ))
    }
}
