//! An indexer, killed again and again while it reads a live network, ends with the very tables of one that was never
//! disturbed.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_api::{Reply, StatusPage},
    quern_client::quern::state::JobState,
    quern_indexer::{Config, Indexer, store::Store},
    quern_testkit::net::{Machine, Names, QUSD, Stage, until},
    serde_json::Value,
    std::{
        process::{Child, Command, Stdio},
        time::Duration,
    },
};

const LIMIT: Duration = Duration::from_secs(60);

struct Process(Child);

impl Process {
    fn start(stage: &Stage, store: &str, port: u16) -> Self {
        let listen = format!("127.0.0.1:{port}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_quern-part"));
        command.args([
            "indexer",
            "--url",
            stage.net.rpc_url(),
            "--store",
            store,
            "--listen",
            &listen,
            "--poll-millis",
            "50",
        ]);
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The indexer's status, or nothing while it is not up.
async fn status(port: u16) -> Option<StatusPage> {
    let url = format!("http://127.0.0.1:{port}{}", StatusPage::PATH);
    let reply: Reply<StatusPage> = reqwest::get(url).await.ok()?.json().await.ok()?;
    Some(reply.body)
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_killed_indexer_ends_with_the_same_tables() {
    let stage = Stage::set_up(Names::new(true)).await.unwrap();
    let store_of = |name: &str| format!("sqlite:{}", stage.folder().join(name).display());
    let mut config = Config::local(stage.net.rpc_url(), store_of("whole.sqlite"));
    config.poll_millis = 100;
    let whole = Indexer::start(config).await.unwrap();
    let machine = Machine::start(&stage, &stage.providers[0]).await.unwrap();
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };

    // Ten times: a new job, and the indexer killed as soon as it has read something new, or has not had the time to.
    let (killed, mut jobs) = (store_of("killed.sqlite"), Vec::new());
    let mut known = 0;
    for round in 0..10usize {
        let job = stage
            .create_digits_job(
                &format!("round {round}"),
                round * 5..round * 5 + 5,
                2 * QUSD,
            )
            .await
            .unwrap();
        jobs.push(job);
        let process = Process::start(&stage, &killed, port);
        if round % 3 == 0 {
            // In the middle of its start.
            until(
                "the indexer answers",
                LIMIT,
                async || Ok(status(port).await),
            )
            .await
            .unwrap();
        } else {
            known = until("the indexer has read more", LIMIT, async || {
                Ok(status(port)
                    .await
                    .map(|status| status.events)
                    .filter(|events| *events > known))
            })
            .await
            .unwrap();
        }
        process.kill();
    }
    for job in &jobs {
        until("the job is submitted", LIMIT, async || {
            Ok(stage
                .job(job)
                .await?
                .filter(|job| job.state == JobState::Submitted as u8)
                .map(|_| ()))
        })
        .await
        .unwrap();
    }
    machine.stop().await.unwrap();
    stage.chronicle.catch_up().await.unwrap();
    let slot = stage.chronicle.last_slot();

    let process = Process::start(&stage, &killed, port);
    until("the killed indexer has everything", LIMIT, async || {
        Ok(status(port)
            .await
            .filter(|status| status.cursor_slot >= Some(slot)))
    })
    .await
    .unwrap();
    assert!(whole.wait_for_slot(slot, LIMIT).await);
    let events = stage.chronicle.entries().len() as u64;
    let status = status(port).await.unwrap();
    assert_eq!(
        (status.events, status.gaps, status.dead_letters),
        (events, 0, 0)
    );

    // The same answers over HTTP, apart from how far each has looked since.
    let paths = [
        "/v1/leaderboards/providers?metric=work",
        "/v1/totals",
        "/v1/jobs?limit=100",
    ];
    for path in paths {
        let mut replies = Vec::new();
        for url in [whole.url(), format!("http://127.0.0.1:{port}")] {
            let mut body: Value = reqwest::get(format!("{url}{path}"))
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            for moving in ["as_of_slot", "lag_slots"] {
                body.as_object_mut().unwrap().remove(moving);
            }
            replies.push(body);
        }
        assert_eq!(replies[0], replies[1], "{path}");
    }
    // And byte for byte the same tables.
    let digest = whole.store().digest().await.unwrap();
    process.kill();
    let reopened = Store::open(&killed).await.unwrap();
    assert_eq!(reopened.digest().await.unwrap(), digest);
    assert_eq!(
        reopened
            .read()
            .await
            .unwrap()
            .counts()
            .await
            .unwrap()
            .events,
        events
    );
    reopened.close().await;
    whole.stop().await.unwrap();
}
