//! What `expire` does to a rejected milestone whose arbiter let its deadline pass: nobody gains from the silence.

use {
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::JobResolved,
        instructions::settlement::{escrow_left, pay, release_bond, release_escrow},
        ledger::Book,
        state::{Job, Purse, changes, closed},
    },
    anchor_lang::prelude::*,
    quern_rules::reject,
};

/// Splits the price between provider and burn purse, gives the deposit to the provider and releases everything else. The
/// caller has checked the deadline and closes the account.
pub(crate) fn expire_rejected(
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

    let paid = [
        (&job.treasury_owner, parts.fee_atoms),
        (&job.royalty_owner, parts.royalty_atoms),
        (&owner, parts.provider_atoms),
        (&burn_owner, parts.burn_atoms),
        (&owner, deposit_atoms),
    ];
    pay(book, job, &paid)?;
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
