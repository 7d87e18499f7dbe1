//! What is paid, to whom, and when not.

use {
    super::{
        market::{FUNDS, FakeMarket, Habit, LEAST, ROW, State, address},
        world::{Running, ask, check, id, open, request, rows, settings, until},
    },
    crate::{
        embedder::Embedder,
        journal::kept_in,
        order::Stage,
        refusal::{Cap, Refusal},
        settings::Settings,
        spending::SpendingState,
    },
    quern_rules::caps::Caps,
    std::time::Duration,
};

async fn running(market: &FakeMarket, settings: Settings) -> Running {
    Running::start(open(settings, market).await)
}

#[tokio::test]
async fn a_request_is_answered_and_paid_once_however_often_it_is_made() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let gateway = running(&market, settings(folder.path())).await;
    let all = rows(&[&[1, 4, 2], &[1, 5, 6, 2]]);
    let answer = ask(&gateway.engine, request("one", all.clone()))
        .await
        .unwrap();
    check(&answer, &all);
    assert_eq!((answer.tokens, answer.jobs.len()), (7, 1));
    assert!((answer.checked_share() - 1.0).abs() < 1e-9);
    let again = ask(&gateway.engine, request("one", all.clone()))
        .await
        .unwrap();
    assert_eq!(again, answer);
    assert_eq!(
        gateway.engine.find(&request("x", all.clone()).body_sha256),
        Some(id("one"))
    );
    // Its name is taken.
    let other = ask(&gateway.engine, request("one", rows(&[&[1, 2]]))).await;
    assert!(matches!(other, Err(Refusal::KeyReused { .. })), "{other:?}");
    assert_eq!(market.chain(|chain| chain.opened), 1);
    let receipt = gateway.engine.receipt(&answer.jobs[0].job).unwrap();
    assert_eq!(receipt["checked"]["items"], 2);
    market.end_reviews();
    let engine = gateway.engine.clone();
    let is_paid = move || engine.spending(None, 9)[0].state == SpendingState::Paid;
    until("the price is seen to be paid", is_paid).await;
    assert_eq!(market.paid(), LEAST);
    market.check_conservation();
    let csv = std::fs::read_to_string(folder.path().join("spending.csv")).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
    gateway.stop().await;
}

#[tokio::test]
async fn requests_share_a_job_and_a_batch_is_cut_into_several() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let settings = Settings {
        batch_time: Duration::from_millis(300),
        full_rows: 3,
        job_rows: 4,
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let engine = &gateway.engine;
    let each = [
        rows(&[&[1, 4, 2]]),
        rows(&[&[1, 5, 2]]),
        rows(&[&[1, 6, 2]]),
    ];
    let [a, b, c] = ["a", "b", "c"];
    let (a, b, c) = tokio::join!(
        ask(engine, request(a, each[0].clone())),
        ask(engine, request(b, each[1].clone())),
        ask(engine, request(c, each[2].clone())),
    );
    for (answer, rows) in [a, b, c].iter().zip(&each) {
        check(answer.as_ref().unwrap(), rows);
    }
    assert_eq!(market.chain(|chain| chain.opened), 1);
    let ids: Vec<[u32; 3]> = (0..10).map(|id| [1, id, 2]).collect();
    let ids: Vec<&[u32]> = ids.iter().map(<[u32; 3]>::as_slice).collect();
    let mut batch = request("batch", rows(&ids));
    batch.is_batch = true;
    let answer = ask(engine, batch.clone()).await.unwrap();
    check(&answer, &batch.rows);
    assert_eq!(
        (answer.jobs.len(), market.chain(|chain| chain.opened)),
        (3, 4)
    );
    gateway.stop().await;
    market.check_conservation();
}

