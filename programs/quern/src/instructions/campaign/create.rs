//! Creates a campaign and reserves its pot.
//!
//! # Specification
//! - SHALL be refused while the protocol is paused or the mint is disabled.
//! - SHALL reserve the pot in the sponsor's purse (P2), who signs.
//! - SHALL keep everything that decides about scores and shares in the account: nothing of it changes later.
//! - SHALL refuse weights of one whole and more: a score is always less than the fee that earned it.
//! - SHALL refuse times out of order, and too little time to claim.

use {
    crate::{
        clock::Moment,
        error::{OrQuern, QuernError},
        events::{CampaignCreated, emit_event},
        ledger::{self, Part},
        state::{
            Campaign, JobKind, LAYOUT_VERSION, MintConfig, Protocol, Purse, changed, changes,
            kind_bit,
        },
    },
    anchor_lang::{address_eq, prelude::*},
    quern_rules::campaign::{Times, check_weights},
};

/// What a sponsor offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AnchorSerialize, AnchorDeserialize, IdlType)]
pub struct NewCampaign {
    /// What is shared out, in atoms.
    pub pot_atoms: u64,
    /// Results submitted from here on score.
    pub start: i64,
    /// Results submitted from here on do not.
    pub end: i64,
    /// What settles later scores nothing.
    pub settle_by: i64,
    /// Last moment for claims.
    pub claim_by: i64,
    /// Which kinds of work score: bit `code - 1` for each kind.
    pub kinds: u8,
    /// The only model whose work scores, or zeroes.
    pub model: Address,
    /// What a refereed milestone scores, in basis points of its fee, below 10,000.
    pub refereed_bps: u16,
    /// What a reviewed milestone scores, in basis points of its fee, below 10,000.
    pub reviewed_bps: u16,
}

impl NewCampaign {
    fn validate(&self, protocol: &Protocol, now: i64) -> Result<()> {
        require!(self.pot_atoms > 0, QuernError::ZeroAmount);
        let known = JobKind::ALL
            .iter()
            .fold(0, |bits, kind| bits | kind_bit(*kind));
        let is_known = self.kinds != 0 && self.kinds & !known == 0;
        require!(is_known, QuernError::UnknownKind);
        check_weights(self.refereed_bps, self.reviewed_bps).or_quern()?;
        let times = Times {
            start: self.start,
            end: self.end,
            settle_by: self.settle_by,
            claim_by: self.claim_by,
        };
        require!(
            times.may_begin(now, protocol.campaign_claim_secs.get()),
            QuernError::BadTimeSpan
        );
        Ok(())
    }
}

/// Accounts of `create_campaign`.
#[event_cpi]
#[derive(Accounts)]
pub struct CreateCampaign {
    /// Who pays: pot and rent.
    #[account(mut)]
    pub sponsor: Signer,
    /// The protocol; there is only one account of this type.
    pub protocol: Account<Protocol>,
    /// Configuration of the mint; must be the purse's.
    pub mint_config: Account<MintConfig>,
    /// The sponsor's purse.
    #[account(mut)]
    pub purse: Account<Purse>,
    /// The campaign, created here.
    #[account(
        init,
        payer = sponsor,
        seeds = [Campaign::SEED, purse.address().as_ref(), &purse.opened.get().to_le_bytes()],
        bump,
    )]
    pub campaign: Account<Campaign>,
    /// Creates accounts.
    pub system_program: Program<System>,
}

impl CreateCampaign {
    fn validate(&self, args: &NewCampaign, now: i64) -> Result<()> {
        require!(!self.protocol.paused.get(), QuernError::Paused);
        let is_own = address_eq(&self.purse.owner, self.sponsor.address());
        require!(is_own, QuernError::NotAuthorized);
        let is_of_mint = address_eq(&self.purse.mint, &self.mint_config.mint);
        require!(is_of_mint, QuernError::WrongMint);
        require!(self.mint_config.enabled.get(), QuernError::MintDisabled);
        args.validate(&self.protocol, now)
    }
}

/// Reserves the pot and writes the campaign.
pub fn handle_create_campaign(ctx: &mut Context<CreateCampaign>, args: NewCampaign) -> Result<()> {
    let at = Moment::without_restart()?.now;
    ctx.accounts.validate(&args, at)?;
    let bump = ctx.bumps.campaign;
    let accounts = &mut ctx.accounts;
    let purse = &mut accounts.purse;
    ledger::transfer(
        core::slice::from_mut(purse),
        (0, Part::Free),
        (0, Part::Reserved),
        args.pot_atoms,
    )?;
    let n = purse.opened;
    purse.opened = n.checked_add(1u64).ok_or(QuernError::Overflow)?;

    let campaign = &mut accounts.campaign;
    campaign.version = LAYOUT_VERSION;
    campaign.bump = bump;
    campaign.kinds = args.kinds;
    campaign.n = n;
    campaign.sponsor = *accounts.sponsor.address();
    campaign.mint = accounts.mint_config.mint;
    campaign.model = args.model;
    campaign.pot_atoms = args.pot_atoms.into();
    campaign.start = args.start.into();
    campaign.end = args.end.into();
    campaign.settle_by = args.settle_by.into();
    campaign.claim_by = args.claim_by.into();
    campaign.refereed_bps = args.refereed_bps.into();
    campaign.reviewed_bps = args.reviewed_bps.into();

    let (sponsor, mint, address) = (campaign.sponsor, campaign.mint, *campaign.address());
    let changes = changes![changed(campaign), changed(purse)];
    emit_event!(
        ctx,
        CampaignCreated {
            at,
            campaign: address,
            sponsor,
            mint,
            pot_atoms: args.pot_atoms,
            changes,
        }
    );
    Ok(())
}
