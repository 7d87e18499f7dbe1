//! Closes an evidence account.
//!
//! # Specification
//! - SHALL require the author's signature and give all lamports back to the author.

use {
    crate::{error::QuernError, state::Evidence},
    anchor_lang::prelude::*,
};

/// Accounts of `close_evidence`.
#[derive(Accounts)]
pub struct CloseEvidence {
    /// The author, who gets the lamports.
    #[account(mut, address = evidence.author @ QuernError::NotAuthorized)]
    pub author: Signer,
    /// The evidence.
    #[account(mut)]
    pub evidence: Account<Evidence>,
}

/// Gives the lamports back.
pub fn handle_close_evidence(ctx: &mut Context<CloseEvidence>) -> Result<()> {
    let author = *ctx.accounts.author.account();
    ctx.accounts.evidence.close(author)
}
