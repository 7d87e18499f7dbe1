//! Changes a model's royalty, state and URI for new jobs, or names who may take it over.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL change only what is given: all settings, the pending owner, or both. A pending owner of nobody withdraws a
//!   proposal.
//! - SHALL NOT touch the graph or any live job.

use {
    crate::{
        clock::Moment,
        constants::MAX_ROYALTY_BPS,
        error::QuernError,
        events::{ModelUpdated, emit_event},
        state::{Model, changed, changes},
        text,
    },
    anchor_lang::prelude::*,
};

/// New values.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct ModelSettings {
    /// Whether new jobs may use it.
    pub active: bool,
    /// Royalty in basis points of the price.
    pub royalty_bps: u16,
    /// Where weights and description are, at most 200 bytes.
    pub uri: String,
}

/// Accounts of `update_model`.
#[event_cpi]
#[derive(Accounts)]
pub struct UpdateModel {
    /// The model's owner.
    #[account(address = model.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The model.
    #[account(mut)]
    pub model: Account<Model>,
}

/// Writes what is given.
pub fn handle_update_model(
    ctx: &mut Context<UpdateModel>,
    settings: Option<ModelSettings>,
    pending_owner: Option<Address>,
) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let model = &mut ctx.accounts.model;
    if let Some(settings) = &settings {
        require!(
            settings.royalty_bps <= MAX_ROYALTY_BPS,
            QuernError::ShareTooHigh
        );
        model.active = settings.active.into();
        model.royalty_bps = settings.royalty_bps.into();
        model.uri_hash = text::uri_hash(&settings.uri)?;
    }
    if let Some(pending) = pending_owner {
        model.pending_owner = pending;
    }

    let address = *model.address();
    let changes = changes![changed(model)];
    emit_event!(
        ctx,
        ModelUpdated {
            at,
            model: address,
            uri: settings.map(|settings| settings.uri),
            changes
        }
    );
    Ok(())
}
