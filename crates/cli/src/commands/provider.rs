//! `quern provider`: offer compute.

use {
    crate::{
        amount::{Amount, parse, show},
        context::Context,
        data::Reach,
        error::{Error, Result},
        output::Fields,
        span,
    },
    clap::Subcommand,
    quern_client::{
        Pubkey, RpcChain, Signer, accounts, addresses, config, flows, instructions,
        quern::{instructions::ProviderSettings, state::Provider},
    },
    quern_data::{FetchLimits, Publisher},
    quern_provider::{Agent, CommandWorker, Policy, Settings, Worker},
    std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration},
};

/// What to do as a provider.
#[derive(Subcommand)]
pub enum Command {
    /// Register the wallet as a provider, or change its entry
    #[command(after_help = "Example:
  quern provider register --name 'Basement GPUs' --endpoint https://example.com \\
      --operator OPERATOR_KEY")]
    Register(Register),
    /// Work: take jobs, do them, publish, submit and finalize, until Ctrl-C
    #[command(after_help = "Examples:
  quern provider run --publish-dir out --public-url https://example.com/quern
  quern provider run --keypair operator.json --owner OWNER --publish-dir out --min-price 0.01
  quern provider run --publish-dir out --worker ./train.sh --arbiter ARBITER   also reviewed jobs

A restart goes on where it stopped. Only what has been fetched and compared with its roots is taken.")]
    Run(Box<Run>),
    /// Show a provider
    #[command(after_help = "Example:
  quern provider show WALLET")]
    Show {
        /// The provider's owner [default: the wallet]
        owner: Option<Pubkey>,
    },
    /// Set how much the operator's takes may reserve at a time (the owner signs)
    #[command(after_help = "Example:
  quern provider operator-limit --mint MINT --amount 100")]
    OperatorLimit {
        /// In which mint
        #[arg(long, value_name = "ADDRESS")]
        mint: Pubkey,
        #[command(flatten)]
        amount: Amount,
    },
}

/// A provider's entry.
#[derive(clap::Args)]
pub struct Register {
    /// Its name, at most 32 bytes
    #[arg(long)]
    name: String,
    /// How to reach it, at most 200 bytes
    #[arg(long, default_value = "", value_name = "URI")]
    endpoint: String,
    /// Hot key that may take, submit and reveal [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    operator: Option<Pubkey>,
    /// Whether it takes jobs
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    active: bool,
}

/// How the agent works.
#[derive(clap::Args)]
pub struct Run {
    /// The provider's owner, where the wallet is only its operator [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Pubkey>,
    /// Folder into which results are published, or a URL to PUT below
    #[arg(long, value_name = "FOLDER_OR_URL")]
    publish_dir: String,
    /// Address under which readers find it [default: a file URI, for this machine only]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// The agent's own folder: journal and data [default: ~/.local/share/quern/<owner>]
    #[arg(long, value_name = "FOLDER")]
    home: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Only these models (repeatable) [default: any sealed one]
    #[arg(long, value_name = "ADDRESS")]
    model: Vec<Pubkey>,
    /// Own source of a model's weights, as MODEL=URI (repeatable)
    #[arg(long, value_parser = parse_source, value_name = "MODEL=URI")]
    weights: Vec<(Pubkey, String)>,
    /// Only jobs paid in this mint; needed for --min-price and --max-bond
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
    /// Least price of a milestone, in tokens
    #[arg(long, value_name = "TOKENS", requires = "mint")]
    min_price: Option<String>,
    /// Least price of 10^9 multiply-accumulates of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", requires = "mint")]
    min_price_per_gmac: Option<String>,
    /// Largest bond to put up for a job, in tokens
    #[arg(long, value_name = "TOKENS", requires = "mint")]
    max_bond: Option<String>,
    /// Largest bond to put up for a job, in times its price
    #[arg(long, default_value_t = Policy::default().max_bond_prices, value_name = "TIMES")]
    max_bond_prices: u64,
    /// Most multiply-accumulates of a job
    #[arg(long, default_value_t = Policy::default().max_macs)]
    max_macs: u64,
    /// Largest input or weights to fetch and largest trace to publish, in MiB
    #[arg(long, default_value_t = 1_024, value_name = "MIB")]
    max_data: u32,
    /// Most memory for tensors, half of it for work and half for demands, in MiB; a job that needs more than a half is left
    /// alone
    #[arg(long, default_value_t = 8_192, value_name = "MIB")]
    memory_limit: u32,
    /// Most jobs to work on at a time
    #[arg(long, default_value_t = Policy::default().max_jobs)]
    max_jobs: usize,
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
    #[arg(long, value_parser = span::parse, default_value = "1m", value_name = "TIME")]
    min_work: u32,
    /// Longest review, during which the bond lies still
    #[arg(long, value_parser = span::parse, default_value = "30d", value_name = "TIME")]
    max_review: u32,
    /// Command that does reviewed jobs: reads the order as JSON, answers {"checkpoint_root": hex, "output_uri": text}
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
    /// Longest time for that command
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    worker_timeout: u32,
    /// Take reviewed jobs only
    #[arg(long, requires = "worker")]
    reviewed_only: bool,
    /// Time between two looks at the chain
    #[arg(long, value_parser = span::parse_poll, default_value = "5s", value_name = "TIME")]
    poll: u32,
}

