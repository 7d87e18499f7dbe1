//! Open demands: what is answered, in which order, and from what.

use {super::*, crate::demands};

#[tokio::test]
async fn answers_everything_that_can_be_asked_then_finalizes() {
    let world = World::new(1);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    let trees: HashSet<u16> = demands.iter().map(|asked| asked.tree.code()).collect();
    assert_eq!(trees, [0, 1, 2, 3, 1_024, 2_048, 2_049, 65_535].into());
    for node_id in &demands {
        world.ask(node_id, 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(
        world.counts.reveals.load(Ordering::SeqCst),
        demands.len() as u32
    );
    // One that is asked after the review is over is answered, too, before anything is finalized.
    world.pass_time(i64::from(REVIEW_SECS) + 1);
    world.ask(&demands[0], 60);
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(world.counts.finalizes.load(Ordering::SeqCst), 0);
    world.pass_time(3_600);
    assert!(work_through(&world, &agent, &fuse).await);
}

/// A kill at any step while demands are open, or before they are: the next life answers what is left, each once.
#[tokio::test]
async fn a_kill_at_any_step_leaves_no_demand_unanswered() {
    for damage in [false, true] {
        let mut steps = 1;
        loop {
            let world = World::new(1);
            let (agent, _) = start(&world, PLENTY);
            assert!(work_until_submitted(&world, &agent).await);
            for node_id in world.demands() {
                world.ask(&node_id, 60);
            }
            drop(agent);
            if damage {
                // Nothing of the agent's own is left: it fetches and computes again.
                std::fs::remove_dir_all(world.folder.path().join("home")).unwrap();
            }
            let (agent, fuse) = start(&world, steps);
            let _ = agent.pass().await;
            let finished = !fuse.is_blown();
            drop(agent);
            let (agent, _) = start(&world, PLENTY);
            agent.pass().await.unwrap();
            assert_eq!(world.unanswered(), 0, "after {steps} steps");
            let job = world.job().unwrap();
            assert_eq!(job.open_demands.get(), 0);
            assert_eq!(job.state, JobState::Submitted as u8);
            if finished {
                assert!(steps > 10, "the fuse never blew");
                break;
            }
            steps += 1;
        }
    }
}

/// Whatever is kept of a submission is a convenience: inputs and weights are enough.
#[tokio::test]
async fn what_is_lost_or_damaged_is_computed_again() {
    let (items, texts) = (crate::kept::ITEMS_FILE, crate::kept::TEXTS_FILE);
    let (garbage, empty) = (Some(&b"garbage"[..]), Some(&b""[..]));
    for (names, content) in [
        (&[fetch::ROOTS_FILE][..], garbage),
        (&[items], empty),
        (&[fetch::ROOTS_FILE, items], None),
        (&[fetch::TOKENS_FILE], empty),
        (&[fetch::TOKENS_FILE, texts], garbage),
        (&["item-0.qtrace", items], garbage),
        (&["item-1.qtrace"], None),
    ] {
        let world = World::of(&Model::transformer(3), 1);
        let (agent, _) = start(&world, PLENTY);
        assert!(work_until_submitted(&world, &agent).await);
        let journal = &agent.context.journal;
        for name in names {
            let path = journal.submission_path(&world.address, 1, name);
            assert!(path.is_file(), "{name}");
            match content {
                Some(bytes) => std::fs::write(&path, bytes).unwrap(),
                None => std::fs::remove_file(&path).unwrap(),
            }
        }
        for node_id in world.some_demands() {
            world.ask(&node_id, 60);
        }
        agent.pass().await.unwrap();
        assert_eq!(world.unanswered(), 0, "{names:?}");
    }
}

/// A trace that is not the one that was committed to: the operands are answered for, and nothing false is sent.
#[tokio::test]
async fn what_cannot_be_answered_keeps_nothing_else_back() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    for node_id in &demands {
        world.ask(node_id, 60);
    }
    world.job.lock().unwrap().as_mut().unwrap().trace_root = [9; 32];
    agent.pass().await.unwrap();
    let of_operands =
        |node_id: &NodeId| !matches!(node_id.tree, Tree::Trace | Tree::Data(Operand::Op(_)));
    let answered = demands.iter().filter(|asked| of_operands(asked)).count();
    assert!(answered > 0);
    assert_eq!(world.counts.reveals.load(Ordering::SeqCst), answered as u32);
    // Once it is the right one again, the others follow.
    world.job.lock().unwrap().as_mut().unwrap().trace_root = world.expected_root;
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
}

#[tokio::test]
async fn earliest_due_first_and_one_failure_blocks_no_other() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    let count = demands.len() * 12;
    let mut by_due = Vec::new();
    for at in 0..count {
        // Neither the order of asking nor its reverse.
        let due_secs = 100 + (at as i64 * 7) % count as i64;
        by_due.push((due_secs, world.ask(&demands[at % demands.len()], due_secs)));
    }
    by_due.sort_unstable();
    let late = world.ask(&demands[0], -1);
    let (blocked, answered) = (by_due[0].1, by_due[1].1);
    *world.stuck.lock().unwrap() = [
        (blocked, None),
        (answered, Some(QuernError::AlreadyAnswered)),
    ]
    .into();
    agent.pass().await.unwrap();
    let mut sent = world.sent.lock().unwrap().clone();
    // What was refused together went alone afterwards.
    let mut seen = HashSet::new();
    sent.retain(|address| seen.insert(*address));
    assert_eq!(sent.len(), by_due.len());
    // Only those that are under way together may change places.
    const TOGETHER: usize = demands::AT_ONCE * 10;
    assert!(TOGETHER < count / 2);
    for (rank, (_, address)) in by_due.iter().enumerate() {
        let place = sent.iter().position(|sent| sent == address).unwrap();
        assert!(rank < place + TOGETHER, "{rank} went as {place}");
    }
    let left: Vec<Pubkey> = world
        .demands
        .lock()
        .unwrap()
        .iter()
        .filter(|known| known.answer.is_none())
        .map(|known| known.address)
        .collect();
    let mut expected = vec![blocked, answered, late];
    expected.sort_by_key(|address| left.iter().position(|found| found == address));
    assert_eq!(left, expected);
    // The failed one is tried again, the late one is not.
    world.stuck.lock().unwrap().clear();
    world.sent.lock().unwrap().clear();
    agent.pass().await.unwrap();
    let mut sent = world.sent.lock().unwrap().clone();
    sent.sort_unstable();
    let mut expected = vec![blocked, answered];
    expected.sort_unstable();
    assert_eq!(sent, expected);
    // Nothing is finalized while one is open.
    world.pass_time(100_000);
    agent.pass().await.unwrap();
    assert_eq!(world.counts.finalizes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn demands_of_another_submission_are_left_alone() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    world.ask(&world.demands()[0], 60);
    world.demands.lock().unwrap()[0].demand.submission = 2u32.into();
    agent.pass().await.unwrap();
    assert!(world.sent.lock().unwrap().is_empty());
}

/// A flood: everything is answered in one look, several answers to a transaction.
#[tokio::test]
async fn a_flood_is_answered_in_few_transactions() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    assert!(work_until_submitted(&world, &agent).await);
    let demands = world.demands();
    for at in 0..1_000 {
        world.ask(&demands[at % demands.len()], 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(world.counts.reveals.load(Ordering::SeqCst), 1_000);
    let transactions = world.counts.reveal_transactions.load(Ordering::SeqCst);
    assert!(transactions <= 250, "{transactions} transactions");
}

/// One demand to each of many jobs: their data take turns in memory.
#[tokio::test]
async fn data_of_many_jobs_take_turns_in_memory() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let needed = world.sizes().memory_bytes();
    // Enough for two of these jobs.
    let memory_bytes = 2 * 2 * needed.next_multiple_of(1_024);
    let context = changed(agent, |context| with_memory(context, memory_bytes)).context;
    let job = world.job().unwrap();
    let [a, b, c] = [1, 2, 3].map(|byte| Pubkey::new_from_array([byte; 32]));
    let first = demands::loaded(&context, &a, &job).await.unwrap();
    let second = demands::loaded(&context, &b, &job).await.unwrap();
    let wait = Duration::from_millis(600);
    let full = tokio::time::timeout(wait, demands::loaded(&context, &c, &job)).await;
    assert!(full.is_err(), "a third one found room");
    drop(second);
    let third = tokio::time::timeout(10 * wait, demands::loaded(&context, &c, &job)).await;
    let third = third.unwrap().unwrap();
    // The one that is still in use was not dropped, and is not loaded twice.
    let again = demands::loaded(&context, &a, &job).await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    drop((again, third));
}
