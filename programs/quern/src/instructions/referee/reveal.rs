//! Answers a demand.
//!
//! # Specification
//! - SHALL be open to anybody until the demand is due; who answers earns the fee.
//! - SHALL keep the answer, if it hashes to the node and has the length that was asked for, for everybody to read.
//! - SHALL start the job's reaction time anew; an answer about the tokens also starts anew the time for any other demand.

use {
    super::{conviction::require_refutable, open_demand::require_current},
    crate::{
        clock::Moment,
        error::QuernError,
        events::{DemandAnswered, emit_event},
        state::{Demand, Job, NodeRef, changed, changes, write_demand_answer},
    },
    anchor_lang::prelude::*,
    quern_proof::{demand::answers, node::Tree},
    quern_rules::deadline,
};

/// Accounts of `reveal`.
#[event_cpi]
#[derive(Accounts)]
pub struct Reveal {
    /// Anybody who answers; gets the fee.
    #[account(mut)]
    pub signer: Signer,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The demand.
    #[account(mut)]
    pub demand: Account<Demand>,
}

impl Reveal {
    fn validate(&self, answer: &[u8], moment: &Moment) -> Result<()> {
        let demand = &self.demand;
        require_refutable(&self.job)?;
        require_current(demand, &self.job)?;
        require!(!demand.answered.get(), QuernError::AlreadyAnswered);
        require!(
            deadline::in_time(moment.now, demand.effective_due(&self.job, moment)),
            QuernError::TooLate
        );
        let tree = tree_of(demand)?;
        require!(
            answer.len() == demand.answer_bytes.get() as usize
                && answers(tree.tag(), demand.is_leaf.get(), &demand.node, answer),
            QuernError::WrongAnswer
        );
        Ok(())
    }
}

fn tree_of(demand: &Demand) -> Result<Tree> {
    Tree::from_code(demand.tree.get()).ok_or(QuernError::NoSuchNode.into())
}

/// Keeps the answer and pays the fee.
pub fn handle_reveal(ctx: &mut Context<Reveal>, answer: &[u8]) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate(answer, &moment)?;
    let accounts = &mut ctx.accounts;
    let (job, demand) = (&mut accounts.job, &mut accounts.demand);
    write_demand_answer(demand, answer)?;
    demand.answered = true.into();
    demand.answered_at = moment.now.into();
    job.last_answer_at = moment.now.into();
    if job.is_tokens(tree_of(demand)?) {
        job.tokens_answered_at = moment.now.into();
    }
    job.open_demands = job
        .open_demands
        .checked_sub(1)
        .ok_or(QuernError::InvariantBroken)?;

    let fee_lamports = demand.fee_lamports.get();
    let event = DemandAnswered {
        at: moment.now,
        demand: *demand.address(),
        job: *job.address(),
        revealer: *accounts.signer.address(),
        node_id: NodeRef {
            tree: demand.tree.get(),
            level: demand.level,
            index: demand.index.get(),
        },
        fee_lamports,
        answer: answer.to_vec(),
        changes: changes![changed(job), changed(demand)],
    };
    pay_fee(*demand.view(), *accounts.signer.account(), fee_lamports)?;
    emit_event!(ctx, event);
    Ok(())
}

/// Moves the fee out of the demand, which keeps its rent.
fn pay_fee(mut from: AccountView, mut to: AccountView, fee_lamports: u64) -> Result<()> {
    let left = from.lamports().checked_sub(fee_lamports);
    let received = to.lamports().checked_add(fee_lamports);
    from.set_lamports(left.ok_or(QuernError::InvariantBroken)?);
    to.set_lamports(received.ok_or(QuernError::Overflow)?);
    Ok(())
}
