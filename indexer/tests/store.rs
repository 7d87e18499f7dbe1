//! What every engine must do: any order and any duplication give the same tables (X2, X12); rows and cursor move together
//! (X3); a request sees one state. `conformance!` at the end runs these tests on each engine.
#![allow(clippy::unwrap_used, clippy::panic)]

#[macro_use]
mod support;

use {
    futures::TryStreamExt,
    proptest::{prelude::*, test_runner::TestRunner},
    quern_api::{Key, Metric, Signature, Window},
    quern_client::quern::events::QuernEvent,
    quern_indexer::{
        IndexerError,
        project::{self, Concern, Event, Subject, program::EntityKind},
        store::{
            Batch, BoardQuery, Cursor, DeadLetter, JobQuery, JobsQuery, MilestonesQuery, Origin,
            PartyQuery, Projected, Projection, Role, Snapshot, Sqlite, StepEnd, Store,
        },
    },
    quern_testkit::rng::Rng,
    sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions},
    std::{
        collections::{BTreeMap, BTreeSet},
        task::{Context, Waker},
    },
    support::{History, OnPostgres, OnSqlite, Tested, counts, key, program},
    tempfile::TempDir,
};

fn batch(events: &[Event]) -> Batch {
    Batch {
        transactions: events
            .iter()
            .map(|event| (event.id.signature, event.slot))
            .collect(),
        events: events.to_vec(),
        ..Batch::default()
    }
}

fn of_providers(metric: Metric) -> project::Measure {
    project::Measure {
        subject: project::Subject::Provider,
        metric,
    }
}

fn cursor(slot: u64) -> Cursor {
    Cursor {
        slot,
        chain_time: 5,
        origin: None,
    }
}

async fn digest_in_order<T: Tested>(events: &[Event]) -> [u8; 32] {
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "ordered").await;
    for some in events.chunks(64) {
        store.write(&batch(some)).await.unwrap();
    }
    store.digest().await.unwrap()
}

async fn any_order_and_duplication_give_the_same_tables<T: Tested>() {
    let config = ProptestConfig {
        cases: 12,
        ..ProptestConfig::with_source_file(file!())
    };
    tokio::task::block_in_place(|| {
        let here = tokio::runtime::Handle::current();
        let tested = TestRunner::new(config).run(&any::<u64>(), |seed| {
            here.block_on(any_order_and_duplication::<T>(seed));
            Ok(())
        });
        tested.unwrap();
    });
}

async fn any_order_and_duplication<T: Tested>(seed: u64) {
    let history = History::lived(seed, 25);
    let expected = digest_in_order::<T>(&history.events).await;
    let mut dice = Rng::new(seed ^ 1);
    // Every event once, and every third one again; shuffled; in batches of random size.
    let mut told = history.events.clone();
    told.extend(
        history
            .events
            .iter()
            .filter(|_| dice.below(3) == 0)
            .cloned(),
    );
    for last in (1..told.len()).rev() {
        told.swap(last, dice.below(last as u64 + 1) as usize);
    }
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "shuffled").await;
    let mut written = 0;
    let mut writing = store.begin().await.unwrap();
    let mut rest = told.as_slice();
    while !rest.is_empty() {
        let size = (1 + dice.below(40) as usize).min(rest.len());
        let (some, others) = rest.split_at(size);
        writing = writing.add(&batch(some)).await.unwrap();
        rest = others;
        // Some batches share a write.
        if dice.below(3) == 0 {
            written += writing.finish().await.unwrap().events;
            writing = store.begin().await.unwrap();
        }
    }
    written += writing.finish().await.unwrap().events;
    assert_eq!(written, history.events.len() as u64);
    assert_eq!(store.digest().await.unwrap(), expected);
    // What was made step by step is what the events make.
    let rebuilt = store.rebuild().await.unwrap();
    assert_eq!((rebuilt.before, rebuilt.after), (expected, expected));
    let counts = counts(&store).await;
    assert_eq!(
        (counts.gaps, counts.events),
        (0, history.events.len() as u64)
    );
}

async fn a_write_that_is_not_finished_leaves_the_store_as_it_was<T: Tested>() {
    let history = History::lived(3, 10);
    let (first, rest) = history.events.split_at(history.events.len() / 2);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "dropped").await;
    store.write(&batch(first)).await.unwrap();
    let before = store.digest().await.unwrap();
    let writing = store.begin().await.unwrap();
    let mut last = batch(rest);
    last.cursor = Some(cursor(9));
    drop(writing.add(&last).await.unwrap());
    assert_eq!(store.digest().await.unwrap(), before);
    assert_eq!(store.cursor().await.unwrap(), None);
    // It is written again as if nothing had been.
    let written = store.write(&last).await.unwrap();
    assert_eq!(written.events, rest.len() as u64);
    let all = digest_in_order::<T>(&history.events).await;
    assert_eq!(store.digest().await.unwrap(), all);
}

async fn two_changes_with_one_seq_give_the_same_tables_in_any_order<T: Tested>() {
    // The chain never makes this; a lying node could.
    let history = History::lived(3, 5);
    let mut events = history.events.clone();
    let mut other = events
        .iter()
        .find(|event| event.body.name() == "ProviderRegistered")
        .unwrap()
        .clone();
    if let QuernEvent::ProviderRegistered(event) = &mut other.body {
        event.endpoint = "http://liar.example".to_owned();
        event.changes[0].after[16] ^= 1;
    }
    other.id.signature.0[63] ^= 1;
    events.push(other);
    let expected = digest_in_order::<T>(&events).await;
    events.reverse();
    assert_eq!(digest_in_order::<T>(&events).await, expected);
}