#[tokio::test]
async fn a_cheat_is_convicted_and_gets_nothing_more() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Cheat, Habit::Honest]),
    );
    let gateway = running(&market, settings(folder.path())).await;
    for name in ["one", "two"] {
        let all = rows(&[&[1, 4, 2]]);
        let answer = ask(&gateway.engine, request(name, all.clone()))
            .await
            .unwrap();
        check(&answer, &all);
        assert_eq!(answer.jobs[0].provider, address(2).to_string());
    }
    let states = market.chain(|chain| chain.jobs.values().map(|job| job.state).collect::<Vec<_>>());
    let convicted = states
        .iter()
        .filter(|state| **state == State::Convicted)
        .count();
    assert_eq!((convicted, states.len()), (1, 3));
    let spending = gateway.engine.spending(None, 9);
    assert_eq!(spending[2].state, SpendingState::Returned);
    assert!(
        spending[2].note.as_ref().unwrap().contains("convicted"),
        "{spending:?}"
    );
    market.end_reviews();
    assert_eq!(
        market.chain(|chain| chain.paid.get(&address(1)).copied()),
        None
    );
    market.check_conservation();
    gateway.stop().await;
    // It is remembered.
    let gateway = running(&market, settings(folder.path())).await;
    ask(&gateway.engine, request("three", rows(&[&[1, 2]])))
        .await
        .unwrap();
    assert_eq!(market.chain(|chain| chain.opened), 4);
    gateway.stop().await;
}

#[tokio::test]
async fn who_is_silent_stuck_or_keeps_the_answer_back_makes_place() {
    for habit in [Habit::Silent, Habit::Stuck, Habit::Withholds] {
        let folder = tempfile::tempdir().unwrap();
        let market = FakeMarket::new(&[habit, Habit::Honest]);
        let settings = Settings {
            providers: [address(1), address(2)].into(),
            take_time: Duration::from_secs(if habit == Habit::Silent { 2 } else { 600 }),
            ..settings(folder.path())
        };
        let gateway = running(&market, settings).await;
        let all = rows(&[&[1, 4, 2]]);
        let answer = ask(&gateway.engine, request("one", all.clone()))
            .await
            .unwrap();
        check(&answer, &all);
        assert_eq!(answer.jobs[0].provider, address(2).to_string(), "{habit:?}");
        market.end_reviews();
        // Only what was submitted is paid.
        let jobs = if habit == Habit::Withholds { 2 } else { 1 };
        assert_eq!(market.paid(), jobs * LEAST, "{habit:?}");
        market.check_conservation();
        gateway.stop().await;
    }
}

#[tokio::test]
async fn caps_hold_at_their_edges() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let settings = Settings {
        caps: Caps {
            request_atoms: 7 * ROW,
            hour_atoms: 2 * LEAST,
            day_atoms: u64::MAX,
        },
        ..settings(folder.path())
    };
    let gateway = running(&market, settings.clone()).await;
    let many = |count: usize| rows(&vec![&[1u32, 2][..]; count]);
    let refused = gateway.engine.place(request("large", many(8))).await;
    let over = |refused: &Result<(), Refusal>| match refused {
        Err(Refusal::OverCap {
            cap,
            left_atoms,
            retry_after_secs,
            ..
        }) => Some((*cap, *left_atoms, retry_after_secs.is_some())),
        _ => None,
    };
    assert_eq!(over(&refused), Some((Cap::Request, 7 * ROW, false)));
    assert!(
        gateway.engine.progress(&id("large")).is_none(),
        "nothing is kept"
    );
    let mut dear = request("dear", many(1));
    dear.most_atoms = Some(LEAST - 1);
    let refused = gateway.engine.place(dear.clone()).await;
    assert!(
        matches!(refused, Err(Refusal::OverRequest { .. })),
        "{refused:?}"
    );
    dear.most_atoms = Some(LEAST);
    ask(&gateway.engine, dear).await.unwrap();
    // 10 of 20 are spent: 6 rows cost 12, one costs 10.
    let refused = gateway.engine.place(request("hour", many(6))).await;
    assert_eq!(over(&refused), Some((Cap::Hour, LEAST, true)));
    ask(&gateway.engine, request("last", many(1)))
        .await
        .unwrap();
    let refused = gateway.engine.place(request("none", many(1))).await;
    assert_eq!(over(&refused), Some((Cap::Hour, 0, true)));
    // What was answered is answered still.
    ask(&gateway.engine, request("last", many(1)))
        .await
        .unwrap();
    gateway.stop().await;
    // A restart forgets no spending.
    let gateway = running(&market, settings).await;
    let refused = gateway.engine.place(request("none", many(1))).await;
    assert_eq!(over(&refused), Some((Cap::Hour, 0, true)));
    gateway.stop().await;
}

