//! Convicts a provider that left a demand without an answer.
//!
//! # Specification
//! - SHALL be open to anybody once the demand is due and has no answer.
//! - SHALL name as prover the opener of the demand.

use {
    super::{
        conviction::{record_conviction, require_refutable},
        open_demand::require_current,
    },
    crate::{
        clock::Moment,
        error::QuernError,
        events::emit_event,
        state::{Conviction, Demand, Job, NodeRef},
    },
    anchor_lang::prelude::*,
    quern_rules::deadline,
};

/// Accounts of `timeout`.
#[event_cpi]
#[derive(Accounts)]
pub struct Timeout {
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The demand.
    pub demand: Account<Demand>,
}

impl Timeout {
    fn validate(&self, moment: &Moment) -> Result<()> {
        let demand = &self.demand;
        require_refutable(&self.job)?;
        require_current(demand, &self.job)?;
        require!(!demand.answered.get(), QuernError::AlreadyAnswered);
        require!(
            deadline::passed(moment.now, demand.effective_due(&self.job, moment)),
            QuernError::TooEarly
        );
        Ok(())
    }
}

/// Records the conviction.
pub fn handle_timeout(ctx: &mut Context<Timeout>) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate(&moment)?;
    let demand = &ctx.accounts.demand;
    let opener = demand.opener;
    let conviction = Conviction::Unanswered(NodeRef {
        tree: demand.tree.get(),
        level: demand.level,
        index: demand.index.get(),
    });
    let event = record_conviction(&mut ctx.accounts.job, conviction, &opener, &moment)?;
    emit_event!(ctx, event);
    Ok(())
}
