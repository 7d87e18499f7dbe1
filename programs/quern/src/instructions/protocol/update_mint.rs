//! Changes a mint's rates for new jobs, or stops new jobs in it.
//!
//! # Specification
//! - SHALL require the authority's signature.
//! - SHALL refuse rates that make buying from oneself pay (P12).
//! - SHALL NOT change any live job, deposit or withdrawal.

use {
    super::require_wash_proof,
    crate::{
        clock::Moment,
        error::QuernError,
        events::{MintUpdated, emit_event},
        state::{Emission, MintConfig, MintRates, Protocol, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// New rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct MintSettings {
    /// Whether new jobs may be paid in the mint.
    pub enabled: bool,
    /// Prices and rates for new jobs.
    pub rates: MintRates,
}

/// Accounts of `update_mint`.
#[event_cpi]
#[derive(Accounts)]
pub struct UpdateMint {
    /// The protocol's authority.
    #[account(address = protocol.authority @ QuernError::NotAuthorized)]
    pub authority: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// The emission; there is only one account of this type.
    pub emission: Account<Emission>,
    /// The mint's configuration: any that this program created.
    #[account(mut)]
    pub mint_config: Account<MintConfig>,
}

/// Writes the rates.
pub fn handle_update_mint(ctx: &mut Context<UpdateMint>, settings: MintSettings) -> Result<()> {
    require!(
        settings.rates.least_price_atoms >= 1,
        QuernError::ZeroAmount
    );
    let at = Moment::without_restart()?.now;
    let accounts = &mut ctx.accounts;
    let config = &mut accounts.mint_config;
    config.enabled = settings.enabled.into();
    config.apply(&settings.rates);
    require_wash_proof(&accounts.emission, config)?;

    let mint = config.mint;
    let changes = changes![changed(config)];
    emit_event!(ctx, MintUpdated { at, mint, changes });
    Ok(())
}
