//! Withheld results: what is demanded, and what an answer or none leads to.

use super::*;

#[tokio::test]
async fn a_withheld_wrong_value_of_any_op_is_found_by_demands() {
    for op in 0..5 {
        let world = World::wrong(op);
        // Other item roots and traces are as good as none.
        world.publish(&world.work.honest());
        let watcher = world.watcher(ANNA);
        let report = until_reported(&world, &watcher, true).await;
        let Verdict::Convicted {
            charge: Charge::Cell { op: found, .. },
            demands,
            ..
        } = report.verdict
        else {
            panic!("{report:?}")
        };
        assert_eq!(usize::from(found), op);
        // Two steps of the trace, one of the op's tree, the leaf.
        assert_eq!(demands, 4);
        assert_eq!(world.count(|c| &c.asks), 4);
        assert_eq!(report.fees_lamports, 4 * FEE_LAMPORTS);
        watcher.pass().await.unwrap();
        assert_eq!(world.count(|c| &c.settled), 1);
        assert_eq!(world.count(|c| &c.closed), 4);
        assert!(world.state().demands.is_empty());
    }
}

#[tokio::test]
async fn padding_of_the_trace_is_convicted() {
    let world = World::new(|work| Claim {
        forged: true,
        ..work.honest()
    });
    world.publish(&world.work.honest());
    let report = until_reported(&world, &world.watcher(ANNA), true).await;
    let Verdict::Convicted {
        charge: Charge::Padding(NodeId {
            tree: Tree::Trace, ..
        }),
        demands: 1,
        ..
    } = report.verdict
    else {
        panic!("{report:?}")
    };
    let job = world.state().job.unwrap();
    assert_eq!(job.conviction_reason, ConvictionReason::BadPadding as u8);
}

#[tokio::test]
async fn silence_is_convicted_whoever_asked() {
    let world = World::wrong(2);
    let report = until_reported(&world, &world.watcher(ANNA), false).await;
    let Verdict::TimedOut { node_id, .. } = report.verdict else {
        panic!("{report:?}")
    };
    assert_eq!((node_id.tree, node_id.level), (Tree::Trace, 0));
    assert_eq!(
        (world.count(|c| &c.asks), world.count(|c| &c.timeouts)),
        (1, 1)
    );

    // A demand of somebody else about a weight, which this watcher never needed.
    let world = World::honest();
    let view = View {
        world: Arc::clone(&world),
        signer: BERT,
        left: AtomicUsize::new(usize::MAX),
    };
    let node_id = NodeId {
        tree: Tree::Data(Operand::Weight(0)),
        level: 0,
        index: 0,
    };
    let job = world.state().job.unwrap();
    view.ask(&job, &node_id, None).await.unwrap();
    world.pass_time(i64::from(RESPONSE_SECS) + 1);
    let report = world.watcher(ANNA).pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "timed_out");
    assert_eq!(world.state().job.unwrap().prover, BERT);
}

#[tokio::test]
async fn late_data_are_waited_for_before_anything_is_paid() {
    let world = World::wrong(3);
    let watcher = world.watcher(ANNA);
    let pass = watcher.pass().await.unwrap();
    assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
    world.pass_time(29);
    watcher.pass().await.unwrap();
    assert_eq!(world.count(|c| &c.asks), 0);
    world.publish(&world.claim);
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert!(matches!(
        report.verdict,
        Verdict::Convicted { demands: 0, .. }
    ));
    assert_eq!(report.fees_lamports, 0);
}

#[tokio::test]
async fn once_it_has_paid_the_missing_trace_is_left_alone() {
    let world = World::wrong(3);
    world.pass_time(30);
    let watcher = world.watcher(ANNA);
    watcher.pass().await.unwrap();
    assert_eq!(world.count(|c| &c.asks), 1);
    let looks = world.count(|c| &c.look_ups);
    until_reported(&world, &watcher, true).await;
    assert_eq!(world.count(|c| &c.look_ups), looks);
}

#[tokio::test]
async fn the_limit_for_fees_holds_before_the_first_one_is_paid() {
    for (limit, asks) in [(4 * FEE_LAMPORTS - 1, 0), (4 * FEE_LAMPORTS, 4)] {
        let world = World::wrong(3);
        world.pass_time(100);
        let settings = Settings {
            max_fee_lamports: limit,
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(world.count(|c| &c.asks), asks, "{report:?}");
        if asks == 0 {
            assert!(why(&report).contains("--max-fee-lamports"), "{report:?}");
            assert_eq!(report.verdict.name(), "wrong");
        }
    }
}

#[tokio::test]
async fn killed_after_any_step_it_goes_on_and_asks_nothing_twice() {
    // How many steps it takes without a kill.
    for steps in 1..200 {
        let world = World::wrong(1);
        world.pass_time(100);
        let killed = world.watcher_with(ANNA, world.settings(), steps);
        let mut is_dead = false;
        for _ in 0..20 {
            is_dead |= killed.pass().await.is_err();
            if is_dead {
                break;
            }
            if world.state().job.is_some() {
                world.answer();
            }
        }
        let second = world.watcher(ANNA);
        for _ in 0..20 {
            let pass = second.pass().await.unwrap();
            for report in pass.reports {
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
        let counts = [
            world.count(|c| &c.asks),
            world.count(|c| &c.convictions),
            world.count(|c| &c.settled),
        ];
        assert_eq!(counts, [4, 1, 1], "{steps}");
        if !is_dead {
            return;
        }
    }
    panic!("it takes more steps than were tried");
}

/// Demands that nobody needs are not read, so no number of them keeps a watcher from its own.
#[tokio::test]
async fn a_flood_of_demands_hides_nothing() {
    let world = World::wrong(3);
    world.is_flooded.store(true, Ordering::SeqCst);
    world.pass_time(100);
    let report = until_reported(&world, &world.watcher(ANNA), true).await;
    assert_eq!(report.verdict.name(), "convicted");
    // Unanswered on an own demand is still noticed.
    let world = World::wrong(3);
    world.is_flooded.store(true, Ordering::SeqCst);
    world.pass_time(100);
    let report = until_reported(&world, &world.watcher(ANNA), false).await;
    assert_eq!(report.verdict.name(), "timed_out");
}

#[tokio::test]
async fn a_trace_whose_place_cannot_be_found_is_a_missing_one() {
    let world = World::wrong(3);
    world.publish(&world.claim);
    world.is_lost.store(true, Ordering::SeqCst);
    let watcher = world.watcher(ANNA);
    for _ in 0..5 {
        watcher.pass().await.unwrap();
    }
    world.pass_time(100);
    let report = until_reported(&world, &watcher, true).await;
    assert!(
        matches!(report.verdict, Verdict::Convicted { demands: 4, .. }),
        "{report:?}"
    );
    assert_eq!(
        world.count(|c| &c.look_ups),
        2,
        "once more, not in every step"
    );
}

#[tokio::test]
async fn after_the_review_nothing_is_asked_but_published_data_still_convict() {
    let world = World::wrong(0);
    world.pass_time(i64::from(REVIEW_SECS) + 1);
    let watcher = world.watcher(ANNA);
    let pass = watcher.pass().await.unwrap();
    assert_eq!(
        (pass.reports.len(), pass.waiting, world.count(|c| &c.asks)),
        (0, 1, 0)
    );
    world.publish(&world.claim);
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "convicted");
}
