//! `quern emission`: token rewards.

use {
    crate::{
        amount::{Amount, parse_bps, show, show_bps},
        context::Context,
        error::Result,
        output::Fields,
        span,
    },
    clap::Subcommand,
    quern_client::{
        Pubkey, Signer, accounts, addresses, flows,
        quern::{constants::NOBODY, instructions::EmissionSettings},
    },
};

/// What to do with rewards.
#[derive(Subcommand)]
pub enum Command {
    /// Set what an epoch may grant; the protocol's authority signs. Mint and epoch are fixed by the first time
    #[command(after_help = "Example:
  quern emission configure --mint REWARD_MINT --epoch 1d --amount 10000 \\
      --refereed-weight 100% --accepted-weight 25%")]
    Configure(Configure),
    /// Put tokens into the emission's purse, from where rewards are granted
    #[command(after_help = "Example:
  quern emission fund --amount 50000")]
    Fund {
        #[command(flatten)]
        amount: Amount,
    },
    /// Show what is set, granted and left
    #[command(after_help = "Example:
  quern emission show")]
    Show,
}

/// Rewards.
#[derive(clap::Args)]
pub struct Configure {
    /// What rewards are paid in
    #[arg(long, value_name = "ADDRESS")]
    mint: Pubkey,
    /// Length of an epoch
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    epoch: u32,
    #[command(flatten)]
    cap: Amount,
    /// Weight of refereed work
    #[arg(long, value_parser = parse_bps, default_value = "100%", value_name = "SHARE")]
    refereed_weight: u16,
    /// Weight of reviewed work
    #[arg(long, value_parser = parse_bps, default_value = "25%", value_name = "SHARE")]
    reviewed_weight: u16,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    context.protocol().await?;
    match command {
        Command::Configure(args) => {
            let wallet = context.wallet()?;
            let decimals = context.mint(&args.mint).await?.decimals;
            let configure = EmissionSettings {
                epoch_secs: args.epoch,
                cap_atoms: args.cap.in_atoms(decimals)?,
                refereed_weight_bps: args.refereed_weight,
                reviewed_weight_bps: args.reviewed_weight,
            };
            let done = Fields::new()
                .text("reward_mint", args.mint)
                .text("epoch", span::show(configure.epoch_secs))
                .text("cap_per_epoch", show(configure.cap_atoms, decimals));
            let all =
                flows::configure_emission(context.rpc(), &wallet.pubkey(), &args.mint, configure)
                    .await?;
            context.send_and_show(&all, &[&wallet], done).await
        }
        Command::Fund { amount } => {
            let wallet = context.wallet()?;
            let mint = reward_mint(context).await?;
            let decimals = context.mint(&mint).await?.decimals;
            let atoms = amount.in_atoms(decimals)?;
            let all = flows::deposit(
                context.rpc(),
                &wallet.pubkey(),
                &addresses::emission(),
                &mint,
                atoms,
            )
            .await?;
            let done = Fields::new()
                .text("reward_mint", mint)
                .text("funded", show(atoms, decimals));
            context.send_and_show(&all, &[&wallet], done).await
        }
        Command::Show => show_emission(context).await,
    }
}

async fn reward_mint(context: &Context) -> Result<Pubkey> {
    let emission = accounts::emission(context.rpc()).await?;
    if emission.is_configured() {
        return Ok(emission.reward_mint);
    }
    Err(crate::error::Error::Other(
        "no rewards are configured on this cluster yet; see `quern emission configure --help`"
            .to_owned(),
    ))
}

async fn show_emission(context: &Context) -> Result<()> {
    let emission = accounts::emission(context.rpc()).await?;
    if emission.reward_mint == NOBODY {
        Fields::new()
            .with("configured", false)
            .print(context.format);
        return Ok(());
    }
    let decimals = context.mint(&emission.reward_mint).await?.decimals;
    let purse =
        accounts::purse(context.rpc(), &addresses::emission(), &emission.reward_mint).await?;
    let free = purse.map_or(0, |purse| purse.free_atoms.get());
    let bps = |bps: u16| show_bps(u32::from(bps));
    Fields::new()
        .with("configured", true)
        .text("emission", addresses::emission())
        .text("reward_mint", emission.reward_mint)
        .text("epoch", span::show(emission.epoch_secs.get()))
        .with("epoch_index", emission.epoch_index.get())
        .text(
            "cap_per_epoch",
            show(emission.next_cap_atoms.get(), decimals),
        )
        .text(
            "granted_this_epoch",
            show(emission.spent_atoms.get(), decimals),
        )
        .text(
            "outstanding",
            show(emission.outstanding_atoms.get(), decimals),
        )
        .text("left_to_grant", show(free, decimals))
        .text("refereed_weight", bps(emission.refereed_weight_bps.get()))
        .text("reviewed_weight", bps(emission.reviewed_weight_bps.get()))
        .print(context.format);
    Ok(())
}
