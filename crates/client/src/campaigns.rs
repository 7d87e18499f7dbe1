//! Campaigns as sponsors, clients and providers see them before anything is sent: which there are, what may be done with one
//! now, whether a job fits it, and what its work is worth.

use {
    crate::{
        accounts::{self, field, list},
        errors::Result,
        instructions::NOBODY,
    },
    quern::{
        clock::Moment,
        instructions::NewJob,
        state::{Assurance, Campaign, Emission, Entry, JobKind, MintConfig, Protocol},
    },
    quern_proof::limits::{MAX_QUESTIONS, MAX_TOKEN_QUESTIONS},
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

/// What may be done with a campaign now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Results do not score yet; providers may join and jobs may name it.
    Coming,
    /// Results score.
    Open,
    /// Nothing new scores; what was submitted settles.
    Settling,
    /// Scores are fixed and are claimed.
    Claiming,
    /// Nothing is claimed any more; the rest may be swept.
    Over,
}

impl Phase {
    /// At a moment of the cluster, in Unix seconds.
    pub fn at(times: &Times, now: i64) -> Self {
        match now {
            _ if times.is_open(now) && now < times.start => Self::Coming,
            _ if times.is_open(now) => Self::Open,
            _ if now <= times.settle_by => Self::Settling,
            _ if times.may_claim(now) => Self::Claiming,
            _ => Self::Over,
        }
    }

    /// Its last second, if it ends.
    pub fn ends(self, times: &Times) -> Option<i64> {
        match self {
            Self::Coming => Some(times.start - 1),
            Self::Open => Some(times.end - 1),
            Self::Settling => Some(times.settle_by),
            Self::Claiming => Some(times.claim_by),
            Self::Over => None,
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coming => "coming",
            Self::Open => "open",
            Self::Settling => "settling",
            Self::Claiming => "claiming",
            Self::Over => "over",
        }
    }
}

/// The longest that a result may be under review in a job of these terms, in seconds. In a refereed one a graph that has
/// `with_tokens`, which the provider gives, takes more demands to go down to a leaf.
pub fn longest_review(
    protocol: &Protocol,
    assurance: Assurance,
    review_secs: u32,
    with_tokens: bool,
) -> u64 {
    let depth = match (assurance, with_tokens) {
        (Assurance::Reviewed, _) => 0,
        (Assurance::Refereed, false) => MAX_QUESTIONS,
        (Assurance::Refereed, true) => MAX_TOKEN_QUESTIONS,
    };
    let terms = &protocol.terms;
    campaign::longest_review(
        review_secs,
        depth,
        terms.response_secs.get(),
        terms.react_secs.get(),
    )
}

/// Why a job does not fit a campaign: what the program refuses as `CampaignMisfit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The job is paid in another mint than this.
    Mint(Pubkey),
    /// This kind of work does not score.
    Kind(JobKind),
    /// Only this model's work scores.
    Model(Pubkey),
    /// No job may name it any more, since then.
    Over(i64),
    /// The review may last so long, and the campaign settles for so long after its end, in seconds.
    Review {
        /// The longest that it may last.
        longest_secs: u64,
        /// The time from the campaign's end until it settles.
        room_secs: u64,
    },
}

/// A job that is about to be created, as far as a campaign asks.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// What is asked for.
    pub args: &'a NewJob,
    /// Its assurance.
    pub assurance: Assurance,
    /// In which mint it is paid.
    pub mint: &'a Pubkey,
    /// Its model.
    pub model: Option<&'a Pubkey>,
    /// Whether the provider gives tokens.
    pub with_tokens: bool,
}

/// Why a job does not fit, if it does not; as the program decides it when the job is created.
pub fn misfit(
    campaign: &Campaign,
    job: &Candidate<'_>,
    protocol: &Protocol,
    moment: &Moment,
) -> Option<Misfit> {
    let times = campaign.times();
    let review_secs = job.args.review_secs;
    let longest_secs = longest_review(protocol, job.assurance, review_secs, job.with_tokens);
    if campaign.mint != *job.mint {
        return Some(Misfit::Mint(campaign.mint));
    }
    if let Some(kind) = JobKind::from_code(job.args.kind)
        && !campaign.takes_kind(kind)
    {
        return Some(Misfit::Kind(kind));
    }
    if campaign.model != NOBODY && job.model != Some(&campaign.model) {
        return Some(Misfit::Model(campaign.model));
    }
    if !times.is_open(moment.now) {
        return Some(Misfit::Over(times.end));
    }
    let room_secs = u64::try_from(times.settle_by.saturating_sub(times.end)).unwrap_or(0);
    (!times.leaves_room_for(longest_secs)).then_some(Misfit::Review {
        longest_secs,
        room_secs,
    })
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
        let total = campaign.total_score.get();
        let score = campaign::score(fee_atoms, campaign.weight_bps(assurance), total);
        let pot_atoms = campaign.pot_atoms.get();
        // A score is at most what the total still holds.
        let total = total.saturating_add(score);
        (score, campaign::amount(pot_atoms, score, total))
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
