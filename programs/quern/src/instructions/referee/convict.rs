//! Proves that one number of a result is wrong, or its padding, or the tokens that came with it.
//!
//! # Specification
//! - SHALL be open to anybody, without a bond, for the current submission of a *Refereed* job, as long as it is Submitted,
//!   whatever demands are open.
//! - SHALL take the evidence inline or from an evidence account, and name as prover the signer or the account's author.
//! - SHALL succeed only if the evidence leads to the roots of job and model and what was committed differs from what the
//!   graph computes (P7).
//! - SHALL only record; it touches no purse, so nobody's account can block it.

use {
    super::conviction::{record_conviction, require_refutable},
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::emit_event,
        state::{Charge, Evidence, Job, Model, model_graph, tail},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_proof::{
        evidence::{self, Case, judge},
        graph,
    },
};

/// Accounts of `convict`.
#[event_cpi]
#[derive(Accounts)]
pub struct Convict {
    /// Anybody; the prover where the evidence is inline.
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
    fn judge(&self, charge: Charge, inline: &[u8]) -> Result<()> {
        let charge = evidence::Charge::try_from(charge).or_quern()?;
        let graph = graph::Graph::parse(model_graph(&self.model)?).or_quern()?;
        let case = Case {
            graph,
            items: self.job.items.get(),
            input_roots: &self.job.input_roots,
            tokens_root: &self.job.tokens_root,
            trace_root: &self.job.trace_root,
        };
        let evidence = match &self.evidence {
            Some(account) => tail(account)?,
            None => inline,
        };
        judge(&case, &charge, evidence).or_quern()
    }
}

/// Judges the charge and records the conviction.
pub fn handle_convict(ctx: &mut Context<Convict>, charge: Charge, evidence: &[u8]) -> Result<()> {
    let accounts = &mut ctx.accounts;
    accounts.validate(evidence)?;
    accounts.judge(charge, evidence)?;
    let prover = match &accounts.evidence {
        Some(account) => account.author,
        None => *accounts.signer.address(),
    };
    let moment = Moment::read()?;
    let event = record_conviction(&mut accounts.job, charge.into(), &prover, &moment)?;
    emit_event!(ctx, event);
    Ok(())
}