#[tokio::test]
async fn what_comes_back_may_be_spent_again() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Cheat, Habit::Honest]),
    );
    let settings = Settings {
        caps: Caps {
            request_atoms: LEAST,
            hour_atoms: LEAST,
            day_atoms: LEAST,
        },
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    ask(&gateway.engine, request("one", rows(&[&[1, 2]])))
        .await
        .unwrap();
    let refused = gateway
        .engine
        .place(request("two", rows(&[&[1, 4, 2]])))
        .await;
    assert!(
        matches!(refused, Err(Refusal::OverCap { .. })),
        "{refused:?}"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_never_came_is_paid_again_only_within_the_caps() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Withholds, Habit::Honest]),
    );
    let settings = Settings {
        caps: Caps {
            hour_atoms: LEAST,
            ..Caps::NONE
        },
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let refused = ask(&gateway.engine, request("one", rows(&[&[1, 2]]))).await;
    assert!(
        matches!(refused, Err(Refusal::OverCap { cap: Cap::Hour, .. })),
        "{refused:?}"
    );
    assert_eq!(market.chain(|chain| chain.opened), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn an_empty_purse_and_a_refused_job_are_said() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.free = LEAST - 1);
    let settings = Settings {
        attempts: 2,
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let refused = ask(&gateway.engine, request("one", rows(&[&[1, 2]]))).await;
    assert!(
        matches!(refused, Err(Refusal::NoFunds { free_atoms: 9, .. })),
        "{refused:?}"
    );
    market.chain(|chain| (chain.free, chain.is_feeless) = (FUNDS, true));
    let refused = ask(&gateway.engine, request("fee", rows(&[&[1, 2]]))).await;
    assert!(
        matches!(refused, Err(Refusal::NoLamports { .. })),
        "{refused:?}"
    );
    market.chain(|chain| (chain.is_feeless, chain.refuse) = (false, 9));
    let refused = ask(&gateway.engine, request("two", rows(&[&[1, 2]]))).await;
    let said = refused.unwrap_err();
    assert!(said.to_string().contains("paused"), "{said}");
    assert!(!said.is_passing(), "{said}");
    // Both are taken up again once they may succeed.
    market.chain(|chain| chain.refuse = 0);
    let all = rows(&[&[1, 2]]);
    for name in ["one", "two", "fee"] {
        let answer = ask(&gateway.engine, request(name, all.clone())).await;
        check(&answer.unwrap(), &all);
    }
    // A node that does not answer is no attempt.
    market.chain(|chain| (chain.refuse, chain.unread) = (1, 3));
    ask(&gateway.engine, request("three", rows(&[&[1, 2]])))
        .await
        .unwrap();
    gateway.stop().await;
    market.check_conservation();
}

#[tokio::test]
async fn a_batch_waits_for_its_wallet_with_one_job() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.free = LEAST - 1);
    let gateway = running(&market, settings(folder.path())).await;
    let mut batch = request("batch", rows(&[&[1, 2], &[1, 4, 2]]));
    batch.is_batch = true;
    gateway.engine.place(batch.clone()).await.unwrap();
    let looks = market.chain(|chain| chain.purse_looks);
    until("the purse is looked at again", || {
        market.chain(|chain| chain.purse_looks) > looks + 2
    })
    .await;
    assert_eq!(market.chain(|chain| chain.published.len()), 1);
    let progress = gateway.engine.progress(&batch.id).unwrap();
    assert_eq!(progress.stage, Stage::Running);
    // First funds for the price, then for the fee.
    market.chain(|chain| (chain.free, chain.is_feeless) = (FUNDS, true));
    let looks = market.chain(|chain| chain.purse_looks);
    until("it is tried without fees", || {
        market.chain(|chain| chain.purse_looks) > looks + 2
    })
    .await;
    market.chain(|chain| chain.is_feeless = false);
    check(
        &ask(&gateway.engine, batch.clone()).await.unwrap(),
        &batch.rows,
    );
    assert_eq!(market.chain(|chain| chain.opened), 1);
    gateway.stop().await;
    market.check_conservation();
}

