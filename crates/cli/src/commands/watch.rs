//! `quern watch`: check what providers submit, and convict what is wrong.

use {
    super::provider::{parse_source, until_stopped},
    crate::{
        context::Context,
        data::Reach,
        error::{Error, Result},
        limits, named,
        output::{Format, ascii, one_line},
        span::{self, about},
    },
    indicatif::ProgressBar,
    quern_client::{
        Budgets, ChainReads, ClientError, Keypair, Outcome, Pubkey, Signer, cluster, config,
        history::reason_name,
        instructions::NOBODY,
        quern::{
            clock::Moment,
            state::{Job, JobState},
        },
        read,
    },
    quern_data::FetchLimits,
    quern_process::{logs, redact::redacted},
    quern_rules::gwork::GWORK,
    quern_watcher::{
        CheckedItems, Followed, Report, RpcWatcherChain, Scope, Settings, Until, Verdict, Watcher,
    },
    serde_json::{Value, json},
    std::{
        borrow::Cow,
        cell::{Cell, RefCell},
        collections::BTreeMap,
        io::Write,
        path::PathBuf,
        time::Duration,
    },
    tokio::sync::mpsc,
};

/// What to watch and how.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  quern watch --min-bond MINT=ATOMS                  all results with such a bond, until Ctrl-C
  quern watch --client WALLET --state ~/.local/share/quern/watch
  quern watch --client WALLET --once --output json   what is submitted now, one line each
  quern watch --client WALLET --sample 5%            a twentieth of each job's items, at random

A wrong result is convicted, a withheld one is demanded; the wallet pays for that and earns a share of the bond.
Each submission is reported once: consistent, convicted, timed_out, already_convicted (by another watcher), wrong
(not convicted, and why) or could_not_check.")]
pub struct Args {
    /// Only jobs of this client (repeatable) [default: of all]
    #[arg(long, value_name = "ADDRESS")]
    client: Vec<Pubkey>,
    /// Only this job (repeatable) [default: all]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "client")]
    job: Vec<Pubkey>,
    /// How many items of each job to check: a share drawn at random after the submission, such as 5%, at least one item
    #[arg(long, value_name = "SHARE", default_value = "100%", value_parser = parse_sample)]
    sample: u16,
    /// Examine what is submitted now, wait for demands that this takes, and stop
    #[arg(long)]
    once: bool,
    /// Most demand fees and priority fees to pay for one job
    #[arg(long, default_value_t = Settings::default().max_fee_lamports, value_name = "LAMPORTS")]
    max_fee_lamports: u64,
    /// Most priority fees in an hour, in lamports
    #[arg(long, default_value_t = Budgets::default().hour_lamports, value_name = "LAMPORTS")]
    max_hour_fee_lamports: u64,
    /// Largest trace of an item to fetch or to compute, and largest input, weights or result to fetch, in MiB
    #[arg(long, default_value_t = 1_024, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    trace_limit: u32,
    /// Most memory for tensors, half of it for work and half for demands, in MiB; a job that needs more than a half is left
    /// alone
    #[arg(long, default_value_t = 8_192, value_name = "MIB")]
    memory_limit: u32,
    /// Most inputs and weights to keep in the folder of --state, in MiB; what no open case needs goes first
    #[arg(long, default_value_t = 65_536, value_name = "MIB")]
    disk_limit: u32,
    /// Most work to do for one submission, in Gwork (10^9 units of work)
    #[arg(long, default_value_t = Settings::default().max_work / GWORK, value_name = "Gwork")]
    max_gwork: u64,
    /// Least bond of a job in a mint, as MINT=ATOMS: below it a conviction does not pay (repeatable). Needed where all clients
    /// are watched, but on a local network; jobs in other mints are left alone then
    #[arg(long, value_parser = parse_bond, value_name = "MINT=ATOMS")]
    min_bond: Vec<(Pubkey, u64)>,
    /// How long after a submission its data are waited for before they are demanded; at most a quarter of the review
    #[arg(long, value_parser = span::parse, default_value = "30s", value_name = "TIME")]
    grace: u32,
    #[command(flatten)]
    reach: Reach,
    /// Own source of a model's weights, as MODEL=URI (repeatable)
    #[arg(long, value_parser = parse_source, value_name = "MODEL=URI")]
    weights: Vec<(String, String)>,
    /// Folder in which finished cases and checked data survive a restart [default: none]
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Do not pay out convictions and do not close own demands
    #[arg(long)]
    no_settle: bool,
    /// Most submissions to compute and check at a time; waiting for data does not count
    #[arg(long, default_value_t = 4, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    concurrency: u32,
    /// Time between two looks at the chain
    #[arg(long, value_parser = span::parse_poll, default_value = "5s", value_name = "TIME")]
    poll: u32,
}

