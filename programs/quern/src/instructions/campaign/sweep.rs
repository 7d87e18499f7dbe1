//! Gives the rest of a pot back and closes the campaign.
//!
//! # Specification
//! - SHALL be open to anybody after `claim_by`, or after `settle_by` where nobody has scored.
//! - SHALL release what was not claimed to the sponsor (P2), and give it the rent.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{CampaignSwept, emit_event},
        ledger::{self, Part},
        state::{Campaign, Purse, changed, changes, closed},
    },
    anchor_lang::{address_eq, prelude::*},
};

/// Accounts of `sweep_campaign`.
#[event_cpi]
#[derive(Accounts)]
pub struct SweepCampaign {
    /// The campaign.
    #[account(mut)]
    pub campaign: Account<Campaign>,
    /// The sponsor's purse in the campaign's mint.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The campaign's sponsor, compared by the handler; only credited.
    #[account(mut, unsafe(dup))]
    pub sponsor: UncheckedAccount,
}

impl SweepCampaign {
    fn validate(&self, now: i64) -> Result<()> {
        let (campaign, purse) = (&self.campaign, &self.purse);
        let is_due = campaign.times().may_sweep(now, campaign.total_score.get());
        require!(is_due, QuernError::TooEarly);
        let is_sponsors =
            address_eq(&purse.owner, &campaign.sponsor) && address_eq(&purse.mint, &campaign.mint);
        require!(is_sponsors, QuernError::PurseMissing);
        require!(
            address_eq(self.sponsor.address(), &campaign.sponsor),
            QuernError::WrongRecipient
        );
        Ok(())
    }
}

/// Sweeps it.
pub fn handle_sweep_campaign(ctx: &mut Context<SweepCampaign>) -> Result<()> {
    let at = Moment::without_restart()?.now;
    ctx.accounts.validate(at)?;
    let accounts = &mut ctx.accounts;
    let (campaign, purse) = (&mut accounts.campaign, &mut accounts.purse);
    let released_atoms = campaign.left_atoms().ok_or(QuernError::InvariantBroken)?;
    ledger::transfer(
        core::slice::from_mut(purse),
        (0, Part::Reserved),
        (0, Part::Free),
        released_atoms,
    )?;
    let event = CampaignSwept {
        at,
        campaign: *campaign.address(),
        sponsor: campaign.sponsor,
        mint: campaign.mint,
        released_atoms,
        changes: changes![closed(campaign), changed(purse)],
    };
    emit_event!(ctx, event);
    let sponsor = *ctx.accounts.sponsor.account();
    ctx.accounts.campaign.close(sponsor)
}
