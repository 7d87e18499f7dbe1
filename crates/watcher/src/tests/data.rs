//! Inputs, weights and own results: where they come from, what bounds them, how long they are kept.

use super::*;

#[tokio::test]
async fn what_is_missing_is_tried_again_until_the_job_ends() {
    let world = World::honest();
    world.publish(&world.claim);
    let inputs = world.place().join("inputs");
    std::fs::remove_file(&inputs).unwrap();
    let watcher = world.watcher(ANNA);
    for _ in 0..5 {
        let pass = watcher.pass().await.unwrap();
        assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
    }
    // Then it comes after all.
    world.write("inputs", &file::encode_bundle(&world.work.inputs));
    assert_eq!(
        watcher.pass().await.unwrap().reports[0].verdict.name(),
        "consistent"
    );

    let watcher = world.watcher(ANNA);
    std::fs::remove_file(&inputs).unwrap();
    watcher.pass().await.unwrap();
    world.finalize();
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert!(
        why(&report).contains("paid") && why(&report).contains("inputs"),
        "{report:?}"
    );

    // Who wants an answer now gets one.
    let world = World::honest();
    std::fs::remove_file(world.place().join("weights")).unwrap();
    let watcher = world.watcher(ANNA);
    let reports = until_nothing_open(&watcher).await;
    assert!(why(&reports[0]).contains("weights"), "{reports:?}");
}

#[tokio::test]
async fn data_of_a_named_client_are_kept_before_there_is_a_result() {
    for with_folder in [false, true] {
        let world = World::wrong(1);
        world.publish(&world.claim);
        world.state().job.as_mut().unwrap().state = JobState::Taken as u8;
        let mut settings = Settings {
            scope: Scope::Clients([CLIENT].into()),
            ..world.settings()
        };
        if with_folder {
            settings.state = Some(world.place().join("state"));
        }
        // Whoever watches everybody does not fetch before there is something to check.
        let everybody = world.watcher(BERT);
        everybody.pass().await.unwrap();
        let mut watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
        assert!(watcher.pass().await.unwrap().reports.is_empty());
        for name in ["inputs", "weights"] {
            std::fs::remove_file(world.place().join(name)).unwrap();
        }
        if with_folder {
            drop(watcher);
            watcher = world.watcher_with(ANNA, settings, usize::MAX);
        }
        world.state().job.as_mut().unwrap().state = JobState::Submitted as u8;
        let pass = everybody.pass().await.unwrap();
        assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
        let report = watcher.pass().await.unwrap().reports.remove(0);
        assert_eq!(report.verdict.name(), "convicted");
        if with_folder {
            let kept = std::fs::read_dir(world.place().join("state/tensors")).unwrap();
            let names = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let names: Vec<String> = names.filter(|name| name != "lock").collect();
            // The model's weights, which the next job needs, too; nothing keeps them from making room.
            assert_eq!(names.len(), 1, "{names:?}");
            assert!(names[0].ends_with(".weights"), "{names:?}");
        }
    }
}

/// Every attempt in vain counts, so that the next one may be slow for longer, and leaves slots to those that did not fail.
#[tokio::test]
async fn data_that_do_not_come_beforehand_are_looked_for_more_patiently() {
    let world = World::honest();
    world.state().job.as_mut().unwrap().state = JobState::Taken as u8;
    let settings = Settings {
        scope: Scope::Clients([CLIENT].into()),
        ..world.settings()
    };
    let place = world.place().join("inputs");
    let bytes = std::fs::read(&place).unwrap();
    std::fs::remove_file(&place).unwrap();
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let looked = || lock(&watcher.state.prepared)[&world.address];
    for failures in 1..4 {
        watcher.pass().await.unwrap();
        assert_eq!(looked().failures, failures);
        assert!(looked().again.is_some());
    }
    std::fs::write(&place, &bytes).unwrap();
    watcher.pass().await.unwrap();
    assert_eq!((looked().failures, looked().again), (3, None));
}

#[tokio::test]
async fn other_data_than_those_that_were_committed_to_are_refused() {
    let world = World::honest();
    let mut inputs = world.work.inputs.clone();
    inputs[0].data_mut()[0] ^= 1;
    world.write("inputs", &file::encode_bundle(&inputs));
    world.publish(&world.claim);
    let watcher = world.watcher(ANNA);
    let reports = until_nothing_open(&watcher).await;
    assert!(why(&reports[0]).contains("root"), "{reports:?}");
    assert_eq!(
        world.count(|c| &c.convictions) + world.count(|c| &c.asks),
        0
    );
}

