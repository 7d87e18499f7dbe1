//! Jobs from take to payment, with kills in between and nodes that are behind.

use super::*;

#[tokio::test]
async fn does_a_refereed_job_from_take_to_payment() {
    let world = World::new(1);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
    let read = |name: &str| std::fs::read(world.published(name)).unwrap();
    let (result, roots) = (read(fetch::RESULT_FILE), read(fetch::ROOTS_FILE));
    let (graph, root) = (world.graph(), &world.expected_root);
    let published = published::check(&graph, world.items(), root, result, &roots).unwrap();
    let last = |item| world.whole.item(item).unwrap().result().unwrap().values();
    let expected: Vec<i32> = (0..world.items()).flat_map(last).collect();
    assert_eq!(published.result.values(), expected);
    assert!(agent.context.journal.jobs().unwrap().is_empty());
}

/// Who checks an item with its trace finds nothing, and it is what the graph says.
#[tokio::test]
async fn publishes_traces_of_items() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    for item in 0..world.items() {
        let trace = std::fs::read(world.published(&fetch::trace_file(item))).unwrap();
        let outputs = file::decode_trace(&trace).unwrap();
        assert_eq!(outputs, world.whole.item(item).unwrap().outputs());
        assert_eq!(trace.len() as u64, world.sizes().trace_file);
        assert_eq!(first_wrong(world.whole.batch(), item, &outputs), Ok(None));
    }
}

/// The traces of items are a courtesy: where they cannot be published, or there is no room for them, the result goes out
/// without.
#[tokio::test]
async fn traces_of_items_keep_no_result_back() {
    let world = World::new(1);
    // A folder in the place of the file.
    let in_the_way = world.published(&fetch::trace_file(1));
    std::fs::create_dir_all(in_the_way.join("x")).unwrap();
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
    assert!(world.published(fetch::RESULT_FILE).is_file());
    assert!(world.published(&fetch::trace_file(0)).is_file());
    assert!(!world.published(&fetch::trace_file(2)).exists());
}

/// A kill before or after any write to disk or chain, then a restart, maybe killed again: the job is done exactly once.
#[tokio::test]
async fn a_kill_at_any_step_neither_loses_nor_doubles_a_job() {
    for milestones in [1, 3] {
        let mut steps = 1;
        loop {
            let world = World::new(milestones);
            let (agent, fuse) = start(&world, steps);
            let finished = work_through(&world, &agent, &fuse).await;
            drop(agent);
            if !finished {
                // A second life that is cut short as well, then one that is not.
                let (agent, fuse) = start(&world, 1 + steps % 5);
                let _ = work_through(&world, &agent, &fuse).await;
                drop(agent);
                let (agent, fuse) = start(&world, PLENTY);
                assert!(
                    work_through(&world, &agent, &fuse).await,
                    "after {steps} steps"
                );
            }
            let times = u32::from(milestones);
            let counts = &world.counts;
            assert_eq!(
                counts.takes.load(Ordering::SeqCst),
                1,
                "after {steps} steps"
            );
            assert_eq!(
                counts.submits.load(Ordering::SeqCst),
                times,
                "after {steps} steps"
            );
            assert_eq!(
                counts.finalizes.load(Ordering::SeqCst),
                times,
                "after {steps} steps"
            );
            let expected: Vec<[u8; 32]> = match milestones {
                1 => vec![world.expected_root],
                _ => (1..=milestones).map(|milestone| [milestone; 32]).collect(),
            };
            assert_eq!(
                *world.roots.lock().unwrap(),
                expected,
                "after {steps} steps"
            );
            if finished {
                // So many steps were enough without any kill: all places have been tried.
                assert!(steps > 10, "the fuse never blew");
                break;
            }
            steps += 1;
        }
    }
}

