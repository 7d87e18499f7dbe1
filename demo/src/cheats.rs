//! Five ways to be paid for nothing, and how a stranger who trusts nobody ends each of them.

use {
    crate::sentences::Transformer,
    anyhow::{Context, Result, bail, ensure},
    quern_client::{
        Pubkey, Signature, Signer, accounts,
        events::transaction_config,
        history::reason_text,
        quern::{
            events::{ConvictionSettled, QuernEvent},
            state::{ConvictionReason, JobState},
        },
    },
    quern_testkit::net::{Cell, Forger, Lookout, QUSD, Stage, Work, until},
    quern_watcher::{Report, Verdict},
    serde::{Serialize, Serializer},
    solana_sdk::message::VersionedMessage,
    std::{
        ops::Range,
        time::{Duration, Instant},
    },
};

/// Longest wait for anything that watcher or cluster do.
const LIMIT: Duration = Duration::from_secs(240);
/// Price of each of these jobs; they differ a little, so that no two amounts are alike.
const PRICE_ATOMS: u64 = 3 * QUSD + 13;
/// The cell of the product that is changed.
const PRODUCT_CELL: Cell = Cell {
    op: 0,
    item: 0,
    row: 617,
    col: 333,
};
/// Images of the two jobs on the digits network.
const IMAGES: Range<usize> = 0..40;

/// What the provider did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheatKind {
    /// It changed one of a million values of a product by one.
    ProductCell,
    /// It changed one hidden activation, so that the label of an image is another.
    TurnedLabel,
    /// It changed one share of an attention's softmax, in one item of two.
    SoftmaxCell,
    /// It changed one value of a normalization, in one item of two.
    NormCell,
    /// It committed to something and published nothing.
    Unanswered,
}

impl CheatKind {
    /// Its name for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProductCell => "product_cell",
            Self::TurnedLabel => "turned_label",
            Self::SoftmaxCell => "softmax_cell",
            Self::NormCell => "norm_cell",
            Self::Unanswered => "silence",
        }
    }

    /// What it is, for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ProductCell => "one cell of a 1000 x 1000 x 1000 product off by one",
            Self::TurnedLabel => "one activation changed, one label turned",
            Self::SoftmaxCell => "one share of an attention softmax changed, in a transformer",
            Self::NormCell => "one value of a normalization changed, in a transformer",
            Self::Unanswered => "a root posted, nothing published",
        }
    }
}

impl Serialize for CheatKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What became of a cheat. Amounts are strings of atoms in the payment mint.
#[derive(Clone, Debug, Serialize)]
pub struct Cheat {
    /// What the provider did.
    pub kind: CheatKind,
    /// The job.
    pub job: String,
    /// Whether the provider was convicted and lost its bond.
    pub caught: bool,
    /// For what.
    pub reason: &'static str,
    /// How: `inline` (evidence inside the conviction), `account` (evidence in an account) or `timeout` (no answer).
    pub route: &'static str,
    /// Bytes of evidence.
    pub evidence_bytes: u64,
    /// Version of the transaction that convicted: `1` or `legacy`.
    pub transaction_version: &'static str,
    /// Its compute units.
    pub compute_units: u64,
    /// Demands that were opened on the way.
    pub demands: u64,
    /// All transactions of the watcher, those that paid out and took its deposits back included.
    pub transactions: u64,
    /// What they cost it in the end.
    pub lamports: u64,
    /// From the submission until the conviction, as a person waits; while the demo moves the clock, it does not wait.
    pub seconds: f64,
    /// The same by the cluster's clock.
    pub chain_seconds: i64,
    /// The bond that was lost.
    pub bond_atoms: String,
    /// What the watcher got of it.
    pub prover_atoms: String,
    /// What the client got of it.
    pub client_atoms: String,
    /// What the treasury got of it.
    pub treasury_atoms: String,
    /// The price, which went back to the client.
    pub refunded_atoms: String,
}

/// Plays all of them, one after the other.
///
/// # Errors
/// A cheat that was not caught as it must be.
pub async fn cheats(
    stage: &Stage,
    lookout: &Lookout,
    transformer: &Transformer,
) -> Result<Vec<Cheat>> {
    Ok(vec![
        product_cell(stage, lookout).await?,
        turned_label(stage, lookout).await?,
        transformer_cell(stage, lookout, transformer, CheatKind::SoftmaxCell).await?,
        transformer_cell(stage, lookout, transformer, CheatKind::NormCell).await?,
        silence(stage, lookout).await?,
    ])
}