#[tokio::test]
async fn limits_and_places_that_are_not_allowed_are_final() {
    let world = World::wrong(0);
    let mut small = world.settings();
    small.fetch.max_bytes = 100;
    let report = world
        .watcher_with(ANNA, small, usize::MAX)
        .pass()
        .await
        .unwrap();
    assert!(why(&report.reports[0]).contains("limit of 100"));
    let mut nowhere = world.settings();
    nowhere.fetch.file_roots = vec![Path::new("/proc").to_owned()];
    // The weights' place may change: a model's owner could otherwise silence all watchers for good.
    let watcher = world.watcher_with(ANNA, nowhere.clone(), usize::MAX);
    let pass = watcher.pass().await.unwrap();
    assert_eq!((pass.reports.len(), pass.waiting), (0, 1));
    // With weights at hand, the job's own place is what counts.
    let folder = world.place().join("state");
    let allowed = Settings {
        state: Some(folder.clone()),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, allowed, usize::MAX);
    let list = TensorList::weights(&world.work.graph()).unwrap();
    let uri = async { Ok::<_, DataError>(world.uri("weights")) };
    let wanted = Wanted {
        list: &list,
        job: &world.address,
        named_by: &MODEL,
        own_source: None,
    };
    let kept = watcher.state.context.store.get(wanted, uri);
    kept.await.unwrap();
    drop(watcher);
    nowhere.state = Some(folder);
    let watcher = world.watcher_with(ANNA, nowhere, usize::MAX);
    let report = watcher.pass().await.unwrap();
    assert!(why(&report.reports[0]).contains("--allow-files"));
}

/// Nothing can be fetched, so what is refused is refused before.
#[tokio::test]
async fn too_much_memory_work_or_too_small_a_bond_is_refused_before_anything_is_fetched() {
    type Change = fn(&mut Settings);
    let settings: [(Change, &str); 4] = [
        (|settings| settings.memory_bytes = 0, "--memory-limit"),
        (|settings| settings.max_work = 1_999_999_999, "--max-gwork"),
        (
            |settings| settings.min_bonds = [(MINT, 11)].into(),
            "--min-bond",
        ),
        // Everybody's jobs, and nobody said what bonds of this mint are worth.
        (
            |settings| settings.min_bonds = [(ANNA, 1)].into(),
            "--min-bond",
        ),
    ];
    for (change, option) in settings {
        let world = World::wrong(0);
        {
            let mut state = world.state();
            let job = state.job.as_mut().unwrap();
            job.work = 2_000_000_000u64.into();
            job.bond_atoms = 10u64.into();
        }
        std::fs::remove_file(world.place().join("weights")).unwrap();
        let mut settings = world.settings();
        let watcher = world.watcher_with(ANNA, settings.clone(), usize::MAX);
        assert_eq!(watcher.pass().await.unwrap().waiting, 1);
        change(&mut settings);
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        let pass = watcher.pass().await.unwrap();
        assert!(why(&pass.reports[0]).contains(option), "{pass:?}");
    }
}

#[tokio::test]
async fn a_case_waits_for_memory_that_others_take() {
    for is_withheld in [false, true] {
        let world = World::wrong(0);
        if !is_withheld {
            world.publish(&world.claim);
        }
        let settings = Settings {
            memory_bytes: 2 << 20,
            ..world.settings()
        };
        let watcher = world.watcher_with(ANNA, settings, usize::MAX);
        // The second step of a withheld case has its data in memory already.
        if is_withheld {
            watcher.pass().await.unwrap();
        }
        let others = watcher.state.context.store.reserve(1 << 20).await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(200), watcher.pass());
        assert!(waiting.await.is_err());
        drop(others);
        world.pass_time(100);
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(report.verdict.name(), "convicted");
    }
}

#[tokio::test]
async fn an_own_result_is_kept_until_the_case_is_decided() {
    for has_room in [true, false] {
        let world = World::wrong(3);
        world.pass_time(100);
        let watcher = world.watcher(ANNA);
        let context = &watcher.state.context;
        let budget = context.store.budget();
        let all = budget.share_bytes();
        let others = match has_room {
            true => None,
            false => budget.try_reserve(Share::Demands, all),
        };
        watcher.pass().await.unwrap();
        let case = (world.address, 1);
        assert_eq!(context.results.get(case).is_some(), has_room);
        // With it, the data may go away.
        if has_room {
            std::fs::remove_file(world.place().join("inputs")).unwrap();
            std::fs::remove_file(world.place().join("weights")).unwrap();
        }
        let report = until_reported(&world, &watcher, true).await;
        assert_eq!(report.verdict.name(), "convicted");
        assert!(context.results.get(case).is_none());
        drop(others);
        assert!(budget.try_reserve(Share::Demands, all).is_some());
    }
}

#[tokio::test]
async fn an_own_source_of_weights_that_fails_is_not_the_last_one() {
    let world = World::honest();
    world.publish(&world.claim);
    let settings = Settings {
        weights: [(MODEL, world.uri("nothing"))].into(),
        ..world.settings()
    };
    let watcher = world.watcher_with(ANNA, settings, usize::MAX);
    let report = watcher.pass().await.unwrap().reports.remove(0);
    assert_eq!(report.verdict.name(), "consistent");
}
