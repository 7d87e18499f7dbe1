//! `quern provider show`: a provider and what it has done.

use {
    crate::{
        context::Context,
        error::{Error, Result},
        named,
        output::Fields,
    },
    quern_client::{
        Pubkey, accounts, addresses,
        instructions::NOBODY,
        quern::state::{MintConfig, Provider},
    },
};

/// Which provider.
#[derive(clap::Args)]
pub struct Args {
    /// The provider: its owner, or its name, if no other has it [default: the wallet's]
    #[arg(value_name = "ADDRESS_OR_NAME")]
    owner: Option<String>,
}

/// Shows a provider.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let named = match &args.owner {
        Some(text) => Some(named::provider(context, text).await?),
        None => None,
    };
    let owner = context.owner(named)?;
    context.protocol().await?;
    let address = addresses::provider(&owner);
    let found = accounts::fetch_optional::<Provider>(context.rpc(), &address).await?;
    let provider = found.ok_or_else(|| {
        Error::Other(format!(
            "{owner} is not registered as a provider; see `quern provider register --help`"
        ))
    })?;
    let rewards = reward_mint(context).await?;
    fields(&address, &provider, rewards.as_ref()).print(context.format);
    Ok(())
}

/// The mint in which rewards accrue, if there are any.
///
/// # Errors
/// That the cluster did not answer.
pub async fn reward_mint(context: &Context) -> Result<Option<MintConfig>> {
    match accounts::emission(context.rpc()).await?.reward_mint {
        NOBODY => Ok(None),
        mint => Ok(Some(context.mint(&mint).await?)),
    }
}

/// A provider, for people and programs.
pub fn fields(address: &Pubkey, provider: &Provider, rewards: Option<&MintConfig>) -> Fields {
    // Without a mint nothing has accrued.
    let decimals = rewards.map_or(0, |mint| mint.decimals);
    let claimable = provider
        .rewards_accrued_atoms
        .get()
        .saturating_sub(provider.rewards_claimed_atoms.get());
    Fields::new()
        .text("provider", address)
        .text("name", accounts::name(&provider.name))
        .text("owner", provider.owner)
        .text("operator", provider.operator)
        .with("active", provider.active.get())
        .with("taken", provider.taken.get())
        .with("settled", provider.settled.get())
        .with("late", provider.late.get())
        .with("convicted", provider.convicted.get())
        .with("refereed_work", provider.refereed_work.get())
        .with("reviewed_work", provider.reviewed_work.get())
        .tokens(
            "rewards_accrued",
            provider.rewards_accrued_atoms.get(),
            decimals,
        )
        .tokens("rewards_claimable", claimable, decimals)
        .maybe("reward_mint", rewards.map(|config| config.mint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_shown_with_what_it_has_done() {
        let mut provider: Provider = bytemuck::Zeroable::zeroed();
        provider.owner = Pubkey::from([2; 32]);
        provider.operator = Pubkey::from([3; 32]);
        provider.name[..4].copy_from_slice(b"Here");
        provider.active = true.into();
        provider.settled = 7.into();
        provider.refereed_work = 8_000_000.into();
        provider.rewards_accrued_atoms = 900.into();
        provider.rewards_claimed_atoms = 400.into();
        let mut mint: MintConfig = bytemuck::Zeroable::zeroed();
        (mint.mint, mint.decimals) = (Pubkey::from([4; 32]), 6);
        let shown = fields(&Pubkey::from([1; 32]), &provider, Some(&mint));
        crate::snapshot::check("provider-show", &shown.table());
        let json = shown.json();
        assert_eq!(json["rewards_claimable"], "0.0005");
        assert_eq!(json["rewards_claimable_atoms"], "500");
    }
}
