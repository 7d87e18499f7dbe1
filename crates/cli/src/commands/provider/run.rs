//! `quern provider run`: take jobs, do them, publish, submit and finalize.

use {
    super::{probe, serve::Published},
    crate::{
        amount::{self, parse},
        context::Context,
        data::Reach,
        error::{Error, Result},
        named, span, written,
    },
    quern_client::{Budgets, Pubkey, RpcChain, Signer, config},
    quern_data::{FetchLimits, Publisher},
    quern_provider::{Agent, CommandWorker, Policy, Settings, Worker, check_ready},
    quern_rules::gwork::GWORK,
    std::{
        net::SocketAddr,
        path::{Path, PathBuf},
        sync::Arc,
        time::Duration,
    },
};

/// How the agent works.
#[derive(clap::Args)]
pub struct Args {
    /// The provider: its owner or its name, where the wallet is only its operator [default: the wallet]
    #[arg(long, value_name = "ADDRESS_OR_NAME")]
    owner: Option<String>,
    /// Folder into which results are published, or a URL to PUT below
    #[arg(long, value_name = "FOLDER_OR_URL")]
    publish_dir: String,
    /// Address under which readers find it [default: a file URI, for this machine only]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// Show the folder of --publish-dir over HTTP here, so that no other web server is needed; its address is then the usual
    /// --public-url
    #[arg(long, value_name = "ADDRESS")]
    serve: Option<SocketAddr>,
    /// The agent's own folder: journal and data [default: ~/.local/share/quern/<owner>]
    #[arg(long, value_name = "FOLDER")]
    home: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Only these models (repeatable) [default: any sealed one]
    #[arg(long, value_name = "ADDRESS_OR_NAME")]
    model: Vec<String>,
    /// Own source of a model's weights, as MODEL=URI (repeatable)
    #[arg(long, value_parser = parse_source, value_name = "MODEL=URI")]
    weights: Vec<(String, String)>,
    /// Only jobs paid in this mint; needed for --min-price and --max-bond
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
    /// Least price of a milestone, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, requires = "mint")]
    min_price: Option<String>,
    /// Least price of 10^9 units of work of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, requires = "mint")]
    min_price_per_gwork: Option<String>,
    /// Largest bond to put up for a job, in tokens; needed away from a local network, unless only reviewed jobs are taken
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, requires = "mint")]
    max_bond: Option<String>,
    /// Largest bond to put up for a job, in times its price
    #[arg(long, default_value_t = Policy::default().max_bond_prices, value_name = "TIMES")]
    max_bond_prices: u64,
    /// Most work of a job, in 10^9 units
    #[arg(long, default_value_t = Policy::default().max_work / GWORK, value_name = "GWORK")]
    max_gwork: u64,
    /// Largest input or weights to fetch, in MiB
    #[arg(long, default_value_t = 1_024, value_name = "MIB")]
    max_data: u32,
    /// Largest trace of one item, in MiB
    #[arg(long, default_value_t = 1_024, value_name = "MIB")]
    max_item_trace: u32,
    /// Most bytes of a job's result and of what is kept of its items for demands, in MiB
    #[arg(long, default_value_t = 1_024, value_name = "MIB")]
    max_result: u32,
    /// Most traces of single items to publish with a result, in MiB: the first items, as many as fit; 0 for none. A watcher that checks
    /// a published trace need not compute the item again
    #[arg(long, default_value_t = 64, value_name = "MIB")]
    publish_traces: u32,
    /// Most memory for tensors, half of it for work and half for demands, in MiB; a job that needs more than a half is left
    /// alone
    #[arg(long, default_value_t = 8_192, value_name = "MIB")]
    memory_limit: u32,
    /// Most to keep on the disk, in MiB: inputs, weights, results, what demands need, and what is published into a folder here.
    /// Weights that no live job needs go first; jobs that would not fit are left alone
    #[arg(long, default_value_t = 65_536, value_name = "MIB")]
    disk_limit: u32,
    /// How long to keep the published files of an ended job, if they lie in a folder here
    #[arg(long, value_parser = span::parse, default_value = "7d", value_name = "TIME")]
    keep_results: u32,
    /// Most jobs to work on at a time
    #[arg(long, default_value_t = Policy::default().max_jobs)]
    max_jobs: usize,
    /// Most campaigns to have joined at a time for jobs that name one: each locks about 0.002 SOL of rent until its claim
    /// (`quern claim`). Only those are joined whose pot still holds the job's score and that settle within 90 days; with 0, only
    /// jobs of campaigns that you have joined yourself are taken
    #[arg(long, default_value_t = Policy::default().max_campaigns, value_name = "COUNT")]
    max_campaigns: usize,
    /// Do not claim what was scored in campaigns once they have settled; only log that it waits (`quern claim`). Otherwise it is
    /// claimed when there is nothing else to do, for the price of a transaction each
    #[arg(long)]
    no_claims: bool,
    /// Arbiter that you trust (repeatable); jobs with any other are left alone
    #[arg(long, value_name = "ADDRESS")]
    arbiter: Vec<Pubkey>,
    /// Shortest time to answer a demand that a job may give
    #[arg(long, value_parser = span::parse, default_value = "6h", value_name = "TIME")]
    min_response: u32,
    /// Shortest time to react that a job may give
    #[arg(long, value_parser = span::parse, default_value = "1h", value_name = "TIME")]
    min_react: u32,
    /// Shortest time to work that a job may give
    #[arg(long, value_parser = span::parse, default_value = "10m", value_name = "TIME")]
    min_work: u32,
    /// Shortest time that a refereed job may give for 10^9 units of work, in milliseconds
    #[arg(long, default_value_t = Policy::default().min_ms_per_gwork, value_name = "MS")]
    min_ms_per_gwork: u64,
    /// Longest review, during which the bond lies still
    #[arg(long, value_parser = span::parse, default_value = "30d", value_name = "TIME")]
    max_review: u32,
    /// Command that does reviewed jobs: reads the order as JSON, answers {"output_file": name} for a file that is to be
    /// published, or {"checkpoint_root": hex, "output_uri": text} for what it has published itself
    #[arg(long, value_name = "PROGRAM")]
    worker: Option<PathBuf>,
    /// Argument of that command (repeatable)
    #[arg(
        long,
        value_name = "ARG",
        requires = "worker",
        allow_hyphen_values = true
    )]
    worker_arg: Vec<String>,
    /// Argument with which that command says whether it could work: it gets the order of an open job, which is left alone unless
    /// it ends with 0 within 30s [default: none, everything is taken]
    #[arg(
        long,
        value_name = "ARG",
        requires = "worker",
        allow_hyphen_values = true
    )]
    worker_check: Option<String>,
    /// Longest time for that command
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    worker_timeout: u32,
    /// Start although what is published could not be read at its address
    #[arg(long)]
    skip_probe: bool,
    /// Take reviewed jobs only
    #[arg(long, requires = "worker")]
    reviewed_only: bool,
    /// Most priority fees for one job, beside what its answers earn, in lamports
    #[arg(long, default_value_t = Budgets::default().job_lamports, value_name = "LAMPORTS")]
    max_job_fee_lamports: u64,
    /// Most priority fees in an hour, beside what answers earn, in lamports
    #[arg(long, default_value_t = Budgets::default().hour_lamports, value_name = "LAMPORTS")]
    max_hour_fee_lamports: u64,
    /// Time between two looks at the chain [default: 5s; a fifth of a second on a local network]
    #[arg(long, value_parser = span::parse_poll, value_name = "TIME")]
    poll: Option<u32>,
}

