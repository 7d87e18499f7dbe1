//! Who may write a store, what becomes of one of another version, and copies of it: the same on each engine.
#![allow(clippy::unwrap_used, clippy::panic)]

#[macro_use]
mod support;

use {
    quern_indexer::{
        IndexerError,
        project::Event,
        store::{Batch, Cursor, Role, Store},
    },
    sqlx::{Executor, PgConnection},
    std::process::Command,
    support::{
        History, OnPostgres, OnSqlite, Tested, counts,
        node::{self, Node},
        postgres::{Database, commands},
        process::{BINARY, Process, until},
        program,
    },
    tempfile::TempDir,
};

fn batch(events: &[Event]) -> Batch {
    let last = events.last().unwrap();
    Batch {
        transactions: events
            .iter()
            .map(|event| (event.id.signature, event.slot))
            .collect(),
        events: events.to_vec(),
        cursor: Some(Cursor {
            slot: last.slot,
            chain_time: last.body.at(),
            origin: None,
        }),
        ..Batch::default()
    }
}

async fn refused<T: Tested>(folder: &TempDir, role: Role) -> IndexerError {
    T::open_as(folder, "db", role).await.err().unwrap()
}

async fn one_process_writes_and_a_standby_takes_over<T: Tested>() {
    let history = History::lived(3, 12);
    let (first, second) = history.events.split_at(history.events.len() / 2);
    let folder = TempDir::new().unwrap();
    let leader = T::open(&folder, "db").await;
    leader.write(&batch(first)).await.unwrap();
    let error = refused::<T>(&folder, Role::Leader).await;
    assert!(matches!(error, IndexerError::StoreInUse(_)), "{error}");

    let name = T::name(&folder, "db").await;
    let standby = tokio::spawn(async move { Store::open_as(&name, Role::Standby).await });
    for _ in 0..3 {
        let error = refused::<T>(&folder, Role::Leader).await;
        assert!(matches!(error, IndexerError::StoreInUse(_)), "{error}");
        assert!(!standby.is_finished());
    }
    leader.close().await;
    let standby = standby.await.unwrap().unwrap();
    assert_eq!(
        standby.write(&batch(second)).await.unwrap().events,
        second.len() as u64
    );
    assert_eq!(counts(&standby).await.events, history.events.len() as u64);

    // Nobody has to stand by, and nothing has to be dropped: what is closed is free.
    let mut store = standby;
    for _ in 0..20 {
        store.close().await;
        store = T::open_as(&folder, "db", Role::Leader).await.unwrap();
    }
}

/// However many batches of a write are in already.
async fn batches_of_a_write_that_is_given_up_leave_nothing<T: Tested>() {
    let history = History::lived(3, 40);
    let batches: Vec<Batch> = history.events.chunks(60).map(batch).collect();
    assert!(batches.len() > 3);
    let folder = TempDir::new().unwrap();
    let clean = T::open(&folder, "clean").await;
    for some in &batches {
        clean.write(some).await.unwrap();
    }
    let store = T::open(&folder, "db").await;
    let empty = store.digest().await.unwrap();
    for whole in 0..3 {
        let mut writing = store.begin().await.unwrap();
        for some in &batches[..whole] {
            writing = writing.add(some).await.unwrap();
        }
        // The next one is under way, or about to be.
        let mut next = Box::pin(writing.add(&batches[whole]));
        assert!(futures::poll!(&mut next).is_pending());
        drop(next);
        assert_eq!(store.digest().await.unwrap(), empty);
    }
    for some in &batches {
        store.write(some).await.unwrap();
    }
    assert_eq!(store.digest().await.unwrap(), clean.digest().await.unwrap());
}

/// A commit moves nothing to the file before the log is half a gigabyte.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_gets_into_the_file_beside_the_writer() {
    let history = History::lived(3, 2_500);
    assert!(history.events.len() > 8_192);
    let folder = TempDir::new().unwrap();
    let store = OnSqlite::open(&folder, "db").await;
    let file = folder.path().join("db");
    let bytes = || std::fs::metadata(&file).unwrap().len();
    let before = bytes();
    for some in history.events.chunks(2_000) {
        store.write(&batch(some)).await.unwrap();
    }
    until("the file grows", async || {
        (bytes() > before + (1 << 20)).then_some(())
    })
    .await;
    assert!(store.check().await.unwrap().is_sound());
}