impl Args {
    /// Whose submissions, as a part of a sentence.
    fn scope(&self) -> &'static str {
        match (self.client.is_empty(), self.job.is_empty()) {
            (true, true) => "",
            (false, _) => "by providers of the named clients' jobs ",
            (true, false) => "in the named jobs ",
        }
    }

    /// Refuses to pay for the convictions of strangers' jobs where nothing says which of them are worth it.
    fn check_worth(&self, url: &str) -> Result<()> {
        let is_all = self.client.is_empty() && self.job.is_empty();
        if !is_all || !self.min_bond.is_empty() || config::is_local(url) {
            return Ok(());
        }
        Err(Error::Usage(
            "anybody's jobs are watched, and a conviction may cost more than its bond brings; name the least bond that is worth one with --min-bond MINT=ATOMS, or whose jobs to watch with --client or --job".to_owned(),
        ))
    }

    /// What it may spend.
    fn budgets(&self) -> Budgets {
        Budgets {
            job_lamports: self.max_fee_lamports,
            hour_lamports: self.max_hour_fee_lamports,
            ..Budgets::default()
        }
    }

    fn settings(self, fetch: FetchLimits, weights: BTreeMap<Pubkey, String>) -> Settings {
        let scope = match (self.client.is_empty(), self.job.is_empty()) {
            (true, true) => Scope::All,
            (false, _) => Scope::Clients(self.client.into_iter().collect()),
            (true, false) => Scope::Jobs(self.job.into_iter().collect()),
        };
        Settings {
            scope,
            sample: sample_of(self.sample),
            fetch: FetchLimits {
                max_bytes: u64::from(self.trace_limit) << 20,
                ..fetch
            },
            weights,
            state: self.state,
            max_work: self.max_gwork.saturating_mul(GWORK),
            memory_bytes: u64::from(self.memory_limit) << 20,
            disk_bytes: u64::from(self.disk_limit) << 20,
            min_bonds: self.min_bond.into_iter().collect(),
            max_fee_lamports: self.max_fee_lamports,
            publication_grace: Duration::from_secs(u64::from(self.grace)),
            settle: !self.no_settle,
            concurrency: self.concurrency as usize,
            poll: Duration::from_secs(u64::from(self.poll)),
            ..Settings::default()
        }
    }
}

fn parse_bond(text: &str) -> std::result::Result<(Pubkey, u64), String> {
    let bad = || format!("`{text}` is not MINT=ATOMS");
    let (mint, atoms) = text.split_once('=').ok_or_else(bad)?;
    Ok((
        mint.parse().map_err(|_| bad())?,
        atoms.parse().map_err(|_| bad())?,
    ))
}

/// Watches until it is stopped, or examines once.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    args.check_worth(&context.url)?;
    let wallet = context.wallet()?;
    context.protocol().await?;
    let (is_once, has_memory) = (args.once, args.state.is_some());
    let scope = args.scope();
    let fetch = args.reach.limits(context).await?;
    let signer = wallet.pubkey();
    let sender = context.sender.with_budgets(args.budgets());
    let chain = RpcWatcherChain::new(sender, wallet);
    for job in &args.job {
        if chain.job(job).await?.is_none() {
            return Err(Error::JobClosed(*job));
        }
    }
    warn_without_lamports(context, &signer).await?;
    let weights = named::sources(context, &args.weights).await?;
    let watcher = Watcher::new(args.settings(fetch, weights), chain)?;
    let screen = Screen::new(context);
    screen.header();
    if !is_once {
        let show = |report: &Report| screen.report(report);
        watcher.run(Until::Stopped, show, until_stopped()).await?;
        return Ok(());
    }
    screen.say("examining what is submitted");
    let is_stopped = Cell::new(false);
    let stopped = async {
        until_stopped().await;
        is_stopped.set(true);
    };
    let mut reports = Vec::new();
    let show = |report: &Report| {
        screen.report(report);
        reports.push(report.clone());
    };
    watcher.run(Until::NothingOpen, show, stopped).await?;
    if is_stopped.get() {
        screen.note("stopped before everything was examined");
    } else if reports.is_empty() {
        let but = if has_memory {
            ", or it was examined before"
        } else {
            ""
        };
        screen.note(&format!(
            "nothing to examine: nothing is submitted {scope}now{but}"
        ));
    }
    summed_up(&reports)
}

