//! Campaigns that open jobs name: what they add to a price, and whether one has to be joined before a job of it is taken.
//!
//! Strangers create them. Joining locks rent until the claim, so an owner says how many may be joined at a time, and an agent joins
//! in the very transaction that takes the job: rent is paid only for work that it gets, that scores, and whose score can be claimed
//! before long.

use {
    crate::{chain::ProviderChain, error::Result, policy::Refusal},
    quern_client::{
        Pubkey,
        instructions::NOBODY,
        quern::state::{Assurance, Campaign, Entry, Job},
    },
    quern_data::runtime::lock,
    quern_rules::{campaign, reward, settle},
    std::{
        collections::{HashMap, HashSet},
        sync::{Arc, Mutex},
        time::{Duration, Instant},
    },
};

/// Campaigns that are read in one look: strangers create them.
const MOST_READ: usize = 400;
/// An agent joins no campaign whose scores can be claimed later than in this many seconds: 90 days.
const MOST_SETTLE_SECS: i64 = 90 * 86_400;
/// For how long what was read is good enough to choose offers by. Before a take it is read again.
const FRESH: Duration = Duration::from_secs(60);

/// Campaigns and this provider's entries, as they were read.
#[derive(Debug, Default)]
pub(crate) struct Campaigns {
    /// By address; nothing where there is none any more.
    known: HashMap<Pubkey, Option<Campaign>>,
    entries: Vec<Entry>,
    read_at: Option<Instant>,
}

impl Campaigns {
    /// Those that jobs name, read again only if something of them is not known or old. The best jobs come first: an address
    /// says nothing, because its maker tries as many as it likes.
    ///
    /// # Errors
    /// That the chain did not answer.
    pub(crate) async fn named_by(
        chain: &dyn ProviderChain,
        owner: &Pubkey,
        last: &Mutex<Arc<Self>>,
        jobs: impl Iterator<Item = &Job>,
    ) -> Result<Arc<Self>> {
        let named = jobs.map(|job| job.campaign);
        let mut seen = HashSet::from([NOBODY]);
        let named: Vec<Pubkey> = named.filter(|campaign| seen.insert(*campaign)).collect();
        let known = Arc::clone(&lock(last));
        if known.is_enough_for(&first(&named, &known.entries)) {
            return Ok(known);
        }
        let entries = chain.entries(owner).await?;
        let read = Self::read(chain, &first(&named, &entries), entries).await?;
        let read = Arc::new(read);
        *lock(last) = Arc::clone(&read);
        Ok(read)
    }

    /// The one that a job names, as it is now.
    ///
    /// # Errors
    /// That the chain did not answer.
    pub(crate) async fn of(chain: &dyn ProviderChain, owner: &Pubkey, job: &Job) -> Result<Self> {
        match job.campaign {
            NOBODY => Ok(Self::default()),
            campaign => {
                let entries = chain.entries(owner).await?;
                Self::read(chain, &[campaign], entries).await
            }
        }
    }

    async fn read(
        chain: &dyn ProviderChain,
        named: &[Pubkey],
        entries: Vec<Entry>,
    ) -> Result<Self> {
        let found = chain.campaigns(named).await?;
        Ok(Self {
            known: named.iter().copied().zip(found).collect(),
            entries,
            read_at: Some(Instant::now()),
        })
    }

    fn is_enough_for(&self, named: &[Pubkey]) -> bool {
        let is_fresh = self.read_at.is_some_and(|at| at.elapsed() < FRESH);
        let is_known = |campaign| self.known.contains_key(campaign);
        named.is_empty() || is_fresh && named.iter().all(is_known)
    }

    /// Whether the provider has to join a campaign to take a job whose result it submits at a time. Its wallet may have joined
    /// `most` at a time.
    ///
    /// # Errors
    /// That it has to and may not, or that joining is not worth its rent.
    pub(crate) fn joins(
        &self,
        job: &Job,
        signer: &Pubkey,
        most: usize,
        (now, submitted_at): (i64, i64),
    ) -> std::result::Result<bool, Refusal> {
        if job.campaign == NOBODY {
            return Ok(false);
        }
        let campaign = self.known.get(&job.campaign).ok_or(Refusal::Campaign)?;
        // Where nothing scores any more nobody needs an entry, and nobody can get one.
        let open = campaign.filter(|campaign| campaign.times().is_open(now));
        let has_joined = |entry: &Entry| entry.campaign == job.campaign;
        let Some(campaign) = open.filter(|_| !self.entries.iter().any(has_joined)) else {
            return Ok(false);
        };
        let (score, score_atoms) = scored(&campaign, job, submitted_at);
        let is_paid = score > 0 && score_atoms == score;
        let is_soon = campaign.settle_by.get() <= now.saturating_add(MOST_SETTLE_SECS);
        if !is_paid || !is_soon {
            return Err(Refusal::WorthlessCampaign);
        }
        let paid = self.entries.iter().filter(|entry| entry.payer == *signer);
        match paid.count() < most {
            true => Ok(true),
            false => Err(Refusal::Campaign),
        }
    }

    /// What a milestone of a job is worth beside its price, if its result is submitted at a time.
    pub(crate) fn worth(&self, job: &Job, submitted_at: i64) -> Worth {
        let reward_atoms = reward::accrue(
            fee_of(job),
            job.reward_rate_e9.get(),
            job.reward_weight_bps.get(),
            u64::MAX,
            0,
            u64::MAX,
        );
        let campaign = self.known.get(&job.campaign).copied().flatten();
        Worth {
            reward_atoms,
            score_atoms: campaign.map_or(0, |campaign| scored(&campaign, job, submitted_at).1),
        }
    }
}

/// Campaigns to read: the first that are named, those that are joined before others. Strangers may have let the owner into any
/// number of them, so half of the places are for all.
fn first(named: &[Pubkey], entries: &[Entry]) -> Vec<Pubkey> {
    let joined: HashSet<Pubkey> = entries.iter().map(|entry| entry.campaign).collect();
    let joined = named.iter().filter(|campaign| joined.contains(*campaign));
    let mut seen = HashSet::new();
    let all = joined.take(MOST_READ / 2).chain(named).copied();
    let all = all.filter(|campaign| seen.insert(*campaign));
    all.take(MOST_READ).collect()
}

/// The protocol fee of a milestone, in atoms of the job's mint.
fn fee_of(job: &Job) -> u64 {
    let split = settle::split_price(job.price_atoms.get(), job.terms.fee_bps.get(), 0);
    split.map_or(0, |split| split.fee_atoms)
}

/// What a milestone of a job scores in its campaign if its result is submitted at a time, and what that is worth if nobody scores
/// after it, in atoms of the job's mint.
fn scored(campaign: &Campaign, job: &Job, submitted_at: i64) -> (u64, u64) {
    let settled_at = submitted_at.saturating_add(job.review_secs.get().into());
    let counts = campaign.times().counts(submitted_at, settled_at);
    let Some(assurance) = Assurance::from_code(job.assurance).filter(|_| counts) else {
        return (0, 0);
    };
    campaign::prospect(
        fee_of(job),
        campaign.weight_bps(assurance),
        campaign.total_score.get(),
        campaign.pot_atoms.get(),
    )
}

/// What a milestone is worth to its provider beside the price; a job has one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Worth {
    /// What accrues at most, in atoms of the reward mint: the epoch and the emission's purse may hold less.
    pub reward_atoms: u64,
    /// What its score is worth if nobody scores after it, in atoms of the job's mint.
    pub score_atoms: u64,
}
