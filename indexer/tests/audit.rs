//! The comparison with the chain: equal where it is, and otherwise it says what differs; a missing end is found and searched for.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_api::{AuditCheck, AuditVerdict, Key, Metric, Window},
    quern_client::RpcClient,
    quern_indexer::{
        audit::Auditor,
        follow::{Follower, Repairs},
        health::Health,
        project::{Measure, Subject, program::EntityKind},
        source::{Endpoint, RpcOptions, RpcSource},
        store::{AuditRow, DIFFERENCES_KEPT, Store},
        view,
    },
    solana_rpc_client::rpc_client::RpcClientConfig,
    sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions},
    std::{
        io,
        path::PathBuf,
        sync::{Arc, Mutex},
        time::{Duration, Instant},
    },
    support::{
        History, key, open, program,
        simulated::{Chain, Node, SLOT_STRETCH},
    },
    tempfile::TempDir,
    tokio::sync::watch,
};

struct World {
    folder: TempDir,
    node: Node,
    follower: Follower,
    auditor: Auditor,
}

impl World {
    /// A follower of this history that has walked nothing yet.
    async fn of(history: &History) -> Self {
        let folder = TempDir::new().unwrap();
        let node = Node::new(Arc::new(Chain::of(1, history)));
        let store = Arc::new(open(&folder.path().join("db")).await);
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
        Self {
            follower: Follower {
                source: Arc::new(RpcSource::over(client, options)),
                store: Arc::clone(&store),
                program: program(),
                fetches: 4,
                health: health.clone(),
            },
            auditor: Auditor {
                accounts: Arc::new(node.clone()),
                store,
                health,
                every: Duration::ZERO,
            },
            folder,
            node,
        }
    }

    async fn followed() -> Self {
        let world = Self::of(&lived()).await;
        world.follower.walk().await.unwrap();
        world
    }

