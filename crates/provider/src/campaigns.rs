//! Campaigns that open jobs name: what they add to a price, and whether one has to be joined before a job of it is taken.
//!
//! Strangers create them. Joining locks rent until the claim, so an owner says how many may be joined at a time, and an agent joins
//! in the very transaction that takes the job: rent is paid only for work that it gets.

use {
    crate::{context::Context, error::Result, policy::Refusal},
    quern_client::{
        Pubkey,
        instructions::NOBODY,
        quern::state::{Assurance, Campaign, Entry, Job},
    },
    quern_data::runtime::lock,
    quern_rules::{campaign, reward, settle},
    std::{
        collections::{BTreeSet, HashMap},
        sync::Arc,
        time::{Duration, Instant},
    },
};

/// Campaigns that are read in one look: strangers create them.
const MOST_READ: usize = 400;
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
    /// Those that jobs name, read again only if something of them is not known or old.
    ///
    /// # Errors
    /// That the chain did not answer.
    pub(crate) async fn named_by(
        context: &Context,
        jobs: impl Iterator<Item = &Job>,
    ) -> Result<Arc<Self>> {
        let named: BTreeSet<Pubkey> = jobs.map(|job| job.campaign).collect();
        let named = named.into_iter().filter(|campaign| *campaign != NOBODY);
        let named: Vec<Pubkey> = named.take(MOST_READ).collect();
        let known = Arc::clone(&lock(&context.campaigns));
        if named.is_empty() || known.is_enough_for(&named) {
            return Ok(known);
        }
        let read = Arc::new(Self::read(context, &named).await?);
        *lock(&context.campaigns) = Arc::clone(&read);
        Ok(read)
    }

    /// The one that a job names, as it is now.
    ///
    /// # Errors
    /// That the chain did not answer.
    pub(crate) async fn of(context: &Context, job: &Job) -> Result<Self> {
        match job.campaign {
            NOBODY => Ok(Self::default()),
            campaign => Self::read(context, &[campaign]).await,
        }
    }

    async fn read(context: &Context, named: &[Pubkey]) -> Result<Self> {
        let found = context.chain.campaigns(named).await?;
        let entries = context.chain.entries(&context.settings.owner).await?;
        Ok(Self {
            known: named.iter().copied().zip(found).collect(),
            entries,
            read_at: Some(Instant::now()),
        })
    }

    fn is_enough_for(&self, named: &[Pubkey]) -> bool {
        let is_fresh = self.read_at.is_some_and(|at| at.elapsed() < FRESH);
        is_fresh
            && named
                .iter()
                .all(|campaign| self.known.contains_key(campaign))
    }

    /// Whether the provider has to join a campaign to take a job, of which its wallet may have joined `most` at a time.
    ///
    /// # Errors
    /// That it has to and may not.
    pub(crate) fn joins(
        &self,
        job: &Job,
        signer: &Pubkey,
        most: usize,
        now: i64,
    ) -> std::result::Result<bool, Refusal> {
        if job.campaign == NOBODY {
            return Ok(false);
        }
        let campaign = self.known.get(&job.campaign).ok_or(Refusal::Campaign)?;
        // Where nothing scores any more nobody needs an entry, and nobody can get one.
        let is_open = campaign.is_some_and(|campaign| campaign.times().is_open(now));
        let has_joined = |entry: &Entry| entry.campaign == job.campaign;
        if !is_open || self.entries.iter().any(has_joined) {
            return Ok(false);
        }
        let paid = self.entries.iter().filter(|entry| entry.payer == *signer);
        match paid.count() < most {
            true => Ok(true),
            false => Err(Refusal::Campaign),
        }
    }

    /// What a milestone of a job is worth beside its price, if its result is submitted at a time.
    pub(crate) fn worth(&self, job: &Job, submitted_at: i64) -> Worth {
        let split = settle::split_price(job.price_atoms.get(), job.terms.fee_bps.get(), 0);
        let fee_atoms = split.map_or(0, |split| split.fee_atoms);
        let reward_atoms = reward::accrue(
            fee_atoms,
            job.reward_rate_e9.get(),
            job.reward_weight_bps.get(),
            u64::MAX,
            0,
            u64::MAX,
        );
        let campaign = self.known.get(&job.campaign).copied().flatten();
        let assurance = Assurance::from_code(job.assurance);
        let score_atoms = campaign.zip(assurance).map_or(0, |(campaign, assurance)| {
            let times = campaign.times();
            let settled_at = submitted_at.saturating_add(job.review_secs.get().into());
            if !times.counts(submitted_at, settled_at) {
                return 0;
            }
            let total = campaign.total_score.get();
            let score = campaign::score(fee_atoms, campaign.weight_bps(assurance), total);
            // A score is at most what the total still holds.
            campaign::amount(campaign.pot_atoms.get(), score, total.saturating_add(score))
        });
        Worth {
            reward_atoms,
            score_atoms,
        }
    }
}

/// What a milestone is worth to its provider beside the price; a job has one of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Worth {
    /// What accrues at most, in atoms of the reward mint: the epoch and the emission's purse may hold less.
    pub reward_atoms: u64,
    /// What its score is worth if nobody scores after it, in atoms of the job's mint.
    pub score_atoms: u64,
}
