//! The loop that keeps the store up with the chain. Backfill and live are the same walk.

use {
    crate::{
        decode::{self, Decoded},
        error::{IndexerError, Result},
        health::Health,
        source::{Item, Items, Range, Source, Tip},
        store::{Batch, Cursor, Origin, Store, Written},
    },
    backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder},
    futures::{StreamExt, stream},
    quern_api::{Key, Signature},
    std::{collections::BTreeSet, sync::Arc, time::Duration},
    tokio::{
        sync::{mpsc, watch},
        task::JoinSet,
        time::{Instant, timeout_at},
    },
};

/// Slots behind the cursor that every walk covers again: nodes can list a transaction late.
pub const OVERLAP_SLOTS: u64 = 150;
/// Transactions in a batch.
const BATCH_TRANSACTIONS: usize = 2_048;
/// Batches that wait while the end of a write takes its time.
const BATCHES_AHEAD: usize = 6;
/// Longest time before what was read is handed on to be written, for nodes that answer slowly.
const LONGEST_UNWRITTEN: Duration = Duration::from_secs(1);
/// Longest time that a database transaction takes in batches: what it holds is not seen yet, and others that write wait.
const LONGEST_OPEN: Duration = Duration::from_secs(4);
/// Accounts with holes that are searched for at a time.
const SEARCHED_ACCOUNTS: usize = 20;
/// First pause after a failed walk; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Pause between the first two walks back to the start; doubles each time.
const FIRST_REPAIR_PAUSE: Duration = Duration::from_secs(5);
/// Longest one.
const LONGEST_REPAIR_PAUSE: Duration = Duration::from_secs(3_600);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What follows what.
#[derive(Clone)]
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
        let mut has_begun = false;
        let mut repairs = Repairs::default();
        let mut pauses = pauses(FIRST_PAUSE, LONGEST_PAUSE);
        loop {
            match self.turn(&mut has_begun, &mut repairs).await {
                Ok(()) => {
                    pauses = self::pauses(FIRST_PAUSE, LONGEST_PAUSE);
                    self.source.wake().await;
                }
                Err(error) if is_final(&error, has_begun) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "walk failed");
                    self.health.update(|state| {
                        state.is_refused = is_of_another_network(&error);
                        state.error = Some(error.to_string());
                        state.failed_walks += 1;
                    });
                    tokio::time::sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
                }
            }
        }
    }

    async fn turn(&self, has_begun: &mut bool, repairs: &mut Repairs) -> Result<()> {
        if !*has_begun {
            self.check_network().await?;
            *has_begun = true;
        }
        self.walk().await?;
        self.repair(repairs).await
    }

    /// Refuses a node of another network than the store's. One address can lead to another network later: networks are begun
    /// anew, and addresses are given to others.
    async fn check_network(&self) -> Result<()> {
        let genesis = self.source.genesis().await?;
        self.store.bind(&self.program, genesis.as_deref()).await
    }

    /// One walk from the tip back to the cursor, stored oldest first.
    ///
    /// # Errors
    /// Whatever kept it from being whole; the cursor then stands where it was.
    pub async fn walk(&self) -> Result<()> {
        let (tip, cursor) = self.tip().await?;
        if cursor.is_some_and(|cursor| cursor.slot == tip.slot) {
            self.told_whole(tip.slot);
            return Ok(());
        }
        let floor = cursor.map(|cursor| cursor.slot.saturating_sub(OVERLAP_SLOTS));
        self.walk_range(tip, cursor, floor).await
    }

    /// One walk back to the program's first transaction, for what a hole in the history left out.
    ///
    /// # Errors
    /// See [`Self::walk`].
    pub async fn walk_to_the_start(&self) -> Result<()> {
        let (tip, cursor) = self.tip().await?;
        self.walk_range(tip, cursor, None).await
    }

    /// Where a walk begins, and where the last one did.
    async fn tip(&self) -> Result<(Tip, Option<Cursor>)> {
        self.check_network().await?;
        let tip = self.source.tip().await?;
        let cursor = self.store.cursor().await?;
        self.health.update(|state| {
            state.tip_slot = Some(tip.slot);
            state.cursor_slot = cursor.map(|cursor| cursor.slot);
        });
        match cursor {
            Some(cursor) if tip.slot < cursor.slot => Err(IndexerError::NodeBehind {
                tip: tip.slot,
                cursor: cursor.slot,
            }),
            _ => Ok((tip, cursor)),
        }
    }

    async fn walk_range(&self, tip: Tip, cursor: Option<Cursor>, floor: Option<u64>) -> Result<()> {
        let range = Range {
            tip,
            floor,
            origin: cursor.and_then(|cursor| cursor.origin),
        };
        let items = self.source.walk(&range).await?;
        let oldest = items.first().map(|first| Origin {
            signature: first.signature,
            slot: first.slot,
        });
        let end = Cursor {
            slot: tip.slot,
            chain_time: cursor.map_or(i64::MIN, |cursor| cursor.chain_time),
            // Of a walk with a floor the oldest is only where it ended.
            origin: match floor {
                None => oldest.or(range.origin),
                Some(_) => range.origin.or(oldest),
            },
        };
        self.store_items(tip, end, floor.is_none(), items).await?;
        // What is written counts once readers see it.
        let shown = self.store.cursor().await?.map_or(0, |cursor| cursor.slot);
        if shown < tip.slot {
            return Err(IndexerError::NotKept {
                wanted: tip.slot,
                shown,
            });
        }
        self.told_whole(shown);
        Ok(())
    }

    /// Searches for what the history misses, ever more seldom: first by the accounts that miss changes, then by a walk back to
    /// the start.
    ///
    /// # Errors
    /// See [`Self::walk`].
    pub async fn repair(&self, repairs: &mut Repairs) -> Result<()> {
        let suspects = self.suspects().await?;
        let wholeness = self.store.read().await?.wholeness();
        if wholeness.is_all_read() && suspects.is_empty() {
            if repairs.tries > 0 {
                tracing::info!("nothing is missing from the history any more");
            }
            *repairs = Repairs::default();
            return Ok(());
        }
        if !repairs.is_due() {
            return Ok(());
        }
        repairs.try_again_later();
        self.search(&suspects).await?;
        let wholeness = self.store.read().await?.wholeness();
        if wholeness.is_all_read() {
            return Ok(());
        }
        tracing::warn!(reason = %wholeness, "the history is not whole; walking back to the start");
        self.walk_to_the_start().await?;
        let wholeness = self.store.read().await?.wholeness();
        if !wholeness.is_all_read() {
            tracing::warn!(
                reason = %wholeness,
                again_in_secs = repairs.pause.as_secs(),
                "the history is not whole still; use a node that keeps all of it"
            );
        }
        Ok(())
    }

    /// Accounts with holes, and those whose end the audit misses.
    async fn suspects(&self) -> Result<BTreeSet<Key>> {
        let gaps = self.store.read().await?.counts().await?.first_gaps;
        let mut suspects = self.health.now().suspects;
        suspects.extend(gaps.into_iter().map(|gap| gap.address));
        Ok(suspects.into_iter().take(SEARCHED_ACCOUNTS).collect())
    }

    /// Searches the node for transactions of these accounts that no walk found.
    async fn search(&self, suspects: &BTreeSet<Key>) -> Result<()> {
        for account in suspects {
            let (tip, _) = self.tip().await?;
            let mut items = self.source.walk_of(account, tip).await?;
            items.retain(|item| !item.failed && item.slot <= tip.slot);
            let items = self.unknown(Arc::new(items)).await?;
            let (send, receive) = mpsc::channel(1);
            let reading = async move {
                let read = self.read_batches(items, i64::MIN, Keep::Telling, &send);
                let (rest, _) = read.await?;
                self.hand_on(rest, &send).await
            };
            let (written, read) = tokio::join!(self.write_batches(receive), reading);
            let events = written?;
            read?;
            tracing::warn!(%account, events, "searched for the transactions of an account that misses changes");
            self.health.update(|state| {
                state.suspects.remove(account);
                state.back_filled += events;
            });
        }
        Ok(())
    }

    fn told_whole(&self, slot: u64) {
        self.health.update(|state| {
            state.cursor_slot = Some(slot);
            state.whole_at = Some(std::time::Instant::now());
            state.error = None;
            state.is_refused = false;
        });
    }

    async fn store_items(
        &self,
        tip: Tip,
        end: Cursor,
        from_start: bool,
        items: Items,
    ) -> Result<()> {
        let items = self.unknown(items).await?;
        let new = items.count();
        // Some batches are read ahead of the one that is written; a slow store holds the reading, and nothing is dropped.
        let (send, receive) = mpsc::channel(BATCHES_AHEAD);
        let follower = self.clone();
        // Dropped, it stops.
        let mut writing = JoinSet::new();
        writing.spawn(async move { follower.write_batches(receive).await });
        let read = self
            .read_batches(items, end.chain_time, Keep::All, &send)
            .await;
        let read = match read {
            Ok((mut last, latest_at)) => {
                let chain_time = tip.time.unwrap_or(latest_at.max(0));
                last.cursor = Some(Cursor { chain_time, ..end });
                last.from_start = from_start;
                self.hand_on(last, &send).await
            }
            Err(error) => Err(error),
        };
        drop(send);
        let mut events = 0;
        while let Some(written) = writing.join_next().await {
            events += written??;
        }
        read?;
        if new > 0 {
            tracing::info!(slot = tip.slot, transactions = new, events, "stored");
        }
        Ok(())
    }

    /// Those of these transactions that were not read yet; one that is listed twice is taken once, or twice if far apart, which does no
    /// harm. A walk through the whole history has millions of items: they are looked up piece by piece.
    async fn unknown(&self, items: Items) -> Result<Unknown> {
        let mut is_unknown = Vec::with_capacity(items.len());
        for piece in items.chunks(BATCH_TRANSACTIONS) {
            let signatures: Vec<Signature> = piece.iter().map(|item| item.signature).collect();
            let mut seen = self.store.known(&signatures).await?;
            is_unknown.extend(signatures.iter().map(|signature| seen.insert(*signature)));
        }
        Ok(Unknown { items, is_unknown })
    }

    /// Reads these transactions and sends them on in full batches; gives back the rest and the latest time in any of them.
    async fn read_batches(
        &self,
        items: Unknown,
        mut latest_at: i64,
        keep: Keep,
        batches: &mpsc::Sender<Batch>,
    ) -> Result<(Batch, i64)> {
        let mut batch = Batch::default();
        // Fetches run side by side, bounded, and arrive in order: memory holds a few batches and the fetches under way.
        // One task decodes them all: it is faster than the writer, which has the other cores.
        let mut fetched = stream::iter(items.into_items())
            .map(|item| read(&*self.source, &self.program, item))
            .buffered(self.fetches.max(1));
        let mut sent_at = Instant::now();
        while let Some(next) = fetched.next().await {
            let (item, decoded) = match next {
                Ok(read) => read,
                Err(error) => {
                    // What was read is kept; only the cursor stays, so the next walk has less to do.
                    self.hand_on(batch, batches).await?;
                    return Err(error);
                }
            };
            if keep == Keep::Telling && decoded.as_ref().is_none_or(Decoded::is_empty) {
                continue;
            }
            latest_at = latest_at.max(self.add(&mut batch, &item, decoded));
            let is_full = batch.transactions.len() >= BATCH_TRANSACTIONS;
            if is_full || sent_at.elapsed() > LONGEST_UNWRITTEN {
                if !self.hand_on(std::mem::take(&mut batch), batches).await? {
                    break;
                }
                sent_at = Instant::now();
            }
        }
        Ok((batch, latest_at))
    }

    /// Writes batches as they come; says how many events were new.
    async fn write_batches(&self, mut batches: mpsc::Receiver<Batch>) -> Result<u64> {
        let mut events = 0;
        while let Some(first) = batches.recv().await {
            events += self.write_some(&first, &mut batches).await?.events;
        }
        Ok(events)
    }

    /// Writes a batch and those that come soon after it.
    async fn write_some(
        &self,
        first: &Batch,
        batches: &mut mpsc::Receiver<Batch>,
    ) -> Result<Written> {
        let until = Instant::now() + LONGEST_OPEN;
        let mut writing = self.store.begin().await?.add(first).await?;
        while !writing.is_full() && Instant::now() < until {
            let Ok(Some(batch)) = timeout_at(until, batches.recv()).await else {
                break;
            };
            writing = writing.add(&batch).await?;
        }
        writing.finish().await
    }

    /// Hands a batch on to be written, once more sure that it came from a node of this network: others wait for the end of a write,
    /// so that none may wait for a node. Says whether somebody took it; if not, the writer failed and tells why.
    async fn hand_on(&self, batch: Batch, batches: &mpsc::Sender<Batch>) -> Result<bool> {
        if !batch.transactions.is_empty() {
            self.check_network().await?;
        }
        Ok(batches.send(batch).await.is_ok())
    }

    /// Adds a transaction to a batch; gives back the latest time in it.
    fn add(&self, batch: &mut Batch, item: &Item, decoded: Option<Decoded>) -> i64 {
        batch.transactions.push((item.signature, item.slot));
        let Some(decoded) = decoded else {
            return i64::MIN;
        };
        for letter in &decoded.dead_letters {
            tracing::error!(signature = %item.signature, reason = letter.reason, "dead letter");
        }
        if decoded.is_silent() {
            self.health.update(|state| state.silent_calls += 1);
        }
        let times = decoded.events.iter().map(|event| event.body.at());
        let latest_at = times.fold(i64::MIN, i64::max);
        batch.events.extend(decoded.events);
        batch.dead_letters.extend(decoded.dead_letters);
        latest_at
    }
}

