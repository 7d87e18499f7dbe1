//! An indexer, killed again and again while it reads a live network, ends with the very tables of one that was never
//! disturbed.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_api::{AccountKind, AuditPage, AuditVerdict, Key, Reply, StatusPage},
    quern_client::{
        Signer, addresses,
        quern::state::{EntityKind, JobState, Purse},
    },
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

    // Twenty times: a new job, and the indexer killed as soon as it has read something new, or has not had the time to.
    let (killed, mut jobs) = (store_of("killed.sqlite"), Vec::new());
    let mut known = 0;
    for round in 0..20usize {
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
    an_audit_says_what_differs(&stage, &killed, slot).await;
}

/// What the indexer's own audit says, once it is as wanted.
async fn audited(indexer: &Indexer, wanted: impl Fn(&AuditPage) -> bool) -> AuditPage {
    until("the audit is as it should be", LIMIT, async || {
        let url = format!("{}{}", indexer.url(), AuditPage::PATH);
        let reply: Reply<AuditPage> = reqwest::get(url).await?.json().await?;
        Ok(Some(reply.body).filter(|audit| wanted(audit)))
    })
    .await
    .unwrap()
}

/// Every account, vault and sum of the network: equal, until a row is changed behind the indexer's back.
async fn an_audit_says_what_differs(stage: &Stage, store: &str, slot: u64) {
    let mut config = Config::local(stage.net.rpc_url(), store);
    (config.poll_millis, config.audit_secs) = (100, 1);
    let indexer = Indexer::start(config.clone()).await.unwrap();
    let is_new = |audit: &AuditPage| audit.audited_slot >= Some(slot);
    let audit = audited(&indexer, is_new).await;
    assert_eq!(
        (audit.verdict, &audit.differences, &audit.error),
        (AuditVerdict::Equal, &vec![], &None)
    );
    assert!(audit.figures > 100, "{audit:?}");
    indexer.stop().await.unwrap();

    let owner = stage.providers[0].owner.pubkey();
    let purse = addresses::purse(&owner, &stage.payment.address);
    let path = store.strip_prefix("sqlite:").unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
    let offset = std::mem::offset_of!(Purse, opened) as i64;
    let changed = sqlx::query(
        "UPDATE entity SET state_bytes = CAST(substr(state_bytes, 1, ?1) AS BLOB) || x'0900000000000000' \
         || CAST(substr(state_bytes, ?1 + 9) AS BLOB) WHERE kind = ?2 AND address = ?3",
    )
    .bind(offset)
    .bind(EntityKind::Purse as u8)
    .bind(purse.to_bytes().to_vec());
    assert_eq!(
        changed
            .execute(&mut connection)
            .await
            .unwrap()
            .rows_affected(),
        1
    );
    drop(connection);

    let indexer = Indexer::start(config).await.unwrap();
    let audit = audited(&indexer, |audit| audit.verdict == AuditVerdict::Different).await;
    let found: Vec<_> = audit
        .differences
        .iter()
        .map(|one| {
            (
                one.kind,
                one.address,
                one.figure.as_str(),
                one.expected.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [(AccountKind::Purse, Key(purse.to_bytes()), "opened", "9")]
    );
    indexer.stop().await.unwrap();
}
