//! `quern mint show`: one registered mint.

use {
    crate::{amount::show_billionths, context::Context, error::Result, output::Fields},
    quern_client::{Pubkey, quern::state::MintConfig},
};

/// Shows a mint.
pub async fn run(context: &Context, mint: &Pubkey) -> Result<()> {
    fields(&context.mint(mint).await?).print(context.format);
    Ok(())
}

/// A registered mint, for people and programs.
pub fn fields(config: &MintConfig) -> Fields {
    let decimals = config.decimals;
    let (price, bond) = (&config.price_per_gwork_atoms, &config.bond_per_gwork_atoms);
    Fields::new()
        .text("mint", config.mint)
        .with("decimals", decimals)
        .with("enabled", config.enabled.get())
        .text("vault", config.vault)
        .tokens("total", config.total_atoms.get(), decimals)
        .tokens("least_price", config.least_price_atoms.get(), decimals)
        .tokens("price_per_gwork", price.get(), decimals)
        .tokens("bond_per_gwork", bond.get(), decimals)
        .text("reward_rate", show_billionths(config.reward_rate_e9.get()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mint_is_shown_in_its_own_tokens() {
        let mut mint: MintConfig = bytemuck::Zeroable::zeroed();
        (mint.mint, mint.vault) = (Pubkey::from([1; 32]), Pubkey::from([2; 32]));
        (mint.decimals, mint.enabled) = (6, true.into());
        mint.total_atoms = 1_000_000_000.into();
        mint.least_price_atoms = 1_000.into();
        mint.price_per_gwork_atoms = 10_000.into();
        mint.reward_rate_e9 = 500_000_000.into();
        crate::snapshot::check("mint-show", &fields(&mint).table());
    }
}