    fn db(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    fn store(&self) -> &Store {
        &self.follower.store
    }

    /// An audit during which the chain goes on by so many slots each time that the node says how new its answers may be, and the
    /// follower with it.
    async fn audit_meanwhile(&self, slots: u64) -> AuditRow {
        let goes_on = async {
            loop {
                self.node.asked_newest.notified().await;
                self.node.mood.lock().unwrap().finalized += slots;
                self.follower.walk().await.unwrap();
            }
        };
        tokio::select! {
            audit = self.auditor.audit() => audit,
            never = goes_on => never,
        }
    }

    /// Changes rows behind the indexer's back.
    async fn tamper(&self, sql: &str) {
        let options = SqliteConnectOptions::new().filename(self.db());
        let mut connection = options.connect().await.unwrap();
        let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        assert!(done.rows_affected() > 0, "{sql} changed nothing");
        connection.close().await.unwrap();
    }
}

/// Jobs that ended, one that lives, and every reward claimed.
fn lived() -> History {
    let mut history = History::lived(5, 6);
    history.model = History::model_address();
    for n in 0..4 {
        history.job(1 + n % 2);
    }
    for provider in history.providers.clone() {
        history.claim(&provider);
    }
    history.open_job();
    history
}

/// Sets bytes of every live account of a kind.
fn set(kind: EntityKind, offset: usize, value: &str) -> String {
    format!(
        "UPDATE entity SET state_bytes = CAST(substr(state_bytes, 1, {offset}) AS BLOB) || {value} \
         || CAST(substr(state_bytes, {offset} + 1 + length({value})) AS BLOB) WHERE kind = {} AND NOT closed",
        kind as u8
    )
}

fn set_reserved() -> String {
    let offset = std::mem::offset_of!(quern_client::quern::state::Purse, reserved_atoms);
    set(EntityKind::Purse, offset, "x'0700000000000000'")
}

/// What differs, in short.
fn named(audit: &AuditRow) -> Vec<(AuditCheck, &str)> {
    let differences = audit.differences.iter();
    differences
        .map(|one| (one.check, one.figure.as_str()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_equal_is_said_to_be_with_the_slot_of_the_answer() {
    let world = World::followed().await;
    let audit = world.auditor.audit().await;
    assert_eq!((named(&audit), &audit.error), (vec![], &None));
    assert_eq!(
        (audit.slot, audit.unsettled),
        (world.node.chain.last_slot(), 0)
    );
    assert!(audit.figures > 60, "{audit:?}");
    // It is kept, and survives a restart.
    world.store().put_audit(&audit).await.unwrap();
    world.store().close().await;
    let db = world.db();
    drop((world.follower, world.auditor));
    let store = open(&db).await;
    assert_eq!(
        store.read().await.unwrap().audit().await.unwrap(),
        Some(audit)
    );
}

/// What a wrong total makes of leaderboards, too.
const OF_REWARDS: [(AuditCheck, &str); 3] = [
    (
        AuditCheck::Rewards,
        "grants, and claims and what is outstanding",
    ),
    (
        AuditCheck::Counters,
        "rewards of the network, refereed, all: the total and the sum",
    ),
    (
        AuditCheck::Counters,
        "rewards of the network, reviewed, all: the total and the sum",
    ),
];
const OF_EARNINGS: [(AuditCheck, &str); 5] = [
    (AuditCheck::Parts, "escrows and what became of them"),
    (
        AuditCheck::Counters,
        "earned of the network, refereed, all: the total and the sum",
    ),
    (
        AuditCheck::Counters,
        "earned of the network, reviewed, all: the total and the sum",
    ),
    (
        AuditCheck::Counters,
        "spend of the network, refereed, all: the total and the sum",
    ),
    (
        AuditCheck::Counters,
        "spend of the network, reviewed, all: the total and the sum",
    ),
];

/// P1 to P5: each figure that is changed is named, by its own comparison and by those that follow from it.
#[tokio::test(flavor = "multi_thread")]
async fn each_tampered_figure_is_named() {
    use AuditCheck::*;
    const FF: &str = "x'00000000000000000000000000000007'";
    let purse = set_reserved();
    let cap = std::mem::offset_of!(quern_client::quern::state::Emission, spent_atoms);
    let emission = set(EntityKind::Emission, cap, "x'0700000000000000'");
    let settled = std::mem::offset_of!(quern_client::quern::state::Provider, settled);
    let provider = set(EntityKind::Provider, settled, "x'0700000000000000'");
    let total =
        |category: &str| format!("UPDATE total SET atoms = {FF} WHERE category = '{category}'");
    let cases: [(String, &[(AuditCheck, &str)]); 8] = [
        (
            purse,
            &[
                (Accounts, "reserved_atoms"),
                (Vaults, "total_atoms and the sum of its purses"),
                (Reservations, "reserved_atoms and what they stand behind"),
            ],
        ),
        (
            emission,
            &[
                (Accounts, "spent_atoms"),
                (Rewards, "spent_atoms within cap_atoms"),
            ],
        ),
        (provider, &[(Accounts, "settled"), (Counters, "settled")]),
        (
            total("deposited"),
            &[(Deposits, "total_atoms and deposits less withdrawals")],
        ),
        (total("rewards"), &OF_REWARDS),
        (total("settled"), &[(Parts, "the sum of paid prices")]),
        (total("earnings"), &OF_EARNINGS),
        (
            "UPDATE settlement SET fee_atoms = x'0000000000000007'".to_owned(),
            &[(Parts, "the price and its parts")],
        ),
    ];
    for (sql, expected) in cases {
        let world = World::followed().await;
        world.tamper(&sql).await;
        let audit = world.auditor.audit().await;
        let mut found = named(&audit);
        found.dedup();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, expected, "{sql}: {audit:#?}");
        assert_eq!(audit.error, None);
        // Nothing is mended, and nothing is searched for: the counters are right.
        assert!(world.auditor.health.now().suspects.is_empty());
        let again = world.auditor.audit().await;
        assert_eq!(again.differences, audit.differences);
    }
}

/// A refereed number of somebody, as rows of numbers have it behind their others: the last one of a kind counts.
fn number(window: Window, subject: Subject, metric: Metric, value: u64) -> String {
    let mint = metric.is_money().then(|| key(&History::new(1).mints[0]));
    let mint = mint.map_or("00".to_owned(), |mint| format!("01{}", hex::encode(mint.0)));
    let code = Measure { subject, metric }.code();
    let level = u8::from(!metric.is_of_clients_alone() && metric != Metric::Claims);
    let number = [window as u8, code, level, 8];
    let number = [&number[..], &value.to_be_bytes()].concat();
    format!("x'{mint}0001{}'", hex::encode(number))
}

/// Changes a number of somebody's sums.
fn set_number(subject: Key, number: &str) -> String {
    format!(
        "UPDATE score SET numbers = CAST(numbers || {number} AS BLOB) WHERE bucket = {} AND subject = x'{}'",
        i64::MIN,
        hex::encode(subject.0)
    )
}

/// Makes a row of sums for somebody of whom no event tells.
fn invent(number: &str) -> String {
    let (all_time, nobody) = (i64::MIN, "77".repeat(32));
    format!(
        "INSERT INTO score (bucket, subject, numbers, change) VALUES ({all_time}, x'{nobody}', {number}, 1)"
    )
}

const LARGE: u64 = 1_000_000_000_000_000_000;

/// Each of these changes is named by these figures and no others.
async fn are_named(cases: &[(String, &[&str])]) {
    let history = lived();
    for (sql, expected) in cases {
        let world = World::of(&history).await;
        world.follower.walk().await.unwrap();
        world.tamper(sql).await;
        let audit = world.auditor.audit().await;
        let mut found = named(&audit);
        found.sort_unstable();
        let expected: Vec<_> = expected
            .iter()
            .map(|figure| (AuditCheck::Counters, *figure))
            .collect();
        assert_eq!(
            (found, &audit.error),
            (expected, &None),
            "{sql}: {audit:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tampered_number_is_named() {
    use {Metric::*, Subject::*};
    let provider = key(&lived().providers[0]);
    let earned = |window| set_number(provider, &number(window, Provider, Earned, LARGE));
    let last_hour = format!(
        "UPDATE score SET numbers = CAST(numbers || {} AS BLOB) WHERE subject = zeroblob(32) \
         AND bucket = (SELECT max(bucket) FROM score WHERE subject = zeroblob(32))",
        number(Window::All, Network, Work, LARGE)
    );
    are_named(&[
        (
            earned(Window::All),
            &[
                "earned of providers, refereed, all: the hours and the sum",
                "earned of providers, refereed, all: the network's and their sum",
            ],
        ),
        (
            earned(Window::Week),
            &[
                "earned of providers, refereed, 7d: the hours and the sum",
                "earned of providers, refereed, 7d: the network's and their sum",
            ],
        ),
        (
            set_number(Key::NONE, &number(Window::All, Network, Spend, 1)),
            &[
                "spend of clients, refereed, all: the network's and their sum",
                "spend of the network, refereed, all: the hours and the sum",
                "spend of the network, refereed, all: the total and the sum",
            ],
        ),
        (
            last_hour,
            &[
                "work of the network, refereed, 24h: the hours and the sum",
                "work of the network, refereed, 30d: the hours and the sum",
                "work of the network, refereed, 7d: the hours and the sum",
                "work of the network, refereed, all: the hours and the sum",
            ],
        ),
    ])
    .await;
}

/// Neither does anybody get onto a leaderboard of whom no event tells.
#[tokio::test(flavor = "multi_thread")]
async fn each_invented_row_of_numbers_is_named() {
    use {Metric::*, Subject::*};
    are_named(&[
        (
            invent(&number(Window::All, Provider, Earned, LARGE)),
            &[
                "earned of providers, refereed, all: the hours and the sum",
                "earned of providers, refereed, all: the network's and their sum",
                "numbers of a provider",
            ],
        ),
        (
            invent(&number(Window::Month, Provider, Milestones, LARGE)),
            &[
                "milestones of providers, refereed, 30d: the hours and the sum",
                "milestones of providers, refereed, 30d: the network's and their sum",
                "numbers of a provider",
            ],
        ),
        (
            invent(&number(Window::All, Model, Royalties, LARGE)),
            &[
                "royalties of models, refereed, all: the hours and the sum",
                "royalties of models, refereed, all: the paid milestones and the sum",
            ],
        ),
        (
            invent(&number(Window::Day, Client, Fees, LARGE)),
            &[
                "fees of clients, refereed, 24h: the hours and the sum",
                "fees of clients, refereed, 24h: the network's and their sum",
            ],
        ),
        (
            invent(&number(Window::All, Client, Escrowed, LARGE)),
            &["escrowed of clients, no level, all: the total and the sum"],
        ),
    ])
    .await;
}

/// P18, and P2 of a pot: a score, an entry, a claim or a pot that is changed in the tables is told as its campaign's.
#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_that_does_not_add_up_is_told() {
    use AuditCheck::Campaigns;
    let total = "total_score and the scores of its milestones";
    let entries = "total_score and the scores of its entries";
    let pots = "pots and what became of them";
    let seven = "x'0000000000000007'";
    let entry = std::mem::offset_of!(quern_client::quern::state::Entry, score);
    let campaign = std::mem::offset_of!(quern_client::quern::state::Campaign, claimed_atoms);
    for (sql, figure) in [
        (
            format!("UPDATE settlement SET score = {seven} WHERE campaign <> x''"),
            total,
        ),
        (set(EntityKind::Entry, entry, "x'0700000000000000'"), entries),
        (
            set(EntityKind::Campaign, campaign, "x'ffffffffffffff00'"),
            "claimed_atoms within pot_atoms",
        ),
        (
            "UPDATE total SET atoms = x'00000000000000000000000000000007' WHERE category = 'campaign_claims'"
                .to_owned(),
            pots,
        ),
    ] {
        let world = World::followed().await;
        world.tamper(&sql).await;
        let audit = world.auditor.audit().await;
        assert!(
            named(&audit).contains(&(Campaigns, figure)),
            "{sql}: {audit:#?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_end_is_found_told_and_searched_for() {
    let world = World::of(&lived()).await;
    // The node leaves out the last transaction; a later walk does not look that far back.
    let last = world.node.chain.last_slot();
    {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.left_out, mood.finalized) = (Some(last), last + 1_000);
    }
    world.follower.walk().await.unwrap();
    {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.left_out, mood.finalized) = (None, last + 2_000);
    }
    world.follower.walk().await.unwrap();
    let mut snapshot = world.store().read().await.unwrap();
    assert!(snapshot.wholeness().is_all_read(), "no hole shows");
    assert!((snapshot.counts().await.unwrap().events as usize) < world.node.chain.events);
    drop(snapshot);

    let audit = world.auditor.audit().await;
    let by_accounts: Vec<_> = audit
        .differences
        .iter()
        .filter(|one| one.check == AuditCheck::Accounts)
        .collect();
    assert!(
        !by_accounts.is_empty() && by_accounts.iter().all(|one| one.figure == "seq"),
        "{audit:#?}"
    );
    assert!(!world.auditor.health.now().suspects.is_empty());

    world
        .follower
        .repair(&mut Repairs::default())
        .await
        .unwrap();
    let state = world.auditor.health.now();
    assert!(
        state.suspects.is_empty() && state.back_filled > 0,
        "{state:?}"
    );
    assert_eq!(
        world
            .store()
            .read()
            .await
            .unwrap()
            .counts()
            .await
            .unwrap()
            .events as usize,
        world.node.chain.events
    );
    assert_eq!(named(&world.auditor.audit().await), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_middle_is_filled_by_searching_for_its_account_alone() {
    let world = World::of(&lived()).await;
    let middle = world.node.chain.middle_slot();
    world.node.mood.lock().unwrap().left_out = Some(middle);
    world.follower.walk().await.unwrap();
    assert!(!world.store().read().await.unwrap().wholeness().is_whole());
    // The list of the whole program leaves it out still, that of an account does not.
    world.node.mood.lock().unwrap().left_out_of_accounts = false;
    world
        .follower
        .repair(&mut Repairs::default())
        .await
        .unwrap();
    assert!(
        world
            .store()
            .read()
            .await
            .unwrap()
            .wholeness()
            .is_all_read()
    );
    assert!(world.auditor.health.now().back_filled > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_on_one_side_only_are_told() {
    let world = World::followed().await;
    let job = EntityKind::Job as u8;
    world
        .tamper(&format!(
            "DELETE FROM entity WHERE kind = {job} AND NOT closed"
        ))
        .await;
    let one = format!("SELECT address FROM entity WHERE kind = {job} AND closed LIMIT 1");
    world
        .tamper(&format!(
            "UPDATE entity SET closed = 0 WHERE address = ({one})"
        ))
        .await;
    let audit = world.auditor.audit().await;
    let of_jobs: Vec<_> = audit
        .differences
        .iter()
        .filter(|one| one.check == AuditCheck::Accounts)
        .map(|one| (one.kind, one.expected.as_str(), one.found.as_str()))
        .collect();
    assert_eq!(of_jobs.len(), 2, "{audit:#?}");
    assert!(
        of_jobs.iter().any(|one| one.1 == "no such account"),
        "{of_jobs:?}"
    );
    assert!(
        of_jobs.iter().any(|one| one.2 == "no such account"),
        "{of_jobs:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_is_no_difference() {
    let world = World::followed().await;
    // The node's answers are older than the store.
    world.node.mood.lock().unwrap().finalized = world.node.chain.middle_slot();
    let audit = world.auditor.audit().await;
    assert!(audit.unsettled > 0, "{audit:?}");
    assert_eq!((named(&audit), &audit.error), (vec![], &None));
    // Nobody is told that everything is equal.
    let verdict = view::audit(Some(audit)).verdict;
    assert_eq!(verdict, AuditVerdict::Unsettled);
}

/// What is logged while this runs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log is that of one thread.
#[tokio::test]
async fn an_unsettled_audit_is_not_said_to_be_equal() {
    let world = World::followed().await;
    let (middle, last) = (world.node.chain.middle_slot(), world.node.chain.last_slot());
    let whole_at = Some(Instant::now());
    world
        .auditor
        .health
        .update(|state| state.whole_at = whole_at);
    for (finalized, verdict) in [
        (middle, AuditVerdict::Unsettled),
        (last, AuditVerdict::Equal),
    ] {
        world.node.mood.lock().unwrap().finalized = finalized;
        world.store().put_audit(&AuditRow::default()).await.unwrap();
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        let logging = tracing::subscriber::set_default(subscriber);
        let (_keeps, stop) = watch::channel(false);
        let found = async {
            loop {
                let kept = world.store().read().await.unwrap().audit().await.unwrap();
                match kept {
                    Some(audit) if audit.at > 0 => return audit,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let audit = tokio::select! {
            audit = found => audit,
            () = world.auditor.run(stop) => panic!("nobody stopped it"),
        };
        drop(logging);
        assert_eq!(view::audit(Some(audit)).verdict, verdict);
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let is_equal = verdict == AuditVerdict::Equal;
        let said = ["found everything equal", "could not compare what changed"];
        assert_eq!(
            said.map(|said| log.contains(said)),
            [is_equal, !is_equal],
            "{log}"
        );
    }
}

/// As local networks do: the answer names the finalized slot and holds what came after it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_newer_than_it_says_is_no_difference() {
    let world = World::of(&lived()).await;
    let (middle, last) = (world.node.chain.middle_slot(), world.node.chain.last_slot());
    let set = |finalized: u64| {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.finalized, mood.newer_slots) = (finalized, last - finalized);
    };
    set(middle);
    world.follower.walk().await.unwrap();
    // Time goes on once the node has said how new its answers may be.
    let goes_on = async {
        world.node.asked_newest.notified().await;
        set(last);
        world.follower.walk().await.unwrap();
        std::future::pending::<AuditRow>().await
    };
    let audit = tokio::select! {
        audit = world.auditor.audit() => audit,
        never = goes_on => never,
    };
    assert_eq!((named(&audit), &audit.error), (vec![], &None));
    assert_eq!(audit.slot, middle);
    let cursor = world.store().read().await.unwrap().cursor();
    assert_eq!(
        cursor.map(|cursor| cursor.slot),
        Some(last),
        "it waited for what the answers held"
    );
}

/// Neither does a real difference hide behind such answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_row_is_told_by_a_node_that_answers_newer_than_it_says() {
    let world = World::followed().await;
    world.tamper(&set_reserved()).await;
    let last = world.node.chain.last_slot();
    {
        let mut mood = world.node.mood.lock().unwrap();
        (mood.finalized, mood.newer_slots) = (last + 10, 32);
    }
    world.follower.walk().await.unwrap();
    let audit = world.audit_meanwhile(32).await;
    let found = named(&audit);
    assert!(
        found.contains(&(AuditCheck::Accounts, "reserved_atoms")),
        "{audit:#?}"
    );
    assert_eq!(audit.error, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_holds_too_little_is_told() {
    let world = World::followed().await;
    world.node.mood.lock().unwrap().stolen_atoms = 1;
    let audit = world.auditor.audit().await;
    assert_eq!(named(&audit), [(AuditCheck::Vaults, "the vault")]);
    // A gift disturbs nothing.
    world.node.mood.lock().unwrap().stolen_atoms = -5;
    assert_eq!(named(&world.auditor.audit().await), []);
}

/// Somebody deposits and withdraws in every slot, so that the total never rests while the node answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_holds_too_little_is_told_however_often_its_total_changes() {
    // Among so many slots there is always one with a deposit or a withdrawal.
    const NEWER_SLOTS: u64 = 3 * SLOT_STRETCH;
    let mut history = lived();
    let owner = history.clients[0];
    history.deposit(&owner, 1_000_000);
    for _ in 0..600 {
        history.deposit(&owner, 1);
        history.withdraw(&owner, 1);
    }
    for (stolen_atoms, found) in [
        (0, vec![]),
        (1_000, vec![(AuditCheck::Vaults, "the vault")]),
    ] {
        let world = World::of(&history).await;
        {
            let mut mood = world.node.mood.lock().unwrap();
            mood.stolen_atoms = stolen_atoms;
            (mood.finalized, mood.newer_slots) = (world.node.chain.middle_slot(), NEWER_SLOTS);
        }
        world.follower.walk().await.unwrap();
        let audit = world.audit_meanwhile(NEWER_SLOTS).await;
        assert_eq!((named(&audit), &audit.error), (found, &None), "{audit:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_counted_and_the_first_of_them_kept() {
    let mut history = lived();
    history.crowd_of_providers(DIFFERENCES_KEPT as u64 + 50);
    let world = World::of(&history).await;
    world.follower.walk().await.unwrap();
    let kind = EntityKind::Provider as u8;
    world
        .tamper(&format!(
            "UPDATE entity SET seq = x'0000000000000063' WHERE kind = {kind}"
        ))
        .await;
    let audit = world.auditor.audit().await;
    assert!(audit.found > DIFFERENCES_KEPT as u64 + 50);
    assert_eq!(audit.differences.len(), DIFFERENCES_KEPT);
}