async fn a_replica_reads_what_another_process_writes_and_never_writes<T: Tested>() {
    let history = History::lived(3, 12);
    let (first, second) = history.events.split_at(history.events.len() / 2);
    let folder = TempDir::new().unwrap();
    let error = refused::<T>(&folder, Role::Replica).await;
    assert!(matches!(error, IndexerError::NoStore(_)), "{error}");

    let leader = T::open(&folder, "db").await;
    leader.write(&batch(first)).await.unwrap();
    let replica = T::open_as(&folder, "db", Role::Replica).await.unwrap();
    for some in [first, second] {
        leader.write(&batch(some)).await.unwrap();
        assert_eq!(
            replica.cursor().await.unwrap().unwrap().slot,
            some.last().unwrap().slot
        );
        assert_eq!(
            replica.digest().await.unwrap(),
            leader.digest().await.unwrap()
        );
        for error in [
            replica.write(&batch(second)).await.err(),
            replica.rebuild().await.err(),
            replica.walk_again().await.err(),
            replica.bind(&program(), None).await.err(),
        ] {
            assert!(
                matches!(error, Some(IndexerError::ReadOnlyStore)),
                "{error:?}"
            );
        }
    }
    assert!(replica.check().await.unwrap().is_sound());
    let digest = leader.digest().await.unwrap();
    leader.close().await;
    assert_eq!(replica.digest().await.unwrap(), digest);
}

async fn a_store_of_an_older_version_is_upgraded_from_its_events<T: Tested>() {
    let history = History::lived(7, 30);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    store.write(&batch(&history.events)).await.unwrap();
    let before = store.rebuild().await.unwrap().after;
    store.close().await;
    // Tables that this version does not know, and that hold something else.
    for sql in [
        "UPDATE meta SET tables = 0",
        "DROP TABLE score",
        "CREATE TABLE score (points INTEGER)",
        "DELETE FROM total",
        "DROP TABLE step",
    ] {
        T::execute(&folder, "db", sql).await;
    }
    let error = refused::<T>(&folder, Role::Replica).await;
    assert!(matches!(error, IndexerError::OlderStore), "{error}");
    let store = T::open(&folder, "db").await;
    assert_eq!(store.mend().await.unwrap(), None);
    let rebuilt = store.rebuild().await.unwrap();
    assert_eq!((rebuilt.before, rebuilt.after), (before, before));
    assert!(store.check().await.unwrap().is_sound());
}

async fn a_store_of_a_newer_version_is_refused_and_kept<T: Tested>() {
    let history = History::lived(7, 10);
    let folder = TempDir::new().unwrap();
    for newer in [
        "UPDATE meta SET tables = 1000000",
        "UPDATE _sqlx_migrations SET version = 77 WHERE version = 1",
    ] {
        let store = T::open(&folder, "db").await;
        store.write(&batch(&history.events)).await.unwrap();
        assert_eq!(T::execute(&folder, "db", newer).await, 1);
        if newer.contains("meta") {
            // It was taken over while it is open.
            let error = store.read().await.err().unwrap();
            assert!(matches!(error, IndexerError::NewerStore), "{error}");
        }
        store.close().await;
        for role in [Role::Leader, Role::Standby, Role::Replica] {
            let error = refused::<T>(&folder, role).await;
            assert!(matches!(error, IndexerError::NewerStore), "{error}");
            assert!(error.to_string().contains("use that version"), "{error}");
        }
        for back in [
            "UPDATE meta SET tables = 1",
            "UPDATE _sqlx_migrations SET version = 1 WHERE version = 77",
        ] {
            T::execute(&folder, "db", back).await;
        }
        let kept = T::open(&folder, "db").await;
        assert_eq!(counts(&kept).await.events, history.events.len() as u64);
    }
}

