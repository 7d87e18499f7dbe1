//! Measures how far an indexer is behind: a local network, an indexer with the settings of `quern-indexer run`, and a deposit four
//! times a second, all in one process. Writes docs/BENCHMARKS.md between the marks `lag`.
//!
//! The network's own finality is no part of it: time is counted from the moment at which the node says that the transaction's slot is
//! final (or confirmed) to the moment at which its event can be read.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark ends where something fails"
)]

use {
    clap::Parser,
    quern_api::{ProvisionalPage, Reply},
    quern_client::{CommitmentConfig, RpcClient, Signer, flows, rpc},
    quern_indexer::{Config, Indexer, project::EventId, store::Store},
    quern_testkit::net::World,
    std::{
        collections::HashMap,
        fmt::Write as _,
        fs,
        path::Path,
        sync::Arc,
        time::{Duration, Instant},
    },
    tokio::{sync::watch, task::JoinHandle},
};

/// Measure how far an indexer is behind the local network
#[derive(Parser)]
struct Options {
    /// Transactions that are measured
    #[arg(long, default_value_t = 240)]
    events: usize,
    /// Time between two of them
    #[arg(long, default_value_t = 250)]
    every_millis: u64,
    /// Longest pause between two looks of the indexer
    #[arg(long, default_value_t = 1_000)]
    poll_millis: u64,
    /// Pause between its looks at what is not final yet
    #[arg(long, default_value_t = 500)]
    provisional_millis: u64,
    /// Print the table and leave the document as it is
    #[arg(long)]
    print: bool,
}

/// Pause between looks of the measurement itself: so much may a figure be too large.
const LOOK: Duration = Duration::from_millis(5);
/// Longest time for all of it to arrive.
const LIMIT: Duration = Duration::from_secs(120);
/// Events read at a time.
const PAGE: u32 = 200;
const BEGIN: &str = "<!-- lag: begin -->\n";
const END: &str = "<!-- lag: end -->";

/// When something was seen first.
type Seen<K> = HashMap<K, Instant>;

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let desk = tempfile::tempdir().unwrap();
    let world = World::new().await;
    let store = format!("sqlite:{}", desk.path().join("store").display());
    let mut config = Config::local(world.net.rpc_url(), store);
    config.ws_url = Some(world.net.ws_url().to_owned());
    config.poll_millis = options.poll_millis;
    config.provisional_millis = options.provisional_millis;
    let indexer = Indexer::start(config).await.unwrap();
    let slot = world.net.slot().await.unwrap();
    assert!(indexer.wait_for_slot(slot, LIMIT).await, "no first walk");

    let (stop, stopped) = watch::channel(false);
    let commitments = [CommitmentConfig::confirmed(), CommitmentConfig::finalized()];
    let [confirmed, finalized] = commitments.map(|level| {
        tokio::spawn(slots(
            world.net.rpc_url().to_owned(),
            level,
            stopped.clone(),
        ))
    });
    let stored = tokio::spawn(stored(indexer.store(), stopped.clone()));
    let shown = tokio::spawn(shown(indexer.url(), stopped.clone()));
    let sent = load(&world, &options).await;
    let last = sent.iter().map(|(_, slot)| *slot).max().unwrap();
    assert!(
        indexer.wait_for_slot(last, LIMIT).await,
        "it does not follow"
    );
    stop.send(true).unwrap();
    let [confirmed, finalized] = [ended(confirmed).await, ended(finalized).await];
    let (stored, shown) = (ended(stored).await, ended(shown).await);
    indexer.stop().await.unwrap();

    let mut figures = Figures::default();
    for (signature, slot) in &sent {
        let at = *stored.get(signature).unwrap();
        let final_at = reached(&finalized, *slot).unwrap();
        figures.store.push(at.saturating_duration_since(final_at));
        figures
            .slots
            .push(newest(&finalized, at).saturating_sub(*slot));
        // What became final between two looks ahead was never shown as provisional.
        if let Some(at) = shown.get(signature) {
            let confirmed_at = reached(&confirmed, *slot).unwrap();
            figures
                .view
                .push(at.saturating_duration_since(confirmed_at));
        }
    }
    let table = figures.table(&options, sent.len());
    println!("{table}");
    if !options.print {
        write(&table);
    }
}

async fn ended<T>(task: JoinHandle<T>) -> T {
    task.await.unwrap()
}

/// Deposits, one after the other; the signature and slot of each.
async fn load(world: &World, options: &Options) -> Vec<(String, u64)> {
    let (client, mint) = (&world.client, &world.mint);
    let atoms = 2 * options.events as u64;
    world
        .net
        .mint_to(mint, &client.pubkey(), atoms * atoms)
        .await
        .unwrap();
    let mut every = tokio::time::interval(Duration::from_millis(options.every_millis));
    let mut sent = Vec::new();
    for number in 1..=options.events as u64 {
        every.tick().await;
        // Of different amounts, so that no two are one transaction.
        let (owner, token) = (client.pubkey(), &mint.token_program);
        let all = flows::deposit(
            world.net.rpc(),
            &owner,
            &owner,
            &mint.address,
            token,
            number,
        );
        let receipts = world.send(&all.await.unwrap(), &[client]).await;
        let receipts = receipts.into_iter();
        sent.extend(receipts.map(|receipt| (receipt.signature.to_string(), receipt.slot)));
    }
    sent
}

