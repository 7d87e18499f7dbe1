//! Writes a piece of a graph until it is sealed. A piece that reaches beyond the room there is makes more.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL grow the account towards the registered length by at most 10,240 bytes, where the piece needs it; the owner pays.
//! - SHALL refuse bytes outside that room, and any write after sealing.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{ModelWritten, emit_event},
        state::{Model, changed, changes, tail_mut},
    },
    anchor_lang::{prelude::*, realloc_account},
};

/// Accounts of `write_model`.
#[event_cpi]
#[derive(Accounts)]
pub struct WriteModel {
    /// The model's owner; pays the rent of what the account grows by.
    #[account(mut, address = model.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The model.
    #[account(mut)]
    pub model: Account<Model>,
    /// Moves the rent.
    pub system_program: Program<System>,
}

impl WriteModel {
    /// Makes room for bytes up to `end`, as far as one instruction may. The runtime has cleared it: the account never shrinks.
    fn make_room(&mut self, end: usize) -> Result<()> {
        let mut view = *self.model.view();
        let room = view.data_len();
        if room >= Model::GRAPH_OFFSET + end {
            return Ok(());
        }
        let grown = Model::grown(room, self.model.graph_bytes.get());
        realloc_account(&mut view, grown, self.owner.account(), false)
    }
}

/// Copies the bytes.
pub fn handle_write_model(ctx: &mut Context<WriteModel>, offset: u32, bytes: &[u8]) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let accounts = &mut ctx.accounts;
    require!(!accounts.model.sealed.get(), QuernError::ModelSealed);
    require!(!bytes.is_empty(), QuernError::ZeroAmount);
    let start = offset as usize;
    let end = start
        .checked_add(bytes.len())
        .ok_or(QuernError::ModelOutOfRoom)?;
    accounts.make_room(end)?;
    let model = &mut accounts.model;
    let room = tail_mut(model)?
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
