//! `quern provider list`: all providers.

use {
    super::show,
    crate::{
        context::Context,
        error::Result,
        output::{Fields, Format},
    },
    quern_client::{Pubkey, accounts, quern::state::Provider},
};

/// Lists providers.
pub async fn run(context: &Context) -> Result<()> {
    context.protocol().await?;
    let providers = accounts::providers(context.rpc()).await?;
    let rewards = match context.format {
        Format::Json => show::reward_mint(context).await?,
        Format::Table => None,
    };
    let list: Vec<Fields> = providers
        .iter()
        .map(|(address, provider)| match context.format {
            Format::Json => show::fields(address, provider, rewards.as_ref()),
            Format::Table => summary(provider),
        })
        .collect();
    let nothing = "There are no providers yet; see `quern provider register --help`.";
    context.print_list(&list, nothing);
    Ok(())
}

/// What a client compares.
fn summary(provider: &Provider) -> Fields {
    let owner: Pubkey = provider.owner;
    Fields::new()
        .text("name", accounts::name(&provider.name))
        .text("owner", owner)
        .with("active", provider.active.get())
        .with("taken", provider.taken.get())
        .with("settled", provider.settled.get())
        .with("late", provider.late.get())
        .with("convicted", provider.convicted.get())
        .with("refereed_work", provider.refereed_work.get())
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::{Width, assert_fits, list_text},
    };

    #[test]
    fn providers_are_compared_on_one_screen() {
        let mut provider: Provider = bytemuck::Zeroable::zeroed();
        provider.owner = Pubkey::from([2; 32]);
        provider.name = *b"a name of thirty-two characters!";
        (provider.taken, provider.settled) = (1_000_000.into(), 999_999.into());
        provider.active = true.into();
        provider.refereed_work = u64::MAX.into();
        let mut widest = provider;
        (widest.taken, widest.settled) = (u64::MAX.into(), u64::MAX.into());
        (widest.late, widest.convicted) = (u64::MAX.into(), u64::MAX.into());
        assert_fits(&[summary(&widest)]);
        let table = list_text(&[summary(&provider)], Width::Screen, "");
        crate::snapshot::check("provider-list", &table);
    }
}