#[tokio::test]
async fn rows_that_nobody_wants_any_more_are_not_paid_for() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        // Nobody may have the work yet.
        FakeMarket::new(&[]),
    );
    let settings = Settings {
        batch_time: Duration::from_millis(200),
        full_rows: 2,
        providers: [address(1)].into(),
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let each = [rows(&[&[1, 4, 2]]), rows(&[&[1, 5, 2]])];
    for (name, rows) in ["gone", "stays"].into_iter().zip(&each) {
        gateway
            .engine
            .place(request(name, rows.clone()))
            .await
            .unwrap();
    }
    until("they share a job", || {
        market.chain(|chain| chain.published.len()) == 1
    })
    .await;
    gateway.engine.cancel(&id("gone")).await.unwrap();
    market.chain(|chain| chain.providers.push((address(1), Habit::Honest)));
    let answer = ask(&gateway.engine, request("stays", each[1].clone())).await;
    check(&answer.unwrap(), &each[1]);
    let items = gateway.engine.spending(None, 9);
    let paid: Vec<u32> = items.iter().map(|one| one.rows).collect();
    assert_eq!(paid, [1]);
    gateway.stop().await;
    market.check_conservation();
}

#[tokio::test]
async fn a_cancelled_request_gives_back_what_nobody_has_taken() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Silent]),
    );
    let settings = Settings {
        take_time: Duration::from_secs(600),
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    gateway
        .engine
        .place(request("one", rows(&[&[1, 2]])))
        .await
        .unwrap();
    until("a job is created", || {
        market.chain(|chain| chain.opened) == 1
    })
    .await;
    let cancelled = gateway.engine.cancel(&id("one")).await.unwrap();
    assert_eq!(cancelled.stage, Stage::Cancelled);
    until("the price comes back", || {
        market.chain(|chain| chain.free) == FUNDS
    })
    .await;
    let waited = gateway
        .engine
        .wait(&id("one"), Duration::from_secs(9))
        .await;
    assert_eq!(waited, Err(Refusal::Cancelled));
    let engine = gateway.engine.clone();
    until("its job ends", move || {
        engine.spending(None, 1)[0].state == SpendingState::Returned
    })
    .await;
    until("its texts are shown no longer", || {
        market.chain(|chain| chain.published.is_empty())
    })
    .await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_stop_cancels_what_nobody_has_taken_and_a_start_goes_on() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Silent]),
    );
    let settings = Settings {
        take_time: Duration::from_secs(600),
        ..settings(folder.path())
    };
    let gateway = running(&market, settings.clone()).await;
    let all = rows(&[&[1, 2]]);
    gateway
        .engine
        .place(request("one", all.clone()))
        .await
        .unwrap();
    until("a job is created", || {
        market.chain(|chain| chain.opened) == 1
    })
    .await;
    let engine = gateway.engine.clone();
    gateway.stop().await;
    assert_eq!(market.chain(|chain| chain.free), FUNDS);
    let refused = engine.place(request("two", all.clone())).await;
    assert_eq!(refused, Err(Refusal::ShuttingDown));
    drop(engine);
    market.chain(|chain| chain.providers = vec![(address(1), Habit::Honest)]);
    let gateway = running(&market, settings).await;
    let answer = gateway
        .engine
        .wait(&id("one"), Duration::from_secs(30))
        .await
        .unwrap();
    check(&answer, &all);
    gateway.stop().await;
    market.check_conservation();
}

#[tokio::test]
async fn two_gateways_on_one_wallet_do_not_disturb_each_other() {
    let market = FakeMarket::new(&[Habit::Honest]);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, two] = [0, 1].map(|index| Settings {
        full_rows: 1,
        ..settings(folders[index].path())
    });
    let (one, two) = (running(&market, one).await, running(&market, two).await);
    let mut asked = Vec::new();
    for number in 0..12u32 {
        for gateway in [&one, &two] {
            let engine = gateway.engine.clone();
            let all = rows(&[&[1, 4 + number, 2]]);
            asked.push(tokio::spawn(async move {
                let answer = ask(&engine, request(&format!("r{number}"), all.clone())).await;
                check(&answer.unwrap(), &all);
            }));
        }
    }
    for task in asked {
        task.await.unwrap();
    }
    one.stop().await;
    two.stop().await;
    market.end_reviews();
    let (jobs, opened) = market.chain(|chain| (chain.jobs.len() as u64, chain.opened));
    assert_eq!((jobs, opened, market.paid()), (24, 24, 24 * LEAST));
    market.check_conservation();
}