/// Those of a list that were not read yet. The list stays as it is, and nobody copies it.
struct Unknown {
    items: Items,
    /// Of each.
    is_unknown: Vec<bool>,
}

impl Unknown {
    fn count(&self) -> usize {
        self.is_unknown.iter().filter(|is| **is).count()
    }

    fn into_items(self) -> impl Iterator<Item = Item> {
        let Self { items, is_unknown } = self;
        let wanted = is_unknown.into_iter().enumerate().filter(|(_, is)| *is);
        wanted.filter_map(move |(at, _)| items.get(at).copied())
    }
}

/// A transaction that was listed, and its content; none if it failed.
type Fetched = (Item, Option<Decoded>);

/// A transaction with its content; none if it failed.
async fn read(source: &dyn Source, program: &Key, item: Item) -> Result<Fetched> {
    if item.failed {
        return Ok((item, None));
    }
    let encoded = source.transaction(&item).await?;
    let decoded = decode::transaction(program, &encoded)?;
    if decoded.signature != item.signature {
        return Err(IndexerError::Unreadable {
            signature: item.signature.to_string(),
            reason: "the node returned another transaction".to_owned(),
        });
    }
    Ok((item, Some(decoded)))
}

/// Which transactions are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keep {
    All,
    /// Those with events or dead letters: others only mention an account.
    Telling,
}

