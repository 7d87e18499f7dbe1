//! What a provider may expect: why it got no work lately, and what waits for it.

use {
    super::{EntryRecord, amount, campaign_item, entry_item, words},
    crate::{
        project::{
            key,
            program::{Job, JobState, MintConfig, Provider, Purse},
        },
        store::Entity,
    },
    quern_api::{CampaignState, Key, WaitingItem, WorkMarket, WorkPage, WorkReason},
    quern_rules::settle,
};

/// Everything that the answer is made from.
pub struct WorkRecord<'a> {
    /// The provider's owner.
    pub owner: Key,
    /// The provider's account.
    pub account: &'a Entity,
    /// Its owner's purses.
    pub purses: &'a [Entity],
    /// The jobs that changed last.
    pub market: &'a [Entity],
    /// The jobs that it took last.
    pub taken: &'a [Entity],
    /// Campaigns in which it has a score, each with its entry.
    pub entries: &'a [(Entity, Entity)],
    /// Whether there may be more of these.
    pub is_cut: bool,
    /// The store's time.
    pub now: i64,
    /// The mint of rewards, if they are configured.
    pub reward_mint: Option<Key>,
}

/// The answer.
pub fn work(record: &WorkRecord<'_>, mints: &[MintConfig]) -> Option<WorkPage> {
    let provider = record.account.row.read::<Provider>()?;
    let market = market(record, mints);
    Some(WorkPage {
        owner: record.owner,
        reasons: reasons(record, &provider, &market),
        waiting: waiting(record, &provider, mints),
        campaigns_cut: record.is_cut,
        market,
    })
}

fn jobs(entities: &[Entity]) -> impl Iterator<Item = (&Entity, Job)> {
    entities
        .iter()
        .filter_map(|entity| Some((entity, entity.row.read::<Job>()?)))
}

fn purses<'a>(record: &'a WorkRecord<'_>) -> impl Iterator<Item = Purse> + 'a {
    let purses = record.purses.iter();
    purses.filter_map(|entity| entity.row.read::<Purse>())
}

/// What the owner has free in the mint of a job.
fn free_atoms(record: &WorkRecord<'_>, job: &Job) -> u64 {
    let purse = purses(record).find(|purse| purse.mint == job.mint);
    purse.map_or(0, |purse| purse.free_atoms.get())
}

fn market(record: &WorkRecord<'_>, mints: &[MintConfig]) -> WorkMarket {
    let mut market = WorkMarket::default();
    let mut bonds = Vec::new();
    for (entity, job) in jobs(record.market) {
        market.jobs += 1;
        bonds.push((key(&job.mint), job.bond_atoms.get(), job.price_atoms.get()));
        let is_open = !entity.row.closed && job.is_in(JobState::Open);
        if is_open {
            market.open += 1;
            let pinned = key(&job.pinned_provider).some();
            if pinned.is_some_and(|pinned| pinned != record.owner) {
                market.pinned_to_others += 1;
            } else if job.bond_atoms.get() > free_atoms(record, &job) {
                market.bond_too_high += 1;
            }
            continue;
        }
        match key(&job.provider).some() {
            Some(provider) if provider == record.owner => market.taken_here += 1,
            Some(_) => market.taken_by_others += 1,
            None => {}
        }
    }
    if let Some(mint) = commonest(&bonds) {
        bonds.retain(|(found, ..)| *found == mint);
        let middle = |values: Vec<u64>| median(values).map(|atoms| amount(atoms, mint, mints));
        market.median_bond = middle(bonds.iter().map(|(_, bond, _)| *bond).collect());
        market.median_price = middle(bonds.iter().map(|(.., price)| *price).collect());
    }
    market
}

/// The mint that most have; of equals the first address.
fn commonest(bonds: &[(Key, u64, u64)]) -> Option<Key> {
    let count = |mint: &Key| bonds.iter().filter(|(found, ..)| found == mint).count();
    let mints = bonds.iter().map(|(mint, ..)| mint);
    let best = mints.max_by_key(|mint| (count(mint), std::cmp::Reverse(**mint)))?;
    Some(*best)
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    let middle = values.len().checked_sub(1)? / 2;
    values.get(middle).copied()
}

