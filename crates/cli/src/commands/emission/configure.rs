//! `quern emission configure`: what an epoch may grant.

use {
    crate::{
        amount::{Amount, parse_bps},
        context::Context,
        error::Result,
        output::Fields,
        span,
    },
    quern_client::{Pubkey, Signer, flows, quern::instructions::EmissionSettings},
};

/// What an epoch grants.
#[derive(clap::Args)]
pub struct Args {
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

/// Sets rewards.
pub async fn run(context: &Context, args: Args) -> Result<()> {
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
        .time("epoch", configure.epoch_secs)
        .tokens("cap_per_epoch", configure.cap_atoms, decimals);
    let all =
        flows::configure_emission(context.rpc(), &wallet.pubkey(), &args.mint, configure).await?;
    context.send_and_show(&all, &[&wallet], done).await
}