/// An error if there is anything among the reports that nobody should use.
fn summed_up(reports: &[Report]) -> Result<()> {
    let count = |name| {
        let all = reports.iter().map(|report| report.verdict.name());
        all.filter(|other| *other == name).count()
    };
    let all = reports.len();
    match (count("wrong"), count("could_not_check")) {
        (0, 0) => Ok(()),
        (0, unchecked) => Err(Error::Other(format!(
            "{unchecked} of {all} submissions could not be checked; the lines above say why"
        ))),
        (wrong, _) => Err(Error::Other(format!(
            "{wrong} of {all} results are WRONG and were not convicted: do not use them; the lines above say why"
        ))),
    }
}

/// More than any job takes that a machine can hold.
pub const UNLIMITED_BYTES: u64 = 1 << 40;

/// Reads which share of the items is checked, for clap, in basis points.
///
/// # Errors
/// No share, none at all or more than all.
pub fn parse_sample(text: &str) -> std::result::Result<u16, String> {
    match limits::share(ALL_BPS)(text)? {
        0 => Err("of no item nothing is known; name a share above 0 %".to_owned()),
        bps => Ok(bps),
    }
}

/// All items.
const ALL_BPS: u16 = 10_000;

/// As the watcher takes it: nothing for all items.
pub fn sample_of(bps: u16) -> Option<f64> {
    (bps < ALL_BPS).then(|| f64::from(bps) / f64::from(ALL_BPS))
}

/// How one own job is checked.
pub struct CheckOptions {
    /// Where its data may be fetched from.
    pub fetch: FetchLimits,
    /// Which share of its items is checked, in basis points.
    pub sample: u16,
    /// Own sources of weights by model.
    pub weights: BTreeMap<Pubkey, String>,
}

impl CheckOptions {
    fn settings(self, job: &Pubkey) -> Settings {
        Settings {
            scope: Scope::Jobs([*job].into()),
            sample: sample_of(self.sample),
            // What is large here is so by the own choice.
            fetch: FetchLimits {
                max_bytes: UNLIMITED_BYTES,
                ..self.fetch
            },
            weights: self.weights,
            memory_bytes: 2 * UNLIMITED_BYTES,
            max_work: u64::MAX,
            poll: Duration::from_secs(2),
            ..Settings::default()
        }
    }
}

/// How far a job is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Until it has ended.
    End,
    /// Until its result was found right, or it has ended.
    Checked,
}

/// What following ends with.
enum Reached {
    Ended(Outcome),
    Right(CheckedItems),
}

/// Keeps watching one job until it ends, and says how. A wrong result that was not convicted is an error.
///
/// # Errors
/// As above, that it was stopped, or what the watcher failed with.
pub async fn follow(
    context: &Context,
    wallet: Keypair,
    job: &Pubkey,
    options: CheckOptions,
) -> Result<Outcome> {
    match reach(context, wallet, (job, Goal::End), options).await? {
        Reached::Ended(outcome) => Ok(outcome),
        Reached::Right(_) => Ok(Outcome::Unknown),
    }
}

