//! Moves a provider's accrued rewards into its purse.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL move exactly what is accrued and not yet claimed, out of what the emission has reserved.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{RewardsClaimed, emit_event},
        ledger::{self, Part},
        state::{Emission, Provider, Purse, changed, changes},
    },
    anchor_lang::{address_eq, prelude::*},
};

/// Accounts of `claim_rewards`.
#[event_cpi]
#[derive(Accounts)]
pub struct ClaimRewards {
    /// The provider's owner.
    #[account(address = provider.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The provider.
    #[account(mut)]
    pub provider: Account<Provider>,
    /// The emission; there is only one account of this type.
    #[account(mut)]
    pub emission: Account<Emission>,
    /// The emission's purse in the reward mint.
    #[account(mut)]
    pub emission_purse: Account<Purse>,
    /// The owner's purse in the reward mint.
    #[account(mut)]
    pub purse: Account<Purse>,
}

impl ClaimRewards {
    fn validate(&self) -> Result<()> {
        for (purse, owner) in [
            (&self.emission_purse, self.emission.address()),
            (&self.purse, self.owner.address()),
        ] {
            let fits = address_eq(&purse.owner, owner)
                && address_eq(&purse.mint, &self.emission.reward_mint);
            require!(fits, QuernError::PurseMissing);
        }
        Ok(())
    }
}

/// Claims everything.
pub fn handle_claim_rewards(ctx: &mut Context<ClaimRewards>) -> Result<()> {
    ctx.accounts.validate()?;
    let at = Moment::without_restart()?.now;
    let accounts = &mut ctx.accounts;
    let provider = &mut accounts.provider;
    let accrued = provider.rewards_accrued_atoms;
    let claimable = accrued
        .checked_sub(provider.rewards_claimed_atoms)
        .ok_or(QuernError::InvariantBroken)?;
    require!(!claimable.is_zero(), QuernError::NothingToClaim);

    provider.rewards_claimed_atoms = accrued;
    let emission = &mut accounts.emission;
    emission.outstanding_atoms = emission
        .outstanding_atoms
        .checked_sub(claimable)
        .ok_or(QuernError::ReservationShort)?;
    let amount_atoms = claimable.get();
    ledger::transfer(
        &mut [&mut *accounts.emission_purse, &mut *accounts.purse],
        (0, Part::Reserved),
        (1, Part::Free),
        amount_atoms,
    )?;

    let (owner, mint) = (*accounts.owner.address(), accounts.emission.reward_mint);
    let changes = changes![
        changed(&mut accounts.provider),
        changed(&mut accounts.emission),
        changed(&mut accounts.emission_purse),
        changed(&mut accounts.purse)
    ];
    emit_event!(
        ctx,
        RewardsClaimed {
            at,
            owner,
            mint,
            amount_atoms,
            changes
        }
    );
    Ok(())
}