async fn product_cell(stage: &Stage, lookout: &Lookout) -> Result<Cheat> {
    let work = Work::product(2)?;
    let right = work.value(PRODUCT_CELL)?;
    let answer = work.with_value(PRODUCT_CELL, right + 1)?;
    let (kind, forger) = (CheatKind::ProductCell, forger(stage));
    let job = taken(stage, &forger, kind, stage.product, &work, 0).await?;
    let uri = forger.publish(&job, &answer).await?;
    let submission = forger.submit(&job, &answer, &uri);
    let attempt = Attempt::of(stage, lookout, kind, job, submission).await?;
    stage.names.say(format!(
        "hemlock writes {} instead of {right} into row {}, column {}: one of a million values",
        right + 1,
        PRODUCT_CELL.row,
        PRODUCT_CELL.col
    ));
    let caught = caught(stage, lookout, attempt).await?;
    convicted(&caught, &work, PRODUCT_CELL)?;
    Ok(caught.cheat)
}

/// One cell deep inside a transformer, in the second of two items.
async fn transformer_cell(
    stage: &Stage,
    lookout: &Lookout,
    transformer: &Transformer,
    kind: CheatKind,
) -> Result<Cheat> {
    let (name, extra_atoms) = match kind {
        CheatKind::SoftmaxCell => ("SOFTMAX", 3),
        _ => ("NORM", 4),
    };
    let work = transformer.work(0..2)?;
    let (cell, value) = transformer.cell_of(name, &work, 1)?;
    let right = work.value(cell)?;
    let answer = work.with_value(cell, value)?;
    let forger = forger(stage);
    let job = taken(stage, &forger, kind, transformer.model, &work, extra_atoms).await?;
    let uri = forger.publish(&job, &answer).await?;
    let submission = forger.submit(&job, &answer, &uri);
    let attempt = Attempt::of(stage, lookout, kind, job, submission).await?;
    stage.names.say(format!(
        "hemlock writes {value} instead of {right} into row {}, column {} of op {}, a {name}, and computes the rest from it",
        cell.row, cell.col, cell.op
    ));
    let caught = caught(stage, lookout, attempt).await?;
    convicted(&caught, &work, cell)?;
    Ok(caught.cheat)
}

async fn turned_label(stage: &Stage, lookout: &Lookout) -> Result<Cheat> {
    let work = Work::digits(&stage.digits, IMAGES)?;
    let (cell, value) = work.turning_point()?;
    let answer = work.with_value(cell, value)?;
    let label = |outputs: &[quern_proof::Tensor]| {
        let label = outputs.last().and_then(|labels| labels.value(0, 0));
        label.context("the result is empty")
    };
    let wrong = answer
        .traces
        .get(&cell.item)
        .context("the wrong item is gone")?;
    let (right, wrong) = (label(&work.item(cell.item)?)?, label(wrong)?);
    let (kind, forger) = (CheatKind::TurnedLabel, forger(stage));
    let job = taken(stage, &forger, kind, stage.model, &work, 1).await?;
    let uri = forger.publish(&job, &answer).await?;
    let submission = forger.submit(&job, &answer, &uri);
    let attempt = Attempt::of(stage, lookout, kind, job, submission).await?;
    stage.names.say(format!(
        "hemlock sets activation {} of image {} to {value}: a {right} becomes a {wrong}, and everything behind it agrees",
        cell.col, cell.item
    ));
    let caught = caught(stage, lookout, attempt).await?;
    convicted(&caught, &work, cell)?;
    Ok(caught.cheat)
}

async fn silence(stage: &Stage, lookout: &Lookout) -> Result<Cheat> {
    let work = Work::digits(&stage.digits, IMAGES)?;
    let (kind, forger) = (CheatKind::Unanswered, forger(stage));
    let job = taken(stage, &forger, kind, stage.model, &work, 2).await?;
    let uri = forger.uri(&job)?;
    let submission = forger.submit_root(&job, [0xbd; 32], &uri);
    let attempt = Attempt::of(stage, lookout, kind, job, submission).await?;
    stage
        .names
        .say("hemlock commits to a number that is the root of nothing, and publishes nothing");
    let wallet = lookout.wallet();
    let due = until("the watcher asks", LIMIT, async || {
        let asked = accounts::demands_of(stage.net.rpc(), &job).await?;
        let own = asked.iter().find(|asked| asked.demand.opener == wallet);
        Ok(own.map(|asked| asked.demand.due.get()))
    })
    .await?;
    stage.pass(due, "nobody answers").await?;
    let caught = caught(stage, lookout, attempt).await?;
    ensure!(
        matches!(caught.report.verdict, Verdict::TimedOut { .. }) && caught.cheat.demands == 1,
        "the silence should have ended with the first demand: {:?}",
        caught.report
    );
    Ok(caught.cheat)
}

