//! What happens in the demo, act by act.

use {
    super::{
        audit::{Api, audit},
        campaign::{self, Running},
        cheats::{Cheat, cheats, cleared},
        gateway,
        sentences::{Embedded, Transformer},
        summary::{Facts, Summary},
        tally,
    },
    anyhow::{Context, Result, ensure},
    quern_api::{AuditPage, Key},
    quern_client::{
        Keypair, Pubkey, Signer, accounts, claims, flows,
        instructions::{self, NOBODY},
        quern::{
            events::QuernEvent,
            instructions::Decision,
            state::{Assurance, Job, JobKind, JobState},
        },
        read,
    },
    quern_data::{
        FetchLimits, Fetcher,
        fetch::{ROOTS_FILE, beside},
    },
    quern_indexer::{Config, Indexer, MintName},
    quern_localnet::Mint,
    quern_proof::{Tensor, commit::data_root, file},
    quern_testkit::{
        net::{
            BOND_DEPOSIT_ATOMS, Digits, Ledger, Lookout, Machine, Names, PARAMS, QUSD, Stage, Work,
            chronicle::ALIKE, trainer, until,
        },
        postgres,
    },
    std::{
        ops::Range,
        path::{Path, PathBuf},
        time::Duration,
    },
    tokio::task::JoinHandle,
};

/// Longest wait for anything that the machines do.
const LIMIT: Duration = Duration::from_secs(240);
/// Price of a batch of images; each job costs a little more, so that no two amounts are alike.
const BATCH_PRICE_ATOMS: u64 = 2 * QUSD + 3;
/// Price of the product of two matrices.
const PRODUCT_PRICE_ATOMS: u64 = 3 * QUSD + 17;
/// Price of one pass of training.
const TRAINING_PRICE_ATOMS: u64 = 5 * QUSD + 7;
/// Images that training jobs learn from; the rest judges them.
const TRAINING_IMAGES: Range<usize> = 0..700;
/// Images that training jobs have not seen.
const JUDGING_IMAGES: Range<usize> = 700..1_000;
/// What the client of the job that ends before the arbiter had asked for.
const AGREED_PERCENT: usize = 90;

/// How much the demo does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Refereed jobs.
    pub jobs: usize,
    /// Held-out images in each.
    pub images_per_job: usize,
    /// The folder of an encoder that was imported; without one a tiny random transformer takes its place.
    pub encoder: Option<PathBuf>,
    /// A binary that is `quern` where its first word says so ([`crate::quern`]): the demo's own.
    pub quern: PathBuf,
}

impl Plan {
    /// All 1,000 held-out images.
    pub const JOBS: usize = 25;
    /// In each job.
    pub const IMAGES_PER_JOB: usize = 40;
}

/// Everything that runs, for as long as it is kept.
pub struct Cast {
    /// The network and the people.
    pub stage: Stage,
    /// The indexer with its API.
    pub indexer: Indexer,
    /// Another one on PostgreSQL, where that is installed.
    pub second: Option<Indexer>,
    /// Where both keep their events.
    pub stores: Vec<String>,
    /// The providers' machines.
    pub machines: Vec<Machine>,
    /// The watcher, until it leaves.
    pub lookout: Option<Lookout>,
    follower: JoinHandle<()>,
}

