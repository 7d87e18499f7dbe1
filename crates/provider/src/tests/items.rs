//! Jobs of many items: a transformer that writes texts, budgets of published traces, work that is cut off, and limits.

use {super::*, crate::kept::KeptItems};

/// More items than one node of an answer spans.
const MANY: u32 = 9;

fn transformer() -> Arc<World> {
    World::of(&Model::transformer(MANY), 1)
}

/// How many items are in the records of the first submission.
fn kept(world: &World, agent: &Agent) -> u32 {
    let folder = agent.context.journal.submission_path(&world.address, 1, "");
    let kept = KeptItems::new(&folder, &world.graph()).unwrap();
    kept.each(world.items(), |_, _| Ok(())).unwrap()
}

fn with_budget(agent: Agent, bytes: u64) -> Agent {
    changed(agent, |context| {
        context.settings.publish_traces_bytes = bytes;
        context.integer.publish_traces_bytes = bytes;
    })
}

#[tokio::test]
async fn a_text_is_generated_committed_to_and_published() {
    let world = transformer();
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
    let bytes = std::fs::read(world.published(fetch::TOKENS_FILE)).unwrap();
    let (graph, root) = (world.graph(), &world.tokens_root);
    let texts = quern_data::checked::checked_tokens(&graph, MANY, root, &bytes).unwrap();
    // Every text begins with its prompt, and goes on.
    let prompts = world.data.inputs[0].to_i32().unwrap();
    let pairs = prompts.iter().zip(texts.to_i32().unwrap());
    assert!(pairs.clone().any(|(prompt, _)| *prompt < 0));
    assert!(
        pairs
            .into_iter()
            .all(|(prompt, text)| *prompt < 0 || *prompt == text)
    );
}

/// The first items are published as long as they fit; the others can be asked about all the same.
#[tokio::test]
async fn traces_are_published_within_their_budget() {
    for items in [0, 1, 4] {
        let world = transformer();
        let sizes = world.sizes();
        let of_item = sizes.trace_file;
        let (agent, _) = start(&world, PLENTY);
        let agent = with_budget(agent, of_item * items + of_item / 2);
        assert!(work_until_submitted(&world, &agent).await);
        for item in 0..MANY {
            let name = fetch::trace_file(item);
            let is_there = world.published(&name).is_file();
            assert_eq!(is_there, u64::from(item) < items, "{name} of {items}");
        }
        for node_id in world.some_demands() {
            world.ask(&node_id, 60);
        }
        agent.pass().await.unwrap();
        assert_eq!(world.unanswered(), 0);
    }
}

