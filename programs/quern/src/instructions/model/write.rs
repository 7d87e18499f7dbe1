//! Writes a piece of a graph, in any order, until it is sealed.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL refuse bytes outside the reserved room, and any write after sealing.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{ModelWritten, emit_event},
        state::{Model, changed, changes, model_graph_mut},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `write_model`.
#[event_cpi]
#[derive(Accounts)]
pub struct WriteModel {
    /// The model's owner.
    #[account(address = model.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The model.
    #[account(mut)]
    pub model: Account<Model>,
}

/// Copies the bytes.
pub fn handle_write_model(ctx: &mut Context<WriteModel>, offset: u32, bytes: &[u8]) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let model = &mut ctx.accounts.model;
    require!(!model.sealed.get(), QuernError::ModelSealed);
    require!(!bytes.is_empty(), QuernError::ZeroAmount);
    let start = offset as usize;
    let end = start
        .checked_add(bytes.len())
        .ok_or(QuernError::ModelOutOfRoom)?;
    let room = model_graph_mut(model)?
        .get_mut(start..end)
        .ok_or(QuernError::ModelOutOfRoom)?;
    room.copy_from_slice(bytes);

    let (address, length) = (*model.address(), bytes.len() as u32);
    let changes = changes![changed(model)];
    emit_event!(
        ctx,
        ModelWritten {
            at,
            model: address,
            offset,
            length,
            changes
        }
    );
    Ok(())
}