/// Time between two looks at the chain, and at a local one, where looking costs nothing and people wait.
const POLL: Duration = Duration::from_secs(5);
const LOCAL_POLL: Duration = Duration::from_millis(200);

/// A model, by its address or name, and where its weights are, as `MODEL=URI`.
pub fn parse_source(text: &str) -> std::result::Result<(String, String), String> {
    let (model, uri) = text
        .split_once('=')
        .filter(|(model, _)| !model.is_empty())
        .ok_or("write MODEL=URI")?;
    Ok((model.to_owned(), written::uri(uri)?))
}

impl Args {
    /// Who does reviewed work.
    fn worker(&self) -> Option<Arc<dyn Worker>> {
        let worker = CommandWorker {
            program: self.worker.clone()?,
            args: self.worker_arg.clone(),
            check_arg: self.worker_check.clone(),
            timeout: Duration::from_secs(u64::from(self.worker_timeout)),
            max_output_bytes: u64::from(self.max_data) << 20,
        };
        Some(Arc::new(worker))
    }

    /// Time between two looks.
    fn poll(&self, url: &str) -> Duration {
        let usual = match config::is_local(url) {
            true => LOCAL_POLL,
            false => POLL,
        };
        self.poll
            .map_or(usual, |secs| Duration::from_secs(u64::from(secs)))
    }