/// Nothing is kept of any trace, memory holds one item, and another process answers.
#[tokio::test]
async fn items_that_are_not_kept_are_answered_for_after_a_restart() {
    let world = transformer();
    let (agent, _) = start(&world, PLENTY);
    let agent = with_budget(agent, 0);
    assert!(work_until_submitted(&world, &agent).await);
    drop(agent);
    world.forget_history();
    let (agent, _) = start(&world, PLENTY);
    let needed = world.sizes().memory_bytes().next_multiple_of(1_024);
    let agent = changed(agent, |context| with_memory(context, 2 * needed));
    let demands = world.some_demands();
    let items: HashSet<u64> = demands
        .iter()
        .filter(|asked| matches!(asked.tree, Tree::Data(Operand::Op(_))))
        .map(|asked| asked.item_and_place().0)
        .collect();
    assert!(items.len() > 1, "{items:?}");
    for node_id in demands {
        world.ask(&node_id, 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
    assert_eq!(world.look_ups.load(Ordering::SeqCst), 0);
}

/// Demands about the trace alone need neither inputs nor weights: the roots of all ops are kept.
#[tokio::test]
async fn the_trace_is_answered_for_from_its_records() {
    let world = transformer();
    let (agent, _) = start(&world, PLENTY);
    let agent = with_budget(agent, 0);
    assert!(work_until_submitted(&world, &agent).await);
    drop(agent);
    let (agent, _) = start(&world, PLENTY);
    std::fs::remove_dir_all(agent.context.journal.home().join("tensors")).unwrap();
    for name in ["inputs", "weights"] {
        std::fs::remove_file(world.folder.path().join(name)).unwrap();
    }
    let demands = world.demands();
    let of_trace = |asked: &&NodeId| asked.tree == Tree::Trace;
    let tokens = Tree::Data(Operand::Input(world.graph().tokens().unwrap()));
    let of_text = |asked: &&NodeId| asked.tree == tokens;
    let asked: Vec<&NodeId> = demands
        .iter()
        .filter(|asked| of_trace(asked) || of_text(asked))
        .collect();
    assert!(asked.len() > 20);
    for node_id in asked {
        world.ask(node_id, 60);
    }
    agent.pass().await.unwrap();
    assert_eq!(world.unanswered(), 0);
}

/// What was computed before a kill is not computed again, a torn record is, and a wrong one never gets into a commitment.
#[tokio::test]
async fn work_that_was_cut_off_goes_on_behind_the_last_item() {
    for damage in [None, Some(0), Some(3)] {
        let world = transformer();
        let (agent, _) = start(&world, PLENTY);
        let job = world.job().unwrap();
        agent.context.chain.take(&OWNER, &job, false).await.unwrap();
        let job = world.job().unwrap();
        let record = Record::taken(&world.address, 0, 1);
        let computed = steps::compute(&agent.context, &world.address, &job, record, 2).await;
        let Stage::Computed { roots, .. } = computed.unwrap().stage else {
            panic!("it is computed");
        };
        assert_eq!(roots.root, world.expected_root);
        assert_eq!(kept(&world, &agent), MANY);
        // As after a kill within the sixth item: the journal knows nothing of the others.
        let journal = &agent.context.journal;
        let path = journal.submission_path(&world.address, 1, crate::kept::ITEMS_FILE);
        let whole = std::fs::read(&path).unwrap();
        let record_bytes = whole.len() / MANY as usize;
        let mut torn = whole[..5 * record_bytes + 7].to_vec();
        if let Some(item) = damage {
            torn[item * record_bytes + 1] ^= 1;
        }
        std::fs::write(&path, torn).unwrap();
        let expected = damage.map_or(5, |item| item as u32);
        assert_eq!(kept(&world, &agent), expected);
        let before = std::fs::metadata(&path).unwrap().len();
        drop(agent);
        let (agent, _) = start(&world, PLENTY);
        assert!(work_until_submitted(&world, &agent).await);
        assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        assert!(before < whole.len() as u64);
    }
}

/// A text that the disk has changed is found out before anything is committed to.
#[tokio::test]
async fn a_damaged_text_is_never_committed_to() {
    use {
        crate::worker::{IntegerWorker, ItemsOrder},
        quern_proof::hash::hash,
    };
    let world = World::of(&Model::transformer(3), 1);
    let folder = tempfile::tempdir().unwrap();
    let data = CheckedTensors {
        graph: world.data.graph.clone(),
        inputs: Arc::clone(&world.data.inputs),
        weights: Arc::clone(&world.data.weights),
    };
    let order = ItemsOrder {
        job: "job".to_owned(),
        tensors: Arc::new(data),
        items: 3,
        at_once: 2,
        folder: folder.path().to_owned(),
    };
    // A record that is whole by its sum.
    let body = [9u8; 64];
    let sum = hash(&[b"quern item", &0u32.to_le_bytes(), &body]);
    let path = folder.path().join(crate::kept::TEXTS_FILE);
    std::fs::write(&path, [&body[..], &sum].concat()).unwrap();
    let worker = IntegerWorker {
        publish_traces_bytes: 0,
    };
    let refused = worker.compute(order.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("damaged"), "{refused}");
    let made = worker.compute(order).await.unwrap();
    assert_eq!(made.root, world.expected_root);
    assert_eq!(made.tokens_root, world.tokens_root);
}

/// However large the job, one item decides: as many of them at a time as memory is free for.
#[tokio::test]
async fn items_share_the_memory_that_is_free() {
    let world = transformer();
    let (agent, _) = start(&world, PLENTY);
    let job = world.job().unwrap();
    let context = &agent.context;
    let plenty = crate::prepare::reserve(context, &job).await.unwrap();
    assert!(plenty.items_at_once() > 1);
    assert!(plenty.items_at_once() <= MANY);
    drop(plenty);
    let needed = world.sizes().memory_bytes().next_multiple_of(1_024);
    let agent = changed(agent, |context| with_memory(context, 2 * needed));
    let context = &agent.context;
    let share = context.store.budget().share_bytes();
    let little = crate::prepare::reserve(context, &job).await.unwrap();
    let more = u64::from(little.items_at_once()) - 1;
    let used = world.sizes().work_bytes() + more * world.sizes().item_bytes();
    assert!(used <= share, "{used} of {share}");
    drop(little);
    assert!(work_until_submitted(&world, &agent).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
}

/// Nothing is taken that is above a limit, and each limit says so by itself.
#[tokio::test]
async fn takes_nothing_above_the_limits_of_items_and_results() {
    type Limit = fn(&mut Policy, u64);
    let world = transformer();
    let folder = PathBuf::new();
    let kept = KeptItems::new(&folder, &world.graph()).unwrap().bytes(MANY);
    let cases: [(u64, Limit); 2] = [
        (world.sizes().trace, |policy, bytes| {
            policy.max_item_bytes = bytes;
        }),
        (kept, |policy, bytes| policy.max_result_bytes = bytes),
    ];
    for (bytes, limit) in cases {
        for (below, expected) in [(1, 0), (0, 1)] {
            let world = transformer();
            let (agent, _) = start(&world, PLENTY);
            let agent = changed(agent, |context| {
                limit(&mut context.settings.policy, bytes - below);
            });
            agent.pass().await.unwrap();
            let takes = world.counts.takes.load(Ordering::SeqCst);
            assert_eq!(takes, expected, "{bytes} - {below}");
        }
    }
}

/// A bond is at stake for what was taken: limits that were lowered since end nothing.
#[tokio::test]
async fn what_was_taken_is_done_under_lower_limits() {
    let world = transformer();
    let (agent, _) = start(&world, PLENTY);
    agent.pass().await.unwrap();
    let state = world.job().unwrap().state;
    assert_eq!(state, JobState::Taken as u8);
    let agent = changed(agent, |context| {
        context.settings.policy.max_item_bytes = 1;
        context.settings.policy.max_result_bytes = 1;
    });
    assert!(work_until_submitted(&world, &agent).await);
    assert_eq!(*world.roots.lock().unwrap(), [world.expected_root]);
}

/// Demands about one item after the other must not come faster than items are computed again.
#[tokio::test]
async fn takes_no_job_whose_items_are_slow_to_answer_for() {
    for (items, secs, keeps_traces, is_slow) in [
        (MANY, 6.0, false, true),
        (MANY, 4.0, false, false),
        (MANY, 6.0, true, false),
        (8, 6.0, false, false),
    ] {
        let world = World::of(&Model::transformer(items), 1);
        let mut job = world.job().unwrap();
        job.work = (u64::from(items) * 1_000_000).into();
        let (agent, _) = start(&world, PLENTY);
        let budget = if keeps_traces { u64::MAX } else { 0 };
        let agent = changed(with_budget(agent, budget), |context| {
            let ability = Ability {
                work_per_sec: 1e6 / secs,
                ..FAST
            };
            context.ability = Mutex::new(Some(ability));
        });
        let promised = crate::offers::promise(&agent.context, &world.address, &job).await;
        let promised = promised.unwrap();
        let is_refused = promised == Err(Refusal::SlowAnswers);
        assert_eq!(
            is_refused, is_slow,
            "{items} {secs} {keeps_traces} {promised:?}"
        );
    }
}
