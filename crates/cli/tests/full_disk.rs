//! A disk that is full for a while, under agent and watcher: a clear line, nothing is lost or paid wrongly, and both go on by
//! themselves when there is room again. The indexer's has its own test.

#![cfg(all(feature = "localnet", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use {
    quern_client::{
        Signer, accounts, flows,
        quern::state::{Job, JobState},
    },
    quern_testkit::net::BOND,
    std::process::Command,
    support::{Running, Stage},
};

/// No file of a process may grow beyond so many bytes, or all may again: as on a full disk every write fails, on any machine
/// and without special rights.
fn limit_files(process: &Running, most: &str) {
    let done = Command::new("prlimit")
        .args(["--pid", &process.id()])
        .arg(format!("--fsize={most}:unlimited"))
        .status();
    assert!(done.unwrap().success());
}

fn watcher(stage: &Stage) -> Running {
    let args = "watch --state watcher --allow-files . --poll 1s";
    let args: Vec<&str> = args.split(' ').collect();
    let (url, wallet) = (stage.world.net.rpc_url(), &stage.world.treasury);
    Running::start(&mut stage.command(url, wallet, &args))
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_and_watcher_outlive_a_full_disk() {
    let stage = Stage::new().await;
    let (world, owner) = (&stage.world, stage.world.provider.pubkey());
    let rpc = world.net.rpc();
    let model = stage.model().await;
    let mut agent = stage.agent(world.net.rpc_url(), "agent");
    let mut watcher = watcher(&stage);
    agent.says("the provider works").await;
    watcher.says("watching").await;

    // What cannot be fetched is not taken: no bond stands behind it.
    limit_files(&agent, "0");
    limit_files(&watcher, "0");
    let before = world.free(&owner).await;
    let job = stage.create(&model, "10m").await;
    agent.says("is full").await;
    assert!(stage.job(&job).await.unwrap().is_in(JobState::Open));
    assert_eq!(stage.reserved(&owner).await, 0);
    limit_files(&agent, "unlimited");
    let is_submitted = async |job: &_| Ok(stage.job(job).await?.is_in(JobState::Submitted));
    agent
        .until("it is submitted", async || is_submitted(&job).await)
        .await;
    assert_eq!(stage.reserved(&owner).await, BOND);

    // What cannot be fetched is not judged.
    watcher.says("is full").await;
    assert_eq!(watcher.stdout(), "");
    limit_files(&watcher, "unlimited");
    let verdict = async |job: &_| {
        let job = format!("{job}");
        let all = watcher.stdout();
        let line = all.lines().find(|line| line.contains(&job));
        Ok(line.is_some_and(|line| line.contains("\"consistent\"")))
    };
    watcher
        .until("it is checked", async || verdict(&job).await)
        .await;

    // A job that is taken already waits for room, and its work is done in time.
    limit_files(&agent, "0");
    let second = stage.create(&model, "1d").await;
    let seen = stage.job(&second).await.unwrap();
    let (operator, known) = (&world.operator, agent.log().lines().count());
    let began = std::time::Instant::now();
    let take = flows::take_job(rpc, &operator.pubkey(), &owner, &seen).await;
    world.send(&take.unwrap(), &[operator]).await;

    // The first one is paid although nothing can be written about that.
    world.net.advance_time(700).await.unwrap();
    let is_paid = async || Ok(accounts::fetch_optional::<Job>(rpc, &job).await?.is_none());
    agent.until("the first job is paid", is_paid).await;
    assert!(world.free(&owner).await > before - BOND, "paid");
    assert!(stage.job(&second).await.unwrap().is_in(JobState::Taken));
    limit_files(&agent, "unlimited");
    agent
        .until("the second job is submitted", async || {
            is_submitted(&second).await
        })
        .await;
    watcher
        .until("the second job is checked", async || verdict(&second).await)
        .await;
    assert_eq!(stage.reserved(&owner).await, BOND);

    assert!(agent.is_running() && watcher.is_running());
    let lines = agent.log().lines().count() - known;
    // What lasts is said about once a minute, however fast this machine is.
    let most = 60 + 10 * began.elapsed().as_secs() as usize / 60;
    assert!(lines < most, "{lines} lines: {}", agent.log());
    for log in [agent.log(), watcher.log()] {
        assert!(!log.contains("panicked"), "{log}");
    }
}