/// Keeps watching one job until its result was checked and found right. A wrong one is convicted first.
///
/// # Errors
/// That there is no right result, and how the job ended.
pub async fn until_checked(
    context: &Context,
    wallet: Keypair,
    job: &Pubkey,
    options: CheckOptions,
) -> Result<CheckedItems> {
    match reach(context, wallet, (job, Goal::Checked), options).await? {
        Reached::Right(items) => Ok(items),
        Reached::Ended(Outcome::Convicted { .. }) => Err(Error::Convicted(*job)),
        Reached::Ended(Outcome::Ended) => Err(Error::NotDone(*job)),
        Reached::Ended(Outcome::Paid | Outcome::Unknown) => Err(Error::Other(format!(
            "the job {job} ended before its result was checked here; `quern job result {job}` shows what was committed to"
        ))),
    }
}

async fn reach(
    context: &Context,
    wallet: Keypair,
    (job, goal): (&Pubkey, Goal),
    options: CheckOptions,
) -> Result<Reached> {
    let settings = options.settings(job);
    let network = Network::of(context).await;
    let chain = RpcWatcherChain::new(context.sender.clone(), wallet);
    let watcher = Watcher::new(settings, chain)?;
    let screen = Screen::new(context);
    let (tell, mut told) = mpsc::unbounded_channel();
    // The receiver lives as long as the watching does.
    let following = watcher.follow(job, move |what| drop(tell.send(what)));
    let stopped = until_stopped();
    tokio::pin!(following, stopped);
    let mut verdict = None;
    let mut show = async |what: Followed| {
        if let Followed::Verdict(report) = &what {
            verdict = Some(report.verdict.clone());
        }
        screen.followed(context, job, &what).await;
        match (goal, &verdict) {
            (Goal::Checked, Some(Verdict::Consistent { items, .. })) => Some(*items),
            _ => None,
        }
    };
    let outcome = loop {
        tokio::select! {
            biased;
            Some(what) = told.recv() => if let Some(items) = show(what).await {
                return Ok(Reached::Right(items));
            },
            outcome = &mut following => break outcome?,
            () = &mut stopped => {
                return Err(Error::Other(left(&context.wallet_option(), job)));
            }
        }
    };
    while let Ok(what) = told.try_recv() {
        if let Some(items) = show(what).await {
            return Ok(Reached::Right(items));
        }
    }
    if outcome == Outcome::Unknown {
        network.check(context).await?;
    }
    screen.outcome(job, &outcome);
    let is_wrong = matches!(verdict, Some(Verdict::Wrong { .. }));
    match outcome {
        Outcome::Paid | Outcome::Unknown if is_wrong => Err(Error::Other(format!(
            "the result of {job} is WRONG and was not convicted: do not use it"
        ))),
        outcome => Ok(Reached::Ended(outcome)),
    }
}

/// What becomes of a job that nobody watches any more, and what may be typed.
fn left(wallet: &str, job: &Pubkey) -> String {
    format!(
        "stopped watching; the job goes on, and a result that nobody checks in time is paid: `quern{wallet} watch --job {job}` checks it, and `quern job result {job} --out FILE.npy` gets its integers"
    )
}

/// Which network a job was made on.
pub(in crate::commands) struct Network(Option<String>);

impl Network {
    /// The one that answers now.
    pub(in crate::commands) async fn of(context: &Context) -> Self {
        let genesis = cluster::genesis(context.rpc()).await;
        Self(genesis.ok().map(|hash| hash.to_string()))
    }

    /// Refuses to say anything about a job of which another network would be asked.
    ///
    /// # Errors
    /// That another one answers now.
    pub(in crate::commands) async fn check(&self, context: &Context) -> Result<()> {
        self.compare(&Self::of(context).await)
    }