async fn a_check_says_what_is_gone_and_changes_nothing<T: Tested>() {
    let history = History::lived(7, 10);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    store.write(&batch(&history.events)).await.unwrap();
    assert!(store.check().await.unwrap().is_sound());
    let gone = T::execute(&folder, "db", "DELETE FROM event WHERE name = 'JobTaken'").await;
    assert!(gone > 0);
    for _ in 0..2 {
        let checked = store.check().await.unwrap();
        assert_eq!(checked.loss.unwrap().entries, gone);
        assert_eq!(checked.events, history.events.len() as u64 - gone);
        assert!(!checked.is_sound() && !checked.is_equal());
    }
}

conformance! {
    one_process_writes_and_a_standby_takes_over,
    batches_of_a_write_that_is_given_up_leave_nothing,
    a_replica_reads_what_another_process_writes_and_never_writes,
    a_store_of_an_older_version_is_upgraded_from_its_events,
    a_store_of_a_newer_version_is_refused_and_kept,
    a_check_says_what_is_gone_and_changes_nothing,
    a_replica_and_a_standby_serve_beside_the_leader,
}

/// `run` on a store, on a free port.
fn run(store: &str, url: &str, role: &str) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["run", "--listen", "127.0.0.1:0", "--poll-millis", "20"]);
    command.args(["--store", store, "--url", url, "--role", role]);
    command
}

async fn a_replica_and_a_standby_serve_beside_the_leader<T: Tested>() {
    let history = History::lived(5, 12);
    let last_slot = history.events.last().unwrap().slot;
    let middle = history.events[history.events.len() / 2].slot;
    let (node, url) = node::start(Node {
        finalized: middle,
        ..Node::of(&history)
    })
    .await;
    let folder = TempDir::new().unwrap();
    // The tests' server asks for no password; one that is given must not be told anybody.
    let store = T::name(&folder, "db")
        .await
        .replace("quern@", "quern:secret-word@");
    let folders = [
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
        TempDir::new().unwrap(),
    ];
    let start =
        |role: &str, n: usize| Process::start(&mut run(&store, &url, role), folders[n].path());
    let mut leader = start("leader", 0);
    leader.ready().await;
    let standby = start("standby", 1);
    until("the standby waits", async || {
        standby
            .log()
            .contains("another process writes")
            .then_some(())
    })
    .await;
    let replica = start("replica", 2);
    replica.ready().await;
    let (ours, theirs) = (
        leader.get("/v1/totals").await,
        replica.get("/v1/totals").await,
    );
    assert_eq!(ours.unwrap(), theirs.unwrap());

    // The leader dies; the standby goes on from where it was, and the replica shows it.
    leader.kill();
    node.lock().unwrap().finalized = last_slot;
    for process in [&standby, &replica] {
        process.ready().await;
        process
            .status("the rest is stored", |status| {
                status["as_of_slot"] == last_slot && status["events"] == history.events.len() as u64
            })
            .await;
    }
    for process in [&leader, &standby, &replica] {
        assert!(!process.log().contains("secret-word"), "{}", process.log());
    }
}

