//! Settings, mints and rewards: what the authority and the guardian may do. None of it touches anybody's purse (P9).

mod accept_authority;
mod configure_emission;
mod initialize;
mod register_mint;
mod set_pause;
mod update;
mod update_mint;

pub use {
    accept_authority::*, configure_emission::*, initialize::*, register_mint::*, set_pause::*,
    update::*, update_mint::*,
};

use {
    crate::{
        error::QuernError,
        state::{Emission, MintConfig},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::reward,
};

/// P12: where rewards are paid in the mint of the fee, they are worth less than the fee.
fn require_wash_proof(emission: &Emission, mint_config: &MintConfig) -> Result<()> {
    if address_eq(&emission.reward_mint, &mint_config.mint) {
        require!(
            reward::is_wash_proof(
                mint_config.reward_rate_e9.get(),
                emission.highest_weight_bps()
            ),
            QuernError::NotWashProof
        );
    }
    Ok(())
}
