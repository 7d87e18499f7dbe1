//! What several endings of a milestone share: paying out of the escrow, moving the bond, accruing rewards, going on.
//!
//! Amounts come from `quern-rules`; this file only says between which purses they move.

use {
    crate::{
        clock::Moment,
        constants::NOBODY,
        error::{OrQuern, QuernError},
        events::MilestoneSettled,
        instructions::campaign::Named,
        ledger::{Book, Part},
        state::{Change, Emission, Job, JobState, Provider, changed, closed},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::{deadline, epoch, price, reward, settle},
};

/// Pays parts of the client's escrow to purses in the job's mint. Nothing to pay needs no purse: a job without a model has no
/// royalty owner, and its share is zero.
pub fn pay(book: &mut Book, job: &Job, parts: &[(&Address, u64)]) -> Result<()> {
    // Looked for once: each search compares two addresses.
    let client = book.find(&job.client, &job.mint)?;
    for (owner, atoms) in parts {
        if *atoms > 0 {
            let to = book.find(owner, &job.mint)?;
            book.transfer((client, Part::Reserved), (to, Part::Free), *atoms)?;
        }
    }
    Ok(())
}

/// Moves a part of what is left of the bond to a purse of `owner`.
pub fn move_bond(book: &mut Book, job: &mut Job, owner: &Address, atoms: u64) -> Result<()> {
    if atoms == 0 {
        return Ok(());
    }
    let from = book.find(&job.provider, &job.mint)?;
    let to = book.find(owner, &job.mint)?;
    move_bond_between(book, job, (from, to), atoms)
}

/// Releases what is left of the bond to the provider. Returns how much it was.
pub fn release_bond(book: &mut Book, job: &mut Job) -> Result<u64> {
    let atoms = job.bond_left_atoms.get();
    if atoms > 0 {
        let provider = book.find(&job.provider, &job.mint)?;
        move_bond_between(book, job, (provider, provider), atoms)?;
    }
    Ok(atoms)
}

/// `from` is the provider's purse.
fn move_bond_between(
    book: &mut Book,
    job: &mut Job,
    (from, to): (usize, usize),
    atoms: u64,
) -> Result<()> {
    book.transfer((from, Part::Reserved), (to, Part::Free), atoms)?;
    job.bond_left_atoms = job
        .bond_left_atoms
        .checked_sub(atoms)
        .ok_or(QuernError::ReservationShort)?;
    if job.taken_by_operator.get() {
        let purse = book.purse_mut(from)?;
        purse.operator_reserved_atoms = purse
            .operator_reserved_atoms
            .checked_sub(atoms)
            .ok_or(QuernError::ReservationShort)?;
        // Lost, not released: however often it takes, a stolen hot key cannot lose more than the owner allowed.
        if from != to {
            purse.operator_lost_atoms = purse.operator_lost_atoms.saturating_add(atoms);
        }
    }
    Ok(())
}

/// Escrow of the milestones that are not behind the job.
#[inline(never)]
pub fn escrow_left(job: &Job) -> Result<u64> {
    match job.milestones_left() {
        0 => Ok(0),
        milestones => price::escrow(job.price_atoms.get(), milestones).or_quern(),
    }
}

/// Releases escrow to the client.
pub fn release_escrow(book: &mut Book, job: &Job, atoms: u64) -> Result<()> {
    if atoms == 0 {
        return Ok(());
    }
    let client = book.find(&job.client, &job.mint)?;
    book.transfer((client, Part::Reserved), (client, Part::Free), atoms)
}

/// Opens the job again for another provider, or tells the caller to close it: past `ends_by`, or *Reviewed* without an
/// arbiter, nobody else could finish it. Returns whether it is open again.
pub fn reopen(job: &mut Job, moment: &Moment) -> Result<bool> {
    let is_judgeable = job.is_refereed() || job.has_arbiter();
    if moment.now > job.ends_by.get() || !is_judgeable {
        return Ok(false);
    }
    let deadline = deadline::open(moment.now, job.take_secs.get(), job.ends_by.get()).or_quern()?;
    job.enter(JobState::Open, deadline, moment);
    job.provider = NOBODY;
    // Anybody's refereed work can be judged; reviewed work is worth what its provider is, so there the pin stays.
    if job.is_refereed() {
        job.pinned_provider = NOBODY;
    }
    job.taken_by_operator = false.into();
    job.trace_root = [0; 32];
    job.tokens_root = [0; 32];
    job.output_uri_hash = [0; 32];
    Ok(true)
}

/// Goes on to the next milestone with the same provider. Returns false if there is none.
pub fn advance(job: &mut Job, moment: &Moment) -> Result<bool> {
    job.checkpoint = job.trace_root;
    job.milestone = job.milestone.checked_add(1).ok_or(QuernError::Overflow)?;
    if job.milestones_left() == 0 {
        return Ok(false);
    }
    let deadline = deadline::after(moment.now, job.work_secs.get()).or_quern()?;
    job.enter(JobState::Taken, deadline, moment);
    Ok(true)
}

/// Moves the emission's window to the current epoch.
pub fn roll_epoch(emission: &mut Emission, moment: &Moment) -> Result<()> {
    let window = epoch::Window {
        index: emission.epoch_index.get(),
        spent_atoms: emission.spent_atoms.get(),
        cap_atoms: emission.cap_atoms.get(),
    };
    let window = epoch::roll(
        window,
        emission.next_cap_atoms.get(),
        moment.now,
        emission.epoch_secs.get(),
    )
    .or_quern()?;
    emission.epoch_index = window.index.into();
    emission.spent_atoms = window.spent_atoms.into();
    emission.cap_atoms = window.cap_atoms.into();
    Ok(())
}

/// Accrues the provider's reward for a fee that was paid. Nothing left means nothing accrued, never an error.
fn accrue_reward(
    book: &mut Book,
    emission: &mut Account<Emission>,
    provider: &mut Provider,
    job: &Job,
    fee_atoms: u64,
    moment: &Moment,
) -> Result<u64> {
    if !emission.is_configured() {
        return Ok(0);
    }
    roll_epoch(emission, moment)?;
    let purse = book.find(emission.address(), &emission.reward_mint)?;
    // What the provider's counter could not hold is not accrued either: a reward never blocks a payment.
    let room_atoms = reward::room(provider.rewards_accrued_atoms.get());
    let reward_atoms = reward::accrue(
        fee_atoms,
        job.reward_rate_e9.get(),
        job.reward_weight_bps.get(),
        emission.cap_atoms.get(),
        emission.spent_atoms.get(),
        book.purse(purse)?.free_atoms.get().min(room_atoms),
    );
    book.transfer((purse, Part::Free), (purse, Part::Reserved), reward_atoms)?;
    emission.spent_atoms = emission
        .spent_atoms
        .checked_add(reward_atoms)
        .ok_or(QuernError::Overflow)?;
    emission.outstanding_atoms = emission
        .outstanding_atoms
        .checked_add(reward_atoms)
        .ok_or(QuernError::Overflow)?;
    provider.rewards_accrued_atoms = provider
        .rewards_accrued_atoms
        .checked_add(reward_atoms)
        .ok_or(QuernError::Overflow)?;
    Ok(reward_atoms)
}

/// Fails unless this is the account of the provider at work.
pub fn require_provider(provider: &Provider, job: &Job) -> Result<()> {
    require!(
        address_eq(&provider.owner, &job.provider),
        QuernError::WrongProvider
    );
    Ok(())
}

/// Fails unless lamports go back to the client, who paid them.
pub fn require_recipient(client: &UncheckedAccount, job: &Job) -> Result<()> {
    require!(
        address_eq(client.address(), &job.client),
        QuernError::WrongRecipient
    );
    Ok(())
}

/// Pays a milestone in full: fee, royalty, provider; then reward, score, counters, and the next milestone or the end.
///
/// `views` are campaign and entry, if the job names a campaign, and the purses.
///
/// Returns the event; if its `closed` is set, the caller closes the job's account after emitting it.
pub fn settle_milestone(
    job: &mut Account<Job>,
    provider: &mut Account<Provider>,
    emission: &mut Account<Emission>,
    views: &[AccountView],
    accepted: bool,
    moment: &Moment,
) -> Result<MilestoneSettled> {
    let (campaign, purses) = Named::split(job, views)?;
    let mut book = Book::load(purses)?;
    let split = settle::split_price(
        job.price_atoms.get(),
        job.terms.fee_bps.get(),
        job.royalty_bps.get(),
    )
    .or_quern()?;
    let parts = [
        (&job.treasury_owner, split.fee_atoms),
        (&job.royalty_owner, split.royalty_atoms),
        (&job.provider, split.provider_atoms),
    ];
    pay(&mut book, job, &parts)?;
    provider.count_settled(job.assurance(), job.work.get());
    let reward_atoms = accrue_reward(&mut book, emission, provider, job, split.fee_atoms, moment)?;

    let mut changes = Vec::with_capacity(10);
    // Submitted's deadline is the end of the review, whatever a restart or an answer adds to it.
    let review_secs = i64::from(job.review_secs.get());
    let submitted_at = job.deadline.get().saturating_sub(review_secs);
    let score = match &campaign {
        Some(campaign) => {
            campaign.score(job, submitted_at, split.fee_atoms, moment.now, &mut changes)?
        }
        None => 0,
    };

    let milestone = job.milestone;
    let closed_now = !advance(job, moment)?;
    let bond_released_atoms = if closed_now {
        release_bond(&mut book, job)?
    } else {
        0
    };

    job_change(&mut changes, job, closed_now)?;
    changed(&mut changes, provider)?;
    if emission.is_configured() {
        changed(&mut changes, emission)?;
    }
    book.changes(&mut changes)?;
    Ok(MilestoneSettled {
        at: moment.now,
        job: *job.address(),
        client: job.client,
        provider: job.provider,
        model: job.model,
        royalty_owner: job.royalty_owner,
        mint: job.mint,
        campaign: job.campaign,
        assurance: job.assurance,
        kind: job.kind,
        milestone,
        accepted,
        work: job.work.get(),
        price_atoms: job.price_atoms.get(),
        fee_atoms: split.fee_atoms,
        royalty_atoms: split.royalty_atoms,
        provider_atoms: split.provider_atoms,
        reward_atoms,
        bond_released_atoms,
        closed: closed_now,
        submitted_at,
        score,
        changes,
    })
}

/// The job's change: its values, or its end.
pub fn job_change(changes: &mut Vec<Change>, job: &mut Account<Job>, closes: bool) -> Result<()> {
    if closes {
        closed(changes, job)
    } else {
        changed(changes, job)
    }
}

/// Closes the job's account; its rent goes to the client.
pub fn close_job(job: &mut Account<Job>, client: &UncheckedAccount) -> Result<()> {
    job.close(*client.account())
}
