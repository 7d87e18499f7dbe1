//! Stops or allows new models, jobs and takes. Nothing else depends on it: every exit stays open.
//!
//! # Specification
//! - SHALL let the guardian or the authority pause.
//! - SHALL let only the authority resume.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{PauseSet, emit_event},
        state::{Protocol, changed, changes},
    },
    anchor_lang::{address_eq, prelude::*},
};

/// Accounts of `set_pause`.
#[event_cpi]
#[derive(Accounts)]
pub struct SetPause {
    /// Guardian or authority; `validate` says which may do what.
    pub signer: Signer,
    /// The protocol; there is only one account of this type.
    #[account(mut)]
    pub protocol: Account<Protocol>,
}

impl SetPause {
    fn validate(&self, paused: bool) -> Result<()> {
        let signer = self.signer.address();
        let is_authority = address_eq(signer, &self.protocol.authority);
        let is_guardian = address_eq(signer, &self.protocol.guardian);
        require!(
            is_authority || (paused && is_guardian),
            QuernError::NotAuthorized
        );
        Ok(())
    }
}

/// Sets the switch.
pub fn handle_set_pause(ctx: &mut Context<SetPause>, paused: bool) -> Result<()> {
    ctx.accounts.validate(paused)?;
    let at = Moment::without_restart()?.now;
    ctx.accounts.protocol.paused = paused.into();

    let changes = changes![changed(&mut ctx.accounts.protocol)];
    emit_event!(
        ctx,
        PauseSet {
            at,
            paused,
            changes
        }
    );
    Ok(())
}
