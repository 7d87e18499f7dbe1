//! `quern mint register`: take a mint as payment.

use {
    super::rates,
    crate::{
        amount::{self, parse, parse_some},
        context::Context,
        error::{Error, Result},
        output::Fields,
    },
    quern_client::{
        ClientError, Pubkey, Signer, accounts, addresses, instructions, quern::state::MintRates,
    },
};

/// A mint's prices, in tokens or atoms.
#[derive(clap::Args)]
pub struct Args {
    /// The mint
    mint: Pubkey,
    /// Least price of a milestone, in tokens [default: one atom]
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    least_price: Option<String>,
    /// Least price for 10^9 units of work of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, default_value = "0")]
    price_per_gwork: String,
    /// Least bond for 10^9 units of work of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, default_value = "0")]
    bond_per_gwork: String,
    /// Reward atoms for every atom of fee, with up to nine decimals
    #[arg(long, value_name = "RATE", default_value = "0", value_parser = amount::billionths)]
    reward_rate: u64,
}

/// Registers a mint.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let (_, wallet) = context.authority("register a mint").await?;
    let known = accounts::mint_config(context.rpc(), &args.mint).await;
    match known {
        Err(ClientError::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => {
            return Err(Error::Other(format!(
                "the mint {0} is registered already; change its rates with `quern mint update {0}`",
                args.mint
            )));
        }
    }
    let (token_program, decimals) = context.token_mint(&args.mint).await?;
    let least_price = args
        .least_price
        .as_deref()
        .map_or(Ok(1), |text| parse_some("--least-price", text, decimals))?;
    let rates = MintRates {
        reward_rate_e9: args.reward_rate,
        least_price_atoms: least_price,
        price_per_gwork_atoms: parse("--price-per-gwork", &args.price_per_gwork, decimals)?,
        bond_per_gwork_atoms: parse("--bond-per-gwork", &args.bond_per_gwork, decimals)?,
    };
    rates::check(context, &args.mint, rates.reward_rate_e9).await?;
    let register = instructions::register_mint(&wallet.pubkey(), &args.mint, &token_program, rates);
    let done = Fields::new()
        .text("mint", args.mint)
        .with("decimals", decimals)
        .text("vault", addresses::vault(&args.mint));
    context.send_and_show(&[register], &[&wallet], done).await
}
