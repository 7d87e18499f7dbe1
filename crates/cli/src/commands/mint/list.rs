//! `quern mint list`: all registered mints.

use {
    super::show::fields,
    crate::{context::Context, error::Result, output::Fields},
    quern_client::accounts,
};

/// Lists mints.
pub async fn run(context: &Context) -> Result<()> {
    context.protocol().await?;
    let mints = accounts::mint_configs(context.rpc()).await?;
    let list: Vec<Fields> = mints.iter().map(|(_, config)| fields(config)).collect();
    context.print_list(
        &list,
        "No mint is registered yet; see `quern mint register --help`.",
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use {super::*, crate::output::assert_fits, quern_client::quern::state::MintConfig};

    #[test]
    fn the_widest_mint_fits() {
        let mut mint: MintConfig = bytemuck::Zeroable::zeroed();
        (mint.mint, mint.vault) = ([1; 32].into(), [2; 32].into());
        mint.decimals = 9;
        mint.total_atoms = u64::MAX.into();
        (mint.least_price_atoms, mint.reward_rate_e9) = (u64::MAX.into(), u64::MAX.into());
        (mint.price_per_gwork_atoms, mint.bond_per_gwork_atoms) =
            (u64::MAX.into(), u64::MAX.into());
        assert_fits(&[fields(&mint)]);
    }
}
