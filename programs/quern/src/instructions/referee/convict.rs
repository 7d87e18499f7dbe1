//! Proves that one number of a result is wrong, or that its padding is.
//!
//! # Specification
//! - SHALL be open to anybody, without a bond, for the current submission of a *Refereed* job, as long as it is Submitted,
//!   whatever demands are open.
//! - SHALL take the evidence inline or from an evidence account, and name as prover the signer or the account's author.
//! - SHALL succeed only if the evidence leads to the roots of job and model and what was committed differs from what the
//!   program computes (P7).
//! - SHALL only record; it touches no purse, so nobody's account can block it.

use {
    super::conviction::{Fault, record_conviction, require_refutable},
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{JobConvicted, emit_event},
        state::{ConvictionReason, Evidence, Job, Model, model_graph, tail},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_proof::{
        evidence::{Case, Charge, judge},
        graph,
    },
};

/// Accounts of `convict` and `convict_padding`.
#[event_cpi]
#[derive(Accounts)]
pub struct Convict {
    /// Whoever convicts; the prover where the evidence is inline.
    pub signer: Signer,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The job's model.
    pub model: Account<Model>,
    /// The evidence, where it is not inline; its author is the prover.
    pub evidence: Option<Account<Evidence>>,
}

impl Convict {
    fn validate(&self, inline: &[u8]) -> Result<()> {
        require_refutable(&self.job)?;
        require!(
            address_eq(self.model.address(), &self.job.model),
            QuernError::WrongModel
        );
        require!(
            self.evidence.is_none() || inline.is_empty(),
            QuernError::EvidenceTwice
        );
        Ok(())
    }

    /// Succeeds only if the charge is proved.
    fn judge(&self, charge: &Charge, inline: &[u8]) -> Result<()> {
        let graph = graph::Graph::parse(model_graph(&self.model)?).or_quern()?;
        let case = Case {
            graph,
            batch_rows: self.job.batch_rows.get(),
            input_roots: &self.job.input_roots,
            trace_root: &self.job.trace_root,
        };
        let evidence = match &self.evidence {
            Some(account) => tail(account)?,
            None => inline,
        };
        judge(&case, charge, evidence).or_quern()
    }
}

/// Convicts one value.
pub fn handle_convict(
    ctx: &mut Context<Convict>,
    op: u8,
    row: u32,
    col: u32,
    evidence: &[u8],
) -> Result<()> {
    let fault = Fault {
        reason: ConvictionReason::WrongCell,
        tree: op,
        level: 0,
        index: u64::from(row) << 32 | u64::from(col),
    };
    let event = try_charge(
        &mut ctx.accounts,
        &Charge::Cell { op, row, col },
        evidence,
        fault,
    )?;
    emit_event!(ctx, event);
    Ok(())
}

/// Convicts what should be zero.
pub fn handle_convict_padding(
    ctx: &mut Context<Convict>,
    tree: u8,
    level: u8,
    index: u64,
    evidence: &[u8],
) -> Result<()> {
    let charge = Charge::padding(tree, level, index).or_quern()?;
    let fault = Fault {
        reason: ConvictionReason::BadPadding,
        tree,
        level,
        index,
    };
    let event = try_charge(&mut ctx.accounts, &charge, evidence, fault)?;
    emit_event!(ctx, event);
    Ok(())
}

#[inline(never)]
fn try_charge(
    accounts: &mut Convict,
    charge: &Charge,
    inline: &[u8],
    fault: Fault,
) -> Result<JobConvicted> {
    accounts.validate(inline)?;
    accounts.judge(charge, inline)?;
    let prover = match &accounts.evidence {
        Some(account) => account.author,
        None => *accounts.signer.address(),
    };
    record_conviction(&mut accounts.job, &fault, &prover, &Moment::read()?)
}
