//! Pays a milestone that nobody refuted or rejected in time, or that its client accepts.
//!
//! # Specification
//! - SHALL require that the job is as the signer saw it: nobody pays for a submission that it has not seen.
//! - SHALL let the client of a *Reviewed* job finalize at once: its signature accepts the result.
//! - SHALL otherwise require that the review and the reaction time after the last answer are over and no demand is open.
//! - SHALL let only the provider finalize during the grace time after that, then anybody.
//! - SHALL split the price exactly: fee, royalty, the rest to the provider (P4); then accrue the reward (P5).
//! - SHALL add the milestone's score to campaign and entry, if it counts for a campaign that is still there.
//! - SHALL release the bond and close the job after the last milestone.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{MilestoneSettled, emit_event},
        instructions::settlement::{
            close_job, require_provider, require_recipient, settle_milestone,
        },
        state::{Emission, Job, JobState, Provider, SeenJob},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::deadline::{FinalizeGate, finalize_gate},
};

/// Accounts of `finalize`. Remaining, writable, each once: campaign and entry, if the job names a campaign; then the purses of
/// client, provider, treasury and royalty owner in the job's mint, and the emission's in the reward mint.
#[event_cpi]
#[derive(Accounts)]
pub struct Finalize {
    /// Anybody; the client of a reviewed job accepts by signing.
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
    /// The job's client, who gets the rent; only credited.
    #[account(mut, unsafe(dup))]
    pub client: UncheckedAccount,
}

impl Finalize {
    /// Returns whether the client accepts; otherwise the result stands because nobody refuted or rejected it.
    fn validate(&self, seen: &SeenJob, moment: &Moment) -> Result<bool> {
        let (job, signer) = (&self.job, self.signer.address());
        job.require_seen(seen)?;
        job.require_state(JobState::Submitted)?;
        require_provider(&self.provider, job)?;
        require_recipient(&self.client, job)?;
        require!(job.open_demands.is_zero(), QuernError::DemandsOpen);
        let gate = finalize_gate(
            job.is_reviewed() && address_eq(signer, &job.client),
            moment.now,
            job.effective_deadline(moment),
            job.effective_last_answer_at(moment),
            job.terms.react_secs.get(),
            job.terms.grace_secs.get(),
        );
        match gate {
            FinalizeGate::TooEarly => Err(QuernError::TooEarly.into()),
            FinalizeGate::PartiesOnly if !self.provider.is_party(signer) => {
                Err(QuernError::GraceTime.into())
            }
            FinalizeGate::PartiesOnly | FinalizeGate::Anybody => Ok(false),
            FinalizeGate::Client => Ok(true),
        }
    }
}

/// Settles the milestone.
pub fn handle_finalize(ctx: &mut Context<Finalize>, seen: SeenJob) -> Result<()> {
    let moment = Moment::read()?;
    let accepted = ctx.accounts.validate(&seen, &moment)?;
    let views = ctx.remaining_accounts()?;
    let accounts = &mut ctx.accounts;
    let event: MilestoneSettled = settle_milestone(
        &mut accounts.job,
        &mut accounts.provider,
        &mut accounts.emission,
        &views,
        accepted,
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
