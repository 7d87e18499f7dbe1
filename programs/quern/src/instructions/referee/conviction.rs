//! What every conviction does: it only records. It touches the job and nothing else, so no account can be in its way;
//! `settle_conviction` pays, by anybody, any time.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::JobConvicted,
        state::{Conviction, Job, JobState, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Fails unless the job's current result can be refuted: *Refereed*, and committed to.
pub fn require_refutable(job: &Job) -> Result<()> {
    require!(job.is_refereed(), QuernError::RefereedOnly);
    job.require_state(JobState::Submitted)
}

/// Records a conviction and describes it.
#[inline(never)]
pub fn record_conviction(
    job: &mut Account<Job>,
    conviction: Conviction,
    prover: &Address,
    moment: &Moment,
) -> Result<JobConvicted> {
    job.enter(JobState::Convicted, moment.now, moment);
    job.conviction_reason = conviction.reason().code();
    job.prover = *prover;
    let changes = changes![changed(job)];
    Ok(JobConvicted {
        at: moment.now,
        job: *job.address(),
        client: job.client,
        provider: job.provider,
        prover: *prover,
        mint: job.mint,
        submission: job.submissions.get(),
        conviction,
        changes,
    })
}
