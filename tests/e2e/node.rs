//! A provider's machine, killed at every stage of a job as by a power cut (SIGKILL to a process of its own) and switched on
//! again: no job is lost, none is done twice.

#![allow(clippy::unwrap_used, clippy::panic)]

use {
    quern_client::{
        Pubkey, Signer, accounts, addresses, config, flows, instructions,
        quern::events::QuernEvent,
        quern::instructions::NewCampaign,
        quern::state::{Assurance, Campaign, Entry, JobKind, JobState, Provider, kind_bit},
        read,
    },
    quern_testkit::net::{Names, PARAMS, QUSD, REVIEW_SECS, Stage, Work, until},
    std::{
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
        path::Path,
        process::{Child, Command, Stdio},
        time::Duration,
    },
};

const LIMIT: Duration = Duration::from_secs(60);

/// A process that is killed when the test ends, however it ends.
struct Node(Child);

impl Node {
    /// `SIGKILL`: nothing of it runs any more when this returns.
    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Blocks until the process says that it stands still.
    async fn has_halted(&mut self) {
        let output = self.0.stdout.take().unwrap();
        let line = tokio::task::spawn_blocking(move || BufReader::new(output).lines().next());
        let line = tokio::time::timeout(LIMIT, line)
            .await
            .expect("the node never reached the moment")
            .unwrap();
        assert_eq!(line.expect("the node ended").unwrap(), "halted");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Switches the machine of the first provider on.
fn node(stage: &Stage, publish: &str, halt: Option<&str>) -> Node {
    let provider = &stage.providers[0];
    let operator = stage.folder().join("operator.json");
    if !operator.exists() {
        config::write_keypair(&operator, &provider.operator).unwrap();
    }
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let mut command = Command::new(env!("CARGO_BIN_EXE_quern-part"));
    command.args([
        "node",
        "--url",
        stage.net.rpc_url(),
        "--owner",
        &provider.owner.pubkey().to_string(),
    ]);
    command.args([
        "--operator",
        &path(&operator),
        "--home",
        &path(&provider.home),
    ]);
    command.args(["--publish", publish, "--public", &path(&stage.public)]);
    if let Some(halt) = halt {
        command.args(["--halt", halt]);
    }
    Node(
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    )
}

fn folder(stage: &Stage) -> String {
    stage.public.join("alder").to_str().unwrap().to_owned()
}

async fn wait_for(stage: &Stage, job: &Pubkey, state: JobState) {
    until("the job reaches its state", LIMIT, async || {
        let job = stage.job(job).await?;
        Ok(job.filter(|job| job.state == state as u8).map(|_| ()))
    })
    .await
    .unwrap();
}

/// Takes one file, and then a connection that it never answers on.
fn silent_after_one(listener: &TcpListener) -> std::io::Result<TcpStream> {
    let (stream, _) = listener.accept()?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink())?;
    let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    reader.get_mut().write_all(answer)?;
    Ok(listener.accept()?.0)
}

/// Kills at a moment, starts again without one, and waits until the job is submitted.
async fn killed_before_submission(stage: &Stage, halt: &str, job: &Pubkey) {
    let mut first = node(stage, &folder(stage), Some(halt));
    first.has_halted().await;
    first.kill();
    let second = node(stage, &folder(stage), None);
    wait_for(stage, job, JobState::Submitted).await;
    second.kill();
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
async fn a_killed_node_loses_no_job_and_does_none_twice() {
    let stage = Stage::set_up(Names::new(true)).await.unwrap();
    let mut jobs = Vec::new();

    // Killed around the take, before and after anything was computed.
    for (index, halt) in ["before-take", "after-take", "before-submit", "after-submit"]
        .into_iter()
        .enumerate()
    {
        let job = stage
            .create_digits_job(halt, index * 10..index * 10 + 10, 2 * QUSD)
            .await
            .unwrap();
        killed_before_submission(&stage, halt, &job).await;
        jobs.push(job);
    }

    // Computed, but not published: the place to publish at answers to the first file, with which the node measures it, and
    // then takes the connection and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let job = stage
        .create_digits_job("before publish", 40..50, 2 * QUSD)
        .await
        .unwrap();
    let first = node(
        &stage,
        &format!("http://{}/", silent.local_addr().unwrap()),
        None,
    );
    let connection = tokio::task::spawn_blocking(move || silent_after_one(&silent));
    let connection = tokio::time::timeout(LIMIT, connection)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    wait_for(&stage, &job, JobState::Taken).await;
    let journal = stage.providers[0]
        .home
        .join("jobs")
        .join(format!("{job}.json"));
    let record: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&journal).unwrap()).unwrap();
    assert_eq!(record["stage"], "computed");
    first.kill();
    drop(connection);
    let second = node(&stage, &folder(&stage), None);
    wait_for(&stage, &job, JobState::Submitted).await;
    second.kill();
    jobs.push(job);

