//! Accounts in lists, models and clients.

use {
    super::{amount, purse, words},
    crate::{
        project::{
            key,
            program::{AssetKind, Job, JobState, MintConfig, Model, Provider, padded_text},
        },
        store::{Entity, Score},
    },
    quern_api::{
        Amount, Assurance, ClientItem, ClientJobs, ClientPage, ClientTotals, Key, Metric, MintItem,
        ModelItem, ModelPage, ModelTotals, ProviderItem,
    },
    std::collections::BTreeMap,
};

/// A provider in a list.
pub fn provider_item(entity: &Entity) -> Option<ProviderItem> {
    let row = &entity.row;
    let provider = row.read::<Provider>()?;
    let [settled, late, convicted] =
        [provider.settled, provider.late, provider.convicted].map(|count| count.get());
    Some(ProviderItem {
        owner: key(&provider.owner),
        account: entity.address,
        name: padded_text(&provider.name),
        endpoint: row.text.as_ref().map(|(_, text)| text.clone()),
        active: provider.active.get(),
        taken: provider.taken.get(),
        settled,
        late,
        convicted,
        success_bps: success_bps(settled, late, convicted),
        changed_slot: row.slot,
    })
}

/// Settled milestones in basis points of all that ended.
fn success_bps(settled: u64, late: u64, convicted: u64) -> Option<u16> {
    let all = [settled, late, convicted].map(u128::from).iter().sum();
    let bps = (u128::from(settled) * 10_000).checked_div(all)?;
    u16::try_from(bps).ok()
}

/// A model in a list.
pub fn model_item(entity: &Entity) -> Option<ModelItem> {
    let row = &entity.row;
    let model = row.read::<Model>()?;
    Some(ModelItem {
        address: entity.address,
        name: padded_text(&model.name),
        kind: AssetKind::from_code(model.kind)?.name().parse().ok()?,
        creator: key(&model.creator),
        owner: key(&model.owner),
        royalty_bps: model.royalty_bps.get(),
        sealed: model.sealed.get(),
        active: model.active.get(),
        work: model.work.get(),
        graph_bytes: model.graph_bytes.get(),
        uri: row.text.as_ref().map(|(_, text)| text.clone()),
        changed_slot: row.slot,
    })
}

/// A model with what it did.
pub fn model(entity: &Entity, scores: &[Score], mints: &[MintConfig]) -> Option<ModelPage> {
    let mut levels: BTreeMap<u8, ModelTotals> = BTreeMap::new();
    for (assurance, score) in at_levels(scores) {
        let level = levels
            .entry(score.assurance)
            .or_insert_with(|| ModelTotals {
                assurance,
                milestones: 0,
                work: 0,
                royalties: Vec::new(),
            });
        match score.measure.metric {
            Metric::Milestones => level.milestones = score.value,
            Metric::Work => level.work = score.value,
            Metric::Royalties => level.royalties.push(amount(score.value, score.mint, mints)),
            _ => {}
        }
    }
    Some(ModelPage {
        model: model_item(entity)?,
        totals: levels.into_values().collect(),
    })
}

/// Jobs that a client created and that have not ended.
pub fn live_jobs(scores: &[Score]) -> u128 {
    let count = |metric| number(scores, metric);
    count(Metric::Jobs).saturating_sub(count(Metric::Ended))
}

fn number(scores: &[Score], metric: Metric) -> u128 {
    let scores = scores.iter();
    let of_metric = scores.filter(|score| score.measure.metric == metric);
    of_metric.fold(0, |sum, score| sum.saturating_add(score.value))
}

