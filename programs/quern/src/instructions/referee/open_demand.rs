//! Asks for what a node of a commitment was hashed from.
//!
//! # Specification
//! - SHALL be open to anybody who pays the fee and the rent, while a *Refereed* job is Submitted.
//! - SHALL take the node from a root on chain or from an answered demand of the same submission; nothing else.
//! - SHALL refuse what does not exist and what lies wholly in missing positions, so that an honest provider can answer.
//! - SHALL allow demands at a root until the review ends, and below an answer until the reaction time after it is over too;
//!   those about anything but the tokens also until the reaction time after the last answer about the tokens is over, because
//!   nobody can compute anything before.

// The derive repeats the instruction's arguments in functions that use only some of them.
#![allow(unused_variables)]

use {
    super::conviction::require_refutable,
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{DemandOpened, emit_event},
        state::{
            Demand, Job, LAYOUT_VERSION, Model, NodeRef, changed, changes, demand_answer,
            model_graph,
        },
    },
    anchor_lang::{
        address_eq,
        pinocchio::{
            cpi::{CpiAccount, invoke_unchecked},
            instruction::{InstructionAccount, InstructionView},
        },
        prelude::*,
    },
    quern_proof::{
        demand::{self, DemandPlan, NodeId, Parent, Tree},
        graph,
    },
    quern_rules::deadline,
};

/// Accounts of `open_demand`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(node_id: NodeRef)]
pub struct OpenDemand {
    /// The opener; pays the fee and the rent.
    #[account(mut)]
    pub payer: Signer,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The job's model.
    pub model: Account<Model>,
    /// The answered demand that holds the node, where it is no root.
    pub parent: Option<Account<Demand>>,
    /// The demand, created here.
    #[account(
        init,
        payer = payer,
        space = Demand::space(planned(&job, &model, &node_id)?.answer_bytes),
        seeds = [
            Demand::SEED,
            job.address().as_ref(),
            &job.submissions.get().to_le_bytes(),
            &node_id.tree.to_le_bytes(),
            &[node_id.level],
            &node_id.index.to_le_bytes(),
        ],
        bump,
    )]
    pub demand: Account<Demand>,
    /// Creates accounts, moves the fee.
    pub system_program: Program<System>,
}

/// What may be asked, and what would answer it.
#[inline(never)]
fn planned(job: &Account<Job>, model: &Account<Model>, node_id: &NodeRef) -> Result<DemandPlan> {
    require_refutable(job)?;
    require!(
        address_eq(model.address(), &job.model),
        QuernError::WrongModel
    );
    let graph = graph::Graph::parse(model_graph(model)?).or_quern()?;
    let node_id = node_id.node_id().ok_or(QuernError::NoSuchNode)?;
    demand::plan(&graph, job.items.get(), &node_id).or_quern()
}

impl OpenDemand {
    /// The node in demand, and when the demand was answered that says it: 0 for a root.
    fn node(&self, parent: Parent, moment: &Moment) -> Result<([u8; 32], i64)> {
        let job = &self.job;
        let root = match parent {
            Parent::TraceRoot => job.trace_root,
            Parent::TokensRoot => job.tokens_root,
            Parent::InputRoot(input) => *job
                .input_roots
                .get(input as usize)
                .ok_or(QuernError::NoSuchNode)?,
            Parent::WeightRoot(weight) => {
                let graph = graph::Graph::parse(model_graph(&self.model)?).or_quern()?;
                graph.weight(weight as usize).or_quern()?.root
            }
            Parent::Answer { node_id, place } => {
                let answered = self.answered_parent(&node_id)?;
                let node = demand::node_at(demand_answer(answered)?, place)
                    .ok_or(QuernError::WrongParent)?;
                return Ok((*node, answered.effective_answered_at(job, moment)));
            }
        };
        require!(self.parent.is_none(), QuernError::WrongParent);
        Ok((root, 0))
    }

