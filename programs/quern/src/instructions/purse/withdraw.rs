//! Takes tokens out: from the owner's free atoms to any token account that it names.
//!
//! # Specification
//! - SHALL require the owner's signature.
//! - SHALL write the debit before it moves tokens, and SHALL fail if the vault then holds less than all purses (P1).
//! - SHALL refuse the vault itself as destination.
//! - SHALL NOT depend on any pause, setting or other user.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{Withdrawn, emit_event},
        instructions::protocol::{require_registered, token_amount},
        state::{MintConfig, Purse, changed, changes},
    },
    anchor_lang::{
        address_eq,
        pinocchio::cpi::{Seed, Signer as CpiSigner},
        prelude::*,
    },
    anchor_spl::token_2022_cpi::instructions::TransferChecked,
};

/// Accounts of `withdraw`.
#[event_cpi]
#[derive(Accounts)]
pub struct Withdraw {
    /// The purse's owner.
    #[account(address = purse.owner @ QuernError::NotAuthorized)]
    pub owner: Signer,
    /// The purse.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The mint; must be the configuration's.
    pub mint: UncheckedAccount,
    /// Configuration of the purse's mint.
    #[account(mut)]
    pub mint_config: Account<MintConfig>,
    /// The vault; must be the configuration's.
    #[account(mut)]
    pub vault: UncheckedAccount,
    /// Where the tokens go: the owner's choice; the token program checks it. Not the vault.
    #[account(mut)]
    pub destination: UncheckedAccount,
    /// The token program; must be the configuration's.
    pub token_program: UncheckedAccount,
}

impl Withdraw {
    fn validate(&self, amount_atoms: u64) -> Result<()> {
        require!(amount_atoms > 0, QuernError::ZeroAmount);
        require!(
            address_eq(&self.purse.mint, &self.mint_config.mint),
            QuernError::WrongMint
        );
        require_registered(self.mint.account(), &self.mint_config.mint)?;
        require_registered(self.vault.account(), &self.mint_config.vault)?;
        require_registered(
            self.token_program.account(),
            &self.mint_config.token_program,
        )?;
        require!(
            !address_eq(self.destination.address(), &self.mint_config.vault),
            QuernError::DestinationIsVault
        );
        Ok(())
    }
}

/// Debits, then moves the tokens, then checks the vault.
pub fn handle_withdraw(ctx: &mut Context<Withdraw>, amount_atoms: u64) -> Result<()> {
    ctx.accounts.validate(amount_atoms)?;
    let at = Moment::without_restart()?.now;
    let accounts = &mut ctx.accounts;

    let purse = &mut accounts.purse;
    purse.free_atoms = purse
        .free_atoms
        .checked_sub(amount_atoms)
        .ok_or(QuernError::InsufficientFunds)?;
    let (owner, mint) = (purse.owner, purse.mint);
    let config = &mut accounts.mint_config;
    config.total_atoms = config
        .total_atoms
        .checked_sub(amount_atoms)
        .ok_or(QuernError::VaultShort)?;
    let changes = changes![
        changed(&mut accounts.purse),
        changed(&mut accounts.mint_config)
    ];

    // The vault is its own authority: one account less, and nothing but this program can sign for it.
    let bump = [accounts.mint_config.vault_bump];
    let seeds = [
        Seed::from(MintConfig::VAULT_SEED),
        Seed::from(mint.as_ref()),
        Seed::from(&bump),
    ];
    TransferChecked {
        from: accounts.vault.account(),
        mint: accounts.mint.account(),
        to: accounts.destination.account(),
        authority: accounts.vault.account(),
        amount: amount_atoms,
        decimals: accounts.mint_config.decimals,
        token_program: accounts.token_program.address(),
    }
    .invoke_signed(&[CpiSigner::from(&seeds)])?;
    require!(
        token_amount(accounts.vault.account())? >= accounts.mint_config.total_atoms.get(),
        QuernError::VaultShort
    );

    let destination = *accounts.destination.address();
    emit_event!(
        ctx,
        Withdrawn {
            at,
            owner,
            mint,
            destination,
            amount_atoms,
            changes
        }
    );
    Ok(())
}
