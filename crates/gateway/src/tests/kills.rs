//! The gateway is killed before and after every write of its journal, and started again: the request is answered right, its price is
//! paid once, and nothing stays locked.

use {
    super::{
        market::{FakeMarket, Habit, LEAST, State},
        world::{Running, ask, check, id, open, request, rows, settings},
    },
    crate::{embedder::Embedder, engine::Engine, record::Step, refusal::Refusal},
    std::{path::Path, time::Duration},
};

/// More points than a request takes; the last run must not reach its point.
const MOST_POINTS: i64 = 200;

/// Runs until the journal's fuse burns or the request is answered. Says whether it burnt.
async fn until_killed(engine: Engine, point: i64) -> bool {
    let fuse = std::sync::Arc::clone(engine.0.journal.fuse());
    fuse.set(point);
    let gateway = Running::start(engine);
    let all = rows(&[&[1, 4, 2], &[1, 5, 2]]);
    let asked = ask(&gateway.engine, request("one", all));
    let burnt = async {
        while !fuse.is_burnt() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = burnt => {}
        answer = asked => {
            // What follows the answer is written, too.
            if answer.is_ok() {
                let deadline = std::time::Instant::now() + Duration::from_millis(40);
                while !fuse.is_burnt() && std::time::Instant::now() < deadline {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    }
    let is_burnt = fuse.is_burnt();
    gateway.kill().await;
    is_burnt
}

/// Starts again, asks again, and looks at everything.
async fn answered_after(folder: &Path, market: &FakeMarket, what: &str) {
    let gateway = Running::start(open(settings(folder), market).await);
    let all = rows(&[&[1, 4, 2], &[1, 5, 2]]);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    let answer = answer.unwrap_or_else(|why| panic!("{what}: {why}"));
    check(&answer, &all);
    let asked = gateway.engine.progress(&id("one"));
    assert_eq!(asked.map(|progress| progress.answered), Some(2), "{what}");
    gateway.stop().await;
    market.end_reviews();
    assert_eq!(market.paid(), LEAST, "{what}: it is paid once");
    market.check_conservation();
    let left = market.chain(|chain| {
        let states = chain.jobs.values().map(|job| job.state);
        states
            .filter(|state| matches!(state, State::Open | State::Taken))
            .count()
    });
    assert_eq!(left, 0, "{what}: nothing stays locked");
}

async fn killed_everywhere(habits: &[Habit], arrange: impl Fn(&FakeMarket)) {
    let mut point = 0;
    loop {
        assert!(point < MOST_POINTS, "the request never ends");
        let (folder, market) = (tempfile::tempdir().unwrap(), FakeMarket::new(habits));
        arrange(&market);
        let engine = open(settings(folder.path()), &market).await;
        let is_burnt = until_killed(engine, point).await;
        answered_after(folder.path(), &market, &format!("killed at point {point}")).await;
        if !is_burnt {
            assert!(point > 10, "only {point} points");
            return;
        }
        point += 1;
    }
}

#[tokio::test]
async fn a_kill_at_any_point_loses_nothing_and_pays_nothing_twice() {
    killed_everywhere(&[Habit::Honest], |_| ()).await;
}

#[tokio::test]
async fn nor_where_the_answer_to_the_creation_is_lost() {
    killed_everywhere(&[Habit::Honest], |market| {
        market.chain(|chain| chain.lose_answers = 1);
    })
    .await;
}

#[tokio::test]
async fn nor_where_the_first_provider_cheats() {
    killed_everywhere(&[Habit::Cheat, Habit::Honest], |_| ()).await;
}

#[tokio::test]
async fn nor_where_the_first_provider_never_answers() {
    killed_everywhere(&[Habit::Stuck, Habit::Honest], |_| ()).await;
}

#[tokio::test]
async fn nor_where_the_chain_refuses_the_creation_at_first() {
    killed_everywhere(&[Habit::Honest], |market| {
        market.chain(|chain| chain.refuse = 1);
    })
    .await;
}

#[tokio::test]
async fn nor_where_the_job_is_paid_before_the_gateway_is_back() {
    let mut point = 0;
    loop {
        let (folder, market) = (
            tempfile::tempdir().unwrap(),
            FakeMarket::new(&[Habit::Honest]),
        );
        let engine = open(settings(folder.path()), &market).await;
        let is_burnt = until_killed(engine, point).await;
        market.chain(|chain| chain.is_quick = true);
        // The provider goes on meanwhile.
        for _ in 0..6 {
            let jobs = market.chain(|chain| chain.jobs.keys().copied().collect::<Vec<_>>());
            for job in jobs {
                use crate::market::Market as _;
                market.look(&job, &market.uri(&job)).await.unwrap();
            }
        }
        answered_after(folder.path(), &market, &format!("paid after point {point}")).await;
        if !is_burnt {
            return;
        }
        point += 1;
        assert!(point < MOST_POINTS, "the request never ends");
    }
}

#[tokio::test]
async fn another_job_that_took_the_number_is_not_taken_for_the_own() {
    let mut point = 0;
    // Kill it when the creation was written down and not sent.
    let (folder, market) = loop {
        let folder = tempfile::tempdir().unwrap();
        let market = FakeMarket::new(&[Habit::Honest]);
        let engine = open(settings(folder.path()), &market).await;
        until_killed(engine, point).await;
        // Opening it waits until what was killed is gone.
        let engine = open(settings(folder.path()), &market).await;
        let jobs = engine.0.journal.jobs().unwrap();
        drop(engine);
        let is_there = jobs.iter().any(|job| job.step == Step::Creating);
        let opened = market.chain(|chain| chain.opened);
        if is_there && opened == 0 {
            break (folder, market);
        }
        assert_eq!(opened, 0, "it was created already");
        point += 1;
    };
    // Another gateway of the wallet creates a job under that number.
    let other = tempfile::tempdir().unwrap();
    let gateway = Running::start(open(settings(other.path()), &market).await);
    let all = rows(&[&[1, 6, 2]]);
    check(
        &ask(&gateway.engine, request("other", all.clone()))
            .await
            .unwrap(),
        &all,
    );
    gateway.stop().await;
    market.end_reviews();
    // The node that is asked first is behind.
    market.chain(|chain| chain.behind = 1);
    let gateway = Running::start(open(settings(folder.path()), &market).await);
    let all = rows(&[&[1, 4, 2], &[1, 5, 2]]);
    let answer = ask(&gateway.engine, request("one", all.clone())).await;
    check(&answer.unwrap(), &all);
    assert_eq!(market.chain(|chain| chain.behind), 0);
    let unknown = gateway
        .engine
        .wait(&id("none"), Duration::from_secs(1))
        .await;
    assert!(matches!(unknown, Err(Refusal::NoSuchRequest { .. })));
    gateway.stop().await;
    market.end_reviews();
    assert_eq!(market.paid(), 2 * LEAST);
    market.check_conservation();
}