    /// Fails unless the node may be asked about now.
    fn require_open(&self, tree: Tree, answered_at: i64, moment: &Moment) -> Result<()> {
        let job = &self.job;
        let tokens_answered_at = match job.is_tokens(tree) {
            true => 0,
            false => job.effective_tokens_answered_at(moment),
        };
        let open_until = deadline::reaction_end(
            job.effective_deadline(moment),
            answered_at.max(tokens_answered_at),
            job.terms.react_secs.get(),
        );
        require!(
            deadline::in_time(moment.now, open_until),
            QuernError::TooLate
        );
        Ok(())
    }

    /// The parent, if it is the answered demand for `node_id` in this submission.
    fn answered_parent(&self, node_id: &NodeId) -> Result<&Account<Demand>> {
        let parent = self.parent.as_ref().ok_or(QuernError::WrongParent)?;
        require_current(parent, &self.job)?;
        require!(parent.node_id() == Some(*node_id), QuernError::WrongParent);
        require!(parent.answered.get(), QuernError::ParentUnanswered);
        Ok(parent)
    }
}

/// Fails unless the demand is about the job's current submission.
pub fn require_current(demand: &Demand, job: &Account<Job>) -> Result<()> {
    require!(
        address_eq(&demand.job, job.address()) && demand.submission == job.submissions,
        QuernError::WrongDemand
    );
    Ok(())
}

/// Writes the demand and takes the fee.
pub fn handle_open_demand(ctx: &mut Context<OpenDemand>, node_id: NodeRef) -> Result<()> {
    let moment = Moment::read()?;
    let bump = ctx.bumps.demand;
    let accounts = &mut ctx.accounts;
    let plan = planned(&accounts.job, &accounts.model, &node_id)?;
    let (node, answered_at) = accounts.node(plan.parent, &moment)?;
    let tree = Tree::from_code(node_id.tree).ok_or(QuernError::NoSuchNode)?;
    accounts.require_open(tree, answered_at, &moment)?;
    let job = &mut accounts.job;
    let open_demands = job.open_demands.get();
    let due =
        deadline::demand_due(moment.now, job.terms.response_secs.get(), open_demands).or_quern()?;
    let fee_lamports = job.terms.demand_fee_lamports.get();
    let opener = *accounts.payer.address();
    job.open_demands = open_demands
        .checked_add(1)
        .ok_or(QuernError::Overflow)?
        .into();

    let demand = &mut accounts.demand;
    demand.version = LAYOUT_VERSION;
    demand.bump = bump;
    demand.tree = node_id.tree.into();
    demand.level = node_id.level;
    demand.is_leaf = plan.is_leaf.into();
    demand.job = *job.address();
    demand.submission = job.submissions;
    demand.answer_bytes = u32::from(plan.answer_bytes).into();
    demand.index = node_id.index.into();
    demand.node = node;
    demand.opener = opener;
    demand.fee_lamports = fee_lamports.into();
    demand.due = due.into();
    demand.slot = moment.slot.into();

    let event = DemandOpened {
        at: moment.now,
        demand: *demand.address(),
        job: *job.address(),
        provider: job.provider,
        opener,
        submission: job.submissions.get(),
        node_id,
        node,
        due,
        fee_lamports,
        changes: changes![changed(job), changed(demand)],
    };
    take_fee(accounts.payer.account(), demand.view(), fee_lamports);
    emit_event!(ctx, event);
    Ok(())
}

/// Moves the fee from the opener to the demand, by a transfer of the System program; it fails the transaction if the
/// wallet is short of it.
fn take_fee(from: &AccountView, to: &AccountView, fee_lamports: u64) {
    /// The System program's number for a transfer.
    const TRANSFER: [u8; 4] = 2u32.to_le_bytes();
    let mut data = [0; 12];
    data[..4].copy_from_slice(&TRANSFER);
    data[4..].copy_from_slice(&fee_lamports.to_le_bytes());
    let transfer = InstructionView {
        program_id: &System::id(),
        accounts: &[
            InstructionAccount::writable_signer(from.address()),
            InstructionAccount::writable(to.address()),
        ],
        data: &data,
    };
    // SAFETY: the demand is held as a typed account meanwhile, which the checked call would refuse; but a transfer reads and
    // writes nobody's data, and nobody holds a reference to the lamports.
    unsafe { invoke_unchecked(&transfer, &[CpiAccount::from(from), CpiAccount::from(to)]) };
}
