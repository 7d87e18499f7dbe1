//! Pays a provider for its score and closes its entry.
//!
//! # Specification
//! - SHALL let anybody claim for anybody, from after `settle_by` until `claim_by`: the amount goes to the provider's purse, the
//!   rent to whoever paid it.
//! - SHALL pay the score, or its share of the pot where all scores are more than the pot, out of the sponsor's reservation.
//! - SHALL pay each entry once; an amount of zero closes it, too.
//! - SHALL close an entry without an amount once the campaign is gone.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{CampaignClaimed, emit_event},
        ledger::{Book, Part},
        state::{Campaign, Change, Entry, changed, closed},
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::campaign,
};

/// Accounts of `claim_campaign`. Remaining, writable, each once, while the campaign is there: the purses of sponsor and provider in
/// its mint.
#[event_cpi]
#[derive(Accounts)]
pub struct ClaimCampaign {
    /// The entry.
    #[account(mut)]
    pub entry: Account<Entry>,
    /// The entry's campaign, which may be gone: its address is checked by the handler.
    #[account(mut)]
    pub campaign: UncheckedAccount,
    /// Who paid for the entry, compared by the handler; only credited.
    #[account(mut, unsafe(dup))]
    pub payer: UncheckedAccount,
}

impl ClaimCampaign {
    fn validate(&self) -> Result<()> {
        let (entry, campaign) = (&self.entry, self.campaign.address());
        require!(
            address_eq(campaign, &entry.campaign),
            QuernError::WrongCampaign
        );
        require!(
            address_eq(self.payer.address(), &entry.payer),
            QuernError::WrongRecipient
        );
        Ok(())
    }
}

/// Claims it.
pub fn handle_claim_campaign(ctx: &mut Context<ClaimCampaign>) -> Result<()> {
    ctx.accounts.validate()?;
    let at = Moment::without_restart()?.now;
    let purses = ctx.remaining_accounts()?;
    let entry = &mut ctx.accounts.entry;
    let campaign = *ctx.accounts.campaign.account();
    let mut changes = Vec::with_capacity(4);
    // Gone is what the program does not own; lamports prove nothing. A campaign's address never recurs.
    let amount_atoms = match campaign.owned_by(&crate::ID) {
        true => pay(entry, campaign, &purses, at, &mut changes)?,
        false => 0,
    };
    closed(&mut changes, entry)?;
    let event = CampaignClaimed {
        at,
        campaign: entry.campaign,
        provider: entry.provider,
        score: entry.score.get(),
        amount_atoms,
        changes,
    };
    emit_event!(ctx, event);
    let payer = *ctx.accounts.payer.account();
    ctx.accounts.entry.close(payer)
}

/// Moves what an entry's score is worth from the sponsor's reservation to the provider. Returns how much it was.
fn pay(
    entry: &Entry,
    campaign: AccountView,
    purses: &[AccountView],
    at: i64,
    changes: &mut Vec<Change>,
) -> Result<u64> {
    // SAFETY: the framework refuses one account in two mutable slots, and the purses are loaded as such.
    let mut campaign = unsafe { Account::<Campaign>::load_mut(campaign) }?;
    let times = campaign.times();
    require!(at > times.settle_by, QuernError::TooEarly);
    require!(times.may_claim(at), QuernError::TooLate);
    let (pot_atoms, total_score) = (campaign.pot_atoms.get(), campaign.total_score.get());
    let amount_atoms = campaign::amount(pot_atoms, entry.score.get(), total_score);
    let claimed_atoms = campaign.claimed_atoms.checked_add(amount_atoms);
    campaign.claimed_atoms = claimed_atoms.ok_or(QuernError::Overflow)?;
    let mut book = Book::load(purses)?;
    if amount_atoms > 0 {
        let from = book.find(&campaign.sponsor, &campaign.mint)?;
        let to = book.find(&entry.provider, &campaign.mint)?;
        book.transfer((from, Part::Reserved), (to, Part::Free), amount_atoms)?;
    }
    changed(changes, &mut campaign)?;
    book.changes(changes)?;
    Ok(amount_atoms)
}