#[tokio::test]
async fn one_folder_is_for_one_gateway() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let _first = open(settings(folder.path()), &market).await;
    let market = std::sync::Arc::new(market);
    let served = vec![super::world::served()];
    let second = crate::Engine::over(settings(folder.path()), served, market).await;
    let said = second.err().unwrap().to_string();
    assert!(said.contains("--state"), "{said}");
}

#[tokio::test]
async fn what_nobody_takes_is_offered_for_more_within_the_bounds() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.wanted = LEAST + 4);
    let settings = Settings {
        take_time: Duration::from_secs(1),
        ..settings(folder.path())
    };
    let gateway = running(&market, settings.clone()).await;
    let all = rows(&[&[1, 2]]);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    check(&answer.unwrap(), &all);
    let prices = |engine: &crate::Engine| -> Vec<u64> {
        let spending = engine.spending(None, 9);
        spending.iter().rev().map(|one| one.atoms).collect()
    };
    assert_eq!(prices(&gateway.engine), [10, 12, 15]);
    // The next job begins near what was enough.
    ask(&gateway.engine, request("two", rows(&[&[1, 4, 2]])))
        .await
        .unwrap();
    assert_eq!(prices(&gateway.engine)[3..], [14]);
    gateway.stop().await;
    market.check_conservation();

    // Never beyond the cap of a request, and never beyond what the settings say.
    for settings in [
        Settings {
            caps: Caps {
                request_atoms: LEAST + 1,
                ..Caps::NONE
            },
            ..settings.clone()
        },
        Settings {
            caps: Caps {
                hour_atoms: LEAST + 1,
                ..Caps::NONE
            },
            ..settings.clone()
        },
        Settings {
            most_price_bps: 11_000,
            ..settings.clone()
        },
    ] {
        let folder = tempfile::tempdir().unwrap();
        let market = FakeMarket::new(&[Habit::Honest]);
        market.chain(|chain| chain.wanted = LEAST + 4);
        let settings = Settings {
            state: folder.path().to_owned(),
            give_up: Duration::from_secs(4),
            ..settings
        };
        let gateway = running(&market, settings).await;
        let refused = ask(&gateway.engine, request("one", rows(&[&[1, 2]]))).await;
        assert!(
            matches!(refused, Err(Refusal::NoProvider { .. })),
            "{refused:?}"
        );
        let prices = prices(&gateway.engine);
        assert!(prices.iter().all(|price| *price <= LEAST + 1), "{prices:?}");
        assert_eq!(market.chain(|chain| chain.free), FUNDS);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn providers_are_not_listed_for_every_job() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let gateway = running(&market, settings(folder.path())).await;
    for number in 0..10u32 {
        let all = rows(&[&[1, 4 + number, 2]]);
        ask(&gateway.engine, request(&format!("r{number}"), all))
            .await
            .unwrap();
    }
    assert_eq!(market.chain(|chain| (chain.opened, chain.listed)), (10, 1));
    gateway.stop().await;
}

#[tokio::test]
async fn a_cap_holds_where_the_chain_becomes_dearer_meanwhile() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let settings = Settings {
        caps: Caps {
            request_atoms: LEAST,
            ..Caps::NONE
        },
        ..settings(folder.path())
    };
    let engine = open(settings, &market).await;
    engine
        .place(request("one", rows(&[&[1, 2]])))
        .await
        .unwrap();
    market.chain(|chain| chain.least = LEAST + 1);
    let gateway = Running::start(engine);
    let refused = gateway
        .engine
        .wait(&id("one"), Duration::from_secs(30))
        .await;
    assert!(
        matches!(
            refused,
            Err(Refusal::OverCap {
                cap: Cap::Request,
                ..
            })
        ),
        "{refused:?}"
    );
    assert_eq!(market.chain(|chain| chain.opened), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_whose_caller_hangs_up_at_once_is_answered_all_the_same() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let gateway = running(&market, settings(folder.path())).await;
    let all = rows(&[&[1, 4, 2]]);
    let placing = gateway.engine.place(request("one", all.clone()));
    // It is looked at once, which reserves its price, and dropped.
    tokio::select! {
        biased;
        _ = placing => panic!("it is written before it is dropped"),
        () = std::future::ready(()) => {}
    }
    let answer = gateway
        .engine
        .wait(&id("one"), Duration::from_secs(30))
        .await;
    check(&answer.unwrap(), &all);
    gateway.stop().await;
}

