//! A transformer that writes texts: the provider gives the tokens, and everything else follows from them.

use super::*;

/// The ops of the transformer that are charged here: a causal SOFTMAX and a NORM in the second layer.
const SOFTMAX: usize = 28;
const NORM: usize = 32;

/// What is published of a claim.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Everything,
    RootsAndTokens,
    Roots,
    Tokens,
    Nothing,
}

const ALL: [What; 5] = [
    What::Everything,
    What::RootsAndTokens,
    What::Roots,
    What::Tokens,
    What::Nothing,
];

fn publish(world: &World, what: What) {
    match what {
        What::Everything => world.publish(&world.claim),
        What::RootsAndTokens => {
            world.publish_roots(&world.claim);
            world.publish_tokens(&world.claim);
        }
        What::Roots => world.publish_roots(&world.claim),
        What::Tokens => world.publish_tokens(&world.claim),
        What::Nothing => {}
    }
}

async fn report_of(world: &Arc<World>) -> Report {
    world.pass_time(100);
    let watcher = world.watcher(ANNA);
    until_reported(world, &watcher, true).await
}

#[tokio::test]
async fn a_wrong_cell_of_a_transformer_is_convicted_whatever_is_published() {
    for what in ALL {
        for op in [SOFTMAX, NORM] {
            let world = World::of(Work::transformer(3), |work| work.with_wrong(1, op));
            publish(&world, what);
            let report = report_of(&world).await;
            let Verdict::Convicted {
                charge: Charge::Cell { op: found, .. },
                item: Some(1),
                demands,
                ..
            } = report.verdict
            else {
                panic!("{what:?}: {report:?}")
            };
            assert_eq!(usize::from(found), op, "{what:?}");
            assert_eq!(demands == 0, what == What::Everything, "{what:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_text_is_convicted_whatever_is_published() {
    for what in ALL {
        let world = World::of(Work::transformer(3), |work| work.with_other_text(2));
        publish(&world, what);
        let report = report_of(&world).await;
        let Verdict::Convicted {
            charge: Charge::Tokens { item: 2 },
            item: Some(2),
            demands,
            ..
        } = report.verdict
        else {
            panic!("{what:?}: {report:?}")
        };
        // Published tokens and item roots are all that it takes, and where all items were computed even those roots are known.
        let is_known = !matches!(what, What::Roots | What::Nothing);
        assert_eq!(demands == 0, is_known, "{what:?}, {demands}");
        assert!(report.verdict.details().contains("the tokens of item 2"));
        let job = world.state().job.unwrap();
        assert_eq!(job.conviction_reason, ConvictionReason::WrongTokens as u8);
    }
}

#[tokio::test]
async fn a_right_text_is_consistent_and_withheld_ones_are_demanded() {
    for what in ALL {
        let world = World::of(Work::transformer(3), Work::honest);
        publish(&world, what);
        let report = report_of(&world).await;
        let Verdict::Consistent { items, .. } = report.verdict else {
            panic!("{what:?}: {report:?}")
        };
        assert_eq!(items.count(), 3);
        // 16 tokens are one leaf: a step above the items, then a leaf for each.
        let asks = match what {
            What::Nothing => 1 + 3,
            // The result, which lies beside the item roots, is the text.
            _ => 0,
        };
        assert_eq!(world.count(|c| &c.asks), asks, "{what:?}");
    }
}

/// Of one item that is checked only its own text is demanded; the limit of fees holds for all of that.
#[tokio::test]
async fn only_the_texts_of_the_sample_are_demanded() {
    let world = World::of(Work::transformer(5), |work| work.with_other_text(3));
    world.publish_roots(&world.claim);
    world.pass_time(100);
    for (items, fees, name) in [
        (vec![2], 100, "consistent"),
        (vec![3], 3, "could_not_check"),
        (vec![3], 100, "convicted"),
    ] {
        let settings = Settings {
            sample: Some(0.2),
            max_fee_lamports: fees * FEE_LAMPORTS,
            ..world.settings()
        };
        let before = world.count(|c| &c.asks);
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        choose(&watcher, &items).await;
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(report.verdict.name(), name, "{report:?}");
        let asked = world.count(|c| &c.asks) - before;
        let expected = match name {
            "could_not_check" => 0,
            // The step above the items was answered to the first watcher.
            "convicted" => 1,
            _ => 2,
        };
        assert_eq!(asked, expected, "{name}");
    }
}

#[tokio::test]
async fn tokens_that_are_others_than_those_on_chain_are_ignored() {
    let world = World::of(Work::transformer(3), |work| work.with_other_text(2));
    // The text that it should have been.
    world.publish(&world.work.honest());
    world.publish_roots(&world.claim);
    let report = report_of(&world).await;
    let Verdict::Convicted {
        charge: Charge::Tokens { item: 2 },
        ..
    } = report.verdict
    else {
        panic!("{report:?}")
    };
}

/// A provider that never tells its text loses its bond.
#[tokio::test]
async fn silence_about_a_text_is_convicted() {
    let world = World::of(Work::transformer(2), Work::honest);
    world.publish_roots(&world.claim);
    // The result would be the text.
    std::fs::remove_file(world.place().join(fetch::RESULT_FILE)).unwrap();
    world.pass_time(100);
    let report = until_reported(&world, &world.watcher(ANNA), false).await;
    let Verdict::TimedOut { node_id, .. } = report.verdict else {
        panic!("{report:?}")
    };
    assert_eq!(node_id, NodeId::root(Tree::Data(Operand::Input(1))));
}

/// What stands below an answer may be asked for only a minute after it, which is as long as the provider may take for each: so
/// the watcher asks for all of that at once.
#[tokio::test]
async fn a_provider_that_answers_at_the_last_second_gains_nothing() {
    let text = |work: &Work| work.with_other_text(2);
    let cell = |work: &Work| work.with_wrong(2, NORM);
    let wrong: [fn(&Work) -> Claim; 2] = [text, cell];
    for wrong in wrong {
        let world = World::of(Work::transformer(3), wrong);
        // The first demand is opened just before the review ends.
        world.pass_time(i64::from(REVIEW_SECS) - 2);
        let watcher = world.watcher(ANNA);
        let mut reports = Vec::new();
        for _ in 0..2_000 {
            reports.extend(watcher.pass().await.unwrap().reports);
            if !reports.is_empty() {
                break;
            }
            world.answer_at_the_last_second();
            world.pass_time(1);
        }
        assert_eq!(reports[0].verdict.name(), "convicted", "{reports:?}");
    }
}
