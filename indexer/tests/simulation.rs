//! Deterministic simulation by seed: nodes that fail in every way, deaths, writes that fail. After recovery the tables are those
//! of a clean run, byte for byte, and the audit finds them equal to the chain (X3, X4, X10).
//!
//! `QUERN_SIMULATION_SEED=7 cargo test -p quern-indexer --test simulation` runs one seed again, with its story.
//! `QUERN_SIMULATION_SEEDS=100000` runs more of them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_client::RpcClient,
    quern_indexer::{
        Result,
        audit::Auditor,
        follow::{Follower, Repairs},
        health::Health,
        source::{Endpoint, RpcOptions, RpcSource},
        store::{AuditRow, Store},
    },
    quern_testkit::rng::Rng,
    solana_rpc_client::rpc_client::RpcClientConfig,
    sqlx::{ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions},
    std::{
        panic::{AssertUnwindSafe, catch_unwind},
        path::Path,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::Duration,
    },
    support::{
        History, open, program,
        simulated::{Chain, Mood, Node},
    },
    tempfile::TempDir,
};

/// Seeds of an ordinary run.
const SEEDS: u64 = 1_000;
/// Histories; each seed takes one of them.
const HISTORIES: u64 = 8;
/// Walks in which everything goes wrong.
const FAULTY_WALKS: u64 = 5;
/// Walks in which everything goes right, until all must be well.
const RECOVERY_WALKS: u32 = 6;

/// What a store holds in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    digest: String,
    events: u64,
    transactions: u64,
    dead_letters: u64,
    cursor_slot: u64,
}

/// A process's life on a store.
struct Life {
    follower: Follower,
    auditor: Auditor,
}

impl Life {
    async fn begin(node: &Node, db: &Path) -> Self {
        let store = Arc::new(open(db).await);
        store.mend().await.unwrap();
        let options = RpcOptions {
            url: Endpoint::rpc("http://simulated").unwrap(),
            program: program(),
            timeout: Duration::from_secs(1),
            poll: Duration::ZERO,
            ws_url: None,
        };
        let config = RpcClientConfig::with_commitment(quern_client::CommitmentConfig::finalized());
        let client = RpcClient::new_sender(node.clone(), config);
        let health = Health::default();
        let follower = Follower {
            source: Arc::new(RpcSource::over(client, options)),
            store: Arc::clone(&store),
            program: program(),
            fetches: 4,
            health: health.clone(),
        };
        let auditor = Auditor {
            accounts: Arc::new(node.clone()),
            store,
            health,
            every: Duration::ZERO,
        };
        Self { follower, auditor }
    }

    /// What a process does over and over, once.
    async fn turn(&self) -> Result<()> {
        self.follower.walk().await?;
        // As if much time had passed since the last one.
        self.follower.repair(&mut Repairs::default()).await
    }

    /// The store, closed.
    async fn end(self) {
        self.follower.store.close().await;
    }
}

async fn outcome(store: &Store) -> Outcome {
    let mut snapshot = store.read().await.unwrap();
    let counts = snapshot.counts().await.unwrap();
    assert_eq!(counts.gaps, 0);
    assert!(
        snapshot.wholeness().is_all_read(),
        "{}",
        snapshot.wholeness()
    );
    Outcome {
        digest: hex::encode(store.digest().await.unwrap()),
        events: counts.events,
        transactions: counts.transactions,
        dead_letters: counts.dead_letters,
        cursor_slot: snapshot.cursor().unwrap().slot,
    }
}

/// A folder in memory, if there is one: no death here is a power cut, and thousands of files are written.
fn folder() -> TempDir {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .unwrap()
}

async fn clean_run(chain: Arc<Chain>) -> Outcome {
    let folder = folder();
    let node = Node::new(chain);
    let life = Life::begin(&node, &folder.path().join("db")).await;
    life.turn().await.unwrap();
    let found = outcome(&life.follower.store).await;
    assert_eq!(found.events, node.chain.events as u64);
    assert_equal(&life.auditor.audit().await);
    life.end().await;
    found
}

fn assert_equal(audit: &AuditRow) {
    assert_eq!((&audit.error, &audit.differences), (&None, &Vec::new()));
    assert!(audit.figures > 50, "{audit:?}");
}

/// Has one write fail: to which table, with how many rows in it, and whether it inserts, changes or deletes.
async fn break_a_write(db: &Path, dice: &mut Rng) -> Option<String> {
    let mut connection = connect(db).await;
    let tables = sqlx::query(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' \
         AND name NOT IN ('audit', 'difference') ORDER BY name",
    );
    let tables = tables.fetch_all(&mut connection).await.unwrap();
    let table: String = dice.pick(&tables).get("name");
    let verb = *dice.pick(&["INSERT", "INSERT", "UPDATE", "DELETE"]);
    let rows = dice.below(12);
    sqlx::raw_sql(&format!(
        "CREATE TRIGGER broken BEFORE {verb} ON {table} WHEN (SELECT COUNT(*) FROM {table}) >= {rows} \
         BEGIN SELECT RAISE(ABORT, 'the simulation fails this write'); END"
    ))
    .execute(&mut connection)
    .await
    .unwrap();
    connection.close().await.unwrap();
    Some(format!("{verb} {table} from {rows} rows on"))
}

async fn mend_writes(db: &Path) {
    let mut connection = connect(db).await;
    sqlx::raw_sql("DROP TRIGGER IF EXISTS broken")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
}

async fn connect(db: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(db);
    options
        .busy_timeout(Duration::from_secs(10))
        .connect()
        .await
        .unwrap()
}