#[tokio::test]
async fn what_was_paid_in_vain_counts_against_the_limits_of_its_request() {
    for is_own in [false, true] {
        let (folder, market) = (
            tempfile::tempdir().unwrap(),
            FakeMarket::new(&[Habit::Withholds; 4]),
        );
        let settings = Settings {
            caps: Caps {
                request_atoms: if is_own { u64::MAX } else { 2 * LEAST },
                ..Caps::NONE
            },
            ..settings(folder.path())
        };
        let gateway = running(&market, settings).await;
        let mut one = request("one", rows(&[&[1, 2]]));
        one.most_atoms = is_own.then_some(2 * LEAST);
        let refused = ask(&gateway.engine, one).await.unwrap_err();
        let is_over = match refused {
            Refusal::OverRequest { atoms, .. } => is_own && atoms == 3 * LEAST,
            Refusal::OverCap { cap, atoms, .. } => cap == Cap::Request && atoms == 3 * LEAST,
            _ => false,
        };
        assert!(is_over, "{refused:?}");
        assert_eq!(market.chain(|chain| chain.opened), 2);
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_request_that_is_over_its_limit_leaves_those_that_share_its_job() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Withholds, Habit::Honest]),
    );
    let settings = Settings {
        full_rows: 10,
        batch_time: Duration::from_millis(300),
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    // Together they cost the least price per five rows, so each of them bears as much as it would alone.
    let many = |token: u32| rows(&[&[1, token, 2][..]; 5]);
    let mut poor = request("poor", many(4));
    poor.most_atoms = Some(LEAST);
    let rich = request("rich", many(5));
    let (poor, rich) = tokio::join!(
        ask(&gateway.engine, poor),
        ask(&gateway.engine, rich.clone())
    );
    assert!(matches!(poor, Err(Refusal::OverRequest { .. })), "{poor:?}");
    check(&rich.unwrap(), &many(5));
    // The first job was shared and paid in vain; the second one is for the one that goes on.
    let jobs = gateway.engine.spending(None, 9);
    let rows: Vec<u32> = jobs.iter().rev().map(|one| one.rows).collect();
    assert_eq!(rows, [10, 5]);
    gateway.stop().await;
    market.check_conservation();
}

