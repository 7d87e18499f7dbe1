//! A provider commits to its result: one root for every intermediate value.
//!
//! # Specification
//! - SHALL require the owner of the job's provider, or its operator for what the operator took: a result can lose the bond,
//!   and the operator risks only what is within its limit.
//! - SHALL require that the job is as the signer saw it, and the time to work.
//! - SHALL require a root of the tokens exactly where the job's graph has tokens.
//! - SHALL keep the commitment and the hash of where the data are; the event carries the text.
//! - SHALL begin the review window.

use {
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{ResultSubmitted, emit_event},
        instructions::settlement::require_provider,
        state::{Job, JobState, Provider, SeenJob, changed, changes},
        text,
    },
    anchor_lang::{address_eq, prelude::*},
    quern_proof::hash,
    quern_rules::deadline,
};

/// The commitment.
#[derive(Clone, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Submission {
    /// Root over all intermediate results; for reviewed work, the checkpoint's hash.
    pub trace_root: [u8; 32],
    /// Data root of the tokens that the provider generated; zeroes exactly where the graph has none.
    pub tokens_root: [u8; 32],
    /// Where result and roots are, at most 200 bytes.
    pub output_uri: String,
}

/// Accounts of `submit`.
#[event_cpi]
#[derive(Accounts)]
pub struct Submit {
    /// The provider's owner or operator.
    pub signer: Signer,
    /// The job's provider.
    pub provider: Account<Provider>,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
}

impl Submit {
    fn validate(&self, seen: &SeenJob, args: &Submission, moment: &Moment) -> Result<()> {
        let (provider, signer) = (&self.provider, self.signer.address());
        self.job.require_seen(seen)?;
        require_provider(provider, &self.job)?;
        require!(provider.is_party(signer), QuernError::NotAuthorized);
        let is_at_stake = self.job.taken_by_operator.get() || address_eq(signer, &provider.owner);
        require!(is_at_stake, QuernError::TakenByOwner);
        self.job.require_state(JobState::Taken)?;
        let has_tokens = args.tokens_root != hash::MISSING;
        require!(
            has_tokens == self.job.tokens_input().is_some(),
            QuernError::TokensDoNotFit
        );
        self.job.require_in_time(moment)
    }
}

/// Writes the commitment.
pub fn handle_submit(ctx: &mut Context<Submit>, seen: SeenJob, args: Submission) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate(&seen, &args, &moment)?;
    let job = &mut ctx.accounts.job;
    let deadline = deadline::after(moment.now, job.review_secs.get()).or_quern()?;
    let submission = job
        .submissions
        .get()
        .checked_add(1)
        .ok_or(QuernError::Overflow)?;
    job.submissions = submission.into();
    job.trace_root = args.trace_root;
    job.tokens_root = args.tokens_root;
    job.output_uri_hash = text::uri_hash(&args.output_uri)?;
    job.last_answer_at = 0i64.into();
    job.tokens_answered_at = 0i64.into();
    job.enter(JobState::Submitted, deadline, &moment);

    let (address, provider, milestone) = (*job.address(), job.provider, job.milestone);
    let changes = changes![changed(job)];
    emit_event!(
        ctx,
        ResultSubmitted {
            at: moment.now,
            job: address,
            provider,
            milestone,
            submission,
            trace_root: args.trace_root,
            tokens_root: args.tokens_root,
            output_uri: args.output_uri,
            changes,
        }
    );
    Ok(())
}