/// The dishonest provider.
fn forger(stage: &Stage) -> Forger<'_> {
    let [_, _, hemlock] = &stage.providers;
    Forger::new(stage, hemlock)
}

/// A job for the dishonest provider, taken.
async fn taken(
    stage: &Stage,
    forger: &Forger<'_>,
    kind: CheatKind,
    model: Pubkey,
    work: &Work,
    extra_atoms: u64,
) -> Result<Pubkey> {
    let [_, _, hemlock] = &stage.providers;
    let name = kind.name().replace('_', " ");
    let job = stage
        .create_refereed_job(
            &name,
            model,
            work,
            PRICE_ATOMS + extra_atoms,
            Some(hemlock.owner.pubkey()),
        )
        .await?;
    forger.take(&job).await?;
    Ok(job)
}

/// What a wallet has and did.
struct Wallet {
    lamports: u64,
    transactions: usize,
}

impl Wallet {
    async fn of(stage: &Stage, address: &Pubkey) -> Result<Self> {
        let rpc = stage.net.rpc();
        Ok(Self {
            lamports: rpc.get_balance(address).await?,
            transactions: rpc.get_signatures_for_address(address).await?.len(),
        })
    }
}

/// A cheat that was submitted.
struct Attempt {
    kind: CheatKind,
    job: Pubkey,
    /// The watcher's wallet before.
    before: Wallet,
    submitted: Instant,
}

impl Attempt {
    async fn of(
        stage: &Stage,
        lookout: &Lookout,
        kind: CheatKind,
        job: Pubkey,
        submission: impl Future<Output = Result<()>>,
    ) -> Result<Self> {
        let before = Wallet::of(stage, &lookout.wallet()).await?;
        submission.await?;
        Ok(Self {
            kind,
            job,
            before,
            submitted: Instant::now(),
        })
    }
}

/// What became of a cheat, with the watcher's own words.
struct Caught {
    cheat: Cheat,
    report: Report,
}

/// Waits until a cheat is convicted, paid out and tidied up.
async fn caught(stage: &Stage, lookout: &Lookout, attempt: Attempt) -> Result<Caught> {
    let Attempt {
        kind,
        job,
        before,
        submitted,
    } = attempt;
    let (rpc, job) = (stage.net.rpc(), &job);
    let (at, report) = lookout.report_on(job, LIMIT).await?;
    let (signature, route, evidence_bytes) = conviction(kind, &report)?;
    let wallet = lookout.wallet();
    until(
        "the bond is split and the demands are closed",
        LIMIT,
        async || {
            let is_over = stage.job(job).await?.is_none();
            let is_tidy = accounts::demands_by(rpc, &wallet).await?.is_empty();
            Ok((is_over && is_tidy).then_some(()))
        },
    )
    .await?;
    stage.chronicle.catch_up().await?;
    let cost = stage.sender().cost(&signature).await?;
    let after = Wallet::of(stage, &wallet).await?;
    let told = told(stage, job)?;
    ensure!(
        told.settled.prover == wallet,
        "somebody else got the bounty"
    );
    let bond_atoms =
        told.settled.prover_atoms + told.settled.client_atoms + told.settled.treasury_atoms;
    ensure!(
        bond_atoms == told.bond_atoms,
        "the parts of the bond do not sum up to it"
    );
    let cheat = Cheat {
        kind,
        job: job.to_string(),
        caught: true,
        reason: reason_text(ConvictionReason::from_code(told.settled.reason)),
        route,
        evidence_bytes,
        transaction_version: version(stage, &signature).await?,
        compute_units: cost.units,
        demands: told.demands,
        transactions: (after.transactions - before.transactions) as u64,
        lamports: before.lamports.saturating_sub(after.lamports),
        seconds: (at.duration_since(submitted).as_secs_f64() * 10.0).round() / 10.0,
        chain_seconds: told.convicted_at - told.submitted_at,
        bond_atoms: bond_atoms.to_string(),
        prover_atoms: told.settled.prover_atoms.to_string(),
        client_atoms: told.settled.client_atoms.to_string(),
        treasury_atoms: told.settled.treasury_atoms.to_string(),
        refunded_atoms: told.settled.released_atoms.to_string(),
    };
    let (mint, settled) = (&stage.payment.address, &told.settled);
    let amount = |atoms: u64| stage.names.amount(atoms, mint);
    stage.names.say(format!(
        "caught: {} ({route}, {evidence_bytes} bytes of evidence, {} CU, {} lamports, {:.1} s): watcher {}, client {} and the price back, treasury {}",
        cheat.reason,
        cheat.compute_units,
        cheat.lamports,
        cheat.seconds,
        amount(settled.prover_atoms),
        amount(settled.client_atoms),
        amount(settled.treasury_atoms),
    ));
    Ok(Caught { cheat, report })
}

