//! The loop, from the first look to the stop, with nodes that are behind.

use super::*;

#[tokio::test]
async fn a_node_that_is_behind_ends_no_case() {
    // Before the submission, and before the job.
    for has_job in [true, false] {
        let world = World::wrong(1);
        world.publish(&world.claim);
        let mut behind = world.state().job.unwrap();
        behind.state = JobState::Taken as u8;
        behind.submissions = 0u32.into();
        behind.trace_root = [0; 32];
        world.state().stale = vec![has_job.then_some(behind)];
        let watcher = world.watcher(ANNA);
        let pass = watcher.pass().await.unwrap();
        match has_job {
            true => assert_eq!((pass.reports.len(), pass.waiting), (0, 1)),
            false => assert_eq!(pass.reports[0].verdict.name(), "could_not_check"),
        }
        let pass = watcher.pass().await.unwrap();
        assert_eq!(pass.reports[0].verdict.name(), "convicted");
        assert!(watcher.pass().await.unwrap().reports.is_empty());
    }
    // What fails while another node is asked stays a failure.
    let world = World::wrong(1);
    world.publish(&world.claim);
    let now = world.state().job;
    let mut behind = now;
    behind.as_mut().unwrap().submissions = 0u32.into();
    let watcher = world.watcher_with(ANNA, world.settings(), usize::MAX);
    let id = CaseId::of(world.address, &now.unwrap());
    let case = Case::new(id, &now.unwrap());
    world.state().stale = vec![behind];
    let failed = ClientError::Argument("refused".to_owned());
    let next = actions::unless_moved_on(&watcher.state.context, &case, failed).await;
    assert!(matches!(next, Err(StepError::Again(_))), "{next:?}");
}

#[tokio::test]
async fn what_seems_to_have_gone_on_is_reported_once_and_examined_if_it_has_not() {
    let world = World::wrong(1);
    world.publish(&world.claim);
    let watcher = world.watcher(ANNA);
    world.state().stale = vec![None, None];
    let pass = watcher.pass().await.unwrap();
    assert!(why(&pass.reports[0]).contains("ended"), "{pass:?}");
    assert!(watcher.pass().await.unwrap().reports.is_empty());
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "convicted");
}

#[tokio::test]
async fn run_reports_and_stops_when_told() {
    let world = World::wrong(2);
    world.publish(&world.claim);
    let watcher = world.watcher(ANNA);
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let mut tell = Some(tell);
    let settled = async {
        told.await.unwrap();
        while world.state().job.is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let mut names = Vec::new();
    let report = |report: &Report| {
        names.push(report.verdict.name());
        let _ = tell.take().map(|tell| tell.send(()));
    };
    let run = watcher.run(Until::Stopped, report, settled);
    tokio::time::timeout(Duration::from_secs(30), run)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(names, ["convicted"]);
    assert_eq!(world.count(|c| &c.settled), 1);
}

#[tokio::test]
async fn a_node_that_hangs_keeps_nobody_from_stopping() {
    let world = World::honest();
    world.hangs.store(true, Ordering::SeqCst);
    let watcher = world.watcher(ANNA);
    let stop = async {
        while !world.is_stuck.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let run = watcher.run(Until::Stopped, |_| {}, stop);
    let done = tokio::time::timeout(Duration::from_secs(10), run).await;
    done.unwrap().unwrap();
}

#[tokio::test]
async fn it_ends_when_all_named_jobs_have_ended() {
    let world = World::honest();
    world.publish(&world.claim);
    let settings = Settings {
        scope: Scope::Jobs([world.address].into()),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let mut names = Vec::new();
    let report = |report: &Report| {
        names.push(report.verdict.name());
        world.finalize();
    };
    let run = watcher.run(Until::Stopped, report, std::future::pending());
    let done = tokio::time::timeout(Duration::from_secs(30), run).await;
    done.unwrap().unwrap();
    assert_eq!(names, ["consistent"]);
}

#[tokio::test]
async fn follow_tells_all_until_the_account_is_gone() {
    let world = World::wrong(2);
    world.publish(&world.claim);
    let settings = Settings {
        scope: Scope::Jobs([world.address].into()),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let mut told = Vec::new();
    let outcome = watcher.follow(&world.address, |what| {
        told.push(match what {
            Followed::State(state) => format!("{state:?}"),
            Followed::Verdict(report) => report.verdict.name().to_owned(),
            Followed::NoAnswer(why) => why,
        });
    });
    let outcome = tokio::time::timeout(Duration::from_secs(30), outcome).await;
    let expected = Outcome::Convicted {
        prover: ANNA,
        reason: Some(ConvictionReason::WrongCell),
    };
    assert_eq!(outcome.unwrap().unwrap(), expected);
    assert_eq!(told[..2], ["Submitted", "convicted"], "{told:?}");
}

/// Who follows a job is told once that the node does not answer, not at every look.
#[tokio::test]
async fn a_node_that_does_not_answer_is_told_of_once() {
    let world = World::wrong(2);
    world.publish(&world.claim);
    world.silences.store(20, Ordering::SeqCst);
    let settings = Settings {
        scope: Scope::Jobs([world.address].into()),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let mut silences = Vec::new();
    let outcome = watcher.follow(&world.address, |what| {
        if let Followed::NoAnswer(why) = what {
            silences.push(why);
        }
    });
    let outcome = tokio::time::timeout(Duration::from_secs(30), outcome).await;
    assert!(matches!(
        outcome.unwrap().unwrap(),
        Outcome::Convicted { .. }
    ));
    assert!(world.asked.load(Ordering::SeqCst) > 20);
    let [why] = silences.as_slice() else {
        panic!("{silences:?}");
    };
    assert!(why.contains("it is silent"), "{why}");
}

/// A node that refuses such a look never answers it: who wanted one look must hear of it, and who goes on goes on.
#[tokio::test]
async fn one_look_that_always_fails_ends_with_its_error() {
    let run = async |refusals: usize, until: Until| {
        let world = World::wrong(1);
        world.publish(&world.claim);
        world.refusals.store(refusals, Ordering::SeqCst);
        let watcher = world.watcher(ANNA);
        let mut names = Vec::new();
        let report = |report: &Report| names.push(report.verdict.name());
        let is_past = async {
            while until != Until::Stopped || world.refused.load(Ordering::SeqCst) < 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let run = watcher.run(until, report, is_past);
        let done = tokio::time::timeout(Duration::from_secs(30), run).await;
        let done = done.expect("it ends");
        (done.map_err(|error| error.to_string()), names)
    };
    let (failed, _) = run(usize::MAX, Until::NothingOpen).await;
    assert!(failed.unwrap_err().contains("excluded from this node"));
    // A node that comes back in time is asked again.
    let (done, names) = run(1, Until::NothingOpen).await;
    assert_eq!((done, names), (Ok(()), vec!["convicted"]));
    let (going_on, _) = run(usize::MAX, Until::Stopped).await;
    assert_eq!(going_on, Ok(()));
}
