//! Campaigns as sponsors, clients and providers see them before anything is sent: which there are, what may be done with one
//! now, whether a job fits it, and what its work is worth.

use {
    crate::{
        accounts::{self, field, list},
        errors::Result,
    },
    quern::state::{Assurance, Campaign, Emission, Entry, MintConfig, Protocol},
    quern_rules::{
        campaign::{self, Times},
        reward, settle,
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::pubkey::Pubkey,
    std::mem::offset_of,
};

/// Which campaigns to list. Everything that is `None` does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct CampaignFilter {
    /// Of this sponsor.
    pub sponsor: Option<Pubkey>,
    /// In this mint.
    pub mint: Option<Pubkey>,
    /// For this model alone.
    pub model: Option<Pubkey>,
}

/// Campaigns that were not swept yet, the one that ends first before the others.
///
/// # Errors
/// That the cluster did not answer, or an account that cannot be decoded.
pub async fn campaigns(rpc: &RpcClient, filter: CampaignFilter) -> Result<Vec<(Pubkey, Campaign)>> {
    let keys = [
        (offset_of!(Campaign, sponsor), filter.sponsor),
        (offset_of!(Campaign, mint), filter.mint),
        (offset_of!(Campaign, model), filter.model),
    ];
    let filters = keys
        .into_iter()
        .filter_map(|(at, key)| key.map(|key| field(at, key.as_ref())));
    let mut all = list::<Campaign>(rpc, filters.collect()).await?;
    all.sort_by_key(|(address, campaign)| (campaign.end.get(), *address));
    Ok(all)
}

/// Entries of a campaign, the highest score first; those that were claimed are gone.
///
/// # Errors
/// As [`campaigns`].
pub async fn entries_of(rpc: &RpcClient, campaign: &Pubkey) -> Result<Vec<(Pubkey, Entry)>> {
    entries(rpc, offset_of!(Entry, campaign), campaign).await
}

/// Entries of a provider's owner, the highest score first.
///
/// # Errors
/// As [`campaigns`].
pub async fn entries_by(rpc: &RpcClient, provider: &Pubkey) -> Result<Vec<(Pubkey, Entry)>> {
    entries(rpc, offset_of!(Entry, provider), provider).await
}

async fn entries(rpc: &RpcClient, at: usize, key: &Pubkey) -> Result<Vec<(Pubkey, Entry)>> {
    let mut all = list::<Entry>(rpc, vec![field(at, key.as_ref())]).await?;
    all.sort_by_key(|(address, entry)| (std::cmp::Reverse(entry.score.get()), *address));
    Ok(all)
}

/// Where a campaign stands; the HTTP API uses the same words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CampaignState {
    /// Results do not score yet; providers may join and jobs may name it.
    Planned,
    /// Results submitted now score.
    Running,
    /// Results submitted before its end still settle.
    Settling,
    /// Scores are fixed and may be claimed.
    Claimable,
    /// The time for claims is over, or nobody scored: the rest of the pot waits to go back.
    Ended,
}

impl CampaignState {
    /// Of a campaign at a moment of the cluster, in Unix seconds.
    pub fn of(campaign: &Campaign, now: i64) -> Self {
        let times = campaign.times();
        match now {
            _ if times.is_open(now) && now < times.start => Self::Planned,
            _ if times.is_open(now) => Self::Running,
            _ if times.may_sweep(now, campaign.total_score.get()) => Self::Ended,
            _ if times.may_claim(now) => Self::Claimable,
            _ => Self::Settling,
        }
    }

    /// Its last second, if it ends.
    pub fn ends(self, times: &Times) -> Option<i64> {
        match self {
            Self::Planned => Some(times.start - 1),
            Self::Running => Some(times.end - 1),
            Self::Settling => Some(times.settle_by),
            Self::Claimable => Some(times.claim_by),
            Self::Ended => None,
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Settling => "settling",
            Self::Claimable => "claimable",
            Self::Ended => "ended",
        }
    }
}

/// What a settled milestone is worth to its provider beside the price. A job has one of them: the score if it names a campaign,
/// the reward otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Incentives {
    /// The protocol fee that both follow, in atoms of the job's mint.
    pub fee_atoms: u64,
    /// What would accrue now, in atoms of the reward mint: the epoch and the emission's purse may hold less later.
    pub reward_atoms: u64,
    /// What it scores in the campaign, in atoms of the job's mint.
    pub score: u64,
    /// What that score is worth if nobody scores after it: less than the score where the pot does not hold all scores.
    pub amount_atoms: u64,
}

/// The emission, and what is free in its purse.
#[derive(Clone, Copy)]
pub struct Granting<'a> {
    /// The emission.
    pub emission: &'a Emission,
    /// What its purse has free in the reward mint, in atoms.
    pub free_atoms: u64,
}