/// The transaction that convicted a cheat, the way its evidence took, and the bytes of evidence.
fn conviction(kind: CheatKind, report: &Report) -> Result<(Signature, &'static str, u64)> {
    Ok(match &report.verdict {
        Verdict::Convicted {
            signature,
            route,
            evidence_bytes,
            ..
        } => (*signature, route_name(*route), *evidence_bytes),
        Verdict::TimedOut { signature, .. } => (*signature, "timeout", 0),
        verdict => bail!("{} was not caught: {}", kind.title(), verdict.details()),
    })
}

const fn route_name(route: quern_client::flows::Route) -> &'static str {
    use quern_client::flows::Route;
    match route {
        Route::Account => "account",
        Route::Auto | Route::Inline => "inline",
    }
}

/// The version of a transaction that landed.
async fn version(stage: &Stage, signature: &Signature) -> Result<&'static str> {
    let rpc = stage.net.rpc();
    let found = rpc
        .get_transaction_with_config(signature, transaction_config(rpc.commitment()))
        .await?;
    let transaction = found.transaction.transaction.decode();
    Ok(
        match transaction
            .context("the transaction cannot be read")?
            .message
        {
            VersionedMessage::Legacy(_) => "legacy",
            VersionedMessage::V0(_) => "0",
            VersionedMessage::V1(_) => "1",
        },
    )
}

/// What the events say about a cheat.
struct Told {
    bond_atoms: u64,
    submitted_at: i64,
    convicted_at: i64,
    demands: u64,
    settled: ConvictionSettled,
}

fn told(stage: &Stage, job: &Pubkey) -> Result<Told> {
    let (mut bond_atoms, mut submitted_at, mut demands) = (0, 0, 0);
    let (mut convicted, mut settled) = (Vec::new(), None);
    for entry in stage.chronicle.entries() {
        match entry.event {
            QuernEvent::JobTaken(event) if event.job == *job => bond_atoms = event.bond_atoms,
            QuernEvent::ResultSubmitted(event) if event.job == *job => submitted_at = event.at,
            QuernEvent::DemandOpened(event) if event.job == *job => demands += 1,
            QuernEvent::JobConvicted(event) if event.job == *job => convicted.push(event.at),
            QuernEvent::ConvictionSettled(event) if event.job == *job => settled = Some(event),
            _ => {}
        }
    }
    let [convicted_at] = convicted[..] else {
        bail!("there are {} convictions of one cheat", convicted.len());
    };
    Ok(Told {
        bond_atoms,
        submitted_at,
        convicted_at,
        demands,
        settled: settled.context("the conviction was not paid out")?,
    })
}

/// One transaction of version 1 that carries everything and names exactly the wrong cell.
fn convicted(caught: &Caught, work: &Work, wrong: Cell) -> Result<()> {
    let Verdict::Convicted {
        charge, demands, ..
    } = &caught.report.verdict
    else {
        bail!("no wrong value was proved: {:?}", caught.report);
    };
    ensure!(
        *charge == wrong.charge(&work.graph)?,
        "another cell was convicted: {charge}"
    );
    let cheat = &caught.cheat;
    ensure!(
        cheat.route == "inline" && cheat.transaction_version == "1" && *demands == 0,
        "one transaction of version 1 should have been enough: {cheat:?}"
    );
    Ok(())
}

/// Waits until the watcher has found nothing wrong with results that are right.
///
/// # Errors
/// A result that it found something wrong with.
pub async fn cleared(stage: &Stage, lookout: &Lookout, jobs: &[Pubkey]) -> Result<()> {
    for job in jobs {
        let (_, report) = lookout.report_on(job, LIMIT).await?;
        ensure!(
            matches!(
                report.verdict,
                Verdict::Consistent {
                    delivered: true,
                    ..
                }
            ),
            "{} is right, but the watcher says: {}",
            stage.names.of(job),
            report.verdict.details()
        );
        let state = stage.job(job).await?.map(|job| job.state);
        ensure!(
            state == Some(JobState::Submitted as u8),
            "{} should wait for the end of its review",
            stage.names.of(job)
        );
    }
    Ok(())
}