/// A model and where its weights are, as `MODEL=URI`.
pub(super) fn parse_source(text: &str) -> std::result::Result<(Pubkey, String), String> {
    let (model, uri) = text.split_once('=').ok_or("write MODEL=URI")?;
    let model = model
        .parse()
        .map_err(|_| format!("`{model}` is no address"))?;
    let is_known = ["https://", "http://", "file:///"].iter().any(|scheme| {
        uri.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    if is_known {
        Ok((model, uri.to_owned()))
    } else {
        Err(format!(
            "`{uri}` is no URI of weights; write https://… or file:///…"
        ))
    }
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register(context, args).await,
        Command::Run(args) => work(context, *args).await,
        Command::Show { owner } => show_provider(context, owner).await,
        Command::OperatorLimit { mint, amount } => {
            let wallet = context.wallet()?;
            let decimals = context.mint(&mint).await?.decimals;
            let atoms = amount.in_atoms(decimals)?;
            let mut all =
                flows::open_missing(context.rpc(), &wallet.pubkey(), &[wallet.pubkey()], &mint)
                    .await?;
            all.push(instructions::set_operator_limit(
                &wallet.pubkey(),
                &mint,
                atoms,
            ));
            let done = Fields::new()
                .text("mint", mint)
                .text("operator_limit", show(atoms, decimals));
            context.send_and_show(&all, &[&wallet], done).await
        }
    }
}

async fn register(context: &Context, args: Register) -> Result<()> {
    let wallet = context.wallet()?;
    let owner = wallet.pubkey();
    context.protocol().await?;
    let entry = ProviderSettings {
        operator: args.operator.unwrap_or(owner),
        name: args.name,
        endpoint: args.endpoint,
        active: args.active,
    };
    let known =
        accounts::fetch_optional::<Provider>(context.rpc(), &addresses::provider(&owner)).await?;
    let (instruction, done) = match known {
        Some(_) => (instructions::update_provider(&owner, entry), "updated"),
        None => (instructions::register_provider(&owner, entry), "registered"),
    };
    let fields = Fields::new()
        .text("provider", addresses::provider(&owner))
        .text("owner", owner)
        .text("done", done);
    context
        .send_and_show(&[instruction], &[&wallet], fields)
        .await
}

async fn show_provider(context: &Context, owner: Option<Pubkey>) -> Result<()> {
    let owner = context.owner(owner)?;
    context.protocol().await?;
    let address = addresses::provider(&owner);
    let found = accounts::fetch_optional::<Provider>(context.rpc(), &address).await?;
    let provider = found.ok_or_else(|| {
        Error::Other(format!(
            "{owner} is not registered as a provider; see `quern provider register --help`"
        ))
    })?;
    let claimable = provider
        .rewards_accrued_atoms
        .get()
        .saturating_sub(provider.rewards_claimed_atoms.get());
    Fields::new()
        .text("provider", address)
        .text("name", accounts::name(&provider.name))
        .text("owner", provider.owner)
        .text("operator", provider.operator)
        .with("active", provider.active.get())
        .with("taken", provider.taken.get())
        .with("settled", provider.settled.get())
        .with("late", provider.late.get())
        .with("convicted", provider.convicted.get())
        .with("refereed_macs", provider.refereed_macs.get())
        .with("reviewed_macs", provider.reviewed_macs.get())
        .with(
            "rewards_accrued_atoms",
            provider.rewards_accrued_atoms.get(),
        )
        .with("rewards_claimable_atoms", claimable)
        .print(context.format);
    Ok(())
}

async fn work(context: &Context, args: Run) -> Result<()> {
    let signer = context.wallet()?;
    let owner = args.owner.unwrap_or(signer.pubkey());
    let publisher = Publisher::at(&args.publish_dir, args.public_url.as_deref())?;
    context.protocol().await?;
    let policy = policy(context, &args).await?;
    let worker = args.worker.as_ref().map(|program| {
        let timeout = Duration::from_secs(u64::from(args.worker_timeout));
        Arc::new(CommandWorker {
            program: program.clone(),
            args: args.worker_arg.clone(),
            timeout,
        }) as Arc<dyn Worker>
    });
    let settings = Settings {
        home: args
            .home
            .clone()
            .unwrap_or_else(|| config::expand(&format!("~/.local/share/quern/{owner}"))),
        policy,
        fetch: FetchLimits {
            max_bytes: u64::from(args.max_data) << 20,
            file_roots: args.reach.allow_files.clone(),
            ..args.reach.limits(context).await?
        },
        weights: args.weights.into_iter().collect::<BTreeMap<_, _>>(),
        poll: Duration::from_secs(u64::from(args.poll)),
        memory_bytes: u64::from(args.memory_limit) << 20,
        ..Settings::new(owner, PathBuf::new(), publisher)
    };
    let agent = Agent::new(
        settings,
        RpcChain::new(context.in_time().sender, signer),
        worker,
    )?;
    agent.run(until_stopped()).await?;
    Ok(())
}

async fn policy(context: &Context, args: &Run) -> Result<Policy> {
    let usual = Policy::default();
    let decimals = match &args.mint {
        Some(mint) => context.mint(mint).await?.decimals,
        None => 0,
    };
    // Amounts need the mint's decimals; clap has made sure that there is one.
    let tokens = |text: &Option<String>, usual: u64| {
        text.as_deref()
            .map_or(Ok(usual), |text| parse(text, decimals))
    };
    Ok(Policy {
        refereed: !args.reviewed_only,
        reviewed: args.worker.is_some(),
        models: args.model.iter().copied().collect(),
        mints: args.mint.into_iter().collect(),
        min_price_atoms: tokens(&args.min_price, usual.min_price_atoms)?,
        min_price_per_gmac_atoms: tokens(&args.min_price_per_gmac, usual.min_price_per_gmac_atoms)?,
        max_bond_atoms: tokens(&args.max_bond, usual.max_bond_atoms)?,
        max_bond_prices: args.max_bond_prices,
        max_macs: args.max_macs,
        max_trace_bytes: u64::from(args.max_data) << 20,
        arbiters: args.arbiter.iter().copied().collect(),
        min_response_secs: args.min_response,
        min_react_secs: args.min_react,
        min_work_secs: args.min_work,
        max_review_secs: args.max_review,
        max_jobs: args.max_jobs,
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
