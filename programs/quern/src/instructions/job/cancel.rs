//! Cancels a job that nobody has taken.
//!
//! # Specification
//! - SHALL require the client's signature, the state Open, and that the job is as the client saw it.
//! - SHALL release exactly what is left of the escrow, and return the rent to the client.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{JobCancelled, emit_event},
        instructions::settlement::escrow_left,
        ledger::{self, Part},
        state::{Job, JobState, Purse, SeenJob, changed, changes, closed},
    },
    anchor_lang::{address_eq, prelude::*},
};

/// Accounts of `cancel_job`.
#[event_cpi]
#[derive(Accounts)]
pub struct CancelJob {
    /// The job's client; gets the rent.
    #[account(mut, address = job.client @ QuernError::NotAuthorized)]
    pub client: Signer,
    /// The client's purse in the job's mint.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The job; closes.
    #[account(mut)]
    pub job: Account<Job>,
}

impl CancelJob {
    fn validate(&self, seen: &SeenJob) -> Result<()> {
        self.job.require_seen(seen)?;
        self.job.require_state(JobState::Open)?;
        let fits = address_eq(&self.purse.owner, &self.job.client)
            && address_eq(&self.purse.mint, &self.job.mint);
        require!(fits, QuernError::PurseMissing);
        Ok(())
    }
}

/// Releases and closes.
pub fn handle_cancel_job(ctx: &mut Context<CancelJob>, seen: SeenJob) -> Result<()> {
    ctx.accounts.validate(&seen)?;
    let at = Moment::without_restart()?.now;
    let accounts = &mut ctx.accounts;
    let released_atoms = escrow_left(&accounts.job)?;
    ledger::transfer(
        core::slice::from_mut(&mut accounts.purse),
        (0, Part::Reserved),
        (0, Part::Free),
        released_atoms,
    )?;

    let (job, client, mint) = (
        *accounts.job.address(),
        accounts.job.client,
        accounts.job.mint,
    );
    let changes = changes![closed(&mut accounts.job), changed(&mut accounts.purse)];
    emit_event!(
        ctx,
        JobCancelled {
            at,
            job,
            client,
            mint,
            released_atoms,
            changes
        }
    );
    ctx.accounts.job.close(*ctx.accounts.client.account())
}
