//! What one owner may take: free atoms of its purses, accrued rewards, scores of campaigns.

use {
    crate::{accounts, campaigns, errors::Result, instructions, read},
    quern::{
        clock::Moment,
        state::{Campaign, Emission, Entry, MintConfig, Provider, Purse},
    },
    quern_rules::campaign,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{instruction::Instruction, pubkey::Pubkey},
    std::collections::BTreeMap,
};

/// Everything that an owner may take, now or later.
#[derive(Clone)]
pub struct Claims {
    /// All registered mints, by their addresses.
    pub mints: BTreeMap<Pubkey, MintConfig>,
    /// The owner's purses: earnings, royalties and deposits lie in them together.
    pub purses: Vec<Purse>,
    /// What has accrued and was not claimed.
    pub rewards: Option<Rewards>,
    /// Entries in campaigns, the highest score first.
    pub campaigns: Vec<CampaignClaim>,
    /// The owner's hot key, if it is a provider.
    pub operator: Option<Pubkey>,
    /// The cluster's clock.
    pub moment: Moment,
}

/// Accrued rewards.
#[derive(Clone, Copy)]
pub struct Rewards {
    /// What grants them.
    pub emission: Emission,
    /// How much was not claimed, at least 1.
    pub atoms: u64,
}

/// An entry in a campaign.
#[derive(Clone, Copy, Debug)]
pub struct CampaignClaim {
    /// The entry.
    pub entry: Entry,
    /// Its campaign; nothing if it was swept.
    pub campaign: Option<Campaign>,
}

impl CampaignClaim {
    /// What the score is worth, in atoms; less than now if others still score.
    pub fn amount_atoms(&self) -> u64 {
        self.campaign.map_or(0, |campaign| {
            campaign::amount(
                campaign.pot_atoms.get(),
                self.entry.score.get(),
                campaign.total_score.get(),
            )
        })
    }

    /// Whether the program pays or closes the entry now.
    pub fn is_due(&self, now: i64) -> bool {
        self.campaign
            .is_none_or(|campaign| campaign.times().may_claim(now))
    }

    /// What pays and closes it; nobody signs but the fee payer.
    pub fn instruction(&self) -> Instruction {
        instructions::claim_campaign(&self.entry, self.campaign.as_ref())
    }
}

/// Reads what an owner may take.
///
/// # Errors
/// That the cluster did not answer, or has no Quern.
pub async fn of(rpc: &RpcClient, owner: &Pubkey) -> Result<Claims> {
    /// Strangers can let an owner join any number of campaigns. What has scored most comes first.
    const MOST_ENTRIES: usize = 1_000;
    let known = read::for_claim(rpc, owner).await?;
    let mints = accounts::mint_configs(rpc).await?.into_iter();
    let purses = accounts::purses(rpc, Some(owner)).await?.into_iter();
    let mut entries = campaigns::entries_by(rpc, owner).await?;
    entries.truncate(MOST_ENTRIES);
    let wanted: Vec<Pubkey> = entries.iter().map(|(_, entry)| entry.campaign).collect();
    let found = campaigns::campaigns_at(rpc, &wanted).await?;
    let campaigns = entries.into_iter().zip(found);
    let campaigns = campaigns.map(|((_, entry), campaign)| CampaignClaim { entry, campaign });
    Ok(Claims {
        mints: mints.map(|(_, config)| (config.mint, config)).collect(),
        purses: purses.map(|(_, purse)| purse).collect(),
        rewards: rewards(known.emission, known.provider.as_ref()),
        campaigns: campaigns.collect(),
        operator: known.provider.map(|provider| provider.operator),
        moment: known.moment,
    })
}

fn rewards(emission: Emission, provider: Option<&Provider>) -> Option<Rewards> {
    let provider = provider?;
    let claimed = provider.rewards_claimed_atoms.get();
    let atoms = provider.rewards_accrued_atoms.get().saturating_sub(claimed);
    (atoms > 0).then_some(Rewards { emission, atoms })
}