impl Cast {
    /// Network, people, indexer, two provider agents and a watcher.
    async fn gather(names: Names) -> Result<Self> {
        let stage = Stage::set_up(names.clone()).await?;
        let mut stores = vec![format!(
            "sqlite:{}",
            stage.folder().join("indexer.sqlite").display()
        )];
        let indexer = indexer(&stage, &stores[0]).await?;
        names.say(format!(
            "the indexer follows finalized blocks and shows them at {}/",
            indexer.url()
        ));
        let second = match database().await? {
            Some(store) => {
                stores.push(store);
                names.say("another indexer follows on PostgreSQL");
                Some(self::indexer(&stage, &stores[1]).await?)
            }
            None => {
                names.say("PostgreSQL is not installed here, so there is no second indexer");
                None
            }
        };
        let follower = stage.chronicle.follow();
        let [alder, birch, _] = &stage.providers;
        let machines = vec![
            Machine::start(&stage, alder).await?,
            Machine::start(&stage, birch).await?,
        ];
        names.say("alder and birch: two provider agents, each with its own operator key and limit");
        let lookout = lookout(&stage).await?;
        names.say(
            "a watcher with a wallet of its own: it checks every refereed result of every client",
        );
        Ok(Self {
            stage,
            indexer,
            second,
            stores,
            machines,
            lookout: Some(lookout),
            follower,
        })
    }

    /// Switches everything off in order.
    ///
    /// # Errors
    /// What an agent or the indexer ended with.
    pub async fn stop(self) -> Result<()> {
        self.follower.abort();
        for machine in self.machines {
            machine.stop().await?;
        }
        if let Some(lookout) = self.lookout {
            lookout.stop().await?;
        }
        self.indexer.stop().await?;
        if let Some(second) = self.second {
            second.stop().await?;
        }
        Ok(())
    }
}

/// An indexer of the stage's network.
async fn indexer(stage: &Stage, store: &str) -> Result<Indexer> {
    let mut config = Config::local(stage.net.rpc_url(), store);
    (config.poll_millis, config.audit_secs) = (200, 2);
    config.mint_names = [(&stage.payment, "qUSD"), (&stage.reward, "QRN")]
        .into_iter()
        .map(|(mint, name)| MintName::new(Key(mint.address.to_bytes()), name))
        .collect::<Result<_, _>>()
        .map_err(anyhow::Error::msg)?;
    Indexer::start(config)
        .await
        .context("the indexer did not start")
}

/// A database of a PostgreSQL that ends with this process, if one is installed.
async fn database() -> Result<Option<String>> {
    let start = || postgres::has_commands().then(|| postgres::url("postgres"));
    Ok(tokio::task::spawn_blocking(start).await?)
}

/// Plays the whole demo and audits it.
///
/// # Errors
/// The first thing that did not happen as it must.
pub async fn play(plan: Plan, names: Names) -> Result<(Cast, Summary)> {
    let images = plan.jobs.saturating_mul(plan.images_per_job);
    let held_out = Digits::load()?.count();
    ensure!(
        images > 0 && images <= held_out,
        "{} jobs of {} images do not fit: there are {held_out} held-out images, and at least one is needed",
        plan.jobs,
        plan.images_per_job
    );
    let mut cast = Cast::gather(names.clone()).await?;
    let running = campaign::begin(&mut cast.stage).await?;
    let stage = &cast.stage;

    let mut honest = inference(stage, &plan, &running).await?;
    let cheap = unwanted(stage, &plan).await?;
    let right = recognized(stage, &honest, &plan).await?;
    let (transformer, job, embedded) = embedding(stage, plan.encoder.as_deref()).await?;
    honest.push(job);

    names
        .heading("A third provider cheats five times beside an honest product of a million values");
    honest.push(product(stage).await?);
    let lookout = cast.lookout.take().context("the watcher is gone")?;
    let caught = cheats(stage, &lookout, &transformer).await?;
    cleared(stage, &lookout, &honest).await?;
    names.say(format!(
        "watcher: nothing is wrong with the {} honest results; it leaves",
        honest.len()
    ));
    lookout.stop().await?;

    let machines = std::mem::take(&mut cast.machines);
    let (machines, door, mut asked) =
        gateway::ask(stage, plan.encoder.as_deref(), machines).await?;
    honest.push(asked.job.parse()?);

    campaign::wash(stage, &running).await?;

    names.heading("Training in three milestones; the first provider leaves after the first one");
    let (birch_works, training_right) = training(stage, machines, &cheap).await?;
    stage.chronicle.catch_up().await?;

    names.heading("The review passes; what nobody refuted is paid");
    let (alder_works, honest_paid) = payday(stage, &honest).await?;
    door.close(stage, &mut asked).await?;
    cast.machines = vec![alder_works, birch_works];

    names.heading("The campaign is claimed, and the rest of its pot goes back");
    campaign::claims(stage, &running, &plan.quern).await?;
    let sponsored = campaign::sweep(stage, &running).await?;

    names.heading("Everybody takes what is theirs");
    collect(&mut cast.stage).await?;
    cast.stage.chronicle.catch_up().await?;

    names.heading("The campaign, counted again");
    let indexers = std::iter::once(&cast.indexer).chain(&cast.second);
    let named = tally::counted_again(&cast.stage, &cast.stores, indexers, &running).await?;

    names.heading("The audit");
    let facts = Facts {
        images,
        right,
        training_right,
        training_images: JUDGING_IMAGES.len(),
        honest_paid,
        embedded,
        sponsored,
        named,
        asked,
    };
    let summary = audited(&cast, facts, caught).await?;
    Ok((cast, summary))
}

