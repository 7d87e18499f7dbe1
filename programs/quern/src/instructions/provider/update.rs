//! Changes a provider's entry.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL NOT touch counters, rewards or running jobs.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{ProviderUpdated, emit_event},
        instructions::ProviderSettings,
        state::{Provider, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `update_provider`.
#[event_cpi]
#[derive(Accounts)]
pub struct UpdateProvider {
    /// The provider's owner.
    #[account(address = provider.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The entry.
    #[account(mut)]
    pub provider: Account<Provider>,
}

/// Writes the entry.
pub fn handle_update_provider(
    ctx: &mut Context<UpdateProvider>,
    args: ProviderSettings,
) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let provider = &mut ctx.accounts.provider;
    args.apply(provider)?;

    let owner = provider.owner;
    let changes = changes![changed(provider)];
    emit_event!(
        ctx,
        ProviderUpdated {
            at,
            owner,
            endpoint: args.endpoint,
            changes
        }
    );
    Ok(())
}