async fn a_missing_event_shows_as_a_gap_until_it_comes<T: Tested>() {
    let history = History::lived(8, 10);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    let (missing, rest): (Vec<Event>, Vec<Event>) = history
        .events
        .iter()
        .cloned()
        .partition(|event| event.body.name() == "JobTaken");
    assert!(!missing.is_empty());
    store.write(&batch(&rest)).await.unwrap();
    let counts = counts(&store).await;
    let accounts: usize = missing.iter().map(|event| event.body.changes().len()).sum();
    assert_eq!(counts.gaps, accounts as u64);
    assert!(counts.first_gaps.iter().all(|gap| gap.seen + 1 == gap.seq));
    store.write(&batch(&missing)).await.unwrap();
    assert_eq!(support::counts(&store).await.gaps, 0);
    assert_eq!(
        store.digest().await.unwrap(),
        digest_in_order::<T>(&history.events).await
    );
}

/// Polls a future a number of times and drops it, as a process that dies does.
async fn die_after<F: Future>(polls: u64, future: F) -> bool {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        let waker = Waker::noop();
        if future
            .as_mut()
            .poll(&mut Context::from_waker(waker))
            .is_ready()
        {
            return true;
        }
        tokio::time::sleep(std::time::Duration::from_micros(200)).await;
    }
    false
}

async fn an_interrupted_write_leaves_rows_and_cursor_in_agreement<T: Tested>() {
    let history = History::lived(4, 20);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    let (mut died, mut done) = (0, 0);
    let mut stored = 0;
    let mut slot = 0;
    let chunks: Vec<&[Event]> = history.events.chunks(8).collect();
    for (n, some) in chunks.iter().enumerate() {
        let mut batch = batch(some);
        batch.cursor = Some(cursor(some.last().unwrap().slot));
        // Ever later in the transaction; one poll never ends it, and the last one is polled to its end.
        let polls = match n + 1 == chunks.len() {
            true => u64::MAX,
            false => 1 + n as u64 * 6,
        };
        let completed = die_after(polls, store.write(&batch)).await;
        let mut snapshot = store.read().await.unwrap();
        let now = snapshot.counts().await.unwrap().events;
        let cursor_slot = snapshot.cursor().map_or(0, |cursor| cursor.slot);
        drop(snapshot);
        let all = now == stored + some.len() as u64 && cursor_slot == batch.cursor.unwrap().slot;
        let nothing = now == stored && cursor_slot == slot;
        assert!(
            all || nothing,
            "{now} events after {stored}, cursor {cursor_slot}"
        );
        assert!(!completed || all);
        if all {
            done += 1
        } else {
            died += 1
        }
        store.write(&batch).await.unwrap();
        stored += some.len() as u64;
        slot = batch.cursor.unwrap().slot;
    }
    assert!(
        died > 0 && done > 0,
        "{died} died, {done} done: the test must see both"
    );
    assert_eq!(
        store.digest().await.unwrap(),
        digest_in_order::<T>(&history.events).await
    );
}

async fn the_cursor_never_goes_back_and_the_origin_is_kept<T: Tested>() {
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    assert_eq!(store.cursor().await.unwrap(), None);
    let history = History::new(1);
    let origin = Origin {
        signature: history.events[0].id.signature,
        slot: 1_000,
    };
    let first = Cursor {
        slot: 2_000,
        chain_time: 7,
        origin: Some(origin),
    };
    store
        .write(&Batch {
            cursor: Some(first),
            ..Batch::default()
        })
        .await
        .unwrap();
    store
        .write(&Batch {
            cursor: Some(cursor(1_999)),
            ..Batch::default()
        })
        .await
        .unwrap();
    assert_eq!(store.cursor().await.unwrap(), Some(first));
    store
        .write(&Batch {
            cursor: Some(cursor(2_001)),
            ..Batch::default()
        })
        .await
        .unwrap();
    assert_eq!(
        store.cursor().await.unwrap(),
        Some(Cursor {
            slot: 2_001,
            chain_time: 5,
            origin: Some(origin)
        })
    );
}

async fn a_store_serves_one_program_and_one_network<T: Tested>() {
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    store.bind(&program(), Some("one")).await.unwrap();
    store.bind(&program(), Some("one")).await.unwrap();
    store.bind(&program(), None).await.unwrap();
    assert!(matches!(
        store.bind(&program(), Some("two")).await,
        Err(IndexerError::WrongStore { .. })
    ));
    assert!(matches!(
        store.bind(&Key([1; 32]), Some("one")).await,
        Err(IndexerError::WrongStore { .. })
    ));
}