/// How many images are right; all of them together must be as many as the training script found.
async fn recognized(stage: &Stage, honest: &[Pubkey], plan: &Plan) -> Result<usize> {
    let images = plan.jobs * plan.images_per_job;
    let right = results(stage, honest, plan).await?;
    stage.names.say(format!("client: {right} of {images} images are right, and every intermediate result equals its own recomputation"));
    let expected = stage.digits.expected_right;
    ensure!(
        images != stage.digits.count() || right == expected,
        "{right} images are right where the training script found {expected}"
    );
    Ok(right)
}

/// Act 3: training that a second provider goes on with, a job that ends before the arbiter, and one that nobody takes. Says
/// how many unseen images the trained network recognizes, and returns birch's machine.
async fn training(
    stage: &Stage,
    machines: Vec<Machine>,
    cheap: &Pubkey,
) -> Result<(Machine, usize)> {
    let [_, birch, _] = &stage.providers;
    let [alder_works, birch_works] = <[Machine; 2]>::try_from(machines)
        .map_err(|_| anyhow::anyhow!("two machines should be at work"))?;
    // A reviewed job keeps the provider that it is pinned to. This one is for anybody, so that another can go on; alder begins,
    // because birch is away.
    birch_works.stop().await?;
    let training = training_job(stage, "training", 3, NOBODY).await?;
    let first = submitted(stage, &training, 0).await?;
    let birch_works = Machine::start(stage, birch).await?;
    let hasty = training_job(stage, "hasty training", 1, birch.owner.pubkey()).await?;
    submitted(stage, &hasty, 0).await?;
    alder_works.stop().await?;
    stage.names.say("alder's machine leaves");
    let mut checkpoint = judge_checkpoint(stage, &training, &first, None).await?;
    accept(stage, &training).await?;
    reject_and_resolve(stage, &hasty).await?;

    lapse(stage, &training, cheap).await?;
    for milestone in 1..3 {
        let submission = submitted(stage, &training, milestone).await?;
        ensure!(
            submission.provider == birch.owner.pubkey(),
            "birch should have continued"
        );
        checkpoint = judge_checkpoint(stage, &training, &submission, Some(checkpoint)).await?;
        accept(stage, &training).await?;
    }
    ensure!(
        stage.job(&training).await?.is_none(),
        "the training job should have ended with its third milestone"
    );
    Ok((birch_works, quality(stage, &checkpoint)?))
}

/// The deadlines of the training job, which alder has left, and of the job that nobody takes pass.
async fn lapse(stage: &Stage, training: &Pubkey, cheap: &Pubkey) -> Result<()> {
    let left = stage
        .job(training)
        .await?
        .context("the training job is gone")?;
    let unwanted = stage
        .job(cheap)
        .await?
        .context("the unwanted job is gone")?;
    let [alder, ..] = &stage.providers;
    ensure!(
        left.state == JobState::Taken as u8 && left.provider == alder.owner.pubkey(),
        "alder should owe milestone 2"
    );
    let moment = left.deadline.get().max(unwanted.deadline.get());
    stage
        .pass(
            moment,
            "nobody takes the cheap job, and alder does not come back",
        )
        .await?;
    for job in [cheap, training] {
        expire(stage, job).await?;
    }
    Ok(())
}

