//! Brings tokens in: from any token account into the vault, credited to any purse.
//!
//! # Specification
//! - SHALL credit exactly what the vault received, never what was asked for.
//! - SHALL refuse an amount of zero, and a transfer that moved nothing.
//! - SHALL add the same to the mint's total (P3).

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{Deposited, emit_event},
        instructions::protocol::{require_registered, token_amount},
        state::{MintConfig, Purse, changed, changes},
    },
    anchor_lang::{address_eq, prelude::*},
    anchor_spl::token_2022_cpi::instructions::TransferChecked,
};

/// Accounts of `deposit`.
#[event_cpi]
#[derive(Accounts)]
pub struct Deposit {
    /// Owner or delegate of the source.
    pub depositor: Signer,
    /// Where the tokens come from; the token program checks it.
    #[account(mut)]
    pub source: UncheckedAccount,
    /// The mint; must be the configuration's.
    pub mint: UncheckedAccount,
    /// Configuration of the mint: any that this program created.
    #[account(mut)]
    pub mint_config: Account<MintConfig>,
    /// The vault; must be the configuration's.
    #[account(mut)]
    pub vault: UncheckedAccount,
    /// The purse to credit: any in this mint.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The token program; must be the configuration's.
    pub token_program: UncheckedAccount,
}

impl Deposit {
    fn validate(&self, amount_atoms: u64) -> Result<()> {
        require!(amount_atoms > 0, QuernError::ZeroAmount);
        require_registered(self.mint.account(), &self.mint_config.mint)?;
        require_registered(self.vault.account(), &self.mint_config.vault)?;
        require_registered(
            self.token_program.account(),
            &self.mint_config.token_program,
        )?;
        require!(
            address_eq(&self.purse.mint, &self.mint_config.mint),
            QuernError::WrongMint
        );
        Ok(())
    }
}

/// Moves the tokens and credits the difference.
pub fn handle_deposit(ctx: &mut Context<Deposit>, amount_atoms: u64) -> Result<()> {
    ctx.accounts.validate(amount_atoms)?;
    let at = Moment::without_restart()?.now;
    let accounts = &mut ctx.accounts;

    let before = token_amount(accounts.vault.account())?;
    TransferChecked {
        from: accounts.source.account(),
        mint: accounts.mint.account(),
        to: accounts.vault.account(),
        authority: accounts.depositor.account(),
        amount: amount_atoms,
        decimals: accounts.mint_config.decimals,
        token_program: accounts.token_program.address(),
    }
    .invoke()?;
    let after = token_amount(accounts.vault.account())?;
    let received = after.checked_sub(before).ok_or(QuernError::VaultShort)?;
    require!(received > 0, QuernError::ZeroAmount);

    let purse = &mut accounts.purse;
    purse.free_atoms = purse
        .free_atoms
        .checked_add(received)
        .ok_or(QuernError::Overflow)?;
    let config = &mut accounts.mint_config;
    config.total_atoms = config
        .total_atoms
        .checked_add(received)
        .ok_or(QuernError::Overflow)?;
    require!(after >= config.total_atoms.get(), QuernError::VaultShort);

    let (owner, mint) = (purse.owner, purse.mint);
    let depositor = *accounts.depositor.address();
    let changes = changes![
        changed(&mut accounts.purse),
        changed(&mut accounts.mint_config)
    ];
    emit_event!(
        ctx,
        Deposited {
            at,
            owner,
            mint,
            depositor,
            amount_atoms: received,
            changes
        }
    );
    Ok(())
}
