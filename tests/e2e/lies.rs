//! A node that lies, breaks off or forgets: agent, watcher and indexer outlive it, and do all their work once it tells the truth.

#![allow(clippy::unwrap_used)]

use {
    quern_client::quern::state::JobState,
    quern_indexer::{Config, Indexer},
    quern_testkit::net::{Fault, FaultyNode, Lookout, Machine, Names, QUSD, Stage, until},
    quern_watcher::Verdict,
    std::time::Duration,
};

const LIMIT: Duration = Duration::from_secs(120);
/// Calls that meet a fault before the node is honest again.
const CALLS: u64 = 40;

/// Faults of every call, and faults of single methods.
const FAULTS: [&[Fault]; 6] = [
    &[Fault::WebPage(200)],
    &[Fault::Refused(-32_603)],
    &[Fault::CutOff],
    &[Fault::DamagedAccounts],
    &[Fault::OtherGenesis],
    &[
        Fault::TooManyRequests,
        Fault::NullTransactions(2),
        Fault::NullMetadata(2),
        Fault::ShortPages(1),
        Fault::ForgottenStatuses,
        Fault::LostReply,
        Fault::Behind(2),
    ],
];

#[tokio::test(flavor = "multi_thread")]
async fn agent_watcher_and_indexer_outlive_a_node_that_lies() {
    let stage = Stage::set_up(Names::new(true)).await.unwrap();
    let node = FaultyNode::before(stage.net.rpc_url()).await.unwrap();
    let machine = Machine::through(&stage, &stage.providers[0], node.url())
        .await
        .unwrap();
    let lookout = Lookout::through(&stage, &stage.watcher, node.url())
        .await
        .unwrap();
    let store = stage.folder().join("indexer.sqlite");
    let mut config = Config::local(node.url(), format!("sqlite:{}", store.display()));
    config.poll_millis = 200;
    let indexer = Indexer::start(config).await.unwrap();

    for (index, faults) in FAULTS.into_iter().enumerate() {
        let name = format!("lie {index}");
        node.set(faults);
        let price_atoms = QUSD + index as u64;
        let job = stage
            .create_digits_job(&name, index..index + 1, price_atoms)
            .await
            .unwrap();
        let before = node.all_calls();
        until("all of them meet the fault", LIMIT, async || {
            Ok((node.all_calls() >= before + CALLS).then_some(()))
        })
        .await
        .unwrap();
        node.set(&[]);
        until("the agent submits", LIMIT, async || {
            let job = stage.job(&job).await?;
            Ok(job.filter(|job| job.is_in(JobState::Submitted)))
        })
        .await
        .unwrap();
        let (_, report) = lookout.report_on(&job, LIMIT).await.unwrap();
        let is_consistent = matches!(report.verdict, Verdict::Consistent { .. });
        assert!(is_consistent, "{faults:?}: {}", report.verdict.details());
    }

    stage.chronicle.catch_up().await.unwrap();
    let slot = stage.chronicle.last_slot();
    assert!(indexer.wait_for_slot(slot, LIMIT).await);
    assert!(machine.is_running());
    machine.stop().await.unwrap();
    lookout.stop().await.unwrap();
    indexer.stop().await.unwrap();
}