/// A client in a list, from its numbers and its latest jobs; none if it never created one.
pub fn client_item(
    client: Key,
    scores: &[Score],
    jobs: &[Entity],
    mints: &[MintConfig],
) -> Option<ClientItem> {
    let created = number(scores, Metric::Jobs);
    let amounts = |metric| {
        let mut atoms: BTreeMap<Key, u128> = BTreeMap::new();
        let scores = scores.iter();
        for score in scores.filter(|score| score.measure.metric == metric) {
            let sum = atoms.entry(score.mint).or_default();
            *sum = sum.saturating_add(score.value);
        }
        atoms
    };
    let [escrowed, paid, refunded] =
        [Metric::Escrowed, Metric::Spend, Metric::Refunds].map(amounts);
    let locked = escrowed.iter().map(|(mint, ever)| {
        let went = [&paid, &refunded].map(|atoms| atoms.get(mint).copied().unwrap_or(0));
        (*mint, went.into_iter().fold(*ever, u128::saturating_sub))
    });
    let locked: BTreeMap<Key, u128> = locked.filter(|(_, atoms)| *atoms > 0).collect();
    let shown = |atoms: BTreeMap<Key, u128>| -> Vec<Amount> {
        let amounts = atoms.into_iter();
        amounts
            .map(|(mint, atoms)| amount(atoms, mint, mints))
            .collect()
    };
    (created > 0).then(|| ClientItem {
        client,
        jobs: client_jobs(scores, jobs),
        escrowed: shown(escrowed),
        paid: shown(paid),
        refunded: shown(refunded),
        locked: shown(locked),
    })
}

/// Who has a purse and created no job.
pub fn no_client(client: Key) -> ClientItem {
    ClientItem {
        client,
        jobs: ClientJobs::default(),
        escrowed: Vec::new(),
        paid: Vec::new(),
        refunded: Vec::new(),
        locked: Vec::new(),
    }
}

fn client_jobs(scores: &[Score], jobs: &[Entity]) -> ClientJobs {
    let mut counted = ClientJobs {
        created: number(scores, Metric::Jobs),
        ended: number(scores, Metric::Ended),
        ..ClientJobs::default()
    };
    let mut found = 0_u128;
    let jobs = jobs.iter().filter(|entity| !entity.row.closed);
    for job in jobs.filter_map(|entity| entity.row.read::<Job>()) {
        let Some(state) = JobState::from_code(job.state) else {
            continue;
        };
        let count = match state {
            JobState::Open => &mut counted.open,
            JobState::Taken => &mut counted.taken,
            JobState::Submitted => &mut counted.submitted,
            JobState::Rejected => &mut counted.rejected,
            JobState::Convicted => &mut counted.convicted,
        };
        *count = count.saturating_add(1);
        found += 1;
    }
    counted.older = live_jobs(scores).saturating_sub(found);
    counted
}

/// A client, from its purses and numbers.
pub fn client(
    client: ClientItem,
    purses: &[Entity],
    scores: &[Score],
    mints: &[MintConfig],
) -> ClientPage {
    let mut levels: BTreeMap<u8, ClientTotals> = BTreeMap::new();
    for (assurance, score) in at_levels(scores) {
        let level = levels
            .entry(score.assurance)
            .or_insert_with(|| ClientTotals {
                assurance,
                milestones: 0,
                spend: Vec::new(),
                fees: Vec::new(),
            });
        let value = amount(score.value, score.mint, mints);
        match score.measure.metric {
            Metric::Milestones => level.milestones = score.value,
            Metric::Spend => level.spend.push(value),
            Metric::Fees => level.fees.push(value),
            _ => {}
        }
    }
    ClientPage {
        client,
        totals: levels.into_values().collect(),
        purses: purses
            .iter()
            .filter_map(|entity| purse(entity, mints))
            .collect(),
    }
}

fn at_levels(scores: &[Score]) -> impl Iterator<Item = (Assurance, &Score)> {
    let scores = scores.iter();
    scores.filter_map(|score| Some((words::assurance(score.assurance)?, score)))
}

/// A mint and its prices.
pub fn mint_item(config: &MintConfig) -> MintItem {
    MintItem {
        mint: key(&config.mint),
        decimals: config.decimals,
        enabled: config.enabled.get(),
        vault: key(&config.vault),
        total_atoms: config.total_atoms.get(),
        reward_rate_e9: config.reward_rate_e9.get(),
        least_price_atoms: config.least_price_atoms.get(),
        price_per_gwork_atoms: config.price_per_gwork_atoms.get(),
        bond_per_gwork_atoms: config.bond_per_gwork_atoms.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_a_share_of_what_ended_and_never_overflows() {
        assert_eq!(success_bps(0, 0, 0), None);
        assert_eq!(success_bps(3, 1, 0), Some(7_500));
        assert_eq!(success_bps(u64::MAX, 0, 0), Some(10_000));
        assert_eq!(success_bps(u64::MAX, u64::MAX, u64::MAX), Some(3_333));
        assert_eq!(success_bps(0, 0, 1), Some(0));
    }
}
