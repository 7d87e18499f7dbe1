//! A provider takes an open job and reserves its bond.
//!
//! # Specification
//! - SHALL be refused while the protocol is paused.
//! - SHALL require owner or operator of an active provider, neither of them the client, the owner not the arbiter.
//! - SHALL require that the job is as the signer saw it: at the milestone and checkpoint that it wants to work from.
//! - SHALL respect a pin and the time to take.
//! - SHALL reserve the job's bond in the provider's purse; the operator only within the owner's limit.

use {
    crate::{
        clock::Moment,
        constants::is_nobody,
        error::{OrQuern, QuernError},
        events::{JobTaken, emit_event},
        instructions::campaign::Named,
        ledger::{self, Part},
        state::{Job, JobState, Protocol, Provider, Purse, SeenJob, changed, changes},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::{bond, deadline},
};

/// Accounts of `take_job`. Remaining, read-only, if the job names a campaign: campaign and entry.
#[event_cpi]
#[derive(Accounts)]
pub struct TakeJob {
    /// The provider's owner or operator.
    pub signer: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// The provider.
    #[account(mut)]
    pub provider: Account<Provider>,
    /// The provider owner's purse in the job's mint.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
}

impl TakeJob {
    fn validate(&self, seen: &SeenJob, moment: &Moment) -> Result<()> {
        let (job, provider, signer) = (&self.job, &self.provider, self.signer.address());
        require!(!self.protocol.paused.get(), QuernError::Paused);
        require!(provider.is_party(signer), QuernError::NotAuthorized);
        require!(provider.active.get(), QuernError::ProviderInactive);
        job.require_seen(seen)?;
        job.require_state(JobState::Open)?;
        job.require_in_time(moment)?;
        let is_own = provider.is_party(&job.client) || address_eq(signer, &job.client);
        require!(!is_own, QuernError::OwnJob);
        let is_pinned = !is_nobody(&job.pinned_provider);
        require!(
            !is_pinned || address_eq(&job.pinned_provider, &provider.owner),
            QuernError::PinnedToOther
        );
        // Checked here only: a check at the decision would let a provider block it by naming the arbiter its operator.
        let is_arbiter = job.has_arbiter() && provider.is_party(&job.arbiter);
        require!(!is_arbiter, QuernError::ArbiterIsParty);
        let fits = address_eq(&self.purse.owner, &provider.owner)
            && address_eq(&self.purse.mint, &job.mint);
        require!(fits, QuernError::PurseMissing);
        Ok(())
    }
}

/// Reserves the bond and hands the job to the provider.
pub fn handle_take_job(ctx: &mut Context<TakeJob>, seen: SeenJob) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate(&seen, &moment)?;
    if !is_nobody(&ctx.accounts.job.campaign) {
        let views = ctx.remaining_accounts()?;
        let (job, provider) = (&ctx.accounts.job, &ctx.accounts.provider);
        if let (Some(campaign), _) = Named::split(job, &views)? {
            campaign.require_joined(&provider.owner, moment.now)?;
        }
    }
    let accounts = &mut ctx.accounts;
    let bond_atoms = accounts.job.bond_atoms.get();
    let deadline = deadline::after(moment.now, accounts.job.work_secs.get()).or_quern()?;

    let purse = &mut accounts.purse;
    ledger::transfer(
        core::slice::from_mut(purse),
        (0, Part::Free),
        (0, Part::Reserved),
        bond_atoms,
    )?;
    let by_operator = !address_eq(accounts.signer.address(), &accounts.provider.owner);
    if by_operator {
        purse.operator_reserved_atoms = purse
            .operator_reserved_atoms
            .checked_add(bond_atoms)
            .ok_or(QuernError::Overflow)?;
        require!(
            bond::is_within_operator_limit(
                purse.operator_limit_atoms.get(),
                purse.operator_reserved_atoms.get(),
                purse.operator_lost_atoms.get(),
            ),
            QuernError::OperatorLimit
        );
    }
    let provider = &mut accounts.provider;
    provider.taken = provider.taken.saturating_add(1u64);

    let job = &mut accounts.job;
    job.provider = provider.owner;
    job.bond_left_atoms = bond_atoms.into();
    job.taken_by_operator = by_operator.into();
    job.enter(JobState::Taken, deadline, &moment);

    let (address, owner) = (*job.address(), provider.owner);
    let changes = changes![changed(job), changed(provider), changed(purse)];
    emit_event!(
        ctx,
        JobTaken {
            at: moment.now,
            job: address,
            provider: owner,
            bond_atoms,
            changes
        }
    );
    Ok(())
}
