//! Registers a provider.
//!
//! # Specification
//! - SHALL require the owner's signature; one entry an owner.
//! - SHALL keep the endpoint's hash and put its text into the event.

use {
    crate::{
        clock::Moment,
        events::{ProviderRegistered, emit_event},
        state::{LAYOUT_VERSION, Provider, changed, changes},
        text,
    },
    anchor_lang::prelude::*,
};

/// A provider's entry.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct ProviderSettings {
    /// The hot key that may take, submit and reveal; may be the owner.
    pub operator: Address,
    /// 1 to 32 bytes of UTF-8.
    pub name: String,
    /// How to reach it, at most 200 bytes.
    pub endpoint: String,
    /// Whether it may take jobs.
    pub active: bool,
}

impl ProviderSettings {
    /// Writes the entry.
    pub(crate) fn apply(&self, provider: &mut Provider) -> Result<()> {
        provider.operator = self.operator;
        provider.name = text::name(&self.name)?;
        provider.endpoint_hash = text::uri_hash(&self.endpoint)?;
        provider.active = self.active.into();
        Ok(())
    }
}

/// Accounts of `register_provider`.
#[event_cpi]
#[derive(Accounts)]
pub struct RegisterProvider {
    /// The owner; pays the rent.
    #[account(mut)]
    pub owner: Signer,
    /// The entry, created here.
    #[account(init, payer = owner, seeds = [Provider::SEED, owner.address().as_ref()], bump)]
    pub provider: Account<Provider>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

/// Writes the entry.
pub fn handle_register_provider(
    ctx: &mut Context<RegisterProvider>,
    args: ProviderSettings,
) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let bump = ctx.bumps.provider;
    let owner = *ctx.accounts.owner.address();
    let provider = &mut ctx.accounts.provider;
    provider.version = LAYOUT_VERSION;
    provider.bump = bump;
    provider.owner = owner;
    args.apply(provider)?;

    let changes = changes![changed(provider)];
    emit_event!(
        ctx,
        ProviderRegistered {
            at,
            owner,
            endpoint: args.endpoint,
            changes
        }
    );
    Ok(())
}
