//! Ends a wait: anybody may, once a deadline has passed, so that every live job comes to its end (P8).
//!
//! # Specification
//! - SHALL succeed only after the deadline of the current state.
//! - Open: SHALL release the escrow and close.
//! - Taken: SHALL pay the late penalty to the client, release the rest of the bond, count the provider late, and reopen the
//!   job; past `ends_by`, or *Reviewed* without an arbiter, it SHALL close with a release instead.
//! - Rejected: SHALL split the price between provider and burn purse, give the deposit to the provider, release everything
//!   else and close: nobody gains from an arbiter's silence.

use {
    crate::{
        clock::Moment,
        constants::NOBODY,
        error::{OrQuern, QuernError},
        events::{JobExpired, emit_event},
        instructions::dispute::expire_rejected,
        instructions::settlement::{
            close_job, escrow_left, job_change, move_bond, release_escrow, reopen,
            require_provider, require_recipient,
        },
        ledger::Book,
        state::{Job, JobState, Provider, changed, changes, closed},
    },
    anchor_lang::prelude::*,
    quern_rules::late,
};

/// Accounts of `expire`. Remaining, writable, each once, in the job's mint: the client's purse; the provider's unless the job
/// is Open; after a rejection also the burn purse, the treasury's and the royalty owner's.
#[event_cpi]
#[derive(Accounts)]
pub struct Expire {
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The job's provider, needed where the job is Taken.
    #[account(mut)]
    pub provider: Option<Account<Provider>>,
    /// The job's client, who gets the rent; only credited.
    #[account(mut, unsafe(dup))]
    pub client: UncheckedAccount,
}

/// Expires the current state.
pub fn handle_expire(ctx: &mut Context<Expire>) -> Result<()> {
    let moment = Moment::read()?;
    let mut book = Book::load(&ctx.remaining_accounts()?)?;
    let accounts = &mut ctx.accounts;
    require_recipient(&accounts.client, &accounts.job)?;
    let closes = match accounts.job.state() {
        JobState::Open => {
            accounts.job.require_passed(&moment)?;
            let event = expire_open(&mut accounts.job, &mut book, &moment)?;
            drop(book);
            emit_event!(ctx, event);
            true
        }
        JobState::Taken => {
            accounts.job.require_passed(&moment)?;
            let provider = accounts
                .provider
                .as_mut()
                .ok_or(QuernError::ProviderMissing)?;
            require_provider(provider, &accounts.job)?;
            let event = expire_taken(&mut accounts.job, provider, &mut book, &moment)?;
            drop(book);
            let closes = event.closed;
            emit_event!(ctx, event);
            closes
        }
        JobState::Rejected => {
            accounts.job.require_passed(&moment)?;
            let event = expire_rejected(&mut accounts.job, &mut book, &moment)?;
            drop(book);
            emit_event!(ctx, event);
            true
        }
        // A submitted job ends by finalize, a convicted one by settle_conviction.
        JobState::Submitted | JobState::Convicted => return Err(QuernError::WrongState.into()),
    };
    if closes {
        close_job(&mut ctx.accounts.job, &ctx.accounts.client)
    } else {
        Ok(())
    }
}

fn expire_open(job: &mut Account<Job>, book: &mut Book, moment: &Moment) -> Result<JobExpired> {
    let released_atoms = escrow_left(job)?;
    release_escrow(book, job, released_atoms)?;

    let mut changes = changes![closed(job)];
    book.changes(&mut changes)?;
    Ok(JobExpired {
        at: moment.now,
        job: *job.address(),
        client: job.client,
        provider: NOBODY,
        mint: job.mint,
        from_state: JobState::Open as u8,
        penalty_atoms: 0,
        bond_released_atoms: 0,
        released_atoms,
        closed: true,
        changes,
    })
}

fn expire_taken(
    job: &mut Account<Job>,
    provider: &mut Account<Provider>,
    book: &mut Book,
    moment: &Moment,
) -> Result<JobExpired> {
    let bond =
        late::split(job.bond_left_atoms.get(), job.terms.late_penalty_bps.get()).or_quern()?;
    let (client, owner) = (job.client, job.provider);
    move_bond(book, job, &client, bond.penalty_atoms)?;
    move_bond(book, job, &owner, bond.released_atoms)?;
    provider.late = provider.late.saturating_add(1u64);

    let reopened = reopen(job, moment)?;
    let released_atoms = if reopened { 0 } else { escrow_left(job)? };
    release_escrow(book, job, released_atoms)?;

    let mut changes = changes![job_change(job, !reopened), changed(provider)];
    book.changes(&mut changes)?;
    Ok(JobExpired {
        at: moment.now,
        job: *job.address(),
        client,
        provider: owner,
        mint: job.mint,
        from_state: JobState::Taken as u8,
        penalty_atoms: bond.penalty_atoms,
        bond_released_atoms: bond.released_atoms,
        released_atoms,
        closed: !reopened,
        changes,
    })
}