#[tokio::test]
async fn parts_of_a_request_are_not_raised_to_its_cap_each() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.wanted = LEAST + 4);
    let settings = Settings {
        take_time: Duration::from_secs(1),
        give_up: Duration::from_secs(5),
        attempts: 4,
        job_rows: 5,
        caps: Caps {
            request_atoms: 3 * LEAST,
            ..Caps::NONE
        },
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    // Three parts for the least price each: nothing is left to raise them with.
    let all = rows(&[[1, 4, 2].as_slice(); 15]);
    let refused = ask(&gateway.engine, request("one", all)).await;
    assert!(refused.is_err(), "{refused:?}");
    let spending = gateway.engine.spending(None, 99);
    assert!(
        spending.iter().all(|one| one.atoms == LEAST),
        "{spending:?}"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_row_of_zeros_fails_its_own_request_only() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.zero_row = Some(0));
    let settings = Settings {
        full_rows: 3,
        batch_time: Duration::from_millis(300),
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let (zero, other) = (rows(&[&[1, 4, 2]]), rows(&[&[1, 5, 2], &[1, 6, 2]]));
    let (refused, answer) = tokio::join!(
        ask(&gateway.engine, request("zero", zero)),
        ask(&gateway.engine, request("other", other.clone())),
    );
    assert!(
        matches!(refused, Err(Refusal::NotRight { .. })),
        "{refused:?}"
    );
    check(&answer.unwrap(), &other);
    assert_eq!(market.chain(|chain| chain.opened), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn names_that_never_take_a_job_keep_it_from_the_others_for_two_offers() {
    let (folder, mut habits) = (tempfile::tempdir().unwrap(), vec![Habit::Silent; 8]);
    habits.push(Habit::Honest);
    let market = FakeMarket::new(&habits);
    let settings = Settings {
        take_time: Duration::from_secs(1),
        ..settings(folder.path())
    };
    let engine = open(settings, &market).await;
    {
        // Somebody is avoided, so every job is for one provider.
        let mut book = quern_data::runtime::lock(&engine.0.book);
        let (avoid, now) = (Duration::from_secs(600), engine.0.now());
        book.experience.failed(address(50), avoid, now, now);
    }
    let gateway = Running::start(engine);
    let all = rows(&[&[1, 2]]);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    check(&answer.unwrap(), &all);
    assert_eq!(market.chain(|chain| chain.opened), 3);
    // Nor do they make it dearer: nobody else had seen the first price.
    let dearest = market.chain(|chain| chain.jobs.values().map(|job| job.price).max());
    assert_eq!(dearest, Some(LEAST));
    gateway.stop().await;
}

#[tokio::test]
async fn offers_that_nobody_took_do_not_use_up_the_attempts() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.wanted = u64::MAX);
    let settings = Settings {
        take_time: Duration::from_secs(1),
        attempts: 2,
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let all = rows(&[&[1, 2]]);
    gateway
        .engine
        .place(request("one", all.clone()))
        .await
        .unwrap();
    until("more offers are made than there are attempts", || {
        market.chain(|chain| chain.opened) == 3
    })
    .await;
    market.chain(|chain| chain.wanted = 0);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    check(&answer.unwrap(), &all);
    gateway.stop().await;
}

#[tokio::test]
async fn a_job_whose_task_panicked_goes_on_while_others_are_at_work() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    // Nobody takes the job of one row.
    market.chain(|chain| chain.wanted = 6 * ROW);
    let gateway = running(&market, settings(folder.path())).await;
    let slow = request("slow", rows(&[&[1, 2]]));
    gateway.engine.place(slow).await.unwrap();
    until("the first job is created", || {
        market.chain(|chain| chain.opened) == 1
    })
    .await;
    market.chain(|chain| chain.panics = 1);
    let all = rows(&[[1, 4, 2].as_slice(); 6]);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    check(&answer.unwrap(), &all);
    assert_eq!(market.chain(|chain| chain.panics), 0);
    gateway.stop().await;
}

#[tokio::test]
async fn what_failed_is_taken_up_again_where_it_stood_and_within_its_cap() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.takes = Some(1));
    let settings = |request_atoms| Settings {
        job_rows: 2,
        take_time: Duration::from_secs(1),
        give_up: Duration::from_secs(2),
        caps: Caps {
            request_atoms,
            ..Caps::NONE
        },
        ..settings(folder.path())
    };
    let gateway = running(&market, settings(3 * LEAST)).await;
    let ids: Vec<[u32; 3]> = (0..6).map(|id| [1, 4 + id, 2]).collect();
    let ids: Vec<&[u32]> = ids.iter().map(<[u32; 3]>::as_slice).collect();
    let one = request("one", rows(&ids));
    // One of its three jobs is answered.
    let refused = ask(&gateway.engine, one.clone()).await;
    assert!(
        matches!(refused, Err(Refusal::NoProvider { .. })),
        "{refused:?}"
    );
    let progress = gateway.engine.progress(&id("one")).unwrap();
    assert_eq!((progress.stage, progress.answered), (Stage::Failed, 2));
    assert_eq!(gateway.engine.find(&one.body_sha256), Some(id("one")));
    gateway.stop().await;
    market.chain(|chain| chain.takes = None);
    // What it has spent counts still.
    let gateway = running(&market, settings(3 * LEAST - 1)).await;
    let refused = ask(&gateway.engine, one.clone()).await;
    assert!(
        matches!(
            refused,
            Err(Refusal::OverCap {
                cap: Cap::Request,
                atoms: 30,
                left_atoms: 19,
                ..
            })
        ),
        "{refused:?}"
    );
    gateway.stop().await;
    let gateway = running(&market, settings(3 * LEAST)).await;
    let answer = ask(&gateway.engine, one.clone()).await.unwrap();
    check(&answer, &one.rows);
    assert_eq!(answer.jobs.len(), 3);
    gateway.stop().await;
    market.end_reviews();
    assert_eq!(market.paid(), 3 * LEAST);
    market.check_conservation();
}