async fn dead_letters_are_revived_once_they_are_understood<T: Tested>() {
    let history = History::lived(6, 4);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    let (dead, living) = history.events.split_at(3);
    let letters = dead.iter().map(|event| DeadLetter {
        id: event.id,
        slot: event.slot,
        reason: "an older version did not know it".to_owned(),
        data: event.body.encode(),
    });
    let mut first = batch(living);
    first.dead_letters = letters.collect();
    assert_eq!(store.write(&first).await.unwrap().dead_letters, 3);
    assert_eq!(store.write(&first).await.unwrap().dead_letters, 0);
    assert_eq!(counts(&store).await.dead_letters, 3);
    assert_eq!(store.mend().await.unwrap().unwrap().revived, 3);
    assert_eq!(counts(&store).await.dead_letters, 0);
    assert_eq!(
        store.digest().await.unwrap(),
        digest_in_order::<T>(&history.events).await
    );

    // What no version understands yet is no reason to make everything again.
    let mut unknown = batch(&[]);
    unknown.dead_letters = vec![DeadLetter {
        id: project::EventId {
            signature: Signature([9; 64]),
            instruction: 0,
            inner: 0,
        },
        slot: 1,
        reason: "nobody knows it".to_owned(),
        data: vec![255; 40],
    }];
    unknown.transactions = vec![(Signature([9; 64]), 1)];
    assert_eq!(store.write(&unknown).await.unwrap().dead_letters, 1);
    assert_eq!(store.mend().await.unwrap(), None);
    assert_eq!(counts(&store).await.dead_letters, 1);
}

async fn amounts_near_the_end_of_u64_are_exact_and_ranked<T: Tested>() {
    let mut history = History::new(2);
    history.deposit(&history.clients[0].clone(), u64::MAX - 5_000_000_000_000);
    let job = history.job(1);
    let mut events = history.events.clone();
    // The same settlement twice over in two transactions, with the largest amounts that the format has.
    let template = History::lived(11, 12);
    let settled = template
        .events
        .iter()
        .find(|event| event.body.name() == "MilestoneSettled")
        .unwrap();
    for n in 0..2_u8 {
        let mut event = settled.clone();
        event.id.signature.0 = [200 + n; 64];
        if let QuernEvent::MilestoneSettled(body) = &mut event.body {
            body.provider_atoms = u64::MAX;
            body.job = job;
            body.assurance = 1;
            body.provider = history.providers[0];
            body.changes.clear();
        }
        events.push(event);
    }
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    store.write(&batch(&events)).await.unwrap();
    let query = BoardQuery {
        measure: of_providers(Metric::Earned),
        assurance: 1,
        mint: key(&history.mints[0]),
        window: Window::All,
        after: None,
        limit: 10,
    };
    let board = store.read().await.unwrap().board(&query).await.unwrap();
    assert_eq!(board[0].subject, key(&history.providers[0]));
    assert!(board[0].value >= 2 * u128::from(u64::MAX));
}

/// Everything that requests read, as text.
async fn everything(store: &Store, history: &History) -> String {
    let mut snapshot = store.read().await.unwrap();
    read_everything(&mut snapshot, history).await
}

async fn read_everything(snapshot: &mut Snapshot, history: &History) -> String {
    let mut all = format!("{:?} ", snapshot.cursor());
    for window in [Window::All, Window::Month] {
        let query = BoardQuery {
            measure: of_providers(Metric::Earned),
            assurance: 1,
            mint: key(&history.mints[0]),
            window,
            after: None,
            limit: 10,
        };
        all += &format!("{:?} ", snapshot.board(&query).await.unwrap());
    }
    for owner in &history.providers {
        all += &format!("{:?} ", snapshot.provider(&key(owner)).await.unwrap());
        let purse = key(&History::purse_address(owner));
        all += &format!("{:?} ", snapshot.purse(&purse).await.unwrap());
    }
    let query = JobsQuery {
        state: None,
        after: None,
        limit: 100,
    };
    for job in snapshot.jobs(&query).await.unwrap() {
        let part = JobQuery {
            steps_after: None,
            submissions_after: None,
            demands_after: None,
            limit: 100,
        };
        all += &format!("{:?} ", snapshot.job(&job.address, &part).await.unwrap());
    }
    all += &lists(snapshot, history).await;
    all += &accounts(snapshot, history).await;
    all += &campaigns(snapshot).await;
    all += &checks(snapshot, history).await;
    all += &format!("{:?} ", snapshot.counts().await.unwrap());
    all += &format!("{:?} ", snapshot.totals().await.unwrap());
    let ledgers = format!("{:?} ", snapshot.ledgers().await.unwrap());
    let known = format!("{:?} ", snapshot.known_ledgers().await.unwrap());
    assert_eq!(known, ledgers);
    all + &ledgers
}