#[tokio::test]
async fn work_that_was_recorded_is_not_done_again() {
    let world = World::new(3);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(world.counts.works.load(Ordering::SeqCst), 3);

    // Killed with the result on disk: the next life publishes and submits it.
    let world = World::new(3);
    let (agent, _) = start(&world, PLENTY);
    agent
        .context
        .chain
        .take(&OWNER, &world.job().unwrap(), false)
        .await
        .unwrap();
    let job = world.job().unwrap();
    let record = Record::taken(&world.address, 0, 1);
    let computed = steps::compute(&agent.context, &world.address, &job, record, 1);
    let record = computed.await.unwrap();
    agent.context.journal.save(&world.address, &record).unwrap();
    drop(agent);
    // It needs no inputs any more, so it does not wait for them either.
    let (agent, fuse) = start(&world, PLENTY);
    let place = world.folder.path().join("inputs");
    let inputs = std::fs::read(&place).unwrap();
    std::fs::remove_file(&place).unwrap();
    std::fs::remove_dir_all(agent.context.journal.home().join("tensors")).unwrap();
    std::fs::create_dir_all(agent.context.journal.home().join("tensors")).unwrap();
    agent.pass().await.unwrap();
    assert_eq!(world.counts.submits.load(Ordering::SeqCst), 1);
    std::fs::write(&place, inputs).unwrap();
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(world.counts.works.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_lost_folder_costs_work_but_no_job() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    agent
        .context
        .chain
        .take(&OWNER, &world.job().unwrap(), false)
        .await
        .unwrap();
    drop(agent);
    std::fs::remove_dir_all(world.folder.path().join("home")).unwrap();
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
}

#[tokio::test]
async fn a_transaction_of_unknown_outcome_is_not_repeated_while_it_may_land() {
    let world = World::new(3);
    let (agent, _) = start(&world, PLENTY);
    agent
        .context
        .chain
        .take(&OWNER, &world.job().unwrap(), false)
        .await
        .unwrap();
    let uri = "https://example.com/state".to_owned();
    let stage = Stage::Published {
        roots: Roots {
            root: [1; 32],
            tokens_root: MISSING,
        },
        uri,
        sent_at: Some(world.now()),
    };
    agent
        .context
        .journal
        .save(
            &world.address,
            &Record::taken(&world.address, 0, 1).at(stage),
        )
        .unwrap();
    agent.pass().await.unwrap();
    assert_eq!(world.counts.submits.load(Ordering::SeqCst), 0);
    world.pass_time(UNKNOWN_OUTCOME_SECS);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.submits.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nonsense_on_the_chain_is_left_alone() {
    let world = World::new(1);
    let mut accounts = vec![Job::zeroed()];
    for byte in [1, 2, 3, 0x7f, 0xff] {
        let mut job = Job::zeroed();
        bytemuck::bytes_of_mut(&mut job).fill(byte);
        accounts.push(job);
        job.state = JobState::Open as u8;
        accounts.push(job);
        job.assurance = Assurance::Refereed as u8;
        accounts.push(job);
        job.state = JobState::Taken as u8;
        job.provider = OWNER;
        accounts.push(job);
        job.state = JobState::Submitted as u8;
        accounts.push(job);
    }
    for job in accounts {
        *world.job.lock().unwrap() = Some(job);
        let (agent, _) = start(&world, PLENTY);
        agent.pass().await.unwrap();
    }
    assert_eq!(world.counts.takes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn run_stops_when_told_and_says_what_is_missing() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let submitted = async {
        while world.roots.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let run = tokio::time::timeout(Duration::from_secs(60), agent.run(submitted));
    run.await.unwrap().unwrap();
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
    drop(agent);

    let mut stranger = World::new(1);
    Arc::get_mut(&mut stranger).unwrap().provider.active = false.into();
    let (agent, _) = start(&stranger, PLENTY);
    let refused = agent
        .run(std::future::pending())
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("not active"), "{refused}");
}

/// Nodes that are behind, or that take back what was not final, cost no data, however often the agent is restarted.
#[tokio::test]
async fn looks_that_are_wrong_for_a_while_delete_nothing() {
    let world = World::new(1);
    let open = world.job().unwrap();
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    world.job.lock().unwrap().as_mut().unwrap().deadline = 100_000i64.into();
    let folder = agent.context.journal.job_folder(&world.address);
    let inputs = world.inputs(&agent);
    let kept = |agent: &Agent| {
        let journal = &agent.context.journal;
        world.inputs(agent).is_file()
            && journal.load(&world.address).unwrap().is_some()
            && journal
                .submission_path(&world.address, 1, fetch::RESULT_FILE)
                .is_file()
    };
    // Before the job was made, or before it was taken and not to be had any more, or with somebody else.
    let mut expired = open;
    expired.deadline = 0i64.into();
    let mut others = open;
    (others.state, others.provider) = (JobState::Taken as u8, CLIENT);
    for stale in [None, Some(expired), Some(others)] {
        *world.stale.lock().unwrap() = Some(stale);
        agent.pass().await.unwrap();
        world.pass_time(i64::from(KEEP_ENDED_SECS) - 1);
        agent.pass().await.unwrap();
        assert!(kept(&agent));
        // A look that is right begins the time anew.
        *world.stale.lock().unwrap() = None;
        agent.pass().await.unwrap();
    }
    *world.stale.lock().unwrap() = Some(None);
    agent.pass().await.unwrap();
    drop(agent);
    // So does a restart.
    world.pass_time(i64::from(KEEP_ENDED_SECS) * 10);
    let (agent, _) = start(&world, PLENTY);
    agent.pass().await.unwrap();
    assert!(kept(&agent));
    // What stays so is believed, and no sooner dropped than asked for.
    world.pass_time(i64::from(KEEP_ENDED_SECS));
    agent.pass().await.unwrap();
    assert!(!folder.exists() && !inputs.exists());
    assert!(agent.context.journal.jobs().unwrap().is_empty());
}

/// An earlier take has landed after all, and the node shows the job as open still: the second one is refused.
#[tokio::test]
async fn a_take_that_is_refused_deletes_nothing() {
    let world = World::new(1);
    let open = world.job().unwrap();
    let (agent, _) = start(&world, PLENTY);
    drop(
        prepare(&agent.context, &world.address, &open)
            .await
            .unwrap(),
    );
    agent
        .context
        .chain
        .take(&OWNER, &open, false)
        .await
        .unwrap();
    *world.stale.lock().unwrap() = Some(Some(open));
    assert_eq!(agent.pass().await.unwrap(), 1);
    assert!(world.inputs(&agent).is_file());
    *world.stale.lock().unwrap() = None;
    world.forget_history();
    assert!(work_until_submitted(&world, &agent).await);
}

/// Two agents of one wallet finalize at the same moment: when the second transaction lands, the account is gone.
#[tokio::test]
async fn who_comes_second_to_finalize_has_not_failed() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    *world.job.lock().unwrap() = None;
    let finalized = crate::steps::finalize(&agent.context, &world.address).await;
    assert!(finalized.is_ok(), "{finalized:?}");
}

/// A restart of the cluster gives more time to react, and nothing is finalized in it.
#[tokio::test]
async fn a_restart_of_the_cluster_delays_the_finalizing() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let mut job = world.job().unwrap();
    job.state = JobState::Submitted as u8;
    job.provider = OWNER;
    job.state_slot = 1u64.into();
    job.deadline = 100i64.into();
    job.last_answer_at = 10_000i64.into();
    job.terms.restart_grace_secs = 5_000u32.into();
    let mut moment = Moment {
        now: 10_000 + i64::from(job.terms.react_secs.get()) + 1,
        slot: 9,
        last_restart_slot: 0,
    };
    let task = survey::task_of(&agent.context, &world.address, &job, &moment);
    assert!(matches!(task, Some(Task::Finalize)), "{task:?}");
    moment.last_restart_slot = 5;
    let task = survey::task_of(&agent.context, &world.address, &job, &moment);
    assert!(task.is_none(), "{task:?}");
    moment.now += 5_000;
    let task = survey::task_of(&agent.context, &world.address, &job, &moment);
    assert!(matches!(task, Some(Task::Finalize)), "{task:?}");
}
