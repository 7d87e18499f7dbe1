//! Some items of many: which are checked, by which way, and what that finds.

use super::*;

fn sampling(world: &World, share: f64) -> Settings {
    Settings {
        sample: Some(share),
        ..world.settings()
    }
}

fn consistent(report: &Report) -> (CheckedItems, bool) {
    match &report.verdict {
        Verdict::Consistent {
            items, delivered, ..
        } => (*items, *delivered),
        other => panic!("{other:?}"),
    }
}

/// The convicted op and item, and how many answers led there.
fn convicted(report: &Report) -> (u16, u32, u32) {
    match report.verdict {
        Verdict::Convicted {
            charge: Charge::Cell { op, .. },
            item: Some(item),
            demands,
            ..
        } => (op, item, demands),
        _ => panic!("{report:?}"),
    }
}

#[tokio::test]
async fn a_sample_with_the_wrong_item_convicts_and_another_says_how_little_was_checked() {
    let world = World::of(Work::tables(50, 3, 200), |work| work.with_wrong(17, 1));
    world.publish_roots(&world.claim);
    let missed = CheckedItems {
        items: 50,
        recomputed: 4,
        verified: 0,
    };
    let watcher = world.watcher_with(ANNA, sampling(&world, 0.08), usize::MAX);
    choose(&watcher, &[3, 16, 18, 49]).await;
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(consistent(&report), (missed, true));
    let details = report.verdict.details();
    assert!(details.contains("4 of 50 items"), "{details}");
    assert!(
        details.contains("3.9 %") && details.contains("34.4 %"),
        "{details}"
    );
    let json = report.json();
    assert_eq!((&json["items"], &json["checked"]), (&50.into(), &4.into()));
    assert!((json["chance_of_10_percent"].as_f64().unwrap() - 0.3439).abs() < 1e-9);
    // With its trace, no demand is needed.
    world.publish(&world.claim);
    let watcher = world.watcher_with(ANNA, sampling(&world, 0.08), usize::MAX);
    choose(&watcher, &[3, 17, 18, 49]).await;
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(convicted(&report), (1, 17, 0));
    let json = report.json();
    let cell = serde_json::json!({ "item": 17, "op": 1, "row": 52, "col": 100, "at": 0 });
    assert_eq!(json["charge"], cell);
}

/// Every item has its turn: a watcher that checks half of them finds a wrong one before long.
#[tokio::test]
async fn the_sample_is_drawn_after_the_submission_and_stays() {
    let world = World::of(Work::tables(20, 1, 50), Work::honest);
    world.publish_roots(&world.claim);
    let mut drawn = HashSet::new();
    for _ in 0..20 {
        let watcher = world.watcher_with(ANNA, sampling(&world, 0.25), usize::MAX);
        survey(&watcher.state, &HashSet::new(), true).await.unwrap();
        let id = CaseId::of(world.address, &world.state().job.unwrap());
        let mut case = watcher.state.cases.get(&id).unwrap();
        assert!(case.sample.is_none());
        let first = case.sample(20, Some(0.25)).unwrap();
        assert_eq!(first.len(), 5);
        assert_eq!(case.sample(20, Some(0.25)).unwrap(), first);
        drawn.insert(first);
    }
    // Of 15,504 samples twenty are not the same.
    assert!(drawn.len() > 1);
}

