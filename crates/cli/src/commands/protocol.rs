//! `quern protocol`: the protocol's settings.

use {
    crate::{
        amount::{parse_bps, show_bps},
        context::Context,
        error::Result,
        output::Fields,
        span,
    },
    clap::Subcommand,
    quern_client::{
        ClientError, Hash, Pubkey, Signer, accounts, addresses, cluster, instructions,
        quern::state::{Protocol, ProtocolSettings},
    },
};

/// What to do with the protocol.
#[derive(Subcommand)]
pub enum Command {
    /// Set the protocol up on this cluster; only the program's upgrade authority can, and only once
    #[command(after_help = "Example:
  quern protocol init --fee 2.5% --treasury TREASURY_WALLET --url devnet")]
    Init(Init),
    /// Show the protocol's settings
    #[command(after_help = "Example:
  quern protocol show --url devnet --output json")]
    Show,
    /// Stop new models, jobs and takes, or allow them again
    #[command(after_help = "Example:
  quern protocol pause on")]
    Pause {
        /// Whether they are stopped
        #[arg(value_enum)]
        state: Switch,
    },
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Stopped.
    On,
    /// Allowed.
    Off,
}

/// Settings of a new protocol.
#[derive(clap::Args)]
pub struct Init {
    /// Who receives fees [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    treasury: Option<Pubkey>,
    /// Who may pause besides the authority [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    guardian: Option<Pubkey>,
    #[command(flatten)]
    params: Params,
}

/// All settings, each with its usual value.
#[derive(clap::Args, Clone, Debug)]
pub struct Params {
    /// Share of every price that goes to the treasury, at most 10 %
    #[arg(long, value_parser = parse_bps, default_value = "2.5%", value_name = "SHARE")]
    fee: u16,
    /// Share of the bond that a late provider pays to the client, at most 50 %
    #[arg(long, value_parser = parse_bps, default_value = "10%", value_name = "SHARE")]
    late_penalty: u16,
    /// Share of the price that a rejecting client puts down
    #[arg(long, value_parser = parse_bps, default_value = "10%", value_name = "SHARE")]
    reject_deposit: u16,
    /// Share of the price that an arbiter earns
    #[arg(long, value_parser = parse_bps, default_value = "5%", value_name = "SHARE")]
    arbiter_share: u16,
    /// Least bond of a refereed job in basis points of the price, at least 20000
    #[arg(long, default_value_t = 20_000, value_name = "BPS")]
    refereed_bond_bps: u32,
    /// Least bond of a reviewed job in basis points of a milestone's price
    #[arg(long, default_value_t = 5_000, value_name = "BPS")]
    reviewed_bond_bps: u32,
    /// Shortest review of a refereed job
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    refereed_review: u32,
    /// Shortest review of a reviewed job
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    reviewed_review: u32,
    /// What a demand for data costs, in lamports
    #[arg(long, default_value_t = 10_000, value_name = "LAMPORTS")]
    demand_fee: u64,
    /// Time to answer a demand
    #[arg(long, value_parser = span::parse, default_value = "6h", value_name = "TIME")]
    response: u32,
    /// Time to react to an answer
    #[arg(long, value_parser = span::parse, default_value = "1h", value_name = "TIME")]
    react: u32,
    /// Time for an arbiter
    #[arg(long, value_parser = span::parse, default_value = "3d", value_name = "TIME")]
    resolve: u32,
    /// Time in which only the provider may finalize
    #[arg(long, value_parser = span::parse, default_value = "1h", value_name = "TIME")]
    grace: u32,
    /// What a restart of the cluster adds to deadlines
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    restart_grace: u32,
}

impl Params {
    fn settings(self, guardian: Pubkey, treasury_owner: Pubkey) -> ProtocolSettings {
        let params = self;
        ProtocolSettings {
            guardian,
            treasury_owner,
            fee_bps: params.fee,
            late_penalty_bps: params.late_penalty,
            reject_bps: params.reject_deposit,
            arbiter_bps: params.arbiter_share,
            refereed_bond_bps: params.refereed_bond_bps,
            reviewed_bond_bps: params.reviewed_bond_bps,
            refereed_review_secs: params.refereed_review,
            reviewed_review_secs: params.reviewed_review,
            demand_fee_lamports: params.demand_fee,
            response_secs: params.response,
            react_secs: params.react,
            resolve_secs: params.resolve,
            grace_secs: params.grace,
            restart_grace_secs: params.restart_grace,
        }
    }
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Init(init) => initialize(context, init).await,
        Command::Show => {
            let protocol = context.protocol().await?;
            fields(&protocol).print(context.format);
            Ok(())
        }
        Command::Pause { state } => {
            context.protocol().await?;
            let wallet = context.wallet()?;
            let paused = state == Switch::On;
            let pause = instructions::set_pause(&wallet.pubkey(), paused);
            context
                .send_and_show(&[pause], &[&wallet], Fields::new().with("paused", paused))
                .await
        }
    }
}

async fn initialize(context: &Context, init: Init) -> Result<()> {
    let wallet = context.wallet()?;
    match accounts::protocol(context.rpc()).await {
        Ok(protocol) => {
            return Err(crate::error::Error::Other(format!(
                "Quern is set up on this cluster already; its authority is {}",
                protocol.authority
            )));
        }
        Err(ClientError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let cluster = cluster::genesis(context.rpc()).await?;
    let settings = init.params.settings(
        init.guardian.unwrap_or(wallet.pubkey()),
        init.treasury.unwrap_or(wallet.pubkey()),
    );
    let done = Fields::new()
        .text("protocol", addresses::protocol())
        .text("authority", wallet.pubkey())
        .text("treasury", settings.treasury_owner)
        .text("guardian", settings.guardian)
        .text("cluster", cluster);
    let initialize = instructions::initialize(&wallet.pubkey(), settings, cluster);
    // Not `send`: there is no protocol yet, which is no excuse here.
    let receipts = context.sender.send_all(&[initialize], &[&wallet]).await?;
    crate::context::with_signatures(done, &receipts).print(context.format);
    Ok(())
}

fn fields(protocol: &Protocol) -> Fields {
    let terms = &protocol.terms;
    let bps = |bps: u16| show_bps(u32::from(bps));
    Fields::new()
        .text("protocol", addresses::protocol())
        .text("program", quern_client::quern::ID)
        .with("paused", protocol.paused.get())
        .text("cluster", Hash::new_from_array(protocol.cluster))
        .text("authority", protocol.authority)
        .text("guardian", protocol.guardian)
        .text("treasury", protocol.treasury_owner)
        .text("fee", bps(terms.fee_bps.get()))
        .text("late_penalty", bps(terms.late_penalty_bps.get()))
        .text("reject_deposit", bps(terms.reject_bps.get()))
        .text("arbiter_share", bps(terms.arbiter_bps.get()))
        .text("refereed_bond", show_bps(protocol.refereed_bond_bps.get()))
        .text("reviewed_bond", show_bps(protocol.reviewed_bond_bps.get()))
        .text(
            "refereed_review",
            span::show(protocol.refereed_review_secs.get()),
        )
        .text(
            "reviewed_review",
            span::show(protocol.reviewed_review_secs.get()),
        )
        .with("demand_fee_lamports", terms.demand_fee_lamports.get())
        .text("response", span::show(terms.response_secs.get()))
        .text("react", span::show(terms.react_secs.get()))
        .text("resolve", span::show(terms.resolve_secs.get()))
        .text("grace", span::show(terms.grace_secs.get()))
        .text("restart_grace", span::show(terms.restart_grace_secs.get()))
}