/// Act 4: alder comes back, the reviews end, and the agents finalize every job. Says how many honest results were paid.
async fn payday(stage: &Stage, honest: &[Pubkey]) -> Result<(Machine, usize)> {
    let [alder, ..] = &stage.providers;
    let alder_works = Machine::start(stage, alder).await?;
    stage
        .names
        .say("alder's machine is back and goes on from its journal");
    let mut last = 0;
    for (_, job) in accounts::jobs(stage.net.rpc(), accounts::JobFilter::default()).await? {
        ensure!(
            job.state == JobState::Submitted as u8,
            "a job is neither submitted nor ended"
        );
        last = last.max(job.deadline.get());
    }
    stage.pass(last, "the reviews end").await?;
    until("the agents finalize every job", LIMIT, async || {
        let left = accounts::jobs(stage.net.rpc(), accounts::JobFilter::default()).await?;
        Ok(left.is_empty().then_some(()))
    })
    .await?;
    stage.chronicle.catch_up().await?;
    let honest_paid = paid(stage, honest);
    ensure!(
        honest_paid == honest.len(),
        "only {honest_paid} of {} honest results were paid",
        honest.len()
    );
    Ok((alder_works, honest_paid))
}

/// The end: what chain, events and indexer say must be equal.
async fn audited(cast: &Cast, facts: Facts, caught: Vec<Cheat>) -> Result<Summary> {
    let (stage, indexer) = (&cast.stage, &cast.indexer);
    let slot = stage.chronicle.last_slot();
    stage.names.say(format!(
        "waiting until the indexer has everything finalized up to slot {slot}"
    ));
    ensure!(
        indexer.wait_for_slot(slot, LIMIT).await,
        "the indexer did not reach slot {slot} within {} s",
        LIMIT.as_secs()
    );
    own_audit(indexer, slot).await?;
    let ledger = Ledger::of(stage)?;
    let report = audit(stage, &ledger, &indexer.url()).await?;
    stage.names.say(format!(
        "{} figures compared: {}",
        report.compared,
        report.verdict()
    ));
    Summary::new(stage, &ledger, &report, &indexer.url(), facts, caught).await
}

/// Waits until the indexer has compared itself with the chain as it is at the end.
async fn own_audit(indexer: &Indexer, slot: u64) -> Result<()> {
    let api = Api {
        url: indexer.url(),
        client: reqwest::Client::new(),
    };
    until(
        "the indexer compares itself with the chain",
        LIMIT,
        async || {
            let page: AuditPage = api.get(AuditPage::PATH).await?;
            Ok((page.audited_slot >= Some(slot)).then_some(()))
        },
    )
    .await
}

/// Act 1: refereed inference on batches of held-out images; some count for the campaign.
async fn inference(stage: &Stage, plan: &Plan, running: &Running) -> Result<Vec<Pubkey>> {
    stage
        .names
        .heading("Refereed inference: the client escrows, providers bond, work, commit");
    let mut jobs = Vec::with_capacity(plan.jobs);
    for index in 0..plan.jobs {
        let start = index * plan.images_per_job;
        let price_atoms = BATCH_PRICE_ATOMS + 11 * index as u64;
        let name = format!("{ALIKE}{:02}", index + 1);
        let images = start..start + plan.images_per_job;
        let campaign = match index % campaign::EVERY {
            0 => running.address,
            _ => NOBODY,
        };
        let create = stage.create_digits_job_for(campaign, &name, images, price_atoms);
        jobs.push(create.await?);
    }
    Ok(jobs)
}