/// Pauses that double, up to a longest one; without jitter, for a follower is alone with its node.
fn pauses(first: Duration, longest: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(first)
        .with_max_delay(longest)
        .without_max_times()
        .build()
}

/// Searches for what the history misses: one as soon as a hole is found, further ones ever more seldom, for they cost the node a
/// whole listing.
#[derive(Debug)]
pub struct Repairs {
    tries: u32,
    pauses: ExponentialBackoff,
    pause: Duration,
    due_at: Instant,
}

impl Default for Repairs {
    fn default() -> Self {
        Self {
            tries: 0,
            pauses: pauses(FIRST_REPAIR_PAUSE, LONGEST_REPAIR_PAUSE),
            pause: Duration::ZERO,
            due_at: Instant::now(),
        }
    }
}

impl Repairs {
    fn is_due(&self) -> bool {
        Instant::now() >= self.due_at
    }

    fn try_again_later(&mut self) {
        self.tries += 1;
        self.pause = self.pauses.next().unwrap_or(LONGEST_REPAIR_PAUSE);
        self.due_at = Instant::now() + self.pause;
    }
}

fn is_of_another_network(error: &IndexerError) -> bool {
    matches!(
        error,
        IndexerError::WrongStore { .. } | IndexerError::WrongCluster { .. }
    )
}

/// Whether trying again is of no use. A wrong network at the start is a wrong setting; one that appears later may go again.
fn is_final(error: &IndexerError, has_begun: bool) -> bool {
    match error {
        IndexerError::Damaged(_)
        | IndexerError::Recording { .. }
        | IndexerError::Migrate(_)
        | IndexerError::NewerStore => true,
        other => !has_begun && is_of_another_network(other),
    }
}
