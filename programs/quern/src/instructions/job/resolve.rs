//! The arbiter decides about a rejected milestone.
//!
//! # Specification
//! - SHALL require the arbiter's signature within its time.
//! - SHALL pay the arbiter its share of the price, divide the rest as it says, and take fee and royalty out of the
//!   provider's share only; no reward accrues.
//! - SHALL move at most the late penalty's share of the bond to the client.
//! - SHALL, for a provider's share of at least one half, give the provider the deposit, advance the checkpoint and go on;
//!   otherwise return the deposit, let the provider leave and reopen the job for what is left, with the old checkpoint.

use {
    super::settlement::{
        advance, close_job, escrow_left, job_change, move_bond, pay, release_bond, release_escrow,
        reopen, require_provider, require_recipient,
    },
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{JobResolved, emit_event},
        ledger::Book,
        state::{Job, JobState, Provider, changed, changes},
    },
    anchor_lang::prelude::*,
    quern_rules::reject,
};

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct ResolveArgs {
    /// The provider's share of what the arbiter leaves of the price, in basis points.
    pub provider_share_bps: u16,
    /// What the client gets of the bond, in atoms.
    pub penalty_atoms: u64,
}

/// Accounts of `resolve`. Remaining, writable, each once: the purses of client, provider, arbiter, treasury and royalty owner
/// in the job's mint.
#[event_cpi]
#[derive(Accounts)]
pub struct Resolve {
    /// The job's arbiter.
    #[account(address = job.arbiter @ QuernError::NotAuthorized)]
    pub arbiter: Signer,
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The job's provider.
    #[account(mut)]
    pub provider: Account<Provider>,
    /// The job's client, who gets the rent; only credited.
    #[account(mut, unsafe(dup))]
    pub client: UncheckedAccount,
}

impl Resolve {
    fn validate(&self, moment: &Moment) -> Result<()> {
        self.job.require_state(JobState::Rejected)?;
        self.job.require_in_time(moment)?;
        require_provider(&self.provider, &self.job)?;
        require_recipient(&self.client, &self.job)
    }
}

/// Carries the decision out.
pub fn handle_resolve(ctx: &mut Context<Resolve>, args: ResolveArgs) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate(&moment)?;
    let mut book = Book::load(&ctx.remaining_accounts()?)?;
    let accounts = &mut ctx.accounts;
    let (job, provider) = (&mut accounts.job, &mut accounts.provider);
    let terms = job.terms;
    let parts = reject::resolve(
        job.price_atoms.get(),
        terms.arbiter_bps.get(),
        args.provider_share_bps,
        terms.fee_bps.get(),
        job.royalty_bps.get(),
    )
    .or_quern()?;
    let penalty_atoms = reject::penalty(
        job.bond_left_atoms.get(),
        args.penalty_atoms,
        terms.late_penalty_bps.get(),
    )
    .or_quern()?;
    let (milestone, owner, client) = (job.milestone, job.provider, job.client);
    let deposit_atoms = job.reject_deposit_atoms.get();

    pay(&mut book, job, &job.arbiter, parts.arbiter_atoms)?;
    pay(&mut book, job, &job.treasury_owner, parts.fee_atoms)?;
    pay(&mut book, job, &job.royalty_owner, parts.royalty_atoms)?;
    pay(&mut book, job, &owner, parts.provider_atoms)?;
    release_escrow(&mut book, job, parts.client_atoms)?;
    move_bond(&mut book, job, &client, penalty_atoms)?;
    let deposit_to = if parts.provider_prevails {
        owner
    } else {
        client
    };
    pay(&mut book, job, &deposit_to, deposit_atoms)?;
    job.reject_deposit_atoms = 0u64.into();

    let (mut bond_released_atoms, mut released_atoms) = (0, 0);
    let goes_on = if parts.provider_prevails {
        provider.settled = provider.settled.saturating_add(1u64);
        let goes_on = advance(job, &moment)?;
        if !goes_on {
            bond_released_atoms = release_bond(&mut book, job)?;
        }
        goes_on
    } else {
        bond_released_atoms = release_bond(&mut book, job)?;
        job.milestone = job.milestone.checked_add(1).ok_or(QuernError::Overflow)?;
        released_atoms = escrow_left(job)?;
        let reopened = released_atoms > 0 && reopen(job, &moment)?;
        if reopened {
            released_atoms = 0;
        }
        release_escrow(&mut book, job, released_atoms)?;
        reopened
    };

    let mut changes = changes![job_change(job, !goes_on)];
    if parts.provider_prevails {
        changed(&mut changes, provider)?;
    }
    book.changes(&mut changes)?;
    drop(book);
    let event = JobResolved {
        at: moment.now,
        job: *job.address(),
        client,
        provider: owner,
        arbiter: job.arbiter,
        mint: job.mint,
        assurance: job.assurance,
        milestone,
        silent: false,
        provider_prevails: parts.provider_prevails,
        price_atoms: job.price_atoms.get(),
        arbiter_atoms: parts.arbiter_atoms,
        fee_atoms: parts.fee_atoms,
        royalty_atoms: parts.royalty_atoms,
        provider_atoms: parts.provider_atoms,
        client_atoms: parts.client_atoms,
        burn_atoms: 0,
        penalty_atoms,
        deposit_atoms,
        deposit_to_provider: parts.provider_prevails,
        bond_released_atoms,
        released_atoms,
        closed: !goes_on,
        changes,
    };
    emit_event!(ctx, event);
    if goes_on {
        Ok(())
    } else {
        close_job(&mut ctx.accounts.job, &ctx.accounts.client)
    }
}
