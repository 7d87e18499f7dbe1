//! Campaigns: a sponsor's pot, who joins, what is claimed, what goes back.

use {
    super::{NOBODY, build, purses_of, readable, writable},
    crate::addresses,
    quern::{
        accounts, instruction,
        instructions::NewCampaign,
        state::{Campaign, Entry, Job},
    },
    quern_rules::campaign,
    solana_sdk::{
        instruction::{AccountMeta, Instruction},
        pubkey::Pubkey,
    },
};

/// The address of a decoded campaign.
pub fn campaign_address(campaign: &Campaign) -> Pubkey {
    addresses::campaign(&campaign.sponsor, &campaign.mint, campaign.n.get())
}

/// Creates the campaign number `n` (the `opened` counter of the sponsor's purse) in a mint. Signer: the sponsor, who pays pot and
/// rent.
pub fn create_campaign(sponsor: &Pubkey, mint: &Pubkey, n: u64, args: NewCampaign) -> Instruction {
    let accounts = accounts::CreateCampaign {
        sponsor: *sponsor,
        protocol: addresses::protocol(),
        mint_config: addresses::mint_config(mint),
        purse: addresses::purse(sponsor, mint),
        campaign: addresses::campaign(sponsor, mint, n),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::CreateCampaign { args }, Vec::new())
}

/// Lets the provider of `owner` take part in a campaign. Signer: `payer`, anybody, who gets the rent back with the claim.
pub fn join_campaign(payer: &Pubkey, campaign: &Pubkey, owner: &Pubkey) -> Instruction {
    let accounts = accounts::JoinCampaign {
        payer: *payer,
        protocol: addresses::protocol(),
        campaign: *campaign,
        provider: addresses::provider(owner),
        entry: addresses::entry(campaign, owner),
        system_program: addresses::SYSTEM_PROGRAM,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::JoinCampaign {}, Vec::new())
}

/// Pays a provider for its score and closes its entry; only closes it if the campaign is gone (`None`) or the score is worth
/// nothing. Anybody may; nobody signs but the fee payer.
pub fn claim_campaign(entry: &Entry, campaign: Option<&Campaign>) -> Instruction {
    let accounts = accounts::ClaimCampaign {
        entry: addresses::entry(&entry.campaign, &entry.provider),
        campaign: entry.campaign,
        payer: entry.payer,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    // Where nothing is paid, the provider may have no purse in the campaign's mint.
    let paying = campaign.filter(|campaign| {
        let (pot_atoms, total_score) = (campaign.pot_atoms.get(), campaign.total_score.get());
        campaign::amount(pot_atoms, entry.score.get(), total_score) > 0
    });
    let purses = paying.map_or_else(Vec::new, |campaign| {
        purses_of(&[campaign.sponsor, entry.provider], &campaign.mint)
    });
    build(&accounts, &instruction::ClaimCampaign {}, writable(purses))
}

/// Gives the rest of a pot back and closes the campaign. Anybody may; nobody signs but the fee payer.
pub fn sweep_campaign(campaign: &Campaign) -> Instruction {
    let accounts = accounts::SweepCampaign {
        campaign: campaign_address(campaign),
        purse: addresses::purse(&campaign.sponsor, &campaign.mint),
        sponsor: campaign.sponsor,
        event_authority: addresses::event_authority(),
        program: crate::program_id(),
    };
    build(&accounts, &instruction::SweepCampaign {}, Vec::new())
}

/// The campaign that a job names, and the entry of a provider in it; nothing if it names none.
pub(super) fn named(job: &Job, provider_owner: &Pubkey) -> Vec<Pubkey> {
    if job.campaign == NOBODY {
        return Vec::new();
    }
    vec![
        job.campaign,
        addresses::entry(&job.campaign, provider_owner),
    ]
}

/// [`named`], for reading.
pub(super) fn shown(job: &Job, provider_owner: &Pubkey) -> Vec<AccountMeta> {
    readable(named(job, provider_owner))
}
