//! `quern protocol init`: set the protocol up on a cluster.

use {
    crate::{
        amount::parse_bps,
        context::{Context, with_signatures},
        error::{Error, Result},
        output::Fields,
        span,
    },
    quern_client::{
        ClientError, Pubkey, Signer, accounts, addresses, cluster, instructions,
        quern::state::ProtocolSettings,
    },
};

/// Settings of a new protocol.
#[derive(clap::Args)]
pub struct Args {
    /// Who receives fees [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    treasury: Option<Pubkey>,
    /// Who may pause besides the authority [default: the wallet]
    #[arg(long, value_name = "ADDRESS")]
    guardian: Option<Pubkey>,
    #[command(flatten)]
    settings: Settings,
}

/// All settings, each with its usual value.
#[derive(clap::Args, Clone, Debug)]
pub struct Settings {
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

impl Settings {
    fn settings(self, guardian: Pubkey, treasury_owner: Pubkey) -> ProtocolSettings {
        let settings = self;
        ProtocolSettings {
            guardian,
            treasury_owner,
            fee_bps: settings.fee,
            late_penalty_bps: settings.late_penalty,
            reject_bps: settings.reject_deposit,
            arbiter_bps: settings.arbiter_share,
            refereed_bond_bps: settings.refereed_bond_bps,
            reviewed_bond_bps: settings.reviewed_bond_bps,
            refereed_review_secs: settings.refereed_review,
            reviewed_review_secs: settings.reviewed_review,
            demand_fee_lamports: settings.demand_fee,
            response_secs: settings.response,
            react_secs: settings.react,
            resolve_secs: settings.resolve,
            grace_secs: settings.grace,
            restart_grace_secs: settings.restart_grace,
        }
    }
}

/// Sets the protocol up.
pub async fn run(context: &Context, init: Args) -> Result<()> {
    let wallet = context.wallet()?;
    match accounts::protocol(context.rpc()).await {
        Ok(protocol) => {
            return Err(Error::Other(format!(
                "Quern is set up on this cluster already; its authority is {}",
                protocol.authority
            )));
        }
        Err(ClientError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let cluster = cluster::genesis(context.rpc()).await?;
    let settings = init.settings.settings(
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
    with_signatures(done, &receipts).print(context.format);
    Ok(())
}