/// A watcher that nobody asked, with a purse for its bounties.
async fn lookout(stage: &Stage) -> Result<Lookout> {
    let (watcher, mint) = (&stage.watcher, &stage.payment.address);
    let owner = watcher.pubkey();
    let open = flows::open_missing(stage.net.rpc(), &owner, &[owner], mint).await?;
    stage.sender().send_all(&open, &[watcher]).await?;
    Lookout::start(stage, watcher, None).await
}

/// An honest product of two matrices, for whoever takes it.
async fn product(stage: &Stage) -> Result<Pubkey> {
    let work = Work::product(1)?;
    stage
        .create_refereed_job("product", stage.product, &work, PRODUCT_PRICE_ATOMS, None)
        .await
}

/// A transformer on all sentences: the client checks what was published, and some items by itself.
async fn embedding(
    stage: &Stage,
    encoder: Option<&Path>,
) -> Result<(Transformer, Pubkey, Embedded)> {
    stage
        .names
        .heading("A transformer, refereed to the last cell");
    if encoder.is_none() {
        stage.names.say("MiniLM was not fetched (`cargo xtask demo` fetches it), so a tiny random transformer writes text instead");
    }
    let transformer = Transformer::on(stage, encoder).await?;
    let work = transformer.work(0..transformer.count())?;
    let price_atoms = Transformer::price_atoms(&work, 23)?;
    let job = stage
        .create_refereed_job("sentences", transformer.model, &work, price_atoms, None)
        .await?;
    let state = submitted(stage, &job, 0).await?;
    let (root, uri) = stage.chronicle.submission(&job)?;
    ensure!(
        root == state.trace_root,
        "event and account name different commitments"
    );
    let embedded = transformer
        .judge(&fetcher(stage), &work, (&root, &uri))
        .await?;
    stage.names.say(format!(
        "client: {} items of {} lead to the commitment, and {} of them computed again are the same",
        embedded.items, embedded.what, embedded.recomputed
    ));
    Ok((transformer, job, embedded))
}

/// How many of these jobs were paid.
fn paid(stage: &Stage, jobs: &[Pubkey]) -> usize {
    let entries = stage.chronicle.entries();
    let is_paid = |job: &Pubkey| {
        entries.iter().any(|entry| {
            matches!(&entry.event, QuernEvent::MilestoneSettled(event) if event.job == *job && event.closed)
        })
    };
    jobs.iter().filter(|job| is_paid(job)).count()
}

/// Two jobs that pay less than any provider wants: one is cancelled here, the other one, returned, will expire.
async fn unwanted(stage: &Stage, plan: &Plan) -> Result<Pubkey> {
    let images = 0..plan.images_per_job;
    let regretted = stage
        .create_digits_job("cheap job 1", images.clone(), 3 * QUSD / 10)
        .await?;
    let cheap = stage
        .create_digits_job("cheap job 2", images, 4 * QUSD / 10)
        .await?;
    let job = stage
        .job(&regretted)
        .await?
        .context("the job to cancel is gone")?;
    stage
        .sender()
        .send(&[instructions::cancel_job(&job)], &[&stage.client])
        .await?;
    Ok(cheap)
}

/// Waits for every result and checks each as the client: the published roots against the commitment and against its own
/// computation, the answers against the labels. Returns how many images are right.
async fn results(stage: &Stage, jobs: &[Pubkey], plan: &Plan) -> Result<usize> {
    let fetcher = fetcher(stage);
    let mut right = 0;
    for (index, address) in jobs.iter().enumerate() {
        let job = submitted(stage, address, 0).await?;
        let (root, uri) = stage.chronicle.submission(address)?;
        ensure!(
            root == job.trace_root,
            "event and account name different commitments"
        );
        let start = index * plan.images_per_job;
        let result = fetcher.fetch(&uri, None).await?;
        let roots = fetcher.fetch(&beside(&uri, ROOTS_FILE)?, None).await?;
        let images = start..start + plan.images_per_job;
        let judged = stage.digits.judge(images, &root, result, &roots);
        right += judged
            .with_context(|| format!("the result of {} is wrong", stage.names.of(address)))?;
    }
    Ok(right)
}

