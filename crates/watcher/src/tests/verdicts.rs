//! How cases end, and what is done about the end.

use super::*;

#[tokio::test]
async fn a_right_result_is_reported_once() {
    let world = World::honest();
    world.publish(&world.claim);
    let settings = Settings {
        state: Some(world.place().join("state")),
        scope: Scope::Clients([CLIENT].into()),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
    let pass = watcher.pass().await.unwrap();
    let verdict = Verdict::Consistent {
        items: CheckedItems {
            items: 4,
            recomputed: 0,
            verified: 4,
        },
        delivered: true,
        note: None,
    };
    assert_eq!(pass.waiting, 0);
    assert_eq!(pass.reports.len(), 1);
    assert_eq!(pass.reports[0].verdict, verdict);
    assert_eq!(
        (pass.reports[0].job, pass.reports[0].submission),
        (world.address, 1)
    );
    assert!(watcher.pass().await.unwrap().reports.is_empty());
    // A second one is kept out as long as the first one lives.
    let chain = Arc::clone(&watcher.state.context.chain);
    let second = Watcher::new(settings.clone(), chain);
    assert!(matches!(
        second.err(),
        Some(WatcherError::Data(DataError::Locked { .. }))
    ));
    drop(watcher);
    // A new process with the same folder does not do it again, and needs no weights from outside.
    let again = world.watcher_with(ANNA, settings.clone(), usize::MAX);
    assert!(again.pass().await.unwrap().reports.is_empty());
    std::fs::remove_file(world.place().join("weights")).unwrap();
    std::fs::remove_dir_all(world.place().join("state/cases")).unwrap();
    drop(again);
    let fresh = world.watcher_with(ANNA, settings, usize::MAX);
    assert_eq!(fresh.pass().await.unwrap().reports[0].verdict, verdict);
    // Of another client nothing is looked at.
    let other = Settings {
        scope: Scope::Clients([BERT].into()),
        ..world.settings()
    };
    let other = world.watcher_with(ANNA, other, usize::MAX);
    assert!(other.pass().await.unwrap().reports.is_empty());
}

#[tokio::test]
async fn a_published_wrong_value_of_any_op_is_convicted_at_once() {
    for op in 0..5 {
        let world = World::wrong(op);
        world.publish(&world.claim);
        let watcher = world.watcher(ANNA);
        let report = watcher.pass().await.unwrap().reports.remove(0);
        let Verdict::Convicted {
            charge: Charge::Cell { op: found, .. },
            demands: 0,
            ..
        } = report.verdict
        else {
            panic!("{report:?}")
        };
        assert_eq!(usize::from(found), op);
        assert_eq!(
            (world.count(|c| &c.convictions), world.count(|c| &c.asks)),
            (1, 0)
        );
        // The next pass has it paid out, and then there is nothing left to say.
        assert!(watcher.pass().await.unwrap().reports.is_empty());
        assert_eq!(world.count(|c| &c.settled), 1);
        assert!(watcher.pass().await.unwrap().reports.is_empty());
    }
}

/// Providers of older versions put sums of products beside a trace. Nothing reads them, whatever they say.
#[tokio::test]
async fn a_file_that_means_nothing_changes_nothing() {
    for is_wrong in [false, true] {
        let world = match is_wrong {
            true => World::wrong(0),
            false => World::honest(),
        };
        world.publish(&world.claim);
        for item in 0..world.work.items {
            world.write(&format!("item-{item}.sums"), &[1, 2, 3]);
        }
        let report = world.watcher(ANNA).pass().await.unwrap().reports.remove(0);
        match is_wrong {
            true => assert!(report.verdict.is_conviction(), "{report:?}"),
            false => assert_eq!(report.verdict.name(), "consistent"),
        }
    }
}

#[tokio::test]
async fn a_right_result_that_is_not_delivered_is_consistent() {
    for published in [None, Some(vec![7; 100])] {
        let world = World::honest();
        if let Some(bytes) = published {
            world.write(fetch::ROOTS_FILE, &bytes);
            world.write(&fetch::trace_file(0), &bytes);
        }
        let report = world.watcher(ANNA).pass().await.unwrap().reports.remove(0);
        let Verdict::Consistent {
            items,
            delivered: false,
            note: Some(note),
        } = report.verdict
        else {
            panic!("{report:?}")
        };
        assert!(note.contains(fetch::ROOTS_FILE), "{note}");
        assert_eq!((items.recomputed, items.verified), (4, 0));
        assert_eq!(world.count(|c| &c.asks), 0);
    }
}

#[tokio::test]
async fn two_watchers_share_demands_and_one_convicts() {
    let world = World::wrong(4);
    world.pass_time(100);
    let (anna, bert) = (world.watcher(ANNA), world.watcher(BERT));
    let mut reports = Vec::new();
    for round in 0..40 {
        let (first, second) = if round % 2 == 0 {
            (&anna, &bert)
        } else {
            (&bert, &anna)
        };
        // Both look at the same moment.
        let (one, other) = tokio::join!(first.pass(), second.pass());
        reports.extend(one.unwrap().reports);
        reports.extend(other.unwrap().reports);
        if reports.len() == 2 {
            break;
        }
        if world.state().job.is_some() {
            world.answer();
        }
    }
    assert_eq!(world.count(|c| &c.asks), 4);
    assert_eq!(world.count(|c| &c.convictions), 1);
    let mut names: Vec<&str> = reports.iter().map(|report| report.verdict.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["already_convicted", "convicted"]);
    assert!(reports.iter().any(|report| matches!(
        report.verdict,
        Verdict::AlreadyConvicted {
            by_us: false,
            reason: Some(ConvictionReason::WrongCell),
            ..
        }
    )));
    for watcher in [&anna, &bert] {
        watcher.pass().await.unwrap();
    }
    assert_eq!(world.count(|c| &c.closed), 4);
}

#[tokio::test]
async fn a_case_is_known_by_what_was_committed_to() {
    let world = World::honest();
    world.publish(&world.claim);
    let settings = Settings {
        state: Some(world.place().join("state")),
        ..world.settings()
    };
    let mut watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
    assert_eq!(watcher.pass().await.unwrap().reports.len(), 1);
    // The same submission with another root, after a rollback; and the same address on another cluster.
    let changes: [fn(&mut Job); 2] = [
        |job| job.trace_root = [1; 32],
        |job| job.created_at = 5i64.into(),
    ];
    for change in changes {
        change(world.state().job.as_mut().unwrap());
        assert_eq!(watcher.pass().await.unwrap().waiting, 1);
        // Only one process at a time uses the folder.
        drop(watcher);
        watcher = world.watcher_with(BERT, settings.clone(), usize::MAX);
        assert_eq!(watcher.pass().await.unwrap().waiting, 1);
        lock(&watcher.state.cases.open).clear();
    }
}

#[tokio::test]
async fn whoever_has_money_in_a_conviction_opens_the_provers_purse() {
    for is_client in [false, true] {
        let world = World::wrong(1);
        world.publish(&world.claim);
        world.has_purse.store(false, Ordering::SeqCst);
        let settings = Settings {
            scope: match is_client {
                true => Scope::Clients([CLIENT].into()),
                false => Scope::All,
            },
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        for _ in 0..3 {
            watcher.pass().await.unwrap();
        }
        assert_eq!(world.count(|c| &c.settled), usize::from(is_client));
    }
}

/// What is known to be wrong is never called unchecked, and whoever can pay convicts it later.
#[tokio::test]
async fn a_wrong_result_that_cannot_be_convicted_is_called_wrong() {
    for is_published in [true, false] {
        let world = World::wrong(2);
        world.pass_time(100);
        if is_published {
            world.publish(&world.claim);
        }
        world.is_poor.store(true, Ordering::SeqCst);
        let settings = Settings {
            state: Some(world.place().join("state")),
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
        let report = until_nothing_open(&watcher).await.remove(0);
        let Verdict::Wrong { charge, why, .. } = &report.verdict else {
            panic!("{report:?}")
        };
        assert_eq!(charge.is_some(), is_published);
        assert!(why.contains("lamports"));
        assert_eq!(report.json()["verdict"], "wrong");
        assert!(report.verdict.details().contains("do NOT use"));
        drop(watcher);
        world.is_poor.store(false, Ordering::SeqCst);
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(report.verdict.name(), "convicted");
    }
    // Also if it was paid in the meantime.
    let world = World::wrong(2);
    world.publish(&world.claim);
    world.is_poor.store(true, Ordering::SeqCst);
    let watcher = world.watcher(ANNA);
    assert_eq!(watcher.pass().await.unwrap().waiting, 1);
    world.finalize();
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "wrong");
    assert!(why(&report).contains("paid"), "{report:?}");
}

#[test]
fn reports_in_json_say_the_same_for_programs() {
    let report = Report {
        job: CLIENT,
        submission: 2,
        client: CLIENT,
        provider: PROVIDER,
        verdict: Verdict::Convicted {
            signature: Signature::default(),
            charge: Charge::Cell {
                op: 1,
                row: 2,
                col: 3,
                at: 0,
            },
            item: Some(2),
            route: Route::Account,
            evidence_bytes: 10,
            compute_units: None,
            demands: 0,
        },
        fees_lamports: 5,
    };
    let json = report.json();
    for (field, value) in [
        ("verdict", serde_json::json!("convicted")),
        (
            "charge",
            serde_json::json!({ "item": 2, "op": 1, "row": 2, "col": 3, "at": 0 }),
        ),
        ("route", serde_json::json!("account")),
        ("submission", serde_json::json!(2)),
        ("compute_units", serde_json::Value::Null),
    ] {
        assert_eq!(json[field], value, "{field}");
    }
    assert!(
        report
            .verdict
            .details()
            .contains("op 1, row 2, column 3 (item 2)")
    );
}
