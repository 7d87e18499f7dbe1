//! The client accepts a milestone at once.
//!
//! # Specification
//! - SHALL require the client's signature and an *Reviewed* job with a result.
//! - SHALL pay exactly as `finalize` does.

use {
    super::settlement::{close_job, require_provider, settle_milestone},
    crate::{
        clock::Moment,
        error::QuernError,
        events::{MilestoneSettled, emit_event},
        state::{Assurance, Emission, Job, JobState, Provider},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `accept`. Remaining: as in `finalize`.
#[event_cpi]
#[derive(Accounts)]
pub struct Accept {
    /// The job's client.
    #[account(address = job.client @ QuernError::NotAuthorized)]
    pub signer: Signer,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The job's provider.
    #[account(mut)]
    pub provider: Account<Provider>,
    /// The emission; there is only one account of this type.
    #[account(mut)]
    pub emission: Account<Emission>,
    /// The job's client again, who gets the rent; only credited.
    #[account(mut, unsafe(dup), address = job.client @ QuernError::WrongRecipient)]
    pub client: UncheckedAccount,
}

impl Accept {
    fn validate(&self) -> Result<()> {
        require!(
            self.job.assurance == Assurance::Reviewed as u8,
            QuernError::ReviewedOnly
        );
        self.job.require_state(JobState::Submitted)?;
        require_provider(&self.provider, &self.job)
    }
}

/// Settles the milestone.
pub fn handle_accept(ctx: &mut Context<Accept>) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate()?;
    let purses = ctx.remaining_accounts()?;
    let accounts = &mut ctx.accounts;
    let event: MilestoneSettled = settle_milestone(
        &mut accounts.job,
        &mut accounts.provider,
        &mut accounts.emission,
        &purses,
        true,
        &moment,
    )?;
    let closes = event.closed;
    emit_event!(ctx, event);
    if closes {
        close_job(&mut ctx.accounts.job, &ctx.accounts.client)
    } else {
        Ok(())
    }
}
