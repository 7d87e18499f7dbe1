//! Changes settings for jobs that are created from now on.
//!
//! # Specification
//! - SHALL require the authority's signature.
//! - SHALL refuse settings outside the bounds of [`ProtocolSettings::validate`].
//! - SHALL NOT change any live job: each carries its own copy.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{ProtocolUpdated, emit_event},
        instructions::InitializeArgs,
        state::{Protocol, changed, changes},
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

/// Writes guardian, treasury and settings.
pub fn handle_update_protocol(
    ctx: &mut Context<UpdateProtocol>,
    args: InitializeArgs,
) -> Result<()> {
    let at = Moment::read()?.now;
    let protocol = &mut ctx.accounts.protocol;
    protocol.apply(args.guardian, args.treasury_owner, &args.params)?;

    let changes = changes![changed(protocol)];
    emit_event!(ctx, ProtocolUpdated { at, changes });
    Ok(())
}
