//! Lets a provider take part in a campaign.
//!
//! # Specification
//! - SHALL let anybody pay for any provider, before the campaign's end and unless the protocol is paused.
//! - SHALL create an entry without a score; there is one for each provider.

use {
    crate::{
        clock::Moment,
        error::QuernError,
        events::{CampaignJoined, emit_event},
        state::{Campaign, Entry, LAYOUT_VERSION, Protocol, Provider, changed, changes},
    },
    anchor_lang::prelude::*,
};

/// Accounts of `join_campaign`.
#[event_cpi]
#[derive(Accounts)]
pub struct JoinCampaign {
    /// Who pays the rent, and gets it back with the claim.
    #[account(mut)]
    pub payer: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// The campaign: any that is not over.
    pub campaign: Account<Campaign>,
    /// The provider: any.
    pub provider: Account<Provider>,
    /// The entry, created here.
    #[account(
        init,
        payer = payer,
        seeds = [Entry::SEED, campaign.address().as_ref(), provider.owner.as_ref()],
        bump,
    )]
    pub entry: Account<Entry>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

/// Writes the empty entry.
pub fn handle_join_campaign(ctx: &mut Context<JoinCampaign>) -> Result<()> {
    let at = Moment::without_restart()?.now;
    let bump = ctx.bumps.entry;
    let accounts = &mut ctx.accounts;
    require!(!accounts.protocol.paused.get(), QuernError::Paused);
    require!(accounts.campaign.times().is_open(at), QuernError::TooLate);
    let (campaign, provider) = (*accounts.campaign.address(), accounts.provider.owner);
    let entry = &mut accounts.entry;
    entry.version = LAYOUT_VERSION;
    entry.bump = bump;
    entry.campaign = campaign;
    entry.provider = provider;
    entry.payer = *accounts.payer.address();

    let changes = changes![changed(entry)];
    emit_event!(
        ctx,
        CampaignJoined {
            at,
            campaign,
            provider,
            changes
        }
    );
    Ok(())
}