    fn compare(&self, now: &Self) -> Result<()> {
        match (&self.0, &now.0) {
            (Some(then), Some(now)) if then != now => Err(Error::Other(
                "this is another network than the one that the job was made on (a local network keeps nothing); run the command again".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

/// What is waited for in a state, and until when.
fn waiting_for(job: &Job, moment: &Moment) -> String {
    let left = job.effective_deadline(moment).saturating_sub(moment.now);
    let left = about(left.max(0).unsigned_abs());
    let provider = job.provider;
    match job.state() {
        JobState::Open => format!("waiting for a provider, at most {left}"),
        JobState::Taken => format!("taken by {provider}, who has {left} to submit the result"),
        JobState::Submitted if job.is_reviewed() => {
            format!("submitted; silence pays it in {left}")
        }
        JobState::Submitted => {
            format!("submitted; checking the result, which is paid in {left} unless it is wrong")
        }
        JobState::Rejected => format!("rejected; the arbiter has {left} to decide"),
        JobState::Convicted => "convicted; having the conviction paid out".to_owned(),
    }
}

/// A watcher without lamports checks, but can neither demand nor convict.
async fn warn_without_lamports(context: &Context, wallet: &Pubkey) -> Result<()> {
    let balance = context.rpc().get_balance(wallet).await;
    let lamports = balance.map_err(|error| ClientError::from_rpc(&context.url, error))?;
    if lamports == 0 {
        tracing::warn!(%wallet, "the wallet has no lamports: wrong results will be found, but neither demanded nor convicted");
    }
    Ok(())
}

/// Results on standard output, a wheel on standard error.
pub(in crate::commands) struct Screen {
    format: Format,
    rpc_url: String,
    wheel: ProgressBar,
    has_header: RefCell<bool>,
}

impl Screen {
    pub(in crate::commands) fn new(context: &Context) -> Self {
        Self {
            format: context.format,
            rpc_url: context.url.clone(),
            wheel: ProgressBar::new_spinner(),
            has_header: RefCell::new(false),
        }
    }

    fn header(&self) {
        if self.format == Format::Table && !self.has_header.replace(true) {
            self.write(&format!(
                "{:<44}  {:<3}  {:<17}  details",
                "job", "nr", "verdict"
            ));
        }
    }

    /// One step of a followed job.
    async fn followed(&self, context: &Context, job: &Pubkey, what: &Followed) {
        match what {
            Followed::Verdict(report) if self.format == Format::Table => self.write(&format!(
                "checked: {}; {}",
                report.verdict.name(),
                report.verdict.details()
            )),
            Followed::Verdict(report) => self.report(report),
            Followed::NoAnswer(why) => self.no_answer(why),
            Followed::State(state) => {
                let known = read::for_payment(context.rpc(), job).await.ok();
                // It may have gone on since; then the next step says so.
                let now = known.and_then(|known| Some((known.job?, known.moment)));
                if let Some((now, moment)) = now.filter(|(now, _)| now.is_in(*state)) {
                    self.step(job, &now, &moment);
                }
            }
        }
    }

    pub(in crate::commands) fn step(&self, address: &Pubkey, job: &Job, moment: &Moment) {
        let what = waiting_for(job, moment);
        match self.format {
            Format::Json => self.json(json!({
                "job": address.to_string(),
                "state": job.state().name(),
                "provider": (job.provider != NOBODY).then(|| job.provider.to_string()),
                "deadline_unix": job.effective_deadline(moment),
            })),
            Format::Table => self.write(&what),
        }
        self.say(what);
    }

    /// What is going on.
    fn say(&self, what: impl Into<Cow<'static, str>>) {
        self.wheel.set_message(what);
        self.wheel.enable_steady_tick(Duration::from_millis(120));
    }

    /// The chain cannot be read, which is told seldom.
    pub(in crate::commands) fn no_answer(&self, why: &str) {
        let why = one_line(&redacted(why, &self.rpc_url));
        self.note(&format!(
            "waiting for the node ({why}). Ctrl-C leaves; the job goes on, and a result that nobody checks in time is paid"
        ));
    }

    /// Something that is no result.
    fn note(&self, what: &str) {
        self.wheel.suspend(|| logs::say(what));
    }

    fn report(&self, report: &Report) {
        self.header();
        match self.format {
            Format::Json => self.json(report.json()),
            Format::Table => self.write(&format!(
                "{:<44}  {:<3}  {:<17}  {}",
                report.job.to_string(),
                report.submission,
                report.verdict.name(),
                report.verdict.details()
            )),
        }
    }

    pub(in crate::commands) fn outcome(&self, job: &Pubkey, outcome: &Outcome) {
        match (self.format, outcome) {
            (Format::Json, Outcome::Convicted { prover, reason }) => self.json(json!({
                "job": job.to_string(),
                "outcome": outcome.name(),
                "prover": prover.to_string(),
                "reason": reason_name(*reason),
            })),
            (Format::Json, _) => {
                self.json(json!({ "job": job.to_string(), "outcome": outcome.name() }));
            }
            (Format::Table, outcome) => {
                self.write(&format!("the job has ended: {}", outcome.details()));
            }
        }
    }

    fn json(&self, value: Value) {
        self.put(&ascii(&redacted(&value.to_string(), &self.rpc_url)));
    }

    /// One line for people.
    fn write(&self, line: &str) {
        self.put(&one_line(&redacted(line, &self.rpc_url)));
    }

    /// A reader that went away is no error.
    fn put(&self, line: &str) {
        self.wheel.suspend(|| {
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        });
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.wheel.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, clap::Parser, quern_client::quern::state::Assurance};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Line::try_parse_from([&["watch"], line].concat())
            .unwrap()
            .args
    }

    #[test]
    fn convictions_of_strangers_jobs_need_a_bond_that_is_worth_them() {
        let (local, remote) = ("http://127.0.0.1:8899", "https://api.devnet.solana.com");
        let one = "11111111111111111111111111111111";
        let bond = format!("{one}=5");
        for (line, is_taken) in [
            (vec![], false),
            (vec!["--once"], false),
            (vec!["--client", one], true),
            (vec!["--job", one], true),
            (vec!["--min-bond", &bond], true),
        ] {
            let args = args(&line);
            assert_eq!(args.check_worth(remote).is_ok(), is_taken, "{line:?}");
            assert!(args.check_worth(local).is_ok(), "{line:?}");
        }
        let refused = args(&[]).check_worth(remote).unwrap_err().to_string();
        assert!(refused.contains("--min-bond MINT=ATOMS"), "{refused}");
    }

    #[test]
    fn a_sample_is_some_of_the_items_or_all() {
        let sample = |text: &str| args(&["--sample", text]).sample;
        assert_eq!(sample_of(sample("5%")), Some(0.05));
        assert_eq!(sample_of(args(&[]).sample), None);
        for text in ["0%", "101%", "some"] {
            assert!(parse_sample(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_case_and_an_hour_have_budgets() {
        let args = args(&["--max-fee-lamports", "7", "--max-hour-fee-lamports", "9"]);
        let budgets = args.budgets();
        assert_eq!((budgets.job_lamports, budgets.hour_lamports), (7, 9));
    }

    #[test]
    fn who_leaves_reads_what_to_type() {
        let job = Pubkey::from([3; 32]);
        let said = left(" -k quern-localnet/client.json", &job);
        let typed = format!("`quern -k quern-localnet/client.json watch --job {job}`");
        assert!(said.contains(&typed), "{said}");
        assert!(
            said.contains(&format!("`quern job result {job} --out")),
            "{said}"
        );
        assert!(said.contains("is paid"), "{said}");
    }

    #[test]
    fn another_network_is_not_asked_about_a_job() {
        let network = |text: &str| Network(Some(text.to_owned()));
        let silent = Network(None);
        assert!(network("a").compare(&network("a")).is_ok());
        assert!(network("a").compare(&silent).is_ok() && silent.compare(&network("a")).is_ok());
        let said = network("a").compare(&network("b")).unwrap_err().to_string();
        assert!(said.contains("another network"), "{said}");
    }

    #[test]
    fn a_step_says_who_and_until_when() {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        job.provider = Pubkey::from([3; 32]);
        job.deadline = 3_700.into();
        let moment = Moment {
            now: 100,
            slot: 1,
            last_restart_slot: 0,
        };
        let mut said = |state: JobState| {
            job.state = state.code();
            waiting_for(&job, &moment)
        };
        assert_eq!(said(JobState::Open), "waiting for a provider, at most 1h");
        let taken = said(JobState::Taken);
        assert!(
            taken.contains(&Pubkey::from([3; 32]).to_string()),
            "{taken}"
        );
        assert!(taken.ends_with("has 1h to submit the result"), "{taken}");
        assert!(said(JobState::Submitted).contains("paid in 1h"));
        job.assurance = Assurance::Reviewed.code();
        job.state = JobState::Submitted.code();
        assert!(waiting_for(&job, &moment).contains("silence pays it in 1h"));
    }
}
