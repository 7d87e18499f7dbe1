//! `quern purse show`: what a wallet has in Quern.

use {
    crate::{context::Context, error::Result, output::Fields},
    quern_client::{Pubkey, accounts, quern::state::Purse},
    std::collections::HashMap,
};

/// Which purses.
#[derive(clap::Args)]
pub struct Args {
    /// Whose [default: the wallet's]
    #[arg(long, value_name = "ADDRESS")]
    owner: Option<Pubkey>,
    /// In this mint only
    #[arg(long, value_name = "ADDRESS")]
    mint: Option<Pubkey>,
}

/// Shows purses.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let owner = context.owner(args.owner)?;
    context.protocol().await?;
    let mut purses: Vec<(Pubkey, Purse)> = accounts::purses(context.rpc(), Some(&owner)).await?;
    purses.retain(|(_, purse)| args.mint.is_none_or(|mint| purse.mint == mint));
    let decimals = decimals_of(context).await?;
    let list: Vec<Fields> = purses
        .iter()
        .map(|(address, purse)| fields(address, purse, &decimals))
        .collect();
    context.print_list(
        &list,
        &format!("{owner} has no purse yet; `quern purse deposit` opens one."),
    );
    Ok(())
}

/// Decimals of all registered mints.
pub async fn decimals_of(context: &Context) -> Result<HashMap<Pubkey, u8>> {
    let mints = accounts::mint_configs(context.rpc()).await?;
    Ok(mints
        .into_iter()
        .map(|(_, config)| (config.mint, config.decimals))
        .collect())
}

fn fields(address: &Pubkey, purse: &Purse, decimals: &HashMap<Pubkey, u8>) -> Fields {
    let decimals = decimals.get(&purse.mint).copied().unwrap_or(0);
    let operator_reserved = purse.operator_reserved_atoms.get();
    Fields::new()
        .text("purse", address)
        .text("mint", purse.mint)
        .tokens("free", purse.free_atoms.get(), decimals)
        .tokens("reserved", purse.reserved_atoms.get(), decimals)
        .with("opened", purse.opened.get())
        .tokens("operator_reserved", operator_reserved, decimals)
        .tokens("operator_lost", purse.operator_lost_atoms.get(), decimals)
        .tokens("operator_limit", purse.operator_limit_atoms.get(), decimals)
}

#[cfg(test)]
mod tests {
    use {
        super::*,
        crate::output::{Width, assert_fits, list_text},
    };

    #[test]
    fn purses_are_shown_in_tokens() {
        let mut purse: Purse = bytemuck::Zeroable::zeroed();
        purse.mint = Pubkey::from([2; 32]);
        purse.free_atoms = 12_500_000.into();
        purse.reserved_atoms = 3.into();
        purse.operator_limit_atoms = 100_000_000.into();
        purse.operator_reserved_atoms = 2_000_000.into();
        let decimals = HashMap::from([(purse.mint, 6)]);
        let list = [fields(&Pubkey::from([1; 32]), &purse, &decimals)];
        let mut widest = purse;
        (widest.free_atoms, widest.reserved_atoms) = (u64::MAX.into(), u64::MAX.into());
        widest.operator_limit_atoms = u64::MAX.into();
        widest.operator_reserved_atoms = u64::MAX.into();
        widest.operator_lost_atoms = u64::MAX.into();
        widest.opened = u64::MAX.into();
        assert_fits(&[fields(&Pubkey::from([1; 32]), &widest, &decimals)]);
        crate::snapshot::check("purse-show", &list_text(&list, Width::Screen, ""));
    }
}
