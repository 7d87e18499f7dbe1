//! Pays out a recorded conviction.
//!
//! # Specification
//! - SHALL be open to anybody at any time after the conviction.
//! - SHALL release the whole escrow to the client.
//! - SHALL split what is left of the bond: 40 % to the prover, 20 % to the client, the rest to the treasury (P4).

use {
    crate::{
        clock::Moment,
        events::{ConvictionSettled, emit_event},
        instructions::settlement::{
            close_job, escrow_left, move_bond, release_escrow, require_provider, require_recipient,
        },
        ledger::Book,
        state::{Job, JobState, Provider, changed, changes, closed},
    },
    anchor_lang::prelude::*,
    quern_rules::slash,
};

/// Accounts of `settle_conviction`. Remaining, writable, each once: the purses of client, provider, prover and treasury in the
/// job's mint.
#[event_cpi]
#[derive(Accounts)]
pub struct SettleConviction {
    /// The job.
    #[account(mut)]
    pub job: Account<Job>,
    /// The convicted provider.
    #[account(mut)]
    pub provider: Account<Provider>,
    /// The job's client, who gets the rent; only credited.
    #[account(mut, unsafe(dup))]
    pub client: UncheckedAccount,
}

impl SettleConviction {
    fn validate(&self) -> Result<()> {
        self.job.require_state(JobState::Convicted)?;
        require_provider(&self.provider, &self.job)?;
        require_recipient(&self.client, &self.job)
    }
}

/// Releases the escrow, splits the bond, closes.
pub fn handle_settle_conviction(ctx: &mut Context<SettleConviction>) -> Result<()> {
    ctx.accounts.validate()?;
    let at = Moment::without_restart()?.now;
    let mut book = Book::load(&ctx.remaining_accounts()?)?;
    let accounts = &mut ctx.accounts;
    let (job, provider) = (&mut accounts.job, &mut accounts.provider);
    let parts = slash::split_bond(job.bond_left_atoms.get());
    let (client, prover, treasury) = (job.client, job.prover, job.treasury_owner);
    let released_atoms = escrow_left(job)?;

    release_escrow(&mut book, job, released_atoms)?;
    move_bond(&mut book, job, &prover, parts.prover_atoms)?;
    move_bond(&mut book, job, &client, parts.client_atoms)?;
    move_bond(&mut book, job, &treasury, parts.treasury_atoms)?;
    provider.convicted = provider.convicted.saturating_add(1u64);

    let mut changes = changes![closed(job), changed(provider)];
    book.changes(&mut changes)?;
    drop(book);
    let event = ConvictionSettled {
        at,
        job: *job.address(),
        client,
        provider: job.provider,
        prover,
        mint: job.mint,
        reason: job.conviction_reason,
        released_atoms,
        prover_atoms: parts.prover_atoms,
        client_atoms: parts.client_atoms,
        treasury_atoms: parts.treasury_atoms,
        changes,
    };
    emit_event!(ctx, event);
    close_job(&mut ctx.accounts.job, &ctx.accounts.client)
}