#[tokio::test]
async fn a_request_may_fail_and_be_asked_for_again_at_any_moment() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let settings = Settings {
        job_rows: 1,
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let ids: Vec<[u32; 3]> = (0..12).map(|id| [1, 4 + id, 2]).collect();
    let ids: Vec<&[u32]> = ids.iter().map(<[u32; 3]>::as_slice).collect();
    let one = request("one", rows(&ids));
    // It fails and is taken up again while its jobs are at every step.
    let mut tries = 0;
    let answer = loop {
        tries += 1;
        gateway.engine.place(one.clone()).await.unwrap();
        let patience = Duration::from_millis(2);
        match gateway.engine.wait(&one.id, patience).await {
            Ok(answer) => break answer,
            Err(Refusal::TimedOut { .. }) => {}
            Err(refused) => panic!("{refused}"),
        }
        let inner = &gateway.engine.0;
        let why = Refusal::NoProvider { why: String::new() };
        inner
            .end_order(&one.id, Stage::Failed, Some(why))
            .await
            .unwrap();
        assert!(tries < 10_000, "it never ends");
    };
    check(&answer, &one.rows);
    gateway.stop().await;
    market.end_reviews();
    assert_eq!(market.paid(), 12 * LEAST);
    market.check_conservation();
}

#[tokio::test]
async fn what_might_find_no_room_is_refused_before_it_is_paid() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    let settings = Settings {
        kept_bytes: 64 << 10,
        ..settings(folder.path())
    };
    let gateway = running(&market, settings).await;
    let engine = gateway.engine.clone();
    // Four rows of tokens and vectors take little; ten thousand rows do not fit.
    ask(&engine, request("one", rows(&[&[1, 2][..]; 4])))
        .await
        .unwrap();
    let mut large = request("large", rows(&vec![&[1, 2][..]; 10_000]));
    large.is_batch = true;
    let refused = engine.place(large).await;
    assert!(
        matches!(refused, Err(Refusal::StorageFull { .. })),
        "{refused:?}"
    );
    assert_eq!(market.chain(|chain| chain.opened), 1);
    // Many small ones fill it as well, and none of them is paid that is refused.
    let mut made = 1;
    let refused = loop {
        let name = format!("r{made}");
        match ask(&engine, request(&name, rows(&[&[1, made, 2]]))).await {
            Ok(_) => made += 1,
            Err(refused) => break refused,
        }
        assert!(made < 99, "it is never full");
    };
    assert!(
        matches!(refused, Refusal::StorageFull { .. }),
        "{refused:?}"
    );
    assert_eq!(market.chain(|chain| chain.opened), u64::from(made));
    // What is counted is what lies there.
    gateway.stop().await;
    let lies_there = || u64::try_from(kept_in(folder.path()).unwrap()).unwrap();
    until("what lies there is what was counted", || {
        engine.0.journal.kept_bytes() == lies_there()
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_not_reached_is_held_against_nobody() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    market.chain(|chain| chain.unreached = 1);
    let gateway = running(&market, settings(folder.path())).await;
    let all = rows(&[&[1, 2]]);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    check(&answer.unwrap(), &all);
    let (opened, unreached) = market.chain(|chain| (chain.opened, chain.unreached));
    assert_eq!((opened, unreached), (1, 0));
    let seen = quern_data::runtime::lock(&gateway.engine.0.book)
        .experience
        .of(&address(1));
    assert_eq!((seen.right, seen.failures), (1, 0));
    gateway.stop().await;
}

#[tokio::test]
async fn a_batch_leaves_a_place_for_who_waits() {
    let (folder, market) = (
        tempfile::tempdir().unwrap(),
        FakeMarket::new(&[Habit::Honest]),
    );
    // Nobody takes jobs of single rows.
    market.chain(|chain| chain.wanted = 6 * ROW);
    let settings = Settings {
        job_rows: 1,
        jobs: 2,
        ..settings(folder.path())
    };
    let mut batch = request("batch", rows(&[&[1, 2][..]; 5]));
    batch.is_batch = true;
    let gateway = running(&market, settings.clone()).await;
    gateway.engine.place(batch).await.unwrap();
    until("a job of the batch is created", || {
        market.chain(|chain| chain.opened) == 1
    })
    .await;
    gateway.kill().await;
    // A request of six rows, which are taken.
    let settings = Settings {
        job_rows: 6,
        ..settings
    };
    let gateway = running(&market, settings).await;
    let all = rows(&[[1, 4, 2].as_slice(); 6]);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    check(&answer.unwrap(), &all);
    assert_eq!(market.chain(|chain| chain.opened), 2);
    gateway.stop().await;
}
