//! Changes settings for jobs that are created from now on, or names who may take the protocol over.
//!
//! # Specification
//! - SHALL require the authority's signature.
//! - SHALL change only what is given: all settings, the pending authority, or both. A pending authority of nobody withdraws
//!   a proposal.
//! - SHALL refuse settings outside the bounds of [`ProtocolSettings::validate`].
//! - SHALL NOT change any live job: each carries its own copy.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{ProtocolUpdated, emit_event},
        state::{Protocol, ProtocolSettings, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `update_protocol`.
#[event_cpi]
#[derive(Accounts)]
pub struct UpdateProtocol {
    /// The protocol's authority.
    #[account(address = protocol.authority @ QuernError::NotAuthorized)]
    pub authority: Signer,
    /// The protocol; there is only one account of this type.
    #[account(mut)]
    pub protocol: Account<Protocol>,
}

/// Writes what is given.
pub fn handle_update_protocol(
    ctx: &mut Context<UpdateProtocol>,
    settings: Option<ProtocolSettings>,
    pending_authority: Option<Address>,
) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let protocol = &mut ctx.accounts.protocol;
    if let Some(settings) = settings {
        protocol.apply(&settings)?;
    }
    if let Some(pending) = pending_authority {
        protocol.pending_authority = pending;
    }

    let changes = changes![changed(protocol)];
    emit_event!(ctx, ProtocolUpdated { at, changes });
    Ok(())
}