/// What a seed met with, to see that every fault is met at all.
#[derive(Default)]
struct Story {
    failed: u64,
    died: u64,
    broken: u64,
    searched: u64,
    told: bool,
}

impl Story {
    fn tell(&self, line: impl FnOnce() -> String) {
        if self.told {
            eprintln!("{}", line());
        }
    }
}

#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn live_through(seed: u64, chain: Arc<Chain>, clean: &Outcome, story: &mut Story) {
    let mut dice = Rng::new(seed);
    let folder = folder();
    let db = folder.path().join("db");
    let node = Node::new(chain);
    let (first, last) = (node.chain.first_slot(), node.chain.last_slot());
    let mut life = Life::begin(&node, &db).await;
    let mut finalized = first;
    let mut broken = None;
    for walk in 0..FAULTY_WALKS {
        finalized = (finalized + dice.below((last - first) / 2)).min(last);
        let mood = Mood {
            seed: seed.wrapping_mul(1_000).wrapping_add(walk),
            faulty: Some(dice.between(2, 30)),
            finalized,
            deadly: dice.once_in(3).then(|| dice.between(2, 20)),
            pruned_below: if dice.once_in(4) {
                dice.between(first, last)
            } else {
                0
            },
            ..node.mood()
        };
        *node.mood.lock().unwrap() = mood;
        if dice.once_in(3) {
            broken = break_a_write(&db, &mut dice).await;
        }
        let ended = tokio::select! {
            turn = life.turn() => Some(turn),
            () = node.died.notified() => None,
        };
        story.tell(|| format!("walk {walk}: {mood:?}, writes broken: {broken:?}, {ended:?}"));
        story.failed += u64::from(matches!(ended, Some(Err(_))));
        story.died += u64::from(ended.is_none());
        if broken.take().is_some() {
            story.broken += 1;
            mend_writes(&db).await;
        }
        if ended.is_none() || dice.once_in(4) {
            // Its transaction, if one was open, is gone with it.
            life.end().await;
            life = Life::begin(&node, &db).await;
        }
    }
    *node.mood.lock().unwrap() = Mood {
        faulty: None,
        finalized: last,
        deadly: None,
        pruned_below: 0,
        ..node.mood()
    };
    for walk in 1.. {
        life.turn().await.unwrap();
        let audit = life.auditor.audit().await;
        story.tell(|| format!("recovery {walk}: {audit:?}"));
        if audit.found == 0 {
            assert_equal(&audit);
            break;
        }
        assert!(walk < RECOVERY_WALKS, "{audit:#?}");
    }
    story.searched += life.follower.health.now().back_filled;
    let store = &life.follower.store;
    let found = outcome(store).await;
    // A failed transaction, or one that told nothing, leaves no hole behind where a node leaves it out.
    let shown = |outcome: &Outcome| (outcome.digest.clone(), outcome.events, outcome.cursor_slot);
    assert_eq!(shown(&found), shown(clean));
    // The command to walk everything again finds that too.
    store.walk_again().await.unwrap();
    life.turn().await.unwrap();
    let store = &life.follower.store;
    assert_eq!(outcome(store).await, *clean);
    let rebuilt = store.rebuild().await.unwrap();
    assert_eq!((rebuilt.before, rebuilt.loss), (rebuilt.after, None));
    life.end().await;
}

fn chain(seed: u64) -> Chain {
    let mut history = History::new(seed);
    for level in [1, 2] {
        history.job(level);
    }
    // An invented emission has no purse in which rewards could wait.
    for provider in history.providers.clone() {
        history.claim(&provider);
    }
    history.cheated_job();
    Chain::of(seed, &history)
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number")),
    )
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}

#[test]
fn whatever_fails_the_tables_are_those_of_a_clean_run() {
    let clean: Vec<(Arc<Chain>, Outcome)> = (0..HISTORIES)
        .map(|history| {
            let chain = Arc::new(chain(history));
            let outcome = block_on(clean_run(Arc::clone(&chain)));
            (chain, outcome)
        })
        .collect();
    let one = number("QUERN_SIMULATION_SEED");
    let seeds = match one {
        Some(seed) => seed..seed + 1,
        None => 0..number("QUERN_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let next = AtomicU64::new(seeds.start);
    let live = || {
        let mut story = Story {
            told: one.is_some(),
            ..Story::default()
        };
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return story;
            }
            let (chain, clean) = &clean[(seed % HISTORIES) as usize];
            let lived = catch_unwind(AssertUnwindSafe(|| {
                block_on(live_through(seed, Arc::clone(chain), clean, &mut story));
            }));
            if let Err(cause) = lived {
                eprintln!("seed {seed} failed; run it again with QUERN_SIMULATION_SEED={seed}");
                std::panic::resume_unwind(cause);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let stories: Vec<Story> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(live)).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let sum = |figure: fn(&Story) -> u64| stories.iter().map(figure).sum::<u64>();
    let [failed, died, broken, searched] = [
        sum(|story| story.failed),
        sum(|story| story.died),
        sum(|story| story.broken),
        sum(|story| story.searched),
    ];
    println!(
        "{failed} walks failed, {died} deaths, {broken} broken writes, {searched} events searched for"
    );
    let enough = (seeds.end - seeds.start) / 20;
    assert!(
        one.is_some()
            || [failed, died, broken, searched]
                .iter()
                .all(|count| *count > enough),
        "{failed} walks failed, {died} deaths, {broken} broken writes, {searched} events searched for"
    );
}
