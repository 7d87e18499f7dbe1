//! `quern mint update`: other rates for new jobs, or no new jobs at all.

use {
    super::{rates, show::fields},
    crate::{
        amount::{self, parse, parse_some},
        commands::protocol::changes,
        context::Context,
        error::Result,
        output::{Fields, print_nothing},
    },
    quern_client::{
        Pubkey, Signer, instructions,
        quern::{
            instructions::MintSettings,
            state::{MintConfig, MintRates},
        },
    },
};

/// What changes; what is not named stays.
#[derive(clap::Args)]
pub struct Args {
    /// The mint
    mint: Pubkey,
    /// Whether new jobs may be paid in it
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// Least price of a milestone, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    least_price: Option<String>,
    /// Least price for 10^9 units of work of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    price_per_gwork: Option<String>,
    /// Least bond for 10^9 units of work of a refereed job, in tokens
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    bond_per_gwork: Option<String>,
    /// Reward atoms for every atom of fee, with up to nine decimals
    #[arg(long, value_name = "RATE", value_parser = amount::billionths)]
    reward_rate: Option<u64>,
}

/// Changes a mint's rates.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let action = "change a mint's rates";
    let (_, wallet) = context.authority(action).await?;
    let config = context.mint(&args.mint).await?;
    let wanted = args.over(&config)?;
    let mut updated = config;
    updated.enabled = wanted.enabled.into();
    updated.apply(&wanted.rates);
    let done = changes(&fields(&config), &fields(&updated));
    if done.is_empty() {
        print_nothing(
            context.format,
            Fields::new(),
            "nothing would change; name a rate with another value (see `quern mint update --help`)",
        );
        return Ok(());
    }
    rates::check(context, &config.mint, wanted.rates.reward_rate_e9).await?;
    let done = done.text("mint", config.mint);
    let update = instructions::update_mint(&wallet.pubkey(), &config.mint, wanted);
    context.send_and_show(&[update], &[&wallet], done).await
}

impl Args {
    fn over(&self, config: &MintConfig) -> Result<MintSettings> {
        let decimals = config.decimals;
        let tokens = |option: &str, named: &Option<String>, present: u64| match named {
            Some(text) => parse(option, text, decimals),
            None => Ok(present),
        };
        let least_price_atoms = match &self.least_price {
            Some(text) => parse_some("--least-price", text, decimals)?,
            None => config.least_price_atoms.get(),
        };
        Ok(MintSettings {
            enabled: self.enabled.unwrap_or(config.enabled.get()),
            rates: MintRates {
                reward_rate_e9: self.reward_rate.unwrap_or(config.reward_rate_e9.get()),
                least_price_atoms,
                price_per_gwork_atoms: tokens(
                    "--price-per-gwork",
                    &self.price_per_gwork,
                    config.price_per_gwork_atoms.get(),
                )?,
                bond_per_gwork_atoms: tokens(
                    "--bond-per-gwork",
                    &self.bond_per_gwork,
                    config.bond_per_gwork_atoms.get(),
                )?,
            },
        })
    }
}
