//! Second step of handing the protocol over.
//!
//! # Specification
//! - SHALL require the signature of the proposed authority.

use {
    crate::{
        clock::Moment,
        constants::NOBODY,
        error::QuernError,
        events::{AuthorityAccepted, emit_event},
        state::{Protocol, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `accept_authority`.
#[event_cpi]
#[derive(Accounts)]
pub struct AcceptAuthority {
    /// Who was proposed.
    #[account(address = protocol.pending_authority @ QuernError::NotProposed)]
    pub proposed: Signer,
    /// The protocol; there is only one account of this type.
    #[account(mut)]
    pub protocol: Account<Protocol>,
}

/// Makes the signer the authority.
pub fn handle_accept_authority(ctx: &mut Context<AcceptAuthority>) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let authority = *ctx.accounts.proposed.address();
    let protocol = &mut ctx.accounts.protocol;
    protocol.authority = authority;
    protocol.pending_authority = NOBODY;

    let changes = changes![changed(protocol)];
    emit_event!(
        ctx,
        AuthorityAccepted {
            at,
            authority,
            changes
        }
    );
    Ok(())
}
