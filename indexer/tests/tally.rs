//! Campaigns counted again: equal to the chain on each engine and to the byte; one event removed, doubled, moved to another
//! campaign or not understood is named; any number of milestones costs a page of memory.
#![allow(clippy::unwrap_used, clippy::panic)]

#[macro_use]
mod support;

use {
    async_trait::async_trait,
    quern_api::{Key, Signature},
    quern_client::{Pubkey, quern::events::QuernEvent},
    quern_indexer::{
        Config, IndexerError,
        project::{
            Event, EventId,
            program::{Campaign, EntityKind, Entry, read},
        },
        source::{Item, Items, Range, Source, Tip},
        store::{Batch, Cursor, DeadLetter, Role, Store},
        tally::{self, Chain, Difference, EntryRow, Format, MilestoneRow, Output, Summary},
    },
    serde_json::Value,
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
    std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    support::{
        History, OnPostgres, OnSqlite, Tested, again, key, milestone_of,
        node::{self, Node},
        program,
    },
    tempfile::TempDir,
};

fn batch(events: &[Event]) -> Batch {
    let cursor = Cursor {
        slot: events.last().unwrap().slot,
        chain_time: events.last().unwrap().body.at(),
        origin: None,
    };
    Batch {
        transactions: events
            .iter()
            .map(|event| (event.id.signature, event.slot))
            .collect(),
        events: events.to_vec(),
        cursor: Some(cursor),
        ..Batch::default()
    }
}

async fn store_of<T: Tested>(folder: &TempDir, name: &str, events: &[Event]) -> Store {
    let store = T::open(folder, name).await;
    store.write(&batch(events)).await.unwrap();
    store
}

/// A node on which this history is final.
async fn chain_of(history: &History) -> Chain {
    let (_, url) = node::start(Node::of(history)).await;
    chain_at(url)
}

fn chain_at(url: String) -> Chain {
    let node = quern_indexer::node(&Config::local(url, "sqlite:unused")).unwrap();
    Chain {
        accounts: Arc::clone(&node) as _,
        source: node,
    }
}

/// What a tally writes, and the first difference.
async fn counted(
    store: &Store,
    campaign: Key,
    chain: Option<&Chain>,
    format: Format,
    has_milestones: bool,
) -> Result<(String, Option<Difference>), IndexerError> {
    let mut text = Vec::new();
    let mut out = tally::output(format, has_milestones, &mut text);
    let found = tally::tally(store, (program(), campaign), chain, &mut *out).await?;
    drop(out);
    Ok((String::from_utf8(text).unwrap(), found))
}

async fn difference(store: &Store, campaign: Key, chain: Option<&Chain>) -> Option<Difference> {
    let counted = counted(store, campaign, chain, Format::Table, false).await;
    counted.unwrap().1
}

/// A history with a campaign that is over and one that runs.
fn campaigns() -> (History, [Key; 2]) {
    let mut history = History::new(11);
    let campaigns = history.campaigns();
    (history, campaigns.map(|campaign| key(&campaign)))
}

/// The places of the milestones that scored in a campaign.
fn scored(history: &History, campaign: Key) -> Vec<usize> {
    let events = history.events.iter().enumerate();
    let scored = events.filter(|(_, event)| match &event.body {
        QuernEvent::MilestoneSettled(settled) => {
            settled.score > 0 && key(&settled.campaign) == campaign
        }
        _ => false,
    });
    scored.map(|(place, _)| place).collect()
}

async fn a_tally_equals_events_tables_and_chain<T: Tested>() {
    let (history, campaigns) = campaigns();
    let folder = TempDir::new().unwrap();
    let store = store_of::<T>(&folder, "db", &history.events).await;
    let chain = chain_of(&history).await;
    for campaign in campaigns {
        for chain in [None, Some(&chain)] {
            let (text, found) = counted(&store, campaign, chain, Format::Json, true)
                .await
                .unwrap();
            assert_eq!(found, None, "{text}");
            let json: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(json["is_chain_compared"], chain.is_some());
            adds_up(&history, campaign, &json);
        }
    }
    // Two that nobody knows.
    for unknown in [key(&history.clients[0]), Key([9; 32])] {
        let error = counted(&store, unknown, None, Format::Table, false).await;
        assert!(matches!(error, Err(IndexerError::NoCampaign(_))));
    }
}

