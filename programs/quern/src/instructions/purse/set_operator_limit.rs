//! Sets how much an operator's takes may have reserved and lost together.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL NOT touch what is already reserved: a lower limit only stops new takes.
//! - SHALL NOT forget what was lost: setting the same limit again allows nothing more.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{OperatorLimitSet, emit_event},
        state::{Purse, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `set_operator_limit`.
#[event_cpi]
#[derive(Accounts)]
pub struct SetOperatorLimit {
    /// The purse's owner.
    #[account(address = purse.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The purse.
    #[account(mut)]
    pub purse: Account<Purse>,
}

/// Writes the limit.
pub fn handle_set_operator_limit(
    ctx: &mut Context<SetOperatorLimit>,
    limit_atoms: u64,
) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let purse = &mut ctx.accounts.purse;
    purse.operator_limit_atoms = limit_atoms.into();

    let owner = purse.owner;
    let changes = changes![changed(purse)];
    emit_event!(
        ctx,
        OperatorLimitSet {
            at,
            owner,
            limit_atoms,
            changes
        }
    );
    Ok(())
}
