//! `quern emission configure`: what an epoch may grant.

use {
    crate::{
        commands::mint::rates,
        context::Context,
        error::{Error, Result},
        limits,
        named::AmountInMint,
        output::Fields,
        span,
    },
    quern_client::{
        Pubkey, Signer, accounts, flows,
        quern::{instructions::EmissionSettings, state::Emission},
    },
};

/// A weight of 100 %.
const WHOLE_BPS: u16 = 10_000;

/// What an epoch grants.
#[derive(clap::Args)]
pub struct Args {
    /// Length of an epoch
    #[arg(long, value_parser = limits::time(u32::MAX), default_value = "1d", value_name = "TIME")]
    epoch: u32,
    #[command(flatten)]
    cap: AmountInMint,
    /// Weight of refereed work
    #[arg(long, value_parser = limits::share(WHOLE_BPS), default_value = "100%", value_name = "SHARE")]
    refereed_weight: u16,
    /// Weight of reviewed work
    #[arg(long, value_parser = limits::share(WHOLE_BPS), default_value = "25%", value_name = "SHARE")]
    reviewed_weight: u16,
}

/// Sets rewards.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let (_, wallet) = context.authority("configure rewards").await?;
    let (config, cap_atoms) = args.cap.read(context).await?;
    let highest_bps = args.refereed_weight.max(args.reviewed_weight);
    rates::require(config.reward_rate_e9.get(), highest_bps)?;
    check_fixed(
        &accounts::emission(context.rpc()).await?,
        &args,
        &config.mint,
    )?;
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

/// Refuses another mint or epoch than the first time fixed.
fn check_fixed(emission: &Emission, args: &Args, mint: &Pubkey) -> Result<()> {
    let (fixed_mint, fixed_secs) = (emission.reward_mint, emission.epoch_secs.get());
    let is_same = fixed_mint == *mint && fixed_secs == args.epoch;
    if is_same || !emission.is_configured() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "the mint of rewards and the length of an epoch are set once: pass --mint {fixed_mint} --epoch {}",
        span::show(fixed_secs)
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, clap::Parser};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn what_is_fixed_is_said_with_its_options() {
        let args = |epoch: &str| {
            let line = ["x", "--amount", "1", "--epoch", epoch];
            Line::try_parse_from(line).map(|line| line.args)
        };
        let (one, two) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
        let mut emission: Emission = bytemuck::Zeroable::zeroed();
        assert!(check_fixed(&emission, &args("1h").unwrap(), &two).is_ok());
        (emission.reward_mint, emission.epoch_secs) = (one, 86_400.into());
        assert!(check_fixed(&emission, &args("1d").unwrap(), &one).is_ok());
        for (epoch, mint) in [("1h", &one), ("1d", &two)] {
            let said = check_fixed(&emission, &args(epoch).unwrap(), mint).unwrap_err();
            let said = said.to_string();
            let wanted = format!("--mint {one} --epoch 1d");
            assert!(said.contains(&wanted), "{said}");
        }
        let said = args("0").err().unwrap().to_string();
        assert!(
            said.contains("'0' for '--epoch") && said.contains("from 1s"),
            "{said}"
        );
    }
}