/// What a milestone of this price is worth beside it, as the program would count it if it settled now.
pub fn incentives(
    (price_atoms, assurance): (u64, Assurance),
    (protocol, mint): (&Protocol, &MintConfig),
    granting: &Granting<'_>,
    campaign: Option<&Campaign>,
) -> Incentives {
    // A royalty changes nothing of the fee; shares that are above one altogether are refused where the job is created.
    let split = settle::split_price(price_atoms, protocol.terms.fee_bps.get(), 0);
    let fee_atoms = split.map_or(0, |split| split.fee_atoms);
    let emission = granting.emission;
    let reward_atoms = reward::accrue(
        fee_atoms,
        mint.reward_rate_e9.get(),
        emission.weight_bps(assurance),
        emission.next_cap_atoms.get(),
        0,
        granting.free_atoms,
    );
    let (score, amount_atoms) = campaign.map_or((0, 0), |campaign| {
        campaign::prospect(
            fee_atoms,
            campaign.weight_bps(assurance),
            campaign.total_score.get(),
            campaign.pot_atoms.get(),
        )
    });
    Incentives {
        fee_atoms,
        reward_atoms,
        score,
        amount_atoms,
    }
}

/// Campaigns at these addresses, in the same order; nothing where one was swept.
///
/// # Errors
/// As [`campaigns`].
pub async fn campaigns_at(rpc: &RpcClient, addresses: &[Pubkey]) -> Result<Vec<Option<Campaign>>> {
    /// What nodes answer in one request.
    const MOST: usize = 100;
    let mut all = Vec::with_capacity(addresses.len());
    for part in addresses.chunks(MOST) {
        for (address, found) in part.iter().zip(accounts::found(rpc, part).await?) {
            // Lamports that a stranger sent to a swept campaign's address are none.
            let held = found.filter(|found| found.owner == crate::program_id());
            let decoded = held.map(|held| accounts::decode(address, &held.owner, &held.data));
            all.push(decoded.transpose()?);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, bytemuck::Zeroable};

    const MINT: Pubkey = Pubkey::new_from_array([3; 32]);
    const MODEL: Pubkey = Pubkey::new_from_array([4; 32]);

    fn protocol() -> Protocol {
        let mut protocol = Protocol::zeroed();
        protocol.terms.fee_bps = 250.into();
        protocol.terms.response_secs = 10.into();
        protocol.terms.react_secs = 5.into();
        protocol
    }

    fn campaign() -> Campaign {
        let mut campaign = Campaign::zeroed();
        (campaign.mint, campaign.model, campaign.kinds) = (MINT, MODEL, 0b001);
        campaign.pot_atoms = 400.into();
        campaign.start = 100.into();
        campaign.end = 200.into();
        campaign.settle_by = 525.into();
        campaign.claim_by = 600.into();
        (campaign.refereed_bps, campaign.reviewed_bps) = (9_000.into(), 5_000.into());
        campaign
    }

    #[test]
    fn phases_follow_the_rules_of_time() {
        let mut campaign = campaign();
        let at = |campaign: &Campaign, now| CampaignState::of(campaign, now);
        campaign.total_score = 1.into();
        for (phase, from) in [
            (CampaignState::Planned, i64::MIN),
            (CampaignState::Running, 100),
            (CampaignState::Settling, 200),
            (CampaignState::Claimable, 526),
            (CampaignState::Ended, 601),
        ] {
            assert_eq!(at(&campaign, from), phase, "{from}");
            if let Some(last) = phase.ends(&campaign.times()) {
                assert_eq!(at(&campaign, last), phase);
                assert_ne!(at(&campaign, last + 1), phase);
            }
        }
        assert_eq!(at(&campaign, i64::MAX), CampaignState::Ended);
        campaign.total_score = 0.into();
        assert_eq!(at(&campaign, 526), CampaignState::Ended, "nobody scored");
    }

    #[test]
    fn both_incentives_follow_the_fee() {
        let mut mint = MintConfig::zeroed();
        mint.reward_rate_e9 = 500_000_000.into();
        let mut emission = Emission::zeroed();
        emission.refereed_weight_bps = 10_000.into();
        emission.next_cap_atoms = 1_000.into();
        let granting = Granting {
            emission: &emission,
            free_atoms: 100,
        };
        let protocol = protocol();
        let of = |campaign: Option<&Campaign>| {
            let job = (10_000, Assurance::Refereed);
            incentives(job, (&protocol, &mint), &granting, campaign)
        };
        let plain = Incentives {
            fee_atoms: 250,
            // Half of it, and no more than the purse has.
            reward_atoms: 100,
            score: 0,
            amount_atoms: 0,
        };
        assert_eq!(of(None), plain);
        let mut campaign = campaign();
        let scored = Incentives {
            score: 225,
            amount_atoms: 225,
            ..plain
        };
        assert_eq!(of(Some(&campaign)), scored);
        campaign.total_score = 250.into();
        let shared = Incentives {
            amount_atoms: 400 * 225 / 475,
            ..scored
        };
        assert_eq!(of(Some(&campaign)), shared);
        campaign.total_score = u64::MAX.into();
        assert_eq!(of(Some(&campaign)).score, 0);
    }
}
