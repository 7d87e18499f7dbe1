//! `quern purse show`: what a wallet has in Quern.

use {
    crate::{
        amount::show,
        context::Context,
        error::Result,
        output::{Fields, print_list},
    },
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
    print_list(
        context.format,
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
    let tokens = |atoms: u64| show(atoms, decimals.get(&purse.mint).copied().unwrap_or(0));
    Fields::new()
        .text("purse", address)
        .text("mint", purse.mint)
        .text("free", tokens(purse.free_atoms.get()))
        .text("reserved", tokens(purse.reserved_atoms.get()))
        .with("opened", purse.opened.get())
        .text(
            "operator_reserved",
            tokens(purse.operator_reserved_atoms.get()),
        )
        .text("operator_lost", tokens(purse.operator_lost_atoms.get()))
        .text("operator_limit", tokens(purse.operator_limit_atoms.get()))
}

#[cfg(test)]
mod tests {
    use {super::*, crate::output::list_text};

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
        crate::snapshot::check("purse-show", &list_text(&list, ""));
    }
}
