//! The arbiter decides about a rejected milestone.
//!
//! # Specification
//! - SHALL require the arbiter's signature within its time, and that the job is as the arbiter saw it.
//! - SHALL pay the arbiter its share of the price, divide the rest as it says, and take fee and royalty out of the
//!   provider's share only; no reward accrues.
//! - SHALL move at most the late penalty's share of the bond to the client, and nothing where the provider prevails. A
//!   provider that loses leaves, so a bond pays one penalty for the whole job at most.
//! - SHALL, for a provider's share of at least one half, give the provider the deposit, advance the checkpoint and go on;
//!   otherwise return the deposit, let the provider leave and reopen the job for what is left, with the old checkpoint.

use {
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{JobResolved, emit_event},
        instructions::settlement::{
            advance, close_job, escrow_left, job_change, move_bond, pay, release_bond,
            release_escrow, reopen, require_provider, require_recipient,
        },
        ledger::Book,
        state::{Job, JobState, Provider, SeenJob, changed, changes},
    },
    anchor_lang::prelude::*,
    quern_rules::reject::{self, Resolution},
};

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct Decision {
    /// The provider's share of what the arbiter leaves of the price, in basis points.
    pub provider_share_bps: u16,
    /// What the client gets of the bond, in atoms; 0 where the provider prevails.
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
    fn validate(&self, seen: &SeenJob, moment: &Moment) -> Result<()> {
        self.job.require_seen(seen)?;
        self.job.require_state(JobState::Rejected)?;
        self.job.require_in_time(moment)?;
        require_provider(&self.provider, &self.job)?;
        require_recipient(&self.client, &self.job)
    }
}

/// What a decision left of the job.
struct Rest {
    /// Bond that the provider got back.
    bond_released_atoms: u64,
    /// Escrow of later milestones that the client got back because the job ended.
    released_atoms: u64,
    /// Whether the job goes on.
    goes_on: bool,
}

/// Carries the decision out.
pub fn handle_resolve(ctx: &mut Context<Resolve>, seen: SeenJob, decision: Decision) -> Result<()> {
    let moment = Moment::read()?;
    ctx.accounts.validate(&seen, &moment)?;
    let mut book = Book::load(&ctx.remaining_accounts()?)?;
    let accounts = &mut ctx.accounts;
    let (job, provider) = (&mut accounts.job, &mut accounts.provider);
    let event = carry_out(job, provider, &mut book, &decision, &moment)?;
    drop(book);
    let closes = event.closed;
    emit_event!(ctx, event);
    if closes {
        close_job(&mut ctx.accounts.job, &ctx.accounts.client)
    } else {
        Ok(())
    }
}

fn carry_out(
    job: &mut Account<Job>,
    provider: &mut Account<Provider>,
    book: &mut Book,
    decision: &Decision,
    moment: &Moment,
) -> Result<JobResolved> {
    let parts = reject::resolve(
        job.price_atoms.get(),
        job.terms.arbiter_bps.get(),
        decision.provider_share_bps,
        job.terms.fee_bps.get(),
        job.royalty_bps.get(),
    )
    .or_quern()?;
    let penalty_atoms = reject::penalty(
        job.bond_left_atoms.get(),
        decision.penalty_atoms,
        job.terms.late_penalty_bps.get(),
        parts.provider_prevails,
    )
    .or_quern()?;
    let (milestone, client, owner) = (job.milestone, job.client, job.provider);
    let deposit_atoms = job.reject_deposit_atoms.get();

    divide(job, book, &parts, penalty_atoms)?;
    let rest = if parts.provider_prevails {
        provider.settled = provider.settled.saturating_add(1u64);
        go_on(job, book, moment)?
    } else {
        let_go(job, book, moment)?
    };

    let mut changes = changes![job_change(job, !rest.goes_on)];
    if parts.provider_prevails {
        changed(&mut changes, provider)?;
    }
    book.changes(&mut changes)?;
    Ok(JobResolved {
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
        bond_released_atoms: rest.bond_released_atoms,
        released_atoms: rest.released_atoms,
        closed: !rest.goes_on,
        changes,
    })
}

/// Pays the milestone's price, the penalty and the deposit as decided.
fn divide(job: &mut Job, book: &mut Book, parts: &Resolution, penalty_atoms: u64) -> Result<()> {
    let (client, owner) = (job.client, job.provider);
    let deposit_to = if parts.provider_prevails {
        owner
    } else {
        client
    };
    let paid = [
        (&job.arbiter, parts.arbiter_atoms),
        (&job.treasury_owner, parts.fee_atoms),
        (&job.royalty_owner, parts.royalty_atoms),
        (&owner, parts.provider_atoms),
        (&client, parts.client_atoms),
        (&deposit_to, job.reject_deposit_atoms.get()),
    ];
    pay(book, job, &paid)?;
    move_bond(book, job, &client, penalty_atoms)?;
    job.reject_deposit_atoms = 0u64.into();
    Ok(())
}

/// The provider prevailed: it goes on with the next milestone, or the job ends with the last one.
fn go_on(job: &mut Job, book: &mut Book, moment: &Moment) -> Result<Rest> {
    let goes_on = advance(job, moment)?;
    let bond_released_atoms = if goes_on { 0 } else { release_bond(book, job)? };
    Ok(Rest {
        bond_released_atoms,
        released_atoms: 0,
        goes_on,
    })
}

/// The client prevailed: the provider leaves, and what is left of the job is open again, or ends.
fn let_go(job: &mut Job, book: &mut Book, moment: &Moment) -> Result<Rest> {
    let bond_released_atoms = release_bond(book, job)?;
    job.milestone = job.milestone.checked_add(1).ok_or(QuernError::Overflow)?;
    let left_atoms = escrow_left(job)?;
    let goes_on = left_atoms > 0 && reopen(job, moment)?;
    let released_atoms = if goes_on { 0 } else { left_atoms };
    release_escrow(book, job, released_atoms)?;
    Ok(Rest {
        bond_released_atoms,
        released_atoms,
        goes_on,
    })
}
