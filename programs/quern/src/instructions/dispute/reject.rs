//! The client rejects a milestone and calls the arbiter.
//!
//! # Specification
//! - SHALL require the client's signature, a *Reviewed* job with an arbiter, and the review window.
//! - SHALL require that the job is as the client saw it.
//! - SHALL reserve the reject deposit in the client's purse, so that rejecting costs the client where it is wrong.

use {
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{JobRejected, emit_event},
        ledger::{self, Part},
        state::{Job, JobState, Purse, SeenJob, changed, changes},
        text,
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::{deadline, reject},
};

/// Accounts of `reject`.
#[event_cpi]
#[derive(Accounts)]
pub struct Reject {
    /// The job's client.
    #[account(address = job.client @ QuernError::NotAuthorized)]
    pub client: Signer,
    /// The client's purse in the job's mint.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
}

impl Reject {
    fn validate(&self, seen: &SeenJob, moment: &Moment) -> Result<()> {
        let job = &self.job;
        job.require_seen(seen)?;
        require!(job.is_reviewed(), QuernError::ReviewedOnly);
        require!(job.has_arbiter(), QuernError::NoArbiter);
        job.require_state(JobState::Submitted)?;
        job.require_in_time(moment)?;
        let fits =
            address_eq(&self.purse.owner, &job.client) && address_eq(&self.purse.mint, &job.mint);
        require!(fits, QuernError::PurseMissing);
        Ok(())
    }
}

/// Reserves the deposit and hands the decision to the arbiter.
pub fn handle_reject(ctx: &mut Context<Reject>, seen: SeenJob, reason: String) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate(&seen, &moment)?;
    text::uri_hash(&reason)?; // the same bound as a URI; only the event carries it
    let accounts = &mut ctx.accounts;
    let job = &mut accounts.job;
    let deposit_atoms =
        reject::deposit(job.price_atoms.get(), job.terms.reject_bps.get()).or_quern()?;
    let deadline = deadline::after(moment.now, job.terms.resolve_secs.get()).or_quern()?;
    let purse = &mut accounts.purse;
    ledger::transfer(
        core::slice::from_mut(purse),
        (0, Part::Free),
        (0, Part::Reserved),
        deposit_atoms,
    )?;
    job.reject_deposit_atoms = deposit_atoms.into();
    job.enter(JobState::Rejected, deadline, &moment);

    let (address, client, provider, milestone) =
        (*job.address(), job.client, job.provider, job.milestone);
    let changes = changes![changed(job), changed(purse)];
    emit_event!(
        ctx,
        JobRejected {
            at: moment.now,
            job: address,
            client,
            provider,
            milestone,
            deposit_atoms,
            reason,
            changes,
        }
    );
    Ok(())
}