/// Every milestone is there once with its reason, and the sums are those of the events.
fn adds_up(history: &History, campaign: Key, json: &Value) {
    let entries = json["entries"].as_array().unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let milestones: Vec<&Value> = entries
        .iter()
        .flat_map(|entry| entry["milestone_list"].as_array().into_iter().flatten())
        .collect();
    let told: Vec<_> = history
        .events
        .iter()
        .filter_map(|event| match &event.body {
            QuernEvent::MilestoneSettled(settled) if key(&settled.campaign) == campaign => {
                Some((event.id.signature.to_string(), settled.score))
            }
            _ => None,
        })
        .collect();
    assert_eq!(milestones.len(), told.len());
    for (signature, score) in &told {
        let one = milestones.iter().find(|one| one["signature"] == *signature);
        let one = one.unwrap();
        assert_eq!(number(&one["score"]), *score);
        let reason = if *score > 0 { "scored" } else { "after_end" };
        assert_eq!(one["reason"], reason);
    }
    let total: u64 = told.iter().map(|(_, score)| score).sum();
    assert_eq!(number(&json["total_score"]), total);
    assert!(total > 0 && !entries.is_empty());
    let claimed: u64 = history
        .events
        .iter()
        .filter_map(|event| match &event.body {
            QuernEvent::CampaignClaimed(claimed) if key(&claimed.campaign) == campaign => {
                Some(claimed.amount_atoms)
            }
            _ => None,
        })
        .sum();
    assert_eq!(number(&json["claimed_atoms"]), claimed);
    let shown = entries
        .iter()
        .filter_map(|entry| entry["claimed_atoms"].as_str());
    let shown: u64 = shown.map(|atoms| atoms.parse::<u64>().unwrap()).sum();
    assert_eq!(shown, claimed);
    assert!(number(&json["amount_atoms"]) <= number(&json["pot_atoms"]));
}

/// What must be named.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Removed,
    Doubled,
    Moved,
    Undecodable,
    Altered,
}

const FAULTS: [Fault; 5] = [
    Fault::Removed,
    Fault::Doubled,
    Fault::Moved,
    Fault::Undecodable,
    Fault::Altered,
];

impl Fault {
    /// A store of a history in which this happened to one event.
    async fn store<T: Tested>(
        self,
        folder: &TempDir,
        history: &History,
        place: usize,
        other: Key,
    ) -> Store {
        let mut events = history.events.clone();
        let event = events[place].clone();
        let mut letters = Vec::new();
        match self {
            Self::Removed => drop(events.remove(place)),
            Self::Doubled => events.insert(place, again(&event)),
            Self::Moved => {
                let QuernEvent::MilestoneSettled(settled) = &mut events[place].body else {
                    panic!("{event:?}");
                };
                settled.campaign = Pubkey::new_from_array(other.0);
            }
            Self::Altered => {
                let QuernEvent::MilestoneSettled(settled) = &mut events[place].body else {
                    panic!("{event:?}");
                };
                settled.fee_atoms += 100;
            }
            Self::Undecodable => {
                events.remove(place);
                letters.push(DeadLetter {
                    id: event.id,
                    slot: event.slot,
                    reason: "the bytes are no event that this version knows".to_owned(),
                    data: vec![1, 2, 3],
                });
            }
        }
        let name = format!("{self:?}-{place}");
        let store = T::open(folder, &name).await;
        let batch = Batch {
            dead_letters: letters,
            // The store walked to the end.
            cursor: batch(&history.events).cursor,
            ..batch(&events)
        };
        store.write(&batch).await.unwrap();
        store
    }
}

async fn what_happened_to_one_event_is_named<T: Tested>() {
    let (history, [over, running]) = campaigns();
    let chain = chain_of(&history).await;
    let folder = TempDir::new().unwrap();
    for (campaign, other) in [(over, running), (running, over)] {
        let places = scored(&history, campaign);
        for place in [places[0], places[places.len() / 2], *places.last().unwrap()] {
            let event = &history.events[place];
            let (job, milestone) = milestone_of(event);
            for fault in FAULTS {
                let store = fault.store::<T>(&folder, &history, place, other).await;
                let what = format!("{fault:?} at {place}");
                let found = difference(&store, campaign, Some(&chain)).await;
                let found = found.unwrap_or_else(|| panic!("{what} is not noticed"));
                assert_eq!(found.job, Some(job), "{what}: {found}");
                assert_eq!(found.milestone, Some(milestone), "{what}: {found}");
                let at = found.place.unwrap();
                assert_eq!(at.slot, event.slot, "{what}: {found}");
                let twin = again(event).id.signature;
                assert!(
                    at.signature == event.id.signature
                        || fault == Fault::Doubled && at.signature == twin,
                    "{what}: {found}"
                );
                if fault == Fault::Undecodable {
                    assert!(found.found.contains("dead letter"), "{what}: {found}");
                }
                if fault == Fault::Moved {
                    // The campaign that it was moved to does not agree either.
                    let found = difference(&store, other, Some(&chain)).await.unwrap();
                    assert_eq!((found.job, found.milestone), (Some(job), Some(milestone)));
                }
            }
        }
    }
}

