//! Closes a demand that nobody needs any more.
//!
//! # Specification
//! - SHALL be open to anybody once the job is gone, convicted or at another submission.
//! - SHALL give the rent, and the fee if nobody earned it, back to its opener.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{DemandClosed, emit_event},
        state::{Demand, Job, JobState, changes, closed},
    },
    anchor_lang::{AnchorAccount, address_eq, prelude::*},
};

/// Accounts of `close_demand`.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseDemand {
    /// The demand.
    #[account(mut)]
    pub demand: Account<Demand>,
    /// The demand's job, which may be gone: its address is checked by the handler.
    pub job: UncheckedAccount,
    /// The demand's opener, compared by the handler; only credited.
    #[account(mut, unsafe(dup))]
    pub opener: UncheckedAccount,
}

impl CloseDemand {
    fn validate(&self) -> Result<()> {
        let (demand, job) = (&self.demand, self.job.account());
        require!(
            address_eq(job.address(), &demand.job),
            QuernError::WrongDemand
        );
        require!(
            address_eq(self.opener.address(), &demand.opener),
            QuernError::WrongRecipient
        );
        // Gone is what the program does not own; lamports prove nothing. A job's address never recurs.
        if job.owned_by(&crate::ID) {
            let job = Account::<Job>::load(*job)?;
            require!(
                job.is_in(JobState::Convicted) || job.submissions != demand.submission,
                QuernError::JobLives
            );
        }
        Ok(())
    }
}

/// Closes it.
pub fn handle_close_demand(ctx: &mut Context<CloseDemand>) -> Result<()> {
    ctx.accounts.validate()?;
    let at = Moment::without_restart()?.now;
    let demand = &mut ctx.accounts.demand;
    let event = DemandClosed {
        at,
        demand: *demand.address(),
        job: demand.job,
        opener: demand.opener,
        changes: changes![closed(demand)],
    };
    emit_event!(ctx, event);
    let opener = *ctx.accounts.opener.account();
    ctx.accounts.demand.close(opener)
}
