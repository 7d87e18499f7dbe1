//! What every conviction does: it only records. It touches the job and nothing else, so no account can be in its way;
//! `settle_conviction` pays, by anybody, any time.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::JobConvicted,
        state::{Assurance, ConvictionReason, Job, JobState, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Fails unless the job's current result can be refuted: *Refereed*, and committed to.
pub fn require_refutable(job: &Job) -> Result<()> {
    require!(
        job.assurance == Assurance::Refereed as u8,
        QuernError::RefereedOnly
    );
    job.require_state(JobState::Submitted)
}

/// What was wrong, for the event: tree, level and index as [`JobConvicted`] has them.
pub struct Fault {
    /// Why.
    pub reason: ConvictionReason,
    /// Code of the tree.
    pub tree: u8,
    /// Level of the node.
    pub level: u8,
    /// Index of the node, or row and column of the cell.
    pub index: u64,
}

/// Records a conviction and describes it.
#[inline(never)]
pub fn record_conviction(
    job: &mut Account<Job>,
    fault: &Fault,
    prover: &Address,
    moment: &Moment,
) -> Result<JobConvicted> {
    job.enter(JobState::Convicted, moment.now, moment);
    job.conviction_reason = fault.reason as u8;
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
        reason: job.conviction_reason,
        tree: fault.tree,
        level: fault.level,
        index: fault.index,
        changes,
    })
}