#[tokio::test]
async fn only_the_work_of_the_sample_counts() {
    let world = World::of(Work::tables(20, 1, 50), Work::honest);
    world.publish_roots(&world.claim);
    world.state().job.as_mut().unwrap().work = 20_000_000_000u64.into();
    for (max_work, share, is_checked) in [
        (20_000_000_000, None, true),
        (19_999_999_999, None, false),
        (5_000_000_000, Some(0.25), true),
        (4_999_999_999, Some(0.25), false),
    ] {
        let settings = Settings {
            max_work,
            sample: share,
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        let report = watcher.pass().await.unwrap().reports.remove(0);
        match is_checked {
            true => assert_eq!(report.verdict.name(), "consistent"),
            false => {
                let why = why(&report);
                assert!(
                    why.contains("--max-gwork") && why.contains("--sample"),
                    "{why}"
                );
            }
        }
    }
}

/// All traces together are 20 times the memory; one item at a time fits.
#[tokio::test]
async fn memory_is_that_of_one_item() {
    let work = Work::tables(40, 64, 1_000);
    let world = World::of(work, |work| work.with_wrong(38, 2));
    world.publish_roots(&world.claim);
    world.publish_trace(&world.claim, 0);
    let settings = Settings {
        memory_bytes: 24 << 20,
        ..world.settings()
    };
    world.pass_time(100);
    let watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
    let report = until_reported(&world, &watcher, true).await;
    let (op, item, _) = convicted(&report);
    assert_eq!((op, item), (2, 38));
    // What does not fit is refused before anything is fetched.
    let world = World::of(Work::tables(40, 64, 1_000), Work::honest);
    let settings = Settings {
        memory_bytes: 4 << 20,
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert!(why(&report).contains("--memory-limit"), "{report:?}");
}

/// With item roots, demands are about one item only, and the watcher answers what is above it.
#[tokio::test]
async fn what_follows_from_published_roots_the_watcher_answers_itself() {
    let world = World::of(Work::tables(50, 3, 200), |work| work.with_wrong(17, 1));
    world.publish_roots(&world.claim);
    world.pass_time(100);
    let watcher = world.watcher_with(ANNA, sampling(&world, 0.04), usize::MAX);
    choose(&watcher, &[17, 18]).await;
    let report = until_reported(&world, &watcher, true).await;
    // Levels 0 and 4 of the trace, a step of the op's tree, a leaf. At level 4 the answer shows ops of items, too.
    assert_eq!(convicted(&report), (1, 17, 4));
    let counts = [world.count(|c| &c.asks), world.count(|c| &c.answers)];
    assert_eq!(counts, [4, 1]);
    assert_eq!(report.fees_lamports, 3 * FEE_LAMPORTS);
}

/// Without item roots a sample has to be asked for, right or wrong, and the limit of fees holds for all of it.
#[tokio::test]
async fn a_sample_without_item_roots_is_compared_by_demands() {
    // Levels 0 and 4 above each of three items, of which two share the one at level 4.
    let (asks, inside) = (3, 2);
    for is_wrong in [false, true] {
        // Too little for one item; enough for one, but not for all three; enough for all.
        for most in [asks + inside - 2, asks + inside - 1, asks + inside] {
            let world = World::of(Work::tables(50, 3, 200), |work| match is_wrong {
                true => work.with_wrong(17, 1),
                false => work.honest(),
            });
            world.pass_time(100);
            let settings = Settings {
                max_fee_lamports: most * FEE_LAMPORTS,
                ..sampling(&world, 0.06)
            };
            let watcher = world.watcher_with(ANNA, settings, usize::MAX);
            choose(&watcher, &[16, 17, 40]).await;
            let report = until_reported(&world, &watcher, true).await;
            if most == asks + inside - 2 {
                assert!(why(&report).contains("--max-fee-lamports"), "{report:?}");
                assert_eq!(report.verdict.name(), "could_not_check");
                assert_eq!(world.count(|c| &c.asks), 0);
                continue;
            }
            if most == asks + inside - 1 {
                // Two ways lead on: the one item that is left is the wrong one, or it is not.
                assert!(report.fees_lamports <= most * FEE_LAMPORTS, "{report:?}");
                match report.verdict {
                    Verdict::Convicted { item, .. } => assert!(is_wrong && item == Some(17)),
                    _ => assert_eq!(consistent(&report).0.count(), 1),
                }
                continue;
            }
            match is_wrong {
                // All that lead to item roots are opened at once; inside the item there are two more.
                true => assert_eq!(convicted(&report), (1, 17, 5)),
                false => {
                    let (items, delivered) = consistent(&report);
                    assert_eq!((items.count(), delivered), (3, false));
                    assert_eq!(world.count(|c| &c.asks), asks as usize);
                }
            }
        }
    }
}

#[tokio::test]
async fn silence_about_a_sample_is_convicted() {
    let world = World::of(Work::tables(50, 3, 200), Work::honest);
    world.pass_time(100);
    let watcher = world.watcher_with(ANNA, sampling(&world, 0.02), usize::MAX);
    let report = until_reported(&world, &watcher, false).await;
    assert_eq!(report.verdict.name(), "timed_out");
}

/// Nothing that is published beside a result is believed.
#[tokio::test]
async fn published_lies_are_ignored() {
    for is_wrong in [false, true] {
        let world = match is_wrong {
            true => World::wrong(2),
            false => World::honest(),
        };
        world.pass_time(100);
        let right = world.claim.commitment(&world.work).roots_file;
        let mut other = right.clone();
        other[0] ^= 1;
        let mut paths = right.clone();
        // Of each item a root and three nodes of the path; nobody needs the path to check items.
        paths[40] ^= 1;
        let mut wrong_trace = file::encode_trace(&world.work.with_wrong(2, 0).outputs[2]).unwrap();
        let cases = [
            (other, false),
            (right[..64].to_vec(), false),
            (paths, true),
            (right, true),
        ];
        for (roots, leads) in cases {
            world.publish(&world.claim);
            world.write(fetch::ROOTS_FILE, &roots);
            // Of another claim, cut off, and of the right size without sense.
            world.write(
                &fetch::trace_file(0),
                &file::encode_trace(&world.work.outputs[1]).unwrap(),
            );
            world.write(&fetch::trace_file(1), &vec![7; wrong_trace.len()]);
            wrong_trace.truncate(wrong_trace.len() - 1);
            world.write(&fetch::trace_file(2), &wrong_trace);
            let watcher = world.watcher(ANNA);
            if is_wrong {
                let report = until_reported(&world, &watcher, true).await;
                let (op, item, _) = convicted(&report);
                assert_eq!((op, item), (2, 2));
                break;
            }
            let report = watcher.pass().await.unwrap().reports.remove(0);
            let (items, delivered) = consistent(&report);
            assert_eq!((items.recomputed, delivered), (4, leads), "{report:?}");
            wrong_trace.push(0);
        }
    }
}

/// An item whose trace is published is verified by it, the others are computed.
#[tokio::test]
async fn items_without_a_trace_are_computed() {
    let world = World::honest();
    world.publish_roots(&world.claim);
    world.publish_trace(&world.claim, 0);
    world.publish_trace(&world.claim, 1);
    let report = world.watcher(ANNA).pass().await.unwrap().reports.remove(0);
    let expected = CheckedItems {
        items: 4,
        recomputed: 2,
        verified: 2,
    };
    assert_eq!(consistent(&report), (expected, true));
    let details = report.verdict.details();
    assert!(
        details.contains("all 4 items (2 computed again, 2 by"),
        "{details}"
    );
}

/// A job of one item needs no item roots; published ones and its trace are used.
#[tokio::test]
async fn one_item() {
    for (is_published, demands) in [(true, 0), (false, 3)] {
        let world = World::of(Work::tables(1, 3, 200), |work| work.with_wrong(0, 1));
        world.pass_time(100);
        if is_published {
            world.publish(&world.claim);
        }
        let report = until_reported(&world, &world.watcher(ANNA), true).await;
        assert_eq!(convicted(&report), (1, 0, demands));
    }
}

/// Also between a demand and its own answer to it.
#[tokio::test]
async fn killed_while_it_answers_itself_it_goes_on_and_asks_nothing_twice() {
    for steps in 1..200 {
        let world = World::of(Work::tables(20, 1, 50), |work| work.with_wrong(13, 1));
        world.publish_roots(&world.claim);
        world.pass_time(100);
        let killed = world.watcher_with(ANNA, world.settings(), steps);
        let mut is_dead = false;
        for _ in 0..20 {
            is_dead |= killed.pass().await.is_err();
            if is_dead || world.state().job.is_none() {
                break;
            }
            world.answer();
        }
        let second = world.watcher(ANNA);
        for _ in 0..20 {
            for report in second.pass().await.unwrap().reports {
                assert!(report.verdict.is_conviction(), "{steps}: {report:?}");
            }
            if world.state().job.is_none() {
                break;
            }
            world.answer();
        }
        second.pass().await.unwrap();
        assert!(world.state().job.is_none(), "{steps}");
        assert!(world.state().demands.is_empty(), "{steps}");
        // Two steps of the trace and a leaf.
        let counts = [world.count(|c| &c.asks), world.count(|c| &c.convictions)];
        assert_eq!(counts, [3, 1], "{steps}");
        if !is_dead {
            assert_eq!(world.count(|c| &c.answers), 1);
            return;
        }
    }
    panic!("it takes more steps than were tried");
}

/// As with texts: the roots of all items of a sample are asked for at once.
#[tokio::test]
async fn a_sample_is_compared_although_every_answer_comes_at_the_last_second() {
    let world = World::of(Work::tables(200, 1, 50), |work| work.with_wrong(170, 1));
    world.pass_time(i64::from(REVIEW_SECS) - 2);
    let watcher = world.watcher_with(ANNA, sampling(&world, 0.02), usize::MAX);
    choose(&watcher, &[3, 40, 90, 170]).await;
    let mut reports = Vec::new();
    for _ in 0..2_000 {
        reports.extend(watcher.pass().await.unwrap().reports);
        if !reports.is_empty() {
            break;
        }
        world.answer_at_the_last_second();
        world.pass_time(1);
    }
    let (op, item, _) = convicted(&reports[0]);
    assert_eq!((op, item), (1, 170));
}
