//! `quern mint register`: take a mint as payment.

use {
    crate::{
        amount::{self, parse, parse_decimal},
        context::Context,
        error::Result,
        output::Fields,
    },
    quern_client::{Pubkey, Signer, addresses, instructions, quern::state::MintRates},
};

/// A mint's prices, in tokens or atoms.
#[derive(clap::Args)]
pub struct Args {
    /// The mint
    mint: Pubkey,
    /// Least price of a milestone, in tokens [default: one atom]
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    least_price: Option<String>,
    /// Least price for 10^9 multiply-accumulates of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, default_value = "0")]
    price_per_gmac: String,
    /// Least bond for 10^9 multiply-accumulates of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check, default_value = "0")]
    bond_per_gmac: String,
    /// Reward atoms for every atom of fee, with up to nine decimals
    #[arg(long, value_name = "RATE", default_value = "0")]
    reward_rate: String,
}

/// Registers a mint.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    context.protocol().await?;
    let wallet = context.wallet()?;
    let (token_program, decimals) = context.token_mint(&args.mint).await?;
    let least_price = args
        .least_price
        .as_deref()
        .map_or(Ok(1), |text| parse(text, decimals))?;
    let rates = MintRates {
        reward_rate_e9: parse_decimal(&args.reward_rate, 9)?,
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
