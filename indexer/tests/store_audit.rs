//! What every engine must do for the audit and for a replay: keep what was found, list what lives, revive what is understood.
#![allow(clippy::unwrap_used, clippy::panic)]

#[macro_use]
mod support;

use {
    futures::TryStreamExt,
    quern_api::{AuditCheck, Key, Signature},
    quern_indexer::{
        project::{ALL_TIME, EventId, ScoreKey, program::EntityKind},
        store::{AuditRow, Batch, DeadLetter, DifferenceRow, Projected, Projection, Store},
    },
    std::collections::BTreeMap,
    support::{HIDING_NAME, History, Tested, counts},
    tempfile::TempDir,
};

async fn filled<T: Tested>(folder: &TempDir) -> (Store, History) {
    let mut history = History::lived(3, 8);
    history.open_job();
    let store = T::open(folder, "db").await;
    let batch = Batch {
        events: history.events.clone(),
        ..Batch::default()
    };
    store.write(&batch).await.unwrap();
    (store, history)
}

async fn what_an_audit_found_is_kept_until_the_next_one<T: Tested>() {
    let folder = TempDir::new().unwrap();
    let (store, _) = filled::<T>(&folder).await;
    let kept = async || store.read().await.unwrap().audit().await.unwrap();
    assert_eq!(kept().await, None);
    let difference = |n: u8, check| DifferenceRow {
        check,
        kind: EntityKind::Purse as u8,
        address: Key([n; 32]),
        figure: "free_atoms".to_owned(),
        // What a node answers is a stranger's text.
        expected: format!("{HIDING_NAME}\0"),
        found: u128::MAX.to_string(),
    };
    let checks = AuditCheck::ALL.iter().zip(0..);
    let found = AuditRow {
        slot: u64::MAX,
        at: 1_900_000_000,
        figures: 12,
        unsettled: 3,
        found: 40,
        differences: checks.map(|(check, n)| difference(n, *check)).collect(),
        error: Some(format!("refused: {HIDING_NAME}\0")),
    };
    store.put_audit(&found).await.unwrap();
    assert_eq!(kept().await, Some(found));
    let equal = AuditRow {
        slot: 7,
        ..AuditRow::default()
    };
    store.put_audit(&equal).await.unwrap();
    assert_eq!(kept().await, Some(equal));
}

async fn what_lives_is_listed_by_address_and_nothing_else<T: Tested>() {
    let folder = TempDir::new().unwrap();
    let (store, _) = filled::<T>(&folder).await;
    let mut snapshot = store.read().await.unwrap();
    let rows: Vec<Projected> = snapshot
        .queries()
        .scan(Projection::Entity)
        .try_collect()
        .await
        .unwrap();
    let mut expected = BTreeMap::<u8, Vec<Key>>::new();
    for row in rows {
        let Projected::Entity((kind, address), row) = row else {
            panic!("another row")
        };
        let of_kind = expected.entry(kind).or_default();
        if !row.closed {
            of_kind.push(address);
        }
    }
    assert_eq!(expected[&(EntityKind::Job as u8)].len(), 1);
    for (kind, addresses) in expected {
        let live: Vec<_> = snapshot.queries().live(kind).try_collect().await.unwrap();
        let live: Vec<Key> = live.iter().map(|entity| entity.address).collect();
        assert_eq!(live, addresses, "kind {kind}");
    }
}

async fn numbers_of_everybody_are_read_a_part_at_a_time<T: Tested>() {
    let folder = TempDir::new().unwrap();
    let (store, _) = filled::<T>(&folder).await;
    let mut snapshot = store.read().await.unwrap();
    let whole = snapshot.sums_behind(None, 1_000).await.unwrap();
    let subjects: Vec<Key> = whole.iter().map(|(subject, _)| *subject).collect();
    assert!(subjects.len() > 5 && subjects.is_sorted() && subjects[0] == Key::NONE);
    let mut found = Vec::new();
    while found.len() < whole.len() {
        let after = found.last().map(|(subject, _)| *subject);
        let page = snapshot.sums_behind(after.as_ref(), 2).await.unwrap();
        assert!(!page.is_empty());
        found.extend(page);
    }
    assert_eq!(found, whole);
    let wanted = [&subjects[1..4], &[Key([7; 32])]].concat();
    let mut of_some = snapshot.sums_of(&wanted).await.unwrap();
    of_some.sort_by_key(|(subject, _)| *subject);
    assert_eq!(of_some, whole[1..4]);
    // There are no windows before there is a cursor.
    let mut from_hours = BTreeMap::<ScoreKey, u128>::new();
    let hours: Vec<_> = snapshot.numbers_of_hours().try_collect().await.unwrap();
    for (key, value) in hours {
        let bucket = ALL_TIME;
        *from_hours.entry(ScoreKey { bucket, ..key }).or_default() += value;
    }
    let sums = whole.into_iter().flat_map(|(_, numbers)| numbers);
    let in_hours = sums.filter(|(key, _)| !key.measure.metric.is_of_clients_alone());
    assert_eq!(from_hours, in_hours.collect());
}

/// Letters of events, and one that nobody understands.
async fn a_replay_revives_what_is_understood_and_lists_the_rest<T: Tested>() {
    let folder = TempDir::new().unwrap();
    let (clean, history) = filled::<T>(&folder).await;
    let (known, unknown) = history.events.split_at(history.events.len() / 2);
    let letter = |id, data| DeadLetter {
        id,
        slot: history.slot,
        reason: "an older version did not know it".to_owned(),
        data,
    };
    let nobodys = EventId {
        signature: Signature([9; 64]),
        instruction: 0,
        inner: 0,
    };
    let letters = unknown.iter().map(|event| DeadLetter {
        slot: event.slot,
        ..letter(event.id, event.body.encode())
    });
    let store = T::open(&folder, "letters").await;
    let batch = Batch {
        events: known.to_vec(),
        dead_letters: letters.chain([letter(nobodys, vec![1, 2])]).collect(),
        ..Batch::default()
    };
    store.write(&batch).await.unwrap();
    let replayed = store.replay().await.unwrap();
    assert_eq!(replayed.revived, unknown.len() as u64);
    assert_eq!(
        replayed.left,
        BTreeMap::from([("an older version did not know it".to_owned(), 1)])
    );
    assert_eq!(store.replay().await.unwrap().revived, 0);
    assert_eq!(store.digest().await.unwrap(), clean.digest().await.unwrap());
    let counts = counts(&store).await;
    assert_eq!(
        (counts.events, counts.dead_letters),
        (history.events.len() as u64, 1)
    );
}

conformance! {
    what_an_audit_found_is_kept_until_the_next_one,
    what_lives_is_listed_by_address_and_nothing_else,
    numbers_of_everybody_are_read_a_part_at_a_time,
    a_replay_revives_what_is_understood_and_lists_the_rest,
}
