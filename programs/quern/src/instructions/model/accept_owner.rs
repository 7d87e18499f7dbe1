//! Second step of handing a model over; new jobs pay the new owner.
//!
//! # Specification
//! - SHALL require the signature of the proposed owner.

use {
    crate::{
        clock::Moment,
        constants::NOBODY,
        error::QuernError,
        events::{ModelOwnerAccepted, emit_event},
        state::{Model, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `accept_model_owner`.
#[event_cpi]
#[derive(Accounts)]
pub struct AcceptModelOwner {
    /// Who was proposed.
    #[account(address = model.pending_owner @ QuernError::NotProposed)]
    pub proposed: Signer,
    /// The model.
    #[account(mut)]
    pub model: Account<Model>,
}

/// Makes the signer the owner.
pub fn handle_accept_model_owner(ctx: &mut Context<AcceptModelOwner>) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let owner = *ctx.accounts.proposed.address();
    let model = &mut ctx.accounts.model;
    model.owner = owner;
    model.pending_owner = NOBODY;

    let address = *model.address();
    let changes = changes![changed(model)];
    emit_event!(
        ctx,
        ModelOwnerAccepted {
            at,
            model: address,
            owner,
            changes
        }
    );
    Ok(())
}