    // Submitted, but not finalized: the reviews pass while no machine runs.
    let mut last = 0;
    for job in &jobs {
        last = last.max(stage.job(job).await.unwrap().unwrap().deadline.get());
    }
    stage.pass(last, "the reviews end").await.unwrap();
    for halt in ["before-finalize", "after-finalize"] {
        let mut first = node(&stage, &folder(&stage), Some(halt));
        first.has_halted().await;
        first.kill();
    }
    let second = node(&stage, &folder(&stage), None);
    until("every job is paid", LIMIT, async || {
        let left = accounts::jobs(stage.net.rpc(), accounts::JobFilter::default()).await?;
        Ok(left.is_empty().then_some(()))
    })
    .await
    .unwrap();
    // What a kill leaves half-written beside a record (`.part`) is no record.
    let records = stage.providers[0].home.join("jobs");
    let is_record = |path: &Path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    };
    until("the journal is closed", LIMIT, async || {
        let mut files = std::fs::read_dir(&records)?.map(|entry| entry.map(|entry| entry.path()));
        Ok((!files.any(|path| path.is_ok_and(|path| is_record(&path)))).then_some(()))
    })
    .await
    .unwrap();
    second.kill();

    // Each job has exactly one take, one commitment and one payment, and the provider was never late.
    stage.chronicle.catch_up().await.unwrap();
    let entries = stage.chronicle.entries();
    for job in &jobs {
        let mut counts = [0; 3];
        for entry in &entries {
            match &entry.event {
                QuernEvent::JobTaken(event) if event.job == *job => counts[0] += 1,
                QuernEvent::ResultSubmitted(event) if event.job == *job => counts[1] += 1,
                QuernEvent::MilestoneSettled(event) if event.job == *job => counts[2] += 1,
                _ => {}
            }
        }
        assert_eq!(counts, [1, 1, 1], "{}", stage.names.of(job));
    }
    let owner = stage.providers[0].owner.pubkey();
    let provider: Provider = accounts::fetch(stage.net.rpc(), &addresses::provider(&owner))
        .await
        .unwrap();
    assert_eq!(
        (
            provider.taken.get(),
            provider.settled.get(),
            provider.late.get()
        ),
        (5, 5, 0)
    );
}

/// A campaign that the client sponsors, from a minute from now on.
async fn sponsored(stage: &Stage) -> Pubkey {
    let (sponsor, mint) = (stage.client.pubkey(), stage.payment.address);
    let known = read::for_create(stage.net.rpc(), &sponsor, &mint, None).await;
    let known = known.unwrap();
    let start = known.moment.now + 60;
    let end = start + 86_400;
    let terms = &known.protocol.terms;
    let longest = terms.longest_review(Assurance::Refereed, false, REVIEW_SECS);
    let settle_by = end.checked_add_unsigned(longest).unwrap();
    let new = NewCampaign {
        pot_atoms: QUSD,
        start,
        end,
        settle_by,
        claim_by: settle_by + i64::from(PARAMS.campaign_claim_secs),
        kinds: kind_bit(JobKind::Inference),
        model: stage.model,
        refereed_bps: 9_000,
        reviewed_bps: 0,
    };
    let (campaign, create) = flows::create_campaign(&sponsor, &known, new);
    let sender = stage.sender();
    sender.send(&[create], &[&stage.client]).await.unwrap();
    stage.pass(start, "the campaign begins").await.unwrap();
    campaign
}

/// The operator pays for the entry in the transaction that takes the job, the payment adds the score, and a passer-by claims it for
/// the owner.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_the_campaign_of_a_job_with_its_take() {
    let stage = Stage::set_up(Names::new(true)).await.unwrap();
    let address = sponsored(&stage).await;
    let work = Work::digits(&stage.digits, 0..10).unwrap();
    let mut args = stage.job_args(2 * QUSD).await.unwrap();
    args.campaign = address;
    args.items = work.items;
    args.input_roots = work.input_roots().unwrap();
    let bundle = quern_proof::file::encode_bundle(&work.given().unwrap());
    let uri = stage.publish("client/campaign.qbundle", bundle).await;
    args.input_uri = uri.unwrap();
    let created = stage.create_job("of a campaign", Some(stage.model), args);
    let job = created.await.unwrap();

    let node = node(&stage, &folder(&stage), None);
    wait_for(&stage, &job, JobState::Submitted).await;
    let keys = &stage.providers[0];
    let (owner, rpc) = (keys.owner.pubkey(), stage.net.rpc());
    let at = addresses::entry(&address, &owner);
    let entry = async || accounts::fetch::<Entry>(rpc, &at).await.unwrap();
    assert_eq!(entry().await.payer, keys.operator.pubkey());
    let submitted = stage.job(&job).await.unwrap().unwrap();
    assert_eq!(submitted.reward_rate_e9.get(), 0);
    let review_end = submitted.deadline.get();
    stage.pass(review_end, "the review ends").await.unwrap();
    until("the job is paid", LIMIT, async || {
        Ok(stage.job(&job).await?.is_none().then_some(()))
    })
    .await
    .unwrap();
    node.kill();

    let fee = 2 * QUSD * u64::from(submitted.terms.fee_bps.get()) / 10_000;
    let (entry, campaign) = (
        entry().await,
        accounts::fetch::<Campaign>(rpc, &address).await.unwrap(),
    );
    assert_eq!(entry.score.get(), fee * 9 / 10);
    assert_eq!(campaign.total_score, entry.score);
    let free = async || {
        let purse = stage.purse(&owner, &stage.payment).await.unwrap();
        purse.free_atoms.get()
    };
    let before = free().await;
    let settle_by = campaign.settle_by.get();
    stage.pass(settle_by, "scores are fixed").await.unwrap();
    let claim = instructions::claim_campaign(&entry, Some(&campaign));
    let sent = stage.sender().send(&[claim], &[&stage.passer_by]).await;
    sent.unwrap();
    assert_eq!(free().await, before + entry.score.get());
}
