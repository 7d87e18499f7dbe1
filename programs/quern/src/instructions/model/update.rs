//! Changes a model's royalty, state or URI for new jobs.
//!
//! # Specification
//! - SHALL require the owner's signature.
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
pub struct UpdateModelArgs {
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

/// Writes the values.
pub fn handle_update_model(ctx: &mut Context<UpdateModel>, args: UpdateModelArgs) -> Result<()> {
    require!(
        args.royalty_bps <= MAX_ROYALTY_BPS,
        QuernError::ShareTooHigh
    );
    let at = Moment::read()?.now;
    let model = &mut ctx.accounts.model;
    model.active = args.active.into();
    model.royalty_bps = args.royalty_bps.into();
    model.uri_hash = text::uri_hash(&args.uri)?;

    let address = *model.address();
    let changes = changes![changed(model)];
    emit_event!(
        ctx,
        ModelUpdated {
            at,
            model: address,
            uri: args.uri,
            changes
        }
    );
    Ok(())
}
