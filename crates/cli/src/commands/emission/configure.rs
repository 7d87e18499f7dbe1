//! `quern emission configure`: what an epoch may grant.

use {
    crate::{
        amount::parse_bps, context::Context, error::Result, named::AmountInMint, output::Fields,
        span,
    },
    quern_client::{Signer, flows, quern::instructions::EmissionSettings},
};

/// What an epoch grants.
#[derive(clap::Args)]
pub struct Args {
    /// Length of an epoch
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    epoch: u32,
    #[command(flatten)]
    cap: AmountInMint,
    /// Weight of refereed work
    #[arg(long, value_parser = parse_bps, default_value = "100%", value_name = "SHARE")]
    refereed_weight: u16,
    /// Weight of reviewed work
    #[arg(long, value_parser = parse_bps, default_value = "25%", value_name = "SHARE")]
    reviewed_weight: u16,
}

/// Sets rewards.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let wallet = context.wallet()?;
    let (config, cap_atoms) = args.cap.read(context).await?;
    let configure = EmissionSettings {
        epoch_secs: args.epoch,
        cap_atoms,
        refereed_weight_bps: args.refereed_weight,
        reviewed_weight_bps: args.reviewed_weight,
    };
    let done = Fields::new()
        .text("reward_mint", config.mint)
        .time("epoch", configure.epoch_secs)
        .tokens("cap_per_epoch", cap_atoms, config.decimals);
    let all =
        flows::configure_emission(context.rpc(), &wallet.pubkey(), &config.mint, configure).await?;
    context.send_and_show(&all, &[&wallet], done).await
}