/// The version before versions: 0001 alone made all tables.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_first_version_is_upgraded() {
    let history = History::lived(13, 30);
    let folder = TempDir::new().unwrap();
    let store = OnSqlite::open(&folder, "db").await;
    store.write(&batch(&history.events)).await.unwrap();
    let before = store.digest().await.unwrap();
    store.close().await;
    let first = include_str!("../src/store/sqlite/migrations/0001_first.sql");
    let (_, projections) = first.split_once("-- Projections.").unwrap();
    let back = "DROP TABLE entity; DROP TABLE score; DROP TABLE total; DROP TABLE step; DROP TABLE settlement; \
        DROP TABLE party; DROP TABLE audit; DROP TABLE difference; \
        ALTER TABLE meta DROP COLUMN tables; ALTER TABLE meta DROP COLUMN change; \
        ALTER TABLE meta DROP COLUMN remade; DELETE FROM _sqlx_migrations WHERE version > 1;";
    OnSqlite::execute(&folder, "db", &format!("{back}{projections}")).await;
    let store = OnSqlite::open(&folder, "db").await;
    assert_eq!(store.digest().await.unwrap(), before);
    assert!(store.check().await.unwrap().is_sound());
    assert_eq!(counts(&store).await.events, history.events.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_file_is_one_state_and_sound() {
    let history = History::lived(3, 40);
    let (first, second) = history.events.split_at(history.events.len() / 2);
    let folder = TempDir::new().unwrap();
    let leader = OnSqlite::open(&folder, "db").await;
    leader.write(&batch(first)).await.unwrap();
    let digest = leader.digest().await.unwrap();
    let name = OnSqlite::name(&folder, "db").await;
    let backup = |to: &str| {
        let to = folder.path().join(to);
        let output = Command::new(BINARY)
            .args(["backup", "--store", &name])
            .arg(to)
            .output();
        let output = output.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (done, text) = backup("copy");
    assert!(done && text.contains("sound"), "{text}");
    leader.write(&batch(second)).await.unwrap();
    let copy = OnSqlite::open(&folder, "copy").await;
    assert_eq!(copy.digest().await.unwrap(), digest);
    // It goes on where it ends, as the store does.
    copy.write(&batch(second)).await.unwrap();
    assert_eq!(copy.digest().await.unwrap(), leader.digest().await.unwrap());

    let (done, text) = backup("copy");
    assert!(!done && text.contains("there already"), "{text}");
    // What is not sound is not called a copy, and nothing of it stays.
    OnSqlite::execute(&folder, "db", "DELETE FROM total").await;
    let (done, text) = backup("other");
    assert!(!done && text.contains("not sound"), "{text}");
    let left = std::fs::read_dir(folder.path()).unwrap();
    let left: Vec<_> = left.map(|one| one.unwrap().file_name()).collect();
    let is_rest = |name: &&std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with("other") || name.starts_with(".quern")
    };
    assert_eq!(left.iter().find(is_rest), None, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_a_database_makes_the_same_store() {
    let history = History::lived(3, 20);
    let folder = TempDir::new().unwrap();
    let leader = OnPostgres::open(&folder, "db").await;
    leader.write(&batch(&history.events)).await.unwrap();
    let dump = folder.path().join("dump");
    assert_eq!(leader.backup(&dump).await.unwrap(), None);
    assert!(matches!(
        leader.backup(&dump).await,
        Err(IndexerError::Backup { .. })
    ));
    let other = Database::new(&folder, "other").await;
    let restored = Command::new(commands().join("pg_restore"))
        .args(["--no-owner", "--exit-on-error", "--dbname", &other.url()])
        .arg(&dump)
        .status();
    assert!(restored.unwrap().success());
    let copy = Store::open(&other.url()).await.unwrap();
    assert_eq!(copy.digest().await.unwrap(), leader.digest().await.unwrap());
    assert!(copy.check().await.unwrap().is_sound());
}

/// Ends the connection that holds the lock, as a broken network does; says how many there were.
async fn cut_off(aside: &mut PgConnection) -> u64 {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON oid = database \
        WHERE locktype = 'advisory' AND granted AND datname = current_database()";
    aside.fetch_all(sql).await.unwrap().len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_leads_again_only_if_nobody_else_does() {
    let history = History::lived(3, 12);
    let parts: Vec<&[Event]> = history
        .events
        .chunks(history.events.len().div_ceil(4))
        .collect();
    let folder = TempDir::new().unwrap();
    let database = Database::new(&folder, "db").await;
    let first = OnPostgres::open(&folder, "db").await;
    let mut aside = database.connect().await;
    first.write(&batch(parts[0])).await.unwrap();
    assert_eq!(cut_off(&mut aside).await, 1);
    // Nobody else wants to: the next write connects again.
    until("it leads again", async || {
        first.write(&batch(parts[1])).await.ok()
    })
    .await;
    assert!(matches!(
        refused::<OnPostgres>(&folder, Role::Leader).await,
        IndexerError::StoreInUse(_)
    ));

    let url = database.url();
    let standby = tokio::spawn(async move { Store::open_as(&url, Role::Standby).await.unwrap() });
    assert_eq!(cut_off(&mut aside).await, 1);
    let second = standby.await.unwrap();
    second.write(&batch(parts[2])).await.unwrap();
    let error = until("the first is refused", async || {
        let error = first.write(&batch(parts[3])).await.err().unwrap();
        matches!(error, IndexerError::StoreInUse(_)).then_some(error)
    })
    .await;
    assert!(
        error.to_string().contains("another quern-indexer"),
        "{error}"
    );
    // It reads on, what the other one writes.
    second.write(&batch(parts[3])).await.unwrap();
    assert_eq!(
        first.digest().await.unwrap(),
        second.digest().await.unwrap()
    );
    assert_eq!(counts(&first).await.events, history.events.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_cut_off_leaves_nothing() {
    let history = History::lived(9, 200);
    let folder = TempDir::new().unwrap();
    let store = OnPostgres::open(&folder, "db").await;
    let mut aside = Database::new(&folder, "db").await.connect().await;
    let mut failed = 0;
    for some in history.events.chunks(150) {
        let before = counts(&store).await.events;
        let told = batch(some);
        let (written, _) = tokio::join!(store.write(&told), cut_off(&mut aside));
        let after = counts(&store).await.events;
        let cursor = store
            .cursor()
            .await
            .unwrap()
            .map_or(0, |cursor| cursor.slot);
        match written {
            Ok(_) => assert_eq!(after, before + some.len() as u64),
            // The answer to a commit may be lost; then everything is there.
            Err(_) => assert!(after == before || after == before + some.len() as u64),
        }
        assert_eq!(after == before, cursor != told.cursor.unwrap().slot);
        failed += u64::from(after == before);
        until("it is written", async || store.write(&told).await.ok()).await;
    }
    assert!(failed > 0, "the test must see a write that failed");
    assert_eq!(counts(&store).await.events, history.events.len() as u64);
    assert!(store.check().await.unwrap().is_sound());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_can_read_and_add_up_the_largest_numbers() {
    let folder = TempDir::new().unwrap();
    OnPostgres::open(&folder, "db").await.close().await;
    let mut aside = Database::new(&folder, "db").await.connect().await;
    for (bytes, wanted) in [
        ("0000000000000000", "0"),
        ("00000000000000ff", "255"),
        ("ffffffffffffffff", u64::MAX.to_string().as_str()),
        ("ffffffffffffffffffffffffffffffff", &u128::MAX.to_string()),
        (
            "80000000000000000000000000000001",
            &(u128::MAX / 2 + 2).to_string(),
        ),
    ] {
        let sql = format!("SELECT number('\\x{bytes}')::TEXT");
        let shown: String = sqlx::query_scalar(&sql)
            .fetch_one(&mut aside)
            .await
            .unwrap();
        assert_eq!(shown, wanted);
    }
}

/// No table is read row by row for a request or a batch, however small it was when the first one came.
#[tokio::test(flavor = "multi_thread")]
async fn every_row_is_found_by_an_index() {
    let history = History::lived(9, 60);
    let folder = TempDir::new().unwrap();
    let (node, url) = node::start(Node::of(&history)).await;
    let store = OnPostgres::name(&folder, "db").await;
    let indexer = Process::start(&mut run(&store, &url, "leader"), folder.path());
    indexer.ready().await;
    let mut aside = Database::new(&folder, "db").await.connect().await;
    // Projections that were made empty a moment ago; the start and its check for losses read everything.
    aside.execute("SELECT pg_stat_reset()").await.unwrap();
    let (_, jobs) = indexer.get("/v1/jobs?limit=5").await.unwrap();
    let job = jobs["jobs"][0]["address"].as_str().unwrap().to_owned();
    let provider = support::key(&history.providers[0]);
    let pages = [
        "/v1/status".to_owned(),
        "/v1/leaderboards/providers?window=30d".to_owned(),
        format!("/v1/jobs/{job}"),
        format!("/v1/providers/{provider}"),
        "/v1/jobs?state=closed".to_owned(),
    ];
    for page in pages {
        let (status, body) = indexer.get(&page).await.unwrap();
        assert_eq!(status, 200, "{page}: {body}");
    }
    drop((indexer, node));
    let scanned = until("the server counted them", async || {
        let sql = "SELECT relname || ' ' || seq_scan || ' ' || idx_scan FROM pg_stat_user_tables \
            WHERE relname IN ('entity', 'score', 'step', 'settlement', 'event', 'tx') ORDER BY relname";
        let found: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut aside).await.unwrap();
        found.iter().all(|one| !one.ends_with(" 0")).then_some(found)
    })
    .await;
    assert!(
        scanned.len() == 6 && scanned.iter().all(|one| one.contains(" 0 ")),
        "{scanned:?}"
    );
}
