//! First step of handing a model over.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL change nothing but who may accept; proposing nobody withdraws a proposal.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{ModelOwnerProposed, emit_event},
        state::{Model, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `propose_model_owner`.
#[event_cpi]
#[derive(Accounts)]
pub struct ProposeModelOwner {
    /// The model's owner.
    #[account(address = model.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The model.
    #[account(mut)]
    pub model: Account<Model>,
}

/// Names the successor.
pub fn handle_propose_model_owner(
    ctx: &mut Context<ProposeModelOwner>,
    proposed: Address,
) -> Result<()> {
    let at = Moment::read()?.now;
    let model = &mut ctx.accounts.model;
    model.pending_owner = proposed;

    let address = *model.address();
    let changes = changes![changed(model)];
    emit_event!(
        ctx,
        ModelOwnerProposed {
            at,
            model: address,
            proposed,
            changes
        }
    );
    Ok(())
}
