//! A provider's page.

use {
    super::{amount, purse, words},
    crate::{
        project::{
            EventId, Settlement, key,
            program::{MintConfig, Provider, padded_text},
        },
        store::{ProviderRecord, Score},
    },
    quern_api::{Amount, LevelTotals, Metric, PaidMilestone, ProviderCounters, ProviderPage},
    std::collections::BTreeMap,
};

/// Everything about a provider.
pub fn provider(record: &ProviderRecord, mints: &[MintConfig]) -> Option<ProviderPage> {
    let row = &record.account.row;
    let provider = row.read::<Provider>()?;
    Some(ProviderPage {
        owner: key(&provider.owner),
        account: record.account.address,
        operator: key(&provider.operator).some(),
        name: padded_text(&provider.name),
        endpoint: row.text.as_ref().map(|(_, text)| text.clone()),
        active: provider.active.get(),
        counters: counters(&provider),
        totals: level_totals(&record.scores, mints),
        claims: claims(&record.scores, mints),
        purses: record
            .purses
            .iter()
            .filter_map(|entity| purse(entity, mints))
            .collect(),
        recent_milestones: record
            .milestones
            .iter()
            .filter_map(|(id, settled)| milestone(id, settled, mints))
            .collect(),
        seq: row.seq,
        changed_slot: row.slot,
    })
}

fn counters(provider: &Provider) -> ProviderCounters {
    let (accrued, claimed) = (
        provider.rewards_accrued_atoms.get(),
        provider.rewards_claimed_atoms.get(),
    );
    ProviderCounters {
        taken: provider.taken.get(),
        settled: provider.settled.get(),
        late: provider.late.get(),
        convicted: provider.convicted.get(),
        refereed_work: provider.refereed_work.get(),
        reviewed_work: provider.reviewed_work.get(),
        rewards_accrued_atoms: accrued,
        rewards_claimed_atoms: claimed,
        rewards_claimable_atoms: accrued.saturating_sub(claimed),
    }
}

fn level_totals(scores: &[Score], mints: &[MintConfig]) -> Vec<LevelTotals> {
    let mut levels: BTreeMap<u8, LevelTotals> = BTreeMap::new();
    for score in scores {
        let Some(assurance) = words::assurance(score.assurance) else {
            continue;
        };
        let level = levels
            .entry(score.assurance)
            .or_insert_with(|| LevelTotals {
                assurance,
                milestones: 0,
                work: 0,
                earned: Vec::new(),
                rewards: Vec::new(),
            });
        let value = amount(score.value, score.mint, mints);
        match score.measure.metric {
            Metric::Milestones => level.milestones = score.value,
            Metric::Work => level.work = score.value,
            Metric::Earned => level.earned.push(value),
            Metric::Rewards => level.rewards.push(value),
            // Those are of models and clients.
            Metric::Royalties | Metric::Spend | Metric::Fees => {}
            // Those have no assurance level.
            Metric::Claims | Metric::Escrowed | Metric::Refunds | Metric::Jobs | Metric::Ended => {}
        }
    }
    levels.into_values().collect()
}

/// What was claimed from campaigns: it has no assurance level and is never added to what was earned.
fn claims(scores: &[Score], mints: &[MintConfig]) -> Vec<Amount> {
    let claims = scores
        .iter()
        .filter(|score| score.measure.metric == Metric::Claims);
    claims
        .map(|score| amount(score.value, score.mint, mints))
        .collect()
}

fn milestone(id: &EventId, settled: &Settlement, mints: &[MintConfig]) -> Option<PaidMilestone> {
    Some(PaidMilestone {
        signature: id.signature,
        slot: settled.slot,
        at: settled.at,
        job: settled.job,
        milestone: settled.milestone,
        client: settled.client,
        model: settled.model.some(),
        assurance: words::assurance(settled.assurance)?,
        work: settled.work,
        price: amount(settled.price_atoms, settled.mint, mints),
        earned: amount(settled.provider_atoms, settled.mint, mints),
        reward_atoms: settled.reward_atoms,
    })
}
