//! `quern mint`: mints that jobs can be paid in.

use {
    crate::{
        amount::{parse, show},
        context::Context,
        error::Result,
        output::{Fields, print_list},
    },
    clap::Subcommand,
    quern_client::{
        Pubkey, Signer, accounts, addresses, instructions,
        quern::state::{MintConfig, MintRates},
    },
};

/// What to do with mints.
#[derive(Subcommand)]
pub enum Command {
    /// Register an SPL Token or Token-2022 mint; the protocol's authority signs
    #[command(after_help = "Example:
  quern mint register MINT --least-price 0.001 --price-per-gmac 0.01 \\
      --bond-per-gmac 0.05 --reward-rate 0.5")]
    Register(Register),
    /// Show a registered mint
    #[command(after_help = "Example:
  quern mint show MINT")]
    Show {
        /// The mint
        mint: Pubkey,
    },
    /// List all registered mints
    #[command(after_help = "Example:
  quern mint list --output json")]
    List,
}

/// A mint's prices, in whole tokens.
#[derive(clap::Args)]
pub struct Register {
    /// The mint
    mint: Pubkey,
    /// Least price of a milestone, in tokens [default: one atom]
    #[arg(long, value_name = "TOKENS")]
    least_price: Option<String>,
    /// Least price for 10^9 multiply-accumulates of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", default_value = "0")]
    price_per_gmac: String,
    /// Least bond for 10^9 multiply-accumulates of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", default_value = "0")]
    bond_per_gmac: String,
    /// Reward atoms for every atom of fee, with up to nine decimals
    #[arg(long, value_name = "RATE", default_value = "0")]
    reward_rate: String,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register(context, args).await,
        Command::Show { mint } => {
            fields(&context.mint(&mint).await?).print(context.format);
            Ok(())
        }
        Command::List => {
            context.protocol().await?;
            let mints = accounts::mint_configs(context.rpc()).await?;
            let list: Vec<Fields> = mints.iter().map(|(_, config)| fields(config)).collect();
            print_list(
                context.format,
                &list,
                "No mint is registered yet; see `quern mint register --help`.",
            );
            Ok(())
        }
    }
}

async fn register(context: &Context, args: Register) -> Result<()> {
    context.protocol().await?;
    let wallet = context.wallet()?;
    let (token_program, decimals) = context.token_mint(&args.mint).await?;
    let least_price = args
        .least_price
        .as_deref()
        .map_or(Ok(1), |text| parse(text, decimals))?;
    let rates = MintRates {
        reward_rate_e9: parse(&args.reward_rate, 9)?,
        least_price_atoms: least_price,
        price_per_gmac_atoms: parse(&args.price_per_gmac, decimals)?,
        bond_per_gmac_atoms: parse(&args.bond_per_gmac, decimals)?,
    };
    let register = instructions::register_mint(&wallet.pubkey(), &args.mint, &token_program, rates);
    let done = Fields::new()
        .text("mint", args.mint)
        .with("decimals", decimals)
        .text("vault", addresses::vault(&args.mint));
    context.send_and_show(&[register], &[&wallet], done).await
}

fn fields(config: &MintConfig) -> Fields {
    let tokens = |atoms: u64| show(atoms, config.decimals);
    Fields::new()
        .text("mint", config.mint)
        .with("decimals", config.decimals)
        .with("enabled", config.enabled.get())
        .text("vault", config.vault)
        .text("total", tokens(config.total_atoms.get()))
        .text("least_price", tokens(config.least_price_atoms.get()))
        .text("price_per_gmac", tokens(config.price_per_gmac_atoms.get()))
        .text("bond_per_gmac", tokens(config.bond_per_gmac_atoms.get()))
        .text("reward_rate", show(config.reward_rate_e9.get(), 9))
}