/// Pages of what is listed, from each place of them on. Events are listed in the order in which they were stored, which need not be
/// that of another store.
async fn lists(snapshot: &mut Snapshot, history: &History) -> String {
    let mut all = String::new();
    let (mut events, mut after) = (Vec::new(), None);
    loop {
        let page = snapshot.events(after.as_ref(), 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        events.extend(page);
    }
    assert_eq!(snapshot.last_event().await.unwrap(), after);
    events.sort_by_key(|event| event.id);
    all += &format!("{events:?} ");
    let parties = history.clients.iter().chain(&history.providers);
    for party in parties.chain([&history.model]) {
        for concern in [Concern::Money, Concern::Job, Concern::Campaign] {
            for newest_first in [false, true] {
                let mut query = PartyQuery {
                    party: key(party),
                    concern,
                    from: i64::MIN,
                    to: i64::MAX,
                    after: None,
                    newest_first,
                    limit: 3,
                };
                let mut found = Vec::new();
                loop {
                    let page = snapshot.party_events(&query).await.unwrap();
                    let Some(last) = page.last() else { break };
                    query.after = Some((last.body.at(), last.id));
                    found.extend(page);
                }
                assert!(match newest_first {
                    false => found.is_sorted_by_key(|event| event.body.at()),
                    true => found.is_sorted_by_key(|event| std::cmp::Reverse(event.body.at())),
                });
                found.sort_by_key(|event| event.id);
                all += &format!("{found:?} ");
            }
        }
        let hour = project::hour_of(history.events[0].body.at());
        let (party, queries) = (key(party), snapshot.queries());
        let hours = queries.hours_of(&party, hour - 1, hour + 48);
        all += &format!("{:?} ", hours.await.unwrap());
    }
    for state in [None, Some(0), Some(1), Some(3)] {
        let mut query = JobsQuery {
            state,
            after: None,
            limit: 3,
        };
        loop {
            let page = snapshot.jobs(&query).await.unwrap();
            let Some(last) = page.last() else { break };
            query.after = Some((last.row.slot, last.address));
            all += &format!("{page:?} ");
        }
    }
    for subject in [Subject::Provider, Subject::Model, Subject::Client] {
        let mut after: Option<Key> = None;
        loop {
            let page = snapshot.numbered(subject, after.as_ref(), 3).await.unwrap();
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            all += &format!("{page:?} ");
        }
    }
    all
}

/// Accounts, one and many, by kind, owner and address.
async fn accounts(snapshot: &mut Snapshot, history: &History) -> String {
    let mut all = String::new();
    let owners: Vec<Key> = history.providers.iter().map(key).collect();
    for kind in (0..u8::MAX).filter_map(EntityKind::from_code) {
        let (mut after, mut found): (Option<Key>, Vec<Key>) = (None, Vec::new());
        loop {
            let page = snapshot.accounts(kind, after.as_ref(), 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.address);
            found.extend(page.iter().map(|entity| entity.address));
            all += &format!("{page:?} ");
        }
        assert!(found.is_sorted());
        found.reverse();
        let at = snapshot.accounts_at(kind, &found).await.unwrap();
        assert!(at.iter().map(|entity| &entity.address).eq(&found));
        for address in found.iter().take(3) {
            let one = snapshot.account(kind, address).await.unwrap();
            assert!(one.is_some_and(|one| at.contains(&one)));
        }
        assert_eq!(snapshot.account(kind, &Key([7; 32])).await.unwrap(), None);
        let code = kind as u8;
        let of = snapshot.queries().entities_of(code, &owners).await;
        all += &format!("{:?} ", of.unwrap());
        for owner in &owners {
            let mut after: Option<Key> = None;
            loop {
                let page = snapshot
                    .owned(kind, owner, after.as_ref(), 1)
                    .await
                    .unwrap();
                let Some(last) = page.last() else { break };
                after = Some(last.address);
                all += &format!("{page:?} ");
            }
        }
        let live: Vec<_> = snapshot.queries().live(code).try_collect().await.unwrap();
        assert!(live.is_sorted_by_key(|entity| entity.address));
        let mut values: Vec<Vec<u8>> = snapshot.queries().values(code).try_collect().await.unwrap();
        values.sort_unstable();
        all += &format!("{live:?} {values:?} ");
    }
    all
}

/// Milestones of each campaign by provider, its time line, and what was claimed.
async fn campaigns(snapshot: &mut Snapshot) -> String {
    let mut all = format!("{:?} ", snapshot.treasury().await.unwrap());
    let kind = EntityKind::Campaign;
    for campaign in snapshot.accounts(kind, None, 100).await.unwrap() {
        let mut provider: Option<Key> = None;
        loop {
            let queries = snapshot.queries();
            let next = queries.next_provider_of(&campaign.address, provider.as_ref());
            let Some(owner) = next.await.unwrap() else {
                break;
            };
            provider = Some(owner);
            let mut query = MilestonesQuery {
                campaign: campaign.address,
                provider: owner,
                after: None,
                limit: 1,
            };
            loop {
                let page = snapshot.queries().milestones_of(&query).await.unwrap();
                let Some(last) = page.last() else { break };
                query.after = Some((last.settlement.slot, last.id));
                all += &format!("{owner} {page:?} ");
            }
            let settled = snapshot.queries().settlements_of(&owner, 100).await;
            all += &format!("{:?} ", settled.unwrap());
        }
        let kind = EntityKind::Entry;
        let entries = snapshot.owned(kind, &campaign.address, None, 100);
        let entries = entries.await.unwrap();
        for account in entries.iter().chain([&campaign]) {
            let mut after: Option<StepEnd> = None;
            loop {
                let steps = snapshot.steps(&account.address, after.as_ref(), 2);
                let steps = steps.await.unwrap();
                let Some(last) = steps.last() else { break };
                after = Some(StepEnd {
                    seq: last.seq,
                    event: last.event.id,
                });
                all += &format!("{steps:?} ");
            }
            let last = snapshot.last_step(&account.address).await.unwrap();
            assert_eq!(last.map(|step| step.event.id), after.map(|end| end.event));
            all += &format!("{:?} ", snapshot.claim_of(account).await.unwrap());
        }
    }
    all
}

/// What checks and walks ask for.
async fn checks(snapshot: &mut Snapshot, history: &History) -> String {
    let queries = snapshot.queries();
    let mut all = format!("{:?} ", queries.holes().await.unwrap());
    all += &format!("{:?} ", queries.tally().await.unwrap());
    all += &format!("{:?} ", queries.gaps(10).await.unwrap());
    all += &format!("{:?} ", queries.audit().await.unwrap());
    let letters = queries.dead_letters_between(0, u64::MAX, 10).await;
    all += &format!("{:?} ", letters.unwrap());
    assert_eq!(queries.faults().await.unwrap(), Vec::<String>::new());
    let ids: Vec<_> = history.events.iter().map(|event| event.id).collect();
    let recorded: BTreeSet<_> = queries.recorded(&ids).await.unwrap().into_iter().collect();
    let signatures: Vec<_> = ids.iter().map(|id| id.signature).collect();
    let known: BTreeSet<_> = queries
        .known(&signatures)
        .await
        .unwrap()
        .into_iter()
        .collect();
    all += &format!("{recorded:?} {known:?} ");
    // Rows of numbers: those that changed since the beginning are all that there are.
    let sums: BTreeMap<_, _> = {
        let sums = queries.scores_between(project::ALL_TIME, project::ALL_TIME);
        sums.try_collect().await.unwrap()
    };
    let since = queries.sums_since(i64::MIN).await.unwrap();
    assert_eq!(since.into_iter().collect::<BTreeMap<_, _>>(), sums);
    let places: Vec<_> = sums.keys().copied().collect();
    let looked_up = queries.scores(&places).await.unwrap();
    assert_eq!(looked_up.into_iter().collect::<BTreeMap<_, _>>(), sums);
    all += &format!("{sums:?} ");
    for projection in Projection::ALL {
        let rows: Vec<Projected> = queries.scan(projection).try_collect().await.unwrap();
        all += &format!("{rows:?} ");
    }
    all
}

async fn a_snapshot_keeps_its_state_while_others_write<T: Tested>() {
    let history = History::lived(21, 20);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    let (first, second) = history.events.split_at(history.events.len() / 2);
    let with_cursor = |events: &[Event]| Batch {
        cursor: Some(cursor(events.last().unwrap().slot)),
        ..batch(events)
    };
    store.write(&with_cursor(first)).await.unwrap();
    let before = everything(&store, &history).await;

    // Opened before the write and read after it: nothing of the write shows, neither in its head nor in its rows.
    let mut open = store.read().await.unwrap();
    store.write(&with_cursor(second)).await.unwrap();
    // Boards know the later state already when the earlier one is asked for.
    let after = everything(&store, &history).await;
    assert_eq!(read_everything(&mut open, &history).await, before);
    drop(open);
    assert_ne!(after, before);

    // The same state, told in one piece to another store.
    let other = T::open(&folder, "other").await;
    other.write(&with_cursor(&history.events)).await.unwrap();
    assert_eq!(everything(&other, &history).await, after);
}

/// Purses, free and reserved atoms of the first mint, as requests are told them and as the tables say.
async fn held(store: &Store) -> [(u64, u128, u128); 2] {
    let mut snapshot = store.read().await.unwrap();
    let known = snapshot.known_ledgers().await.unwrap();
    let read = snapshot.ledgers().await.unwrap();
    [known, read].map(|ledgers| {
        let ledger = ledgers[0];
        (ledger.purses, ledger.free_atoms, ledger.reserved_atoms)
    })
}

/// What purses hold is known of each state, whatever changed it, and read once.
async fn ledgers_follow_every_write_and_are_read_once<T: Tested>() {
    const SOME: u64 = 1_234;
    let mut history = History::lived(21, 10);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    store.write(&batch(&history.events)).await.unwrap();
    let [known, read] = held(&store).await;
    assert_eq!(known, read);
    // A deposit changes a purse and none of the numbers that are ranked.
    let told = history.events.len();
    let client = history.clients[0];
    history.deposit(&client, SOME);
    store.write(&batch(&history.events[told..])).await.unwrap();
    let after = (known.0, known.1 + u128::from(SOME), known.2);
    assert_eq!(held(&store).await, [after; 2]);
    // The same again changes nothing, and what was done behind the store's back shows to those who check it.
    store.write(&batch(&history.events[told..])).await.unwrap();
    let purses = EntityKind::Purse as u8;
    let sql = format!("DELETE FROM entity WHERE kind = {purses}");
    assert!(T::execute(&folder, "db", &sql).await > 0);
    assert_eq!(held(&store).await, [after, (0, 0, 0)]);
    // A rebuild adds no event.
    store.rebuild().await.unwrap();
    assert_eq!(held(&store).await, [after; 2]);
    let sql = format!("DELETE FROM entity WHERE kind = {purses}");
    assert!(T::execute(&folder, "db", &sql).await > 0);
    store.rebuild().await.unwrap();
    assert_eq!(held(&store).await, [after; 2]);
}

/// The providers that each window ranks, with their values.
async fn ranked(store: &Store, history: &History) -> Vec<Vec<(Key, u128)>> {
    let mut snapshot = store.read().await.unwrap();
    let mut boards = Vec::new();
    for window in Window::ALL {
        let query = BoardQuery {
            measure: of_providers(Metric::Earned),
            assurance: 1,
            mint: key(&history.mints[0]),
            window: *window,
            after: None,
            limit: 100,
        };
        let board = snapshot.board(&query).await.unwrap();
        boards.push(board.iter().map(|row| (row.subject, row.value)).collect());
    }
    boards
}

/// What a provider earned in a window, by the events alone.
fn earned(events: &[Event], provider: &Key, first_hour: i64) -> u128 {
    let counted = events
        .iter()
        .filter(|event| project::hour_of(event.body.at()) >= first_hour);
    let mut delta = project::Delta::default();
    counted.for_each(|event| delta.add(event));
    let scores = delta.scores.iter().filter(|(score, _)| {
        (score.measure, score.assurance, score.bucket)
            == (of_providers(Metric::Earned), 1, project::ALL_TIME)
            && score.subject == *provider
    });
    scores.map(|(_, value)| value).sum()
}

/// However the time moves: in steps within an hour or of months, and back.
async fn windows_hold_what_their_hours_hold<T: Tested>() {
    let history = History::lived(29, 150);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    let mut dice = Rng::new(5);
    let mut rest = history.events.as_slice();
    let mut told = 0;
    let (mut expired, mut held) = (0, 0);
    while !rest.is_empty() {
        let (some, others) = rest.split_at((1 + dice.below(60) as usize).min(rest.len()));
        (rest, told) = (others, told + some.len());
        let hours = [0, 1, 5, 30, 200, 3_000][dice.below(6) as usize];
        let back = if dice.below(6) == 0 { 90_000 } else { 0 };
        let chain_time = some.last().unwrap().body.at() + hours * 3_600 - back;
        let end = Cursor {
            slot: some.last().unwrap().slot,
            chain_time,
            origin: None,
        };
        let batch = Batch {
            cursor: Some(end),
            ..batch(some)
        };
        store.write(&batch).await.unwrap();
        let found = ranked(&store, &history).await;
        for (window, board) in Window::ALL.iter().zip(&found) {
            let hour = project::hour_of(chain_time);
            let first = project::first_hour(*window, hour).unwrap_or(i64::MIN);
            for owner in &history.providers {
                let wanted = earned(&history.events[..told], &key(owner), first);
                let row = board.iter().find(|row| row.0 == key(owner));
                assert_eq!(row.map_or(0, |row| row.1), wanted, "{window}");
                (expired, held) = (
                    expired + u32::from(wanted == 0),
                    held + u32::from(wanted > 0),
                );
            }
        }
    }
    assert!(
        expired > 0 && held > 0,
        "{expired} {held}: the test must see both"
    );
    // What was moved step by step is what the hours make.
    let before = ranked(&store, &history).await;
    let rebuilt = store.rebuild().await.unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
    assert_eq!(ranked(&store, &history).await, before);
}

/// A cursor at the end of these events.
fn end_of(events: &[Event]) -> Cursor {
    let last = events.last().unwrap();
    Cursor {
        slot: last.slot,
        chain_time: last.body.at(),
        origin: None,
    }
}

async fn bulk_and_live_make_the_same_tables_and_windows<T: Tested>() {
    let history = History::lived(31, 120);
    let folder = TempDir::new().unwrap();
    let (live, bulk) = (
        T::open(&folder, "live").await,
        T::open(&folder, "bulk").await,
    );
    for some in history.events.chunks(7) {
        let mut batch = batch(some);
        batch.cursor = Some(end_of(some));
        live.write(&batch).await.unwrap();
    }
    // All at once and backwards; the cursor comes last, as after a backfill.
    let mut events = history.events.clone();
    events.reverse();
    bulk.write(&batch(&events)).await.unwrap();
    let end = Batch {
        cursor: Some(end_of(&history.events)),
        ..Batch::default()
    };
    bulk.write(&end).await.unwrap();
    let digests = (live.digest().await.unwrap(), bulk.digest().await.unwrap());
    assert_eq!(digests.0, digests.1);
    let (live, bulk) = (live.rebuild().await.unwrap(), bulk.rebuild().await.unwrap());
    assert_eq!(live.before, live.after);
    assert_eq!(bulk.before, bulk.after);
    assert_eq!(live.after, bulk.after);
    // A rebuild compares the windows too.
    assert_ne!(live.after, digests.0);
}

async fn windows_rank_as_all_time_does_when_they_hold_everything<T: Tested>() {
    let history = History::lived(17, 40);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    let whole = Batch {
        cursor: Some(cursor(history.slot)),
        ..batch(&history.events)
    };
    store.write(&whole).await.unwrap();
    let mut snapshot = store.read().await.unwrap();
    for metric in quern_api::Ranked::Providers.metrics() {
        let mint = match metric {
            Metric::Earned => key(&history.mints[0]),
            Metric::Rewards => key(&history.mints[1]),
            _ => Key::NONE,
        };
        let mut query = BoardQuery {
            measure: of_providers(*metric),
            assurance: 1,
            mint,
            window: Window::All,
            after: None,
            limit: 10,
        };
        let whole = snapshot.board(&query).await.unwrap();
        assert!(whole.len() > 2, "{metric}");
        query.window = Window::Month;
        let window = snapshot.board(&query).await.unwrap();
        assert_eq!(format!("{window:?}"), format!("{whole:?}"));
        // A page behind the first two rows goes on with the third, either way.
        query.after = Some((whole[1].value, whole[1].subject));
        for window in [Window::All, Window::Month] {
            query.window = window;
            let rest = snapshot.board(&query).await.unwrap();
            assert_eq!(format!("{rest:?}"), format!("{:?}", &whole[2..]));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_file_serves_one_process() {
    let folder = TempDir::new().unwrap();
    let _store = OnSqlite::open(&folder, "db").await;
    let second = Sqlite::open(&folder.path().join("db"), Role::Leader).await;
    assert!(matches!(second, Err(IndexerError::StoreInUse(_))));
    assert!(matches!(
        Store::open("mysql:x").await,
        Err(IndexerError::BadStore(_))
    ));
    let nowhere = folder.path().join("no").join("such").join("folder");
    assert!(matches!(
        Sqlite::open(&nowhere, Role::Leader).await,
        Err(IndexerError::OpenStore { .. })
    ));
}

/// The lock is on the file and not on one of its names.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn no_second_process_gets_in_by_a_link() {
    let folder = TempDir::new().unwrap();
    let named = |name: &str| folder.path().join(name);
    let store = OnSqlite::open(&folder, "db").await;
    std::os::unix::fs::symlink(named("db"), named("soft")).unwrap();
    assert!(matches!(
        Sqlite::open(&named("soft"), Role::Leader).await,
        Err(IndexerError::StoreInUse(_))
    ));
    std::fs::create_dir(named("inner")).unwrap();
    std::os::unix::fs::symlink(folder.path(), named("inner/folder")).unwrap();
    assert!(matches!(
        Sqlite::open(&named("inner/folder/db"), Role::Leader).await,
        Err(IndexerError::StoreInUse(_))
    ));
    std::fs::hard_link(named("db"), named("hard")).unwrap();
    assert!(matches!(
        Sqlite::open(&named("hard"), Role::Leader).await,
        Err(IndexerError::LinkedStore(_))
    ));
    std::os::unix::fs::symlink(named("nothing"), named("dangling")).unwrap();
    assert!(matches!(
        Sqlite::open(&named("dangling"), Role::Leader).await,
        Err(IndexerError::OpenStore { .. })
    ));
    store.close().await;
    drop(store);
    std::fs::remove_file(named("hard")).unwrap();
    Sqlite::open(&named("soft"), Role::Leader).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_that_can_be_kept_is_refused() {
    for name in [
        "sqlite::memory:",
        "sqlite:file:x?mode=memory",
        "sqlite:file::memory:",
        "sqlite:x?mode=memory",
        "sqlite://:memory:",
        "sqlite:",
    ] {
        let opened = Store::open(name).await;
        assert!(matches!(opened, Err(IndexerError::BadStore(_))), "{name}");
    }
}

/// A connection beside the store's.
async fn aside(folder: &TempDir, name: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(folder.path().join(name));
    options.create_if_missing(true).connect().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_application_is_refused_and_stays_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("other");
    for made in [
        "CREATE TABLE recipes (cake TEXT)",
        "PRAGMA application_id = 7",
    ] {
        let mut other = aside(&folder, "other").await;
        sqlx::raw_sql(made).execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            Sqlite::open(&path, Role::Leader).await,
            Err(IndexerError::ForeignStore(_))
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        std::fs::remove_file(&path).unwrap();
    }
    // An empty file is free to become one.
    std::fs::write(folder.path().join("empty"), "").unwrap();
    OnSqlite::open(&folder, "empty").await;
}

/// Its events may be none that this version understands.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_version_is_refused_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    for other in [
        "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
        "UPDATE _sqlx_migrations SET version = 77 WHERE version = 1",
    ] {
        let store = OnSqlite::open(&folder, "db").await;
        store.write(&batch(&History::new(1).events)).await.unwrap();
        store.close().await;
        drop(store);
        let mut made = aside(&folder, "db").await;
        sqlx::raw_sql(other).execute(&mut made).await.unwrap();
        let refused = Sqlite::open(&folder.path().join("db"), Role::Leader)
            .await
            .err()
            .unwrap();
        let is_newer = other.contains("77");
        assert_eq!(matches!(refused, IndexerError::Migrate(_)), !is_newer);
        assert_eq!(matches!(refused, IndexerError::NewerStore), is_newer);
        assert!(
            refused.to_string().contains("name another store"),
            "{refused}"
        );
        let kept: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM event")
            .fetch_one(&mut made)
            .await
            .unwrap();
        assert!(kept > 0);
        made.close().await.unwrap();
        std::fs::remove_file(folder.path().join("db")).unwrap();
    }
}

async fn rows_that_were_deleted_are_missed_and_not_counted<T: Tested>() {
    let history = History::lived(8, 10);
    let total = history.events.len() as u64;
    // One event a transaction: whether it is gone, and whether its transaction is noted still.
    for (sql, gone, noted) in [
        ("DELETE FROM event WHERE name = 'JobTaken'", true, true),
        (
            "UPDATE tx SET entries = NULL WHERE slot > x'00000000000003f0'",
            false,
            false,
        ),
        (
            "DELETE FROM tx WHERE slot > x'00000000000003f0'",
            true,
            false,
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let store = T::open(&folder, "db").await;
        store.write(&batch(&history.events)).await.unwrap();
        let whole = store.digest().await.unwrap();
        ranked(&store, &history).await;
        assert_eq!(store.mend().await.unwrap(), None);
        let deleted = T::execute(&folder, "db", sql).await;
        assert!(deleted > 3);

        let loss = store.mend().await.unwrap().unwrap().loss.unwrap();
        let entries = if gone { deleted } else { 0 };
        assert_eq!(
            (loss.entries, loss.incomplete, loss.transactions),
            (
                entries,
                if noted { deleted } else { 0 },
                if noted { 0 } else { deleted }
            )
        );
        assert!(loss.to_string().contains(&format!("{entries} events")));
        // Boards that were known before keep nothing of what is gone.
        let anew = T::open_as(&folder, "db", Role::Replica).await.unwrap();
        assert_eq!(
            ranked(&store, &history).await,
            ranked(&anew, &history).await
        );
        anew.close().await;
        let counts = counts(&store).await;
        assert_eq!(
            (counts.events, counts.transactions),
            (total - entries, total - deleted)
        );
        // What is gone with its transaction is the end of the history: that shows no gap.
        assert_eq!(counts.gaps > 0, gone && noted);
        let wholeness = store.read().await.unwrap().wholeness();
        assert!(!wholeness.is_whole());
        assert!(wholeness.to_string().contains("walked again"));
        assert_eq!(store.mend().await.unwrap(), None);

        // They count as unknown: a walk to the start brings them again, and with it the history is whole.
        let signatures: Vec<_> = history
            .events
            .iter()
            .map(|event| event.id.signature)
            .collect();
        let known = store.known(&signatures).await.unwrap();
        assert_eq!(known.len() as u64, total - deleted);
        let again = Batch {
            cursor: Some(cursor(history.slot)),
            from_start: true,
            ..batch(&history.events)
        };
        store.write(&again).await.unwrap();
        assert_eq!(store.digest().await.unwrap(), whole);
        assert!(store.read().await.unwrap().wholeness().is_whole());
    }
}

async fn a_window_that_was_tampered_with_is_noticed<T: Tested>() {
    let history = History::lived(8, 40);
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    store.write(&batch(&history.events)).await.unwrap();
    let sums = "CREATE TABLE windowless AS SELECT * FROM score WHERE bucket = -9223372036854775808";
    T::execute(&folder, "db", sums).await;
    let end = Batch {
        cursor: Some(end_of(&history.events)),
        ..Batch::default()
    };
    store.write(&end).await.unwrap();
    assert!(store.check().await.unwrap().is_sound());
    for sql in [
        // The rows of sums as they were before there were windows.
        "DELETE FROM score WHERE bucket = -9223372036854775808",
        "INSERT INTO score SELECT * FROM windowless",
    ] {
        assert!(T::execute(&folder, "db", sql).await > 0);
    }
    // A check changes nothing: it finds the same again.
    for _ in 0..2 {
        assert!(!store.check().await.unwrap().is_equal());
    }
    let rebuilt = store.rebuild().await.unwrap();
    assert_ne!(rebuilt.before, rebuilt.after);
    let rebuilt = store.rebuild().await.unwrap();
    assert_eq!(rebuilt.before, rebuilt.after);
}

/// A name in any language, however it sorts there, and a character that PostgreSQL keeps in no text.
async fn texts_of_strangers_are_kept_as_they_are<T: Tested>() {
    let mut history = History::lived(5, 4);
    for event in &mut history.events {
        if let QuernEvent::ProviderRegistered(event) = &mut event.body {
            event.endpoint = "http://\0\u{202e}\u{e9}\u{10ffff}'\\\"; DROP TABLE event".to_owned();
        }
    }
    let folder = TempDir::new().unwrap();
    let store = T::open(&folder, "db").await;
    let mut told = batch(&history.events);
    told.dead_letters = vec![DeadLetter {
        id: project::EventId {
            signature: Signature([9; 64]),
            instruction: u32::MAX,
            inner: u32::MAX,
        },
        slot: u64::MAX,
        reason: "\0".to_owned(),
        data: vec![0; 3],
    }];
    store.write(&told).await.unwrap();
    let all = everything(&store, &history).await;
    assert!(all.contains("DROP TABLE event"));
    assert_eq!(store.mend().await.unwrap(), None);
    assert!(store.check().await.unwrap().is_equal());
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_make_the_same_tables_and_answers() {
    for seed in [41, 42, 43] {
        let history = History::lived(seed, 60);
        let folder = TempDir::new().unwrap();
        let sqlite = OnSqlite::open(&folder, "db").await;
        let postgres = OnPostgres::open(&folder, "db").await;
        for (store, size) in [(&sqlite, 50), (&postgres, 77)] {
            for some in history.events.chunks(size) {
                let mut batch = batch(some);
                batch.cursor = Some(end_of(some));
                store.write(&batch).await.unwrap();
            }
        }
        assert_eq!(
            sqlite.digest().await.unwrap(),
            postgres.digest().await.unwrap()
        );
        let (ours, theirs) = (
            everything(&sqlite, &history).await,
            everything(&postgres, &history).await,
        );
        assert_eq!(ours, theirs);
        assert_eq!(
            ranked(&sqlite, &history).await,
            ranked(&postgres, &history).await
        );
        let (ours, theirs) = (
            sqlite.check().await.unwrap(),
            postgres.check().await.unwrap(),
        );
        assert!(ours.is_sound());
        assert_eq!(ours, theirs);
    }
}

conformance! {
    any_order_and_duplication_give_the_same_tables,
    a_write_that_is_not_finished_leaves_the_store_as_it_was,
    two_changes_with_one_seq_give_the_same_tables_in_any_order,
    a_missing_event_shows_as_a_gap_until_it_comes,
    an_interrupted_write_leaves_rows_and_cursor_in_agreement,
    the_cursor_never_goes_back_and_the_origin_is_kept,
    a_store_serves_one_program_and_one_network,
    dead_letters_are_revived_once_they_are_understood,
    amounts_near_the_end_of_u64_are_exact_and_ranked,
    a_snapshot_keeps_its_state_while_others_write,
    ledgers_follow_every_write_and_are_read_once,
    windows_hold_what_their_hours_hold,
    bulk_and_live_make_the_same_tables_and_windows,
    windows_rank_as_all_time_does_when_they_hold_everything,
    texts_of_strangers_are_kept_as_they_are,
    rows_that_were_deleted_are_missed_and_not_counted,
    a_window_that_was_tampered_with_is_noticed,
}