fn reasons(record: &WorkRecord<'_>, provider: &Provider, market: &WorkMarket) -> Vec<WorkReason> {
    let mut reasons = Vec::new();
    let mut add = |reason: &str, detail: String| {
        reasons.push(WorkReason {
            reason: reason.to_owned(),
            detail,
        });
    };
    if !provider.active.get() {
        let detail = "The provider is not active, so it may take no job: activate it.";
        add("inactive", detail.to_owned());
    }
    let takeable = market.open.saturating_sub(market.pinned_to_others);
    if market.bond_too_high > 0 {
        let high = market.bond_too_high;
        let free: Vec<String> = purses(record)
            .map(|purse| {
                format!(
                    "{} free atoms of {}",
                    purse.free_atoms.get(),
                    key(&purse.mint)
                )
            })
            .collect();
        let free = match free.as_slice() {
            [] => "nothing".to_owned(),
            free => free.join(", "),
        };
        let detail = format!(
            "{high} of the {takeable} open jobs that it may take ask for a larger bond than its owner can put up ({free}): deposit more."
        );
        add("no_bond", detail);
    }
    let full = purses(record).find(|purse| {
        let used = purse.operator_reserved_atoms.get();
        let used = used.saturating_add(purse.operator_lost_atoms.get());
        let limit = purse.operator_limit_atoms.get();
        limit > 0 && used >= limit
    });
    if let Some(purse) = full {
        let mint = key(&purse.mint);
        let detail = format!(
            "The operator has used up its limit in {mint}: raise it, or wait until bonds are released."
        );
        add("operator_limit", detail);
    }
    if market.pinned_to_others > 0 && takeable == 0 {
        let pinned = market.pinned_to_others;
        let detail = format!("All {pinned} open jobs name another provider.");
        add("pinned", detail);
    }
    if market.open == 0 && market.taken_by_others > 0 {
        let others = market.taken_by_others;
        let detail = format!(
            "Of the {} jobs that changed last, others took {others}, and none waits for a provider now: take faster, or offer for less.",
            market.jobs
        );
        add("others", detail);
    }
    if market.jobs == 0 {
        let detail = "No job is known yet.";
        add("no_jobs", detail.to_owned());
    }
    reasons
}

fn waiting(record: &WorkRecord<'_>, provider: &Provider, mints: &[MintConfig]) -> Vec<WaitingItem> {
    let accrued = provider.rewards_accrued_atoms.get();
    let claimable = accrued.saturating_sub(provider.rewards_claimed_atoms.get());
    let reward = record.reward_mint.filter(|_| claimable > 0);
    let reward = reward.map(|mint| WaitingItem {
        kind: "reward".to_owned(),
        amount: amount(claimable, mint, mints),
        job: None,
        campaign: None,
        from: None,
        until: None,
    });
    let milestones = jobs(record.taken)
        .filter(|(entity, job)| {
            !entity.row.closed
                && job.is_in(JobState::Submitted)
                && key(&job.provider) == record.owner
                && words::assurance(job.assurance).is_some()
        })
        .map(|(entity, job)| {
            let until = job.deadline.get();
            let is_over = until < record.now && job.open_demands.get() == 0;
            WaitingItem {
                kind: if is_over { "milestone" } else { "review" }.to_owned(),
                amount: amount(part_of(&job), key(&job.mint), mints),
                job: Some(entity.address),
                campaign: None,
                from: until.checked_add(1),
                until: None,
            }
        });
    let scores = scores(record, mints);
    reward.into_iter().chain(scores).chain(milestones).collect()
}

/// What the provider gets of a milestone's price.
fn part_of(job: &Job) -> u64 {
    let (fee_bps, royalty_bps) = (job.terms.fee_bps.get(), job.royalty_bps.get());
    let parts = settle::split_price(job.price_atoms.get(), fee_bps, royalty_bps);
    parts.map_or(0, |parts| parts.provider_atoms)
}

/// Scores that may be claimed now, or later if nothing more happens.
fn scores(record: &WorkRecord<'_>, mints: &[MintConfig]) -> Vec<WaitingItem> {
    let scores = record.entries.iter().filter_map(|(campaign, entry)| {
        let terms = campaign_item(campaign, record.now, mints)?;
        let entry = EntryRecord {
            campaign,
            entry,
            claimed_atoms: None,
            now: record.now,
            treasury: Key::NONE,
        };
        let item = entry_item(&entry, mints)?;
        let is_over = matches!(terms.state, CampaignState::Ended | CampaignState::Closed);
        let waits = !item.closed && !is_over && item.worth.atoms > 0;
        waits.then(|| WaitingItem {
            kind: "campaign".to_owned(),
            amount: item.worth,
            job: None,
            campaign: Some(terms.address),
            from: terms.settle_by.checked_add(1),
            until: Some(terms.claim_by),
        })
    });
    scores.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_the_provider_s_part() {
        let mut job: Job = bytemuck::Zeroable::zeroed();
        job.price_atoms = 100_003.into();
        assert_eq!(part_of(&job), 100_003);
        (job.terms.fee_bps, job.royalty_bps) = (300.into(), 500.into());
        assert_eq!(part_of(&job), 92_003);
    }

    #[test]
    fn the_middle_and_the_commonest_are_found() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![5]), Some(5));
        assert_eq!(median(vec![9, 1, 5, u64::MAX]), Some(5));
        let of = |mint: u8| (Key([mint; 32]), 0, 0);
        assert_eq!(commonest(&[]), None);
        assert_eq!(commonest(&[of(2), of(1), of(2)]), Some(Key([2; 32])));
        assert_eq!(commonest(&[of(2), of(1)]), Some(Key([1; 32])));
    }
}
