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
    super::settlement::{
        close_job, escrow_left, job_change, move_bond, pay, release_bond, release_escrow, reopen,
        require_provider, require_recipient,
    },
    crate::{
        clock::Moment,
        constants::NOBODY,
        error::{OrQuern, QuernError},
        events::{JobExpired, JobResolved, emit_event},
        ledger::Book,
        state::{Job, JobState, Provider, Purse, changed, changes, closed},
    },
    anchor_lang::prelude::*,
    quern_rules::{late, reject},
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
    let state = accounts.job.state()?;
    let closes = match state {
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
        // A submitted job ends by finalize, a slashed one by settle_conviction.
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

fn expire_rejected(
    job: &mut Account<Job>,
    book: &mut Book,
    moment: &Moment,
) -> Result<JobResolved> {
    let parts = reject::silence(
        job.price_atoms.get(),
        job.terms.fee_bps.get(),
        job.royalty_bps.get(),
    )
    .or_quern()?;
    let (burn_owner, _) = anchor_lang::find_program_address(&[Purse::BURN_SEED], &crate::ID);
    let (client, owner, milestone) = (job.client, job.provider, job.milestone);
    let deposit_atoms = job.reject_deposit_atoms.get();

    pay(book, job, &job.treasury_owner, parts.fee_atoms)?;
    pay(book, job, &job.royalty_owner, parts.royalty_atoms)?;
    pay(book, job, &owner, parts.provider_atoms)?;
    pay(book, job, &burn_owner, parts.burn_atoms)?;
    pay(book, job, &owner, deposit_atoms)?;
    job.reject_deposit_atoms = 0u64.into();
    let bond_released_atoms = release_bond(book, job)?;
    let released_atoms = escrow_left(job)?
        .checked_sub(job.price_atoms.get())
        .ok_or(QuernError::ReservationShort)?;
    release_escrow(book, job, released_atoms)?;

    let mut changes = changes![closed(job)];
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
        silent: true,
        provider_prevails: false,
        price_atoms: job.price_atoms.get(),
        arbiter_atoms: 0,
        fee_atoms: parts.fee_atoms,
        royalty_atoms: parts.royalty_atoms,
        provider_atoms: parts.provider_atoms,
        client_atoms: 0,
        burn_atoms: parts.burn_atoms,
        penalty_atoms: 0,
        deposit_atoms,
        deposit_to_provider: true,
        bond_released_atoms,
        released_atoms,
        closed: true,
        changes,
    })
}
