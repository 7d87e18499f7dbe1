//! Inputs and weights: where they come from, and what the disk keeps when a node forgets.

use super::*;

#[tokio::test]
async fn takes_nothing_whose_data_do_not_match() {
    let damaged = |name: &str, bytes: &[u8]| {
        let world = World::new(1);
        std::fs::write(world.folder.path().join(name), bytes).unwrap();
        world
    };
    let input = std::fs::read(World::new(1).folder.path().join("inputs")).unwrap();
    let mut flipped = input.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let mut huge = input.clone();
    huge[8..16].fill(0xff);
    let cases: [(&str, &[u8]); 7] = [
        ("inputs", b""),
        ("inputs", b"garbage"),
        ("inputs", &input[..input.len() - 1]),
        ("inputs", &flipped),
        ("inputs", &huge),
        ("weights", &input),
        ("weights", &[0; 22]),
    ];
    for (name, bytes) in cases {
        let world = damaged(name, bytes);
        let (agent, _) = start(&world, PLENTY);
        agent.pass().await.unwrap();
        assert_eq!(
            world.counts.takes.load(Ordering::SeqCst),
            0,
            "{name}: {} bytes",
            bytes.len()
        );
        assert_eq!(world.job().unwrap().state, JobState::Open as u8);
        // What is wrong once is not fetched again.
        assert_eq!(agent.pass().await.unwrap(), 0, "{name}");
    }
    // Corrected, another process serves it.
    let world = damaged("inputs", b"garbage");
    let (agent, _) = start(&world, PLENTY);
    agent.pass().await.unwrap();
    std::fs::write(world.folder.path().join("inputs"), &input).unwrap();
    drop(agent);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
}

/// What does not come gets a second chance and no third one.
#[tokio::test]
async fn data_that_do_not_come_are_fetched_twice() {
    let world = World::new(1);
    let place = world.folder.path().join("inputs");
    let bytes = std::fs::read(&place).unwrap();
    std::fs::remove_file(&place).unwrap();
    let (agent, fuse) = start(&world, PLENTY);
    assert_eq!(agent.pass().await.unwrap(), 1);
    std::fs::write(&place, &bytes).unwrap();
    assert!(work_through(&world, &agent, &fuse).await);
    drop(agent);

    let world = World::new(1);
    std::fs::remove_file(world.folder.path().join("inputs")).unwrap();
    let (agent, _) = start(&world, PLENTY);
    let mut touched = Vec::new();
    for _ in 0..4 {
        touched.push(agent.pass().await.unwrap());
    }
    assert_eq!(touched, [1, 1, 0, 0]);
}

#[tokio::test]
async fn damaged_data_on_its_own_disk_are_fetched_again() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    agent
        .context
        .chain
        .take(&OWNER, &world.job().unwrap(), false)
        .await
        .unwrap();
    for (path, content) in [
        (world.inputs(&agent), &b"garbage"[..]),
        (world.weights(&agent), b""),
    ] {
        std::fs::write(path, content).unwrap();
    }
    let (_, fuse) = (0, Fuse::new(PLENTY));
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
}

/// Two jobs on one model and a fresh home, at once: both get whole weights, and they are fetched once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_one_model_fetch_its_weights_once() {
    let world = World::new(1);
    let (agent, _) = start(&world, PLENTY);
    let job = world.job().unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (context, address) = (Arc::clone(&agent.context), Pubkey::new_unique());
            tokio::spawn(async move { prepare(&context, &address, &job).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(world.weight_fetches.load(Ordering::SeqCst), 1);
}

/// Works until the result is on the chain, with no node that remembers anything from then on, and starts again.
async fn restarted_without_history(world: &Arc<World>) -> Agent {
    let (agent, _) = start(world, PLENTY);
    assert!(work_until_submitted(world, &agent).await);
    drop(agent);
    world.forget_history();
    start(world, PLENTY).0
}

/// Everything that a provider is asked about lies on its disk: no node needs to remember where it came from.
#[tokio::test]
async fn a_restart_answers_without_any_history_of_the_node() {
    for without_roots in [false, true] {
        let world = World::new(1);
        let agent = restarted_without_history(&world).await;
        if without_roots {
            for name in [fetch::ROOTS_FILE, crate::kept::ITEMS_FILE] {
                let journal = &agent.context.journal;
                std::fs::remove_file(journal.submission_path(&world.address, 1, name)).unwrap();
            }
        }
        for node_id in world.demands() {
            world.ask(&node_id, 60);
        }
        agent.pass().await.unwrap();
        assert_eq!(world.unanswered(), 0);
        assert_eq!(world.look_ups.load(Ordering::SeqCst), 0);
    }
}

/// Nodes forget between take and submission: the work goes on from what the take has left on the disk.
#[tokio::test]
async fn work_goes_on_without_any_history_of_the_node() {
    for milestones in [1, 3] {
        let world = World::new(milestones);
        let (agent, _) = start(&world, PLENTY);
        let job = world.job().unwrap();
        drop(prepare(&agent.context, &world.address, &job).await.unwrap());
        agent.context.chain.take(&OWNER, &job, false).await.unwrap();
        drop(agent);
        world.forget_history();
        let (agent, fuse) = start(&world, PLENTY);
        assert!(work_through(&world, &agent, &fuse).await);
        assert_eq!(world.look_ups.load(Ordering::SeqCst), 0);
    }
}

/// What is damaged is fetched again from where it was.
#[tokio::test]
async fn damaged_data_are_fetched_again_without_any_history_of_the_node() {
    let world = World::new(1);
    let agent = restarted_without_history(&world).await;
    for path in [world.inputs(&agent), world.weights(&agent)] {
        std::fs::write(path, b"garbage").unwrap();
    }
    for node_id in world.demands() {
        world.ask(&node_id, 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(world.look_ups.load(Ordering::SeqCst), 0);
}

/// A URI that was changed since is looked up; where that fails, the old place is tried.
#[tokio::test]
async fn a_changed_uri_that_nobody_remembers_keeps_nothing_back() {
    let mut world = World::new(1);
    Arc::get_mut(&mut world).unwrap().model.model.uri_hash = [5; 32];
    let agent = restarted_without_history(&world).await;
    let path = world.weights(&agent);
    std::fs::remove_file(&path).unwrap();
    world.ask(&world.demands()[0], 60);
    let job = world.job().unwrap();
    drop(prepare(&agent.context, &world.address, &job).await.unwrap());
    assert_eq!(world.look_ups.load(Ordering::SeqCst), 1);
    assert!(path.is_file());
}

/// The owner's own source of weights comes first, and what it lacks the chain's has.
#[tokio::test]
async fn own_sources_of_weights_come_first_and_not_alone() {
    let with_source = |world: &Arc<World>, uri: String| {
        let (agent, _) = start(world, PLENTY);
        changed(agent, |context| {
            context.settings.weights = [(MODEL, uri)].into();
        })
    };
    let world = World::new(1);
    let agent = with_source(&world, world.model_uri.clone());
    assert!(work_until_submitted(&world, &agent).await);
    assert_eq!(world.weight_fetches.load(Ordering::SeqCst), 0);

    let world = World::new(1);
    for wrong in ["file:///nowhere", &world.input_uri] {
        let agent = with_source(&world, wrong.to_owned());
        let job = world.job().unwrap();
        drop(prepare(&agent.context, &world.address, &job).await.unwrap());
        std::fs::remove_file(world.weights(&agent)).unwrap();
    }
    // The second time the chain's place is known.
    assert_eq!(world.weight_fetches.load(Ordering::SeqCst), 1);
}