/// A source that answers slowly, and counts how many transactions are asked for at a time.
struct Slow {
    source: Arc<dyn Source>,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Source for Slow {
    async fn genesis(&self) -> Result<Option<String>, IndexerError> {
        self.source.genesis().await
    }
    async fn tip(&self) -> Result<Tip, IndexerError> {
        self.source.tip().await
    }
    async fn walk(&self, range: &Range) -> Result<Items, IndexerError> {
        self.source.walk(range).await
    }
    async fn transaction(
        &self,
        item: &Item,
    ) -> Result<EncodedConfirmedTransactionWithStatusMeta, IndexerError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        // Everybody else who may ask does so meanwhile, and later ones are answered first.
        for _ in 0..item.signature.0[0] {
            tokio::task::yield_now().await;
        }
        let found = loop {
            // The node says once in a while that it has none.
            match self.source.transaction(item).await {
                Err(IndexerError::MissingTransaction { .. }) => {}
                found => break found,
            }
        };
        self.now.fetch_sub(1, Ordering::SeqCst);
        found
    }
    async fn wake(&self) {}
}

/// Transactions are fetched some at a time, and the first one of which the record has no event is named all the same.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_several_missing_events_is_named_however_they_are_answered() {
    let (history, [over, _]) = campaigns();
    let chain = chain_of(&history).await;
    let slow = Arc::new(Slow {
        source: Arc::clone(&chain.source),
        now: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
    });
    let chain = Chain {
        source: Arc::clone(&slow) as _,
        ..chain
    };
    let places = scored(&history, over);
    let missing = &places[1..places.len() - 1];
    assert!(missing.len() > 3);
    let mut events = history.events.clone();
    for place in missing.iter().rev() {
        events.remove(*place);
    }
    let folder = TempDir::new().unwrap();
    let store = store_of::<OnSqlite>(&folder, "db", &events).await;
    let found = difference(&store, over, Some(&chain)).await.unwrap();
    let (job, milestone) = milestone_of(&history.events[missing[0]]);
    assert_eq!((found.job, found.milestone), (Some(job), Some(milestone)));
    assert_eq!(slow.most.load(Ordering::SeqCst), 8);
}

async fn without_a_node_it_is_named_as_far_as_the_store_knows<T: Tested>() {
    let (history, [over, running]) = campaigns();
    let folder = TempDir::new().unwrap();
    let places = scored(&history, over);
    let place = places[places.len() / 2];
    let event = &history.events[place];
    for fault in FAULTS {
        let store = fault.store::<T>(&folder, &history, place, running).await;
        let found = difference(&store, over, None).await.unwrap();
        match fault {
            Fault::Removed => {
                // Between which two transactions it is missing.
                let neighbours = [places[places.len() / 2 - 1], places[places.len() / 2 + 1]];
                for neighbour in neighbours {
                    let signature = history.events[neighbour].id.signature.to_string();
                    assert!(found.to_string().contains(&signature), "{found}");
                }
            }
            _ => assert_eq!(found.place.unwrap().slot, event.slot, "{fault:?}: {found}"),
        }
    }
}

async fn a_row_that_is_gone_from_the_record_is_named_by_the_tables<T: Tested>() {
    let (history, [over, _]) = campaigns();
    let folder = TempDir::new().unwrap();
    let store = store_of::<T>(&folder, "db", &history.events).await;
    let event = &history.events[scored(&history, over)[1]];
    let signature = hex::encode(event.id.signature.0);
    let sql = format!(
        "DELETE FROM event WHERE tx = (SELECT id FROM tx WHERE signature = x'{signature}')"
    );
    store.close().await;
    drop(store);
    for sql in [
        sql.replace("DELETE FROM event", "UPDATE event SET data = x'0102'"),
        sql,
    ] {
        assert_eq!(T::execute(&folder, "db", &sql).await, 1);
        // PostgreSQL lets go of the one before in a moment.
        let store = T::open_as(&folder, "db", Role::Standby).await.unwrap();
        let found = difference(&store, over, None).await.unwrap();
        let (job, milestone) = milestone_of(event);
        assert_eq!((found.job, found.milestone), (Some(job), Some(milestone)));
        assert_eq!(found.place.unwrap().signature, event.id.signature);
        assert!(found.found == "none" || found.found == "bytes that are none");
        store.close().await;
    }
}