fn fetcher(stage: &Stage) -> Fetcher {
    Fetcher::new(FetchLimits {
        file_roots: vec![stage.public.clone()],
        ..FetchLimits::default()
    })
}

/// Waits until a milestone is submitted.
async fn submitted(stage: &Stage, address: &Pubkey, milestone: u8) -> Result<Job> {
    let what = format!(
        "{}: milestone {} is submitted",
        stage.names.of(address),
        milestone + 1
    );
    let job = until(&what, LIMIT, async || {
        let job = stage
            .job(address)
            .await?
            .with_context(|| format!("{} has ended", stage.names.of(address)))?;
        Ok((job.state == JobState::Submitted as u8 && job.milestone == milestone).then_some(job))
    })
    .await?;
    stage.chronicle.catch_up().await?;
    Ok(job)
}

/// A training job on the client's images, pinned to a provider at first, with an arbiter.
async fn training_job(
    stage: &Stage,
    name: &str,
    milestones: u8,
    provider: Pubkey,
) -> Result<Pubkey> {
    let images = stage.digits.images(TRAINING_IMAGES)?;
    let labels = stage.digits.labels(TRAINING_IMAGES)?;
    let labels = Tensor::from_i8(u32::try_from(labels.len())?, 1, labels)?;
    let mut args = stage
        .job_args(TRAINING_PRICE_ATOMS + u64::from(milestones))
        .await?;
    args.kind = JobKind::Training as u8;
    args.assurance = Assurance::Reviewed as u8;
    args.milestones = milestones;
    args.pinned_provider = provider;
    args.arbiter = stage.arbiter.pubkey();
    args.input_roots = vec![data_root(&images), data_root(&labels)];
    args.input_uri = stage
        .publish(
            "client/training.qbundle",
            file::encode_bundle(&[images, labels]),
        )
        .await?;
    stage.create_job(name, Some(stage.data_set), args).await
}

/// Fetches a submitted checkpoint and checks that it is exactly what one more pass from the last one gives.
async fn judge_checkpoint(
    stage: &Stage,
    address: &Pubkey,
    job: &Job,
    before: Option<Tensor>,
) -> Result<Tensor> {
    let (root, uri) = stage.chronicle.submission(address)?;
    let checkpoint = file::decode_tensor(&fetcher(stage).fetch(&uri, None).await?)?;
    ensure!(
        data_root(&checkpoint) == root && root == job.trace_root,
        "the published checkpoint does not match its commitment"
    );
    let own = trainer::train(
        &stage.digits.images(TRAINING_IMAGES)?,
        stage.digits.labels(TRAINING_IMAGES)?,
        before.as_ref(),
    )?;
    ensure!(
        data_root(&own) == root,
        "the checkpoint differs from what continuing from the last one gives"
    );
    let right = quality(stage, &checkpoint)?;
    let milestone = job.milestone + 1;
    stage.names.say(format!(
        "client: checkpoint {milestone} continues the last one exactly and recognises {right} of {} unseen images",
        JUDGING_IMAGES.len()
    ));
    Ok(checkpoint)
}

/// How many unseen images a checkpoint recognises.
fn quality(stage: &Stage, checkpoint: &Tensor) -> Result<usize> {
    trainer::count_right(
        &stage.digits.images(JUDGING_IMAGES)?,
        stage.digits.labels(JUDGING_IMAGES)?,
        checkpoint,
    )
}

async fn accept(stage: &Stage, address: &Pubkey) -> Result<()> {
    let known = read::for_payment(stage.net.rpc(), address).await?;
    let job = known.job.context("the job has ended")?;
    let accept = instructions::accept(&job, &known.emission);
    stage.sender().send(&[accept], &[&stage.client]).await?;
    Ok(())
}

