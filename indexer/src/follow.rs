//! The loop that keeps the store up with the chain. Backfill and live are the same walk.

use {
    crate::{
        decode,
        error::{IndexerError, Result},
        health::Health,
        source::{Item, Range, Source, Tip},
        store::{Batch, Cursor, Origin, Store},
    },
    futures::StreamExt,
    quern_api::{Key, Signature},
    std::{
        sync::Arc,
        time::{Duration, Instant},
    },
    tokio::sync::watch,
};

/// Slots behind the cursor that every walk covers again: nodes can list a transaction late.
pub const OVERLAP_SLOTS: u64 = 150;
/// Transactions in one database transaction.
const BATCH_TRANSACTIONS: usize = 2_048;
/// Longest time before what was read is written, for nodes that answer slowly.
const LONGEST_UNWRITTEN: Duration = Duration::from_secs(1);
/// First pause after a failed walk; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What follows what.
pub struct Follower {
    /// Where transactions come from.
    pub source: Arc<dyn Source>,
    /// Where they go.
    pub store: Arc<Store>,
    /// The program.
    pub program: Key,
    /// Transactions fetched at a time.
    pub fetches: usize,
    /// Where progress is told.
    pub health: Health,
}

impl Follower {
    /// Follows until told to stop. A failed walk holds the cursor and is tried again.
    ///
    /// # Errors
    /// Only for what another try cannot mend: a store of another network, or a damaged one.
    pub async fn run(&self, mut stop: watch::Receiver<bool>) -> Result<()> {
        tokio::select! {
            result = self.follow() => result,
            // An interrupted walk loses nothing: each write is one transaction, and the cursor moves with the last.
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        }
    }

    async fn follow(&self) -> Result<()> {
        let mut bound = false;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.turn(&mut bound).await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    self.source.wake().await;
                }
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "walk failed");
                    self.health
                        .update(|state| state.error = Some(error.to_string()));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn turn(&self, bound: &mut bool) -> Result<()> {
        if !*bound {
            let genesis = self.source.genesis().await?;
            self.store.bind(&self.program, genesis.as_deref()).await?;
            *bound = true;
        }
        self.walk().await
    }

    /// One walk from the tip back to the cursor, stored oldest first.
    ///
    /// # Errors
    /// Whatever kept it from being whole; the cursor then stands where it was.
    pub async fn walk(&self) -> Result<()> {
        let tip = self.source.tip().await?;
        let cursor = self.store.cursor().await?;
        self.health.update(|state| {
            state.tip_slot = Some(tip.slot);
            state.cursor_slot = cursor.map(|cursor| cursor.slot);
        });
        if let Some(cursor) = cursor {
            if tip.slot < cursor.slot {
                return Err(IndexerError::NodeBehind {
                    tip: tip.slot,
                    cursor: cursor.slot,
                });
            }
            if tip.slot == cursor.slot {
                self.told_whole(cursor.slot);
                return Ok(());
            }
        }
        let range = Range {
            tip,
            floor: cursor.map(|cursor| cursor.slot.saturating_sub(OVERLAP_SLOTS)),
            origin: cursor.and_then(|cursor| cursor.origin),
        };
        let items = self.source.walk(&range).await?;
        let origin = range.origin.or_else(|| {
            items.first().map(|first| Origin {
                signature: first.signature,
                slot: first.slot,
            })
        });
        self.store_items(tip, cursor, origin, items).await?;
        self.told_whole(tip.slot);
        Ok(())
    }

    fn told_whole(&self, slot: u64) {
        self.health.update(|state| {
            state.cursor_slot = Some(slot);
            state.whole_at = Some(Instant::now());
            state.error = None;
        });
    }

    async fn store_items(
        &self,
        tip: Tip,
        cursor: Option<Cursor>,
        origin: Option<Origin>,
        mut items: Vec<Item>,
    ) -> Result<()> {
        let signatures: Vec<Signature> = items.iter().map(|item| item.signature).collect();
        let known = self.store.known(&signatures).await?;
        items.retain(|item| !known.contains(&item.signature));
        let new = items.len();
        let mut latest_at = cursor.map_or(i64::MIN, |cursor| cursor.chain_time);
        let mut batch = Batch::default();
        // Fetches run side by side, bounded, and arrive in order: memory holds one batch and the fetches under way.
        let mut fetched = futures::stream::iter(items)
            .map(|item| async move { self.read(&item).await.map(|decoded| (item, decoded)) })
            .buffered(self.fetches.max(1));
        let mut written_at = Instant::now();
        let mut events = 0;
        while let Some(next) = fetched.next().await {
            let (item, decoded) = match next {
                Ok(read) => read,
                Err(error) => {
                    // What was read is kept; only the cursor stays, so the next walk has less to do.
                    self.store.write(&batch).await?;
                    return Err(error);
                }
            };
            batch.transactions.push((item.signature, item.slot));
            if let Some(decoded) = decoded {
                for letter in &decoded.dead_letters {
                    tracing::error!(signature = %item.signature, reason = letter.reason, "dead letter");
                }
                latest_at = decoded
                    .events
                    .iter()
                    .map(|event| event.body.at())
                    .fold(latest_at, i64::max);
                batch.events.extend(decoded.events);
                batch.dead_letters.extend(decoded.dead_letters);
            }
            if batch.transactions.len() >= BATCH_TRANSACTIONS
                || written_at.elapsed() > LONGEST_UNWRITTEN
            {
                events += self.store.write(&std::mem::take(&mut batch)).await?.events;
                written_at = Instant::now();
            }
        }
        let chain_time = tip.time.unwrap_or(latest_at.max(0));
        batch.cursor = Some(Cursor {
            slot: tip.slot,
            chain_time,
            origin,
        });
        events += self.store.write(&batch).await?.events;
        if new > 0 {
            tracing::info!(slot = tip.slot, transactions = new, events, "stored");
        }
        Ok(())
    }

    /// A transaction's content; none if it failed.
    async fn read(&self, item: &Item) -> Result<Option<decode::Decoded>> {
        if item.failed {
            return Ok(None);
        }
        let encoded = self.source.transaction(item).await?;
        let decoded = decode::transaction(&self.program, &encoded)?;
        if decoded.signature != item.signature {
            return Err(IndexerError::Unreadable {
                signature: item.signature.to_string(),
                reason: "the node returned another transaction".to_owned(),
            });
        }
        Ok(Some(decoded))
    }
}

/// Whether trying again is of no use.
fn is_final(error: &IndexerError) -> bool {
    matches!(
        error,
        IndexerError::WrongStore { .. }
            | IndexerError::WrongCluster { .. }
            | IndexerError::Damaged(_)
            | IndexerError::Recording { .. }
            | IndexerError::Migrate(_)
    )
}