    /// Serves what is published, if that was asked for, and says its address unless another one is named.
    async fn serve(&self) -> Result<(Option<Published>, Option<String>)> {
        let Some(listen) = self.serve else {
            return Ok((None, self.public_url.clone()));
        };
        if self.publish_dir.contains("://") {
            return Err(Error::Usage(
                "--serve shows a folder; name one with --publish-dir".to_owned(),
            ));
        }
        if listen.ip().is_unspecified() && self.public_url.is_none() {
            return Err(Error::Usage(format!(
                "{listen} is every address of this machine; name the one that readers use with --public-url"
            )));
        }
        std::fs::create_dir_all(&self.publish_dir)
            .map_err(|error| Error::Other(format!("--publish-dir: {error}")))?;
        let served = Published::start(Path::new(&self.publish_dir), listen).await?;
        let own = served.url();
        tracing::info!(address = own, "results are served");
        Ok((Some(served), self.public_url.clone().or(Some(own))))
    }

    /// Refuses to put up bonds of any size: from some size on a flood of demands that this machine cannot answer pays.
    fn check_bond(&self, url: &str) -> Result<()> {
        if self.max_bond.is_some() || self.reviewed_only || config::is_local(url) {
            return Ok(());
        }
        Err(Error::Usage(
            "a flood of demands pays from a bond on that this machine cannot defend; name the largest one to put up with --mint MINT --max-bond TOKENS (docs/THREATS.md, Floods)".to_owned(),
        ))
    }
}

/// Works until it is stopped.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    args.check_bond(&context.url)?;
    let signer = context.wallet()?;
    probe::place(&args.publish_dir, args.public_url.as_deref())?;
    if let Some(program) = &args.worker {
        probe::worker(program)?;
    }
    context.protocol().await?;
    let owner = match &args.owner {
        Some(text) => named::provider(context, text).await?,
        None => signer.pubkey(),
    };
    let budgets = Budgets {
        job_lamports: args.max_job_fee_lamports,
        hour_lamports: args.max_hour_fee_lamports,
        ..Budgets::default()
    };
    let policy = policy(context, &args).await?;
    let weights = named::sources(context, &args.weights).await?;
    let reach = args.reach.limits(context).await?;
    let chain = RpcChain::new(context.within(budgets).sender, signer);
    // Nothing is made on the disk for a provider that could not work.
    check_ready(chain.as_ref(), &owner).await?;
    let (_served, public_url) = args.serve().await?;
    let publisher = Publisher::at(&args.publish_dir, public_url.as_deref())?;
    if !args.skip_probe {
        probe::publishing(&publisher, &args.publish_dir, &reach).await?;
    }
    let worker = args.worker();
    if let Some(worker) = &worker
        && let Err(error) = worker.check(None).await
    {
        // Demands for what was done before have to be answered all the same.
        tracing::warn!(%error, "starting; reviewed jobs are left alone until the worker's check passes");
    }
    let settings = Settings {
        home: args
            .home
            .clone()
            .unwrap_or_else(|| config::expand(&format!("~/.local/share/quern/{owner}"))),
        policy,
        fetch: FetchLimits {
            max_bytes: u64::from(args.max_data) << 20,
            ..reach
        },
        weights,
        poll: args.poll(&context.url),
        memory_bytes: u64::from(args.memory_limit) << 20,
        disk_bytes: u64::from(args.disk_limit) << 20,
        keep_results: Duration::from_secs(u64::from(args.keep_results)),
        publish_traces_bytes: u64::from(args.publish_traces) << 20,
        ..Settings::new(owner, PathBuf::new(), publisher)
    };
    let agent = Agent::new(settings, chain, worker)?;
    agent.run(until_stopped()).await?;
    Ok(())
}