/// A store without the last milestone of the running campaign, which says that it has everything up to a slot.
async fn cut<T: Tested>(
    history: &History,
    last: usize,
    slot: Option<u64>,
    name: &str,
) -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, name).await;
    let known = batch(&history.events[..last]);
    let cursor = known.cursor.map(|cursor| Cursor {
        slot: slot.unwrap_or(cursor.slot),
        ..cursor
    });
    store.write(&Batch { cursor, ..known }).await.unwrap();
    (folder, store)
}

async fn a_missing_end_is_named<T: Tested>() {
    let (history, [_, running]) = campaigns();
    let chain = chain_of(&history).await;
    let last = *scored(&history, running).last().unwrap();
    let end = history.events.last().unwrap().slot;
    let (_folder, store) = cut::<T>(&history, last, Some(end), "db").await;
    assert_eq!(difference(&store, running, None).await, None);
    let found = difference(&store, running, Some(&chain)).await.unwrap();
    let (job, milestone) = milestone_of(&history.events[last]);
    assert_eq!((found.job, found.milestone), (Some(job), Some(milestone)));
}

/// What a store lacks that nobody keeps up is no difference, and no agreement either.
async fn a_store_that_ends_before_the_chain_is_not_compared<T: Tested>() {
    let (history, [_, running]) = campaigns();
    let chain = chain_of(&history).await;
    let last = *scored(&history, running).last().unwrap();
    let (_folder, store) = cut::<T>(&history, last, None, "db").await;
    let (text, found) = counted(&store, running, Some(&chain), Format::Json, false)
        .await
        .unwrap();
    assert_eq!(found, None, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["is_chain_compared"], false);
}