/// When the node said first that a slot has this commitment.
async fn slots(
    url: String,
    level: CommitmentConfig,
    stop: watch::Receiver<bool>,
) -> Vec<(u64, Instant)> {
    let node: RpcClient = rpc::connect(&url, level);
    let mut slots: Vec<(u64, Instant)> = Vec::new();
    while !*stop.borrow() {
        let slot = node.get_slot().await.unwrap();
        let now = Instant::now();
        if slots.last().is_none_or(|(last, _)| slot > *last) {
            slots.push((slot, now));
        }
        tokio::time::sleep(LOOK).await;
    }
    slots
}

/// When a slot was reached.
fn reached(slots: &[(u64, Instant)], slot: u64) -> Option<Instant> {
    let place = slots.partition_point(|(known, _)| *known < slot);
    slots.get(place).map(|(_, seen)| *seen)
}

/// The newest slot at a moment.
fn newest(slots: &[(u64, Instant)], at: Instant) -> u64 {
    let place = slots.partition_point(|(_, seen)| *seen <= at);
    place.checked_sub(1).map_or(0, |place| slots[place].0)
}

/// When each transaction's event was in the store.
async fn stored(store: Arc<Store>, stop: watch::Receiver<bool>) -> Seen<String> {
    let (mut seen, mut last): (_, Option<EventId>) = (Seen::new(), None);
    loop {
        let is_last_look = *stop.borrow();
        let mut snapshot = store.read().await.unwrap();
        let events = snapshot.events(last.as_ref(), PAGE).await.unwrap();
        drop(snapshot);
        let now = Instant::now();
        last = events.last().map(|event| event.id).or(last);
        for event in &events {
            seen.entry(event.id.signature.to_string()).or_insert(now);
        }
        if is_last_look && events.is_empty() {
            return seen;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// When each transaction's event was shown as provisional.
async fn shown(url: String, stop: watch::Receiver<bool>) -> Seen<String> {
    let client = reqwest::Client::new();
    let url = format!("{url}{}", ProvisionalPage::PATH);
    let mut seen = Seen::new();
    while !*stop.borrow() {
        let reply = client.get(&url).send().await.unwrap();
        let page: Reply<ProvisionalPage> = reply.json().await.unwrap();
        let now = Instant::now();
        for event in page.body.events {
            seen.entry(event.signature.to_string()).or_insert(now);
        }
        tokio::time::sleep(LOOK).await;
    }
    seen
}

#[derive(Default)]
struct Figures {
    /// From finality to the row.
    store: Vec<Duration>,
    /// How many slots more were final by then.
    slots: Vec<u64>,
    /// From confirmation to the provisional view.
    view: Vec<Duration>,
}

impl Figures {
    fn table(mut self, options: &Options, events: usize) -> String {
        let mut text = "| what | p50 | p99 |\n| --- | ---: | ---: |\n".to_owned();
        let mut row = |what: String, [middle, high]: [String; 2]| {
            let _ = writeln!(text, "| {what} | {middle} | {high} |");
        };
        let shown = self.view.len();
        let millis = |times: &mut Vec<Duration>| {
            let found = at(times).map(|time: Option<Duration>| time.unwrap_or_default());
            found.map(|time| format!("{} ms", time.as_millis()))
        };
        row(
            format!("from a transaction's finality to its row, of {events}"),
            millis(&mut self.store),
        );
        let slots = at(&mut self.slots).map(|slots| slots.unwrap_or_default().to_string());
        row("the same in slots of the network".to_owned(), slots);
        row(
            format!("from its confirmation to the provisional view, of {shown}"),
            millis(&mut self.view),
        );
        let every = Duration::from_millis(options.every_millis).as_secs_f64();
        let load = format!("{:.1} transactions a second", 1.0 / every);
        row("load".to_owned(), [load, String::new()]);
        let polls = [options.poll_millis, options.provisional_millis];
        let polls = polls.map(|millis| format!("{millis} ms"));
        row(
            "longest pauses between looks: final, provisional".to_owned(),
            polls,
        );
        text
    }
}

/// The middle and the hundredth highest of a hundred.
fn at<T: Ord + Copy>(values: &mut [T]) -> [Option<T>; 2] {
    values.sort_unstable();
    [50, 99].map(|share| {
        let place = (values.len() * share).div_ceil(100);
        values.get(place.saturating_sub(1)).copied()
    })
}

/// Puts the table between its marks.
fn write(table: &str) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/BENCHMARKS.md");
    let text = fs::read_to_string(&page).unwrap();
    let begin = text.find(BEGIN).map(|at| at + BEGIN.len());
    let (Some(begin), Some(end)) = (begin, text.find(END)) else {
        panic!("{} has no marks `lag`; restore it from git", page.display());
    };
    fs::write(&page, format!("{}{table}{}", &text[..begin], &text[end..])).unwrap();
}