async fn policy(context: &Context, args: &Args) -> Result<Policy> {
    let usual = Policy::default();
    let decimals = match &args.mint {
        Some(mint) => context.mint(mint).await?.decimals,
        None => 0,
    };
    // Amounts need the mint's decimals; clap has made sure that there is one.
    let tokens = |option: &str, text: &Option<String>, usual: u64| {
        text.as_deref()
            .map_or(Ok(usual), |text| parse(option, text, decimals))
    };
    Ok(Policy {
        refereed: !args.reviewed_only,
        reviewed: args.worker.is_some(),
        models: named::models(context, &args.model).await?,
        mints: args.mint.into_iter().collect(),
        min_price_atoms: tokens("--min-price", &args.min_price, usual.min_price_atoms)?,
        min_price_per_gwork_atoms: tokens(
            "--min-price-per-gwork",
            &args.min_price_per_gwork,
            usual.min_price_per_gwork_atoms,
        )?,
        max_bond_atoms: tokens("--max-bond", &args.max_bond, usual.max_bond_atoms)?,
        max_bond_prices: args.max_bond_prices,
        max_work: args.max_gwork.saturating_mul(GWORK),
        max_item_bytes: u64::from(args.max_item_trace) << 20,
        max_result_bytes: u64::from(args.max_result) << 20,
        arbiters: args.arbiter.iter().copied().collect(),
        min_response_secs: args.min_response,
        min_react_secs: args.min_react,
        min_work_secs: args.min_work,
        min_ms_per_gwork: args.min_ms_per_gwork,
        max_review_secs: args.max_review,
        max_jobs: args.max_jobs,
        max_campaigns: args.max_campaigns,
        claims: !args.no_claims,
    })
}

/// Until Ctrl-C, or until a service manager asks it to stop.
pub async fn until_stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        clap::{Args as _, FromArgMatches},
        quern_provider::policy::Refusal,
    };

    /// What the agent's log names can be typed.
    #[test]
    fn options_that_the_log_names_exist() {
        let command = Args::augment_args(clap::Command::new("run"));
        let known = |name: &str| {
            let mut all = command.get_arguments();
            all.any(|arg| arg.get_long() == Some(name))
        };
        let mut count = 0;
        for refusal in Refusal::ALL {
            let options = refusal.options().unwrap_or_default();
            let names = options.split("--").skip(1);
            for name in names.filter_map(|rest| rest.split([' ', ',']).next()) {
                assert!(known(name), "{refusal:?}: --{name}");
                count += 1;
            }
        }
        assert!(count > 0, "no option is named");
    }

    #[test]
    fn no_bond_is_put_up_that_nobody_has_bounded() {
        let (local, remote) = ("http://127.0.0.1:8899", "https://api.devnet.solana.com");
        let one = "11111111111111111111111111111111";
        for (line, is_taken) in [
            (vec![], false),
            (vec!["--mint", one], false),
            (vec!["--mint", one, "--max-bond", "5"], true),
            (vec!["--worker", "./train.sh"], false),
            (vec!["--worker", "./train.sh", "--reviewed-only"], true),
        ] {
            let line = [&["run", "--publish-dir", "out"], &line[..]].concat();
            let command = Args::augment_args(clap::Command::new("run"));
            let args = Args::from_arg_matches(&command.get_matches_from(&line)).expect("it parses");
            assert_eq!(args.check_bond(remote).is_ok(), is_taken, "{line:?}");
            assert!(args.check_bond(local).is_ok(), "{line:?}");
        }
    }

    #[test]
    fn sources_of_weights_can_be_followed() {
        let source = |uri: &str| parse_source(&format!("Digits={uri}"));
        assert!(source("https://example.com/w?").is_err() && source("file:///w").is_ok());
        assert!(parse_source("=file:///w").is_err() && parse_source("file:///w").is_err());
        let (model, uri) = source("https://example.com/w").expect("a model and its address");
        assert_eq!((&*model, &*uri), ("Digits", "https://example.com/w"));
        for uri in [
            "",
            "ftp://x",
            "ipfs://x",
            "w.bin",
            "https://me:pass@example.com/w",
        ] {
            assert!(source(uri).is_err(), "{uri}");
        }
    }
}
