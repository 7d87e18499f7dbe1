//! First step of handing the protocol over.
//!
//! # Specification
//! - SHALL require the authority's signature.
//! - SHALL change nothing but who may accept; proposing nobody withdraws a proposal.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{AuthorityProposed, emit_event},
        state::{Protocol, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `propose_authority`.
#[event_cpi]
#[derive(Accounts)]
pub struct ProposeAuthority {
    /// The protocol's authority.
    #[account(address = protocol.authority @ QuernError::NotAuthorized)]
    pub authority: Signer,
    /// The protocol; there is only one account of this type.
    #[account(mut)]
    pub protocol: Account<Protocol>,
}

/// Names the successor.
pub fn handle_propose_authority(
    ctx: &mut Context<ProposeAuthority>,
    proposed: Address,
) -> Result<()> {
    let at = Moment::read()?.now;
    ctx.accounts.protocol.pending_authority = proposed;

    let changes = changes![changed(&mut ctx.accounts.protocol)];
    emit_event!(
        ctx,
        AuthorityProposed {
            at,
            proposed,
            changes
        }
    );
    Ok(())
}