async fn expire(stage: &Stage, address: &Pubkey) -> Result<()> {
    let job = stage.job(address).await?.context("the job has ended")?;
    let expire = flows::expire(stage.net.rpc(), &stage.passer_by.pubkey(), &job).await?;
    stage
        .sender()
        .send_all(&expire, &[&stage.passer_by])
        .await?;
    Ok(())
}

/// One pass of training is not what was agreed: the client rejects, the arbiter gives the provider a quarter and lets it pay
/// half of the highest penalty.
async fn reject_and_resolve(stage: &Stage, address: &Pubkey) -> Result<()> {
    let job = stage
        .job(address)
        .await?
        .context("the job to reject is gone")?;
    let (_, uri) = stage.chronicle.submission(address)?;
    let checkpoint = file::decode_tensor(&fetcher(stage).fetch(&uri, None).await?)?;
    let (right, of) = (quality(stage, &checkpoint)?, JUDGING_IMAGES.len());
    ensure!(
        right * 100 < of * AGREED_PERCENT,
        "one pass was enough after all: {right} of {of}"
    );
    let reason = format!("{right} of {of} unseen images are right, {AGREED_PERCENT} % were agreed");
    stage
        .sender()
        .send(&[instructions::reject(&job, reason)], &[&stage.client])
        .await?;
    let penalty_atoms = job.bond_left_atoms.get() * u64::from(PARAMS.late_penalty_bps) / 10_000 / 2;
    let args = Decision {
        provider_share_bps: 2_500,
        penalty_atoms,
    };
    let job = stage.job(address).await?.context("the job has ended")?;
    let resolve = flows::resolve(stage.net.rpc(), &job, args).await?;
    stage.sender().send_all(&resolve, &[&stage.arbiter]).await?;
    ensure!(
        stage.job(address).await?.is_none(),
        "the resolved job should have ended"
    );
    Ok(())
}

/// Rewards are claimed, earnings, royalties and fees withdrawn, each signed by its owner. Bonds and the client's refunds stay.
async fn collect(stage: &mut Stage) -> Result<()> {
    let (payment, reward) = (stage.payment, stage.reward);
    // The third one has earned nothing.
    for index in 0..2 {
        let owner = stage.providers[index].owner.insecure_clone();
        let rpc = stage.net.rpc();
        // The first one's came with its campaign.
        if claims::of(rpc, &owner.pubkey()).await?.rewards.is_some() {
            let emission = accounts::emission(rpc).await?;
            let claim =
                flows::claim_rewards(rpc, &owner.pubkey(), &owner.pubkey(), &emission).await?;
            stage.sender().send_all(&claim, &[&owner]).await?;
        }
        withdraw(stage, &owner, &reward, 0).await?;
        withdraw(stage, &owner, &payment, BOND_DEPOSIT_ATOMS).await?;
    }
    let others = [
        &stage.creator,
        &stage.treasury,
        &stage.arbiter,
        &stage.watcher,
    ];
    for person in others.map(Keypair::insecure_clone) {
        withdraw(stage, &person, &payment, 0).await?;
    }
    Ok(())
}

/// Withdraws what is above `keep_atoms`.
async fn withdraw(stage: &mut Stage, owner: &Keypair, mint: &Mint, keep_atoms: u64) -> Result<()> {
    let free_atoms = stage.purse(&owner.pubkey(), mint).await?.free_atoms.get();
    if free_atoms > keep_atoms {
        let atoms = free_atoms - keep_atoms;
        let all = flows::withdraw(
            &owner.pubkey(),
            &owner.pubkey(),
            &mint.address,
            &mint.token_program,
            None,
            atoms,
        );
        stage.sender().send_all(&all, &[owner]).await?;
    }
    // The audit looks at this wallet, too, even where nothing was minted into it.
    stage.know_wallet(&owner.pubkey(), mint);
    Ok(())
}