/// As local networks do: the answer names a slot at which the store is, and holds what came after it.
async fn an_answer_that_is_newer_than_it_says_is_waited_for<T: Tested>() {
    let (history, [_, running]) = campaigns();
    let last = *scored(&history, running).last().unwrap();
    let end = history.events.last().unwrap().slot;
    let (_folder, store) = cut::<T>(&history, last, None, "db").await;
    let at = store.read().await.unwrap().cursor().unwrap().slot;
    let (node, url) = node::start(Node {
        finalized: at,
        newer_slots: end - at,
        ..Node::of(&history)
    })
    .await;
    let chain = chain_at(url);
    let rest = Batch {
        cursor: batch(&history.events).cursor,
        ..batch(&history.events[last..])
    };
    // The rest comes once the node has said how new its answers may be.
    let goes_on = async {
        while !node.lock().unwrap().calls.contains(&"getSlot".to_owned()) {
            tokio::task::yield_now().await;
        }
        store.write(&rest).await.unwrap();
        std::future::pending().await
    };
    let found = tokio::select! {
        found = difference(&store, running, Some(&chain)) => found,
        never = goes_on => never,
    };
    assert_eq!(found, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_write_the_same_bytes() {
    let (history, campaigns) = campaigns();
    let folder = TempDir::new().unwrap();
    let sqlite = store_of::<OnSqlite>(&folder, "db", &history.events).await;
    let mut reversed = history.events.clone();
    reversed.reverse();
    let postgres = OnPostgres::open(&folder, "db").await;
    for some in reversed.chunks(7) {
        let batch = Batch {
            cursor: batch(&history.events).cursor,
            ..batch(some)
        };
        postgres.write(&batch).await.unwrap();
    }
    for campaign in campaigns {
        for format in [Format::Table, Format::Csv, Format::Json] {
            for milestones in [false, true] {
                let ours = counted(&sqlite, campaign, None, format, milestones).await;
                let theirs = counted(&postgres, campaign, None, format, milestones).await;
                let (ours, theirs) = (ours.unwrap(), theirs.unwrap());
                assert_eq!(ours, theirs);
                assert!(ours.0.lines().count() > 1, "{}", ours.0);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_treasury_among_the_providers_is_marked() {
    let (mut history, [over, _]) = campaigns();
    let owner = history.joined_ever(&over)[0];
    let QuernEvent::ProtocolInitialized(first) = &mut history.events[0].body else {
        panic!("histories begin otherwise");
    };
    let change = &mut first.changes[0];
    let mut protocol: quern_client::quern::state::Protocol = read(&change.after).unwrap();
    protocol.treasury_owner = owner;
    change.after = bytemuck::bytes_of(&protocol).to_vec();
    let folder = TempDir::new().unwrap();
    let store = store_of::<OnSqlite>(&folder, "db", &history.events).await;
    let (text, found) = counted(&store, over, None, Format::Table, false)
        .await
        .unwrap();
    assert_eq!(found, None);
    let marked: Vec<&str> = text
        .lines()
        .filter(|line| line.ends_with("treasury"))
        .collect();
    assert_eq!(marked.len(), 1, "{text}");
    assert!(marked[0].starts_with(&owner.to_string()));
}

/// Counts rows and keeps none.
#[derive(Default)]
struct Counter {
    milestones: u64,
    entries: u64,
    score: u64,
    summary: Option<Summary>,
}

impl Output for Counter {
    fn milestone(&mut self, row: &MilestoneRow) -> quern_indexer::Result<()> {
        self.milestones += 1;
        self.score += row.score;
        Ok(())
    }

    fn entry(&mut self, _: &EntryRow) -> quern_indexer::Result<()> {
        self.entries += 1;
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> quern_indexer::Result<()> {
        self.summary = Some(summary.clone());
        Ok(())
    }
}

/// The most memory that the process ever had, in KiB.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words = line.unwrap().split_whitespace();
    words.into_iter().nth(1).unwrap().parse().unwrap()
}

const MANY: u64 = 100_000;

/// The same milestone again: another job, one change later.
struct Copies {
    event: Event,
    campaign: Campaign,
    entry: Entry,
    score: u64,
}

impl Copies {
    fn next(&mut self, n: u64) -> Event {
        let QuernEvent::MilestoneSettled(settled) = &mut self.event.body else {
            panic!("no milestone");
        };
        settled.job = support::history::address(71, n);
        settled.changes.retain(|change| {
            change.kind == EntityKind::Campaign as u8 || change.kind == EntityKind::Entry as u8
        });
        let (campaign, entry) = (&mut self.campaign, &mut self.entry);
        campaign.seq = (campaign.seq.get() + 1).into();
        campaign.total_score = (campaign.total_score.get() + self.score).into();
        entry.seq = (entry.seq.get() + 1).into();
        entry.score = (entry.score.get() + self.score).into();
        for change in &mut settled.changes {
            let (seq, after) = match change.kind == EntityKind::Campaign as u8 {
                true => (campaign.seq, bytemuck::bytes_of(campaign)),
                false => (entry.seq, bytemuck::bytes_of(entry)),
            };
            change.seq = seq.get();
            change.after = after.to_vec();
        }
        let mut signature = [6; 64];
        signature[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        signature[8..16].copy_from_slice(&n.to_be_bytes());
        self.event.id = EventId {
            signature: Signature(signature),
            ..self.event.id
        };
        self.event.slot += n % 3;
        self.event.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_milestones_of_one_provider_cost_a_page_of_memory() {
    let mut history = History::new(3);
    history.providers.truncate(1);
    let campaign = history.begin_campaign(1_000_000);
    history.job_of_milestones(1, 1);
    let event = history.events.last().unwrap().clone();
    let QuernEvent::MilestoneSettled(settled) = &event.body else {
        panic!("the last event settles");
    };
    let after = |kind: EntityKind| {
        let mut changes = settled.changes.iter();
        let change = changes.find(|change| change.kind == kind as u8).unwrap();
        change.after.clone()
    };
    let mut copies = Copies {
        campaign: read(&after(EntityKind::Campaign)).unwrap(),
        entry: read(&after(EntityKind::Entry)).unwrap(),
        score: settled.score,
        event: event.clone(),
    };
    let folder = TempDir::new().unwrap();
    let store = store_of::<OnSqlite>(&folder, "db", &history.events).await;
    let mut n = 1;
    while n < MANY {
        let some = (MANY - n).min(2_000);
        let events: Vec<Event> = (n..n + some).map(|n| copies.next(n)).collect();
        store.write(&batch(&events)).await.unwrap();
        n += some;
    }
    let before = most_memory();
    let mut counter = Counter::default();
    let which = (program(), key(&campaign));
    let found = tally::tally(&store, which, None, &mut counter)
        .await
        .unwrap();
    let grown_kib = most_memory() - before;
    assert_eq!(found, None);
    assert_eq!((counter.milestones, counter.entries), (MANY, 1));
    let summary = counter.summary.unwrap();
    assert_eq!(summary.total_score, counter.score);
    assert_eq!(counter.score, copies.score * MANY);
    // All events together are a hundred times as large.
    assert!(grown_kib < 32 * 1_024, "{grown_kib} KiB");
}

conformance! {
    a_tally_equals_events_tables_and_chain,
    what_happened_to_one_event_is_named,
    without_a_node_it_is_named_as_far_as_the_store_knows,
    a_row_that_is_gone_from_the_record_is_named_by_the_tables,
    a_missing_end_is_named,
    a_store_that_ends_before_the_chain_is_not_compared,
    an_answer_that_is_newer_than_it_says_is_waited_for,
}
