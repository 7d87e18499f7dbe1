//! Writes a piece of evidence, in any order.
//!
//! There is no instruction that opens an evidence account: its author creates a plain account for this program with a System
//! instruction, and the first write, which the account signs too, names the author. So nobody can put their name on an
//! account that somebody else paid for.
//!
//! # Specification
//! - SHALL require the author's signature; on a new account also the account's own, and name the author then.
//! - SHALL refuse accounts of other programs, accounts of other types and bytes outside the account.

use {
    crate::{error::QuernError, state::Evidence},
    anchor_lang::{Discriminator, prelude::*},
};

/// Accounts of `write_evidence`.
#[derive(Accounts)]
pub struct WriteEvidence {
    /// The author.
    pub author: Signer,
    /// The evidence account; owner program, type and author are checked by the handler, because a new one has no type yet.
    #[account(mut)]
    pub evidence: UncheckedAccount,
}

/// Copies the bytes.
pub fn handle_write_evidence(
    ctx: &mut Context<WriteEvidence>,
    offset: u32,
    bytes: &[u8],
) -> Result<()> {
    let author = *ctx.accounts.author.address();
    let mut view = *ctx.accounts.evidence.account();
    require!(view.owned_by(&crate::ID), QuernError::NotEvidence);
    let is_signer = view.is_signer();
    let mut data = view.try_borrow_mut()?;
    let (header, room) = data
        .split_at_mut_checked(Evidence::HEADER_BYTES)
        .ok_or(QuernError::NotEvidence)?;
    let (kind, named) = header
        .split_at_mut_checked(Evidence::DISCRIMINATOR.len())
        .ok_or(QuernError::NotEvidence)?;
    if kind.iter().all(|byte| *byte == 0) {
        require!(is_signer, QuernError::NotAuthorized);
        kind.copy_from_slice(Evidence::DISCRIMINATOR);
        named.copy_from_slice(author.as_ref());
    }
    require!(*kind == *Evidence::DISCRIMINATOR, QuernError::NotEvidence);
    require!(*named == *author.as_ref(), QuernError::NotAuthorized);
    let start = offset as usize;
    let end = start
        .checked_add(bytes.len())
        .ok_or(QuernError::EvidenceOutOfRoom)?;
    room.get_mut(start..end)
        .ok_or(QuernError::EvidenceOutOfRoom)?
        .copy_from_slice(bytes);
    Ok(())
}
