//! Opens a purse for anybody in a registered mint.
//!
//! # Specification
//! - SHALL let anybody pay for anybody's purse, so that a missing one blocks nobody (P8, P11).
//! - SHALL create an empty purse at the address of owner and mint.

use {
    crate::{
        clock::Moment,
        events::{PurseOpened, emit_event},
        state::{LAYOUT_VERSION, MintConfig, Purse, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `open_purse`.
#[event_cpi]
#[derive(Accounts)]
pub struct OpenPurse {
    /// Who pays the rent; may be the owner, hence named twice. Only the System program debits it.
    #[account(mut, unsafe(dup))]
    pub payer: Signer,
    /// Whose purse it becomes: any address, so nothing is checked.
    pub owner: UncheckedAccount,
    /// Configuration of the mint: any that this program created.
    pub mint_config: Account<MintConfig>,
    /// The purse, created here.
    #[account(init, payer = payer, seeds = [Purse::SEED, owner.address().as_ref(), mint_config.mint.as_ref()], bump)]
    pub purse: Account<Purse>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

/// Writes the empty purse.
pub fn handle_open_purse(ctx: &mut Context<OpenPurse>) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let bump = ctx.bumps.purse;
    let accounts = &mut ctx.accounts;
    let (owner, mint) = (*accounts.owner.address(), accounts.mint_config.mint);
    let purse = &mut accounts.purse;
    purse.version = LAYOUT_VERSION;
    purse.bump = bump;
    purse.owner = owner;
    purse.mint = mint;

    let changes = changes![changed(purse)];
    emit_event!(
        ctx,
        PurseOpened {
            at,
            owner,
            mint,
            changes
        }
    );
    Ok(())
}
