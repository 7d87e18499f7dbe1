//! What the disk keeps for strangers' jobs, and for how long.

use super::*;

/// What the job's inputs, weights and result take together, to the byte.
async fn bytes_of_all(world: &Arc<World>) -> u64 {
    let (agent, _) = start(world, PLENTY);
    let free = crate::disk::room(&agent.context).unwrap();
    assert!(work_until_submitted(world, &agent).await);
    let left = crate::disk::room(&agent.context).unwrap();
    assert_eq!(free, agent.context.settings.disk_bytes);
    free - left
}

#[tokio::test]
async fn leaves_jobs_alone_whose_results_would_not_fit() {
    let model = || World::of(&Model::transformer(8), 1);
    let world = model();
    let result_bytes = {
        let (agent, _) = start(&world, PLENTY);
        crate::disk::bytes_of_graph(&agent.context, &world.data.graph, world.items())
    };
    // What is computed before is what lies there afterwards, but for addresses, records and the inputs and weights.
    let all = bytes_of_all(&world).await;
    let data = world.sizes().inputs + world.sizes().weights;
    assert!(all >= data + result_bytes, "{all} {data} {result_bytes}");
    assert!(
        all <= data + result_bytes + 4_096,
        "{all} {data} {result_bytes}"
    );
    for (disk_bytes, takes) in [(all - 4_096 - 1, 0), (all + 4_096, 1)] {
        let world = model();
        let (agent, _) = start(&world, PLENTY);
        let agent = changed(agent, |context| {
            context.settings.disk_bytes = disk_bytes;
            with_memory(context, 8 << 30);
        });
        agent.pass().await.unwrap();
        let taken = world.counts.takes.load(Ordering::SeqCst);
        assert_eq!(taken, takes, "{disk_bytes} of {all}");
    }
}

#[tokio::test]
async fn published_files_go_some_time_after_their_job() {
    let world = World::of(&Model::transformer(8), 1);
    let (agent, fuse) = start(&world, PLENTY);
    assert!(work_through(&world, &agent, &fuse).await);
    let result = world.published(fetch::RESULT_FILE);
    let other = result.parent().unwrap().parent().unwrap().parent().unwrap();
    let other = other.join("index.html");
    std::fs::write(&other, "another one's").unwrap();
    let room = crate::disk::room(&agent.context).unwrap();
    assert!(result.is_file(), "its client may still want it");
    let agent = changed(agent, |context| {
        context.settings.keep_results = Duration::ZERO;
    });
    let more = crate::disk::room(&agent.context).unwrap();
    assert!(!result.exists());
    assert!(more > room, "{more} {room}");
    assert!(other.is_file(), "others may use the folder, too");
}

#[tokio::test]
async fn results_of_live_jobs_stay_however_short_they_are_to_be_kept() {
    let world = World::of(&Model::transformer(8), 1);
    let (agent, _) = start(&world, PLENTY);
    let agent = changed(agent, |context| {
        context.settings.keep_results = Duration::ZERO;
    });
    assert!(work_until_submitted(&world, &agent).await);
    crate::disk::room(&agent.context).unwrap();
    assert!(world.published(fetch::RESULT_FILE).is_file());
}
