//! Accounts in lists, models and clients.

use {
    super::{amount, purse, words},
    crate::{
        project::{
            key,
            program::{AssetKind, MintConfig, Model, Provider, padded_text},
        },
        store::{Entity, Score},
    },
    quern_api::{
        Assurance, ClientPage, ClientTotals, Key, Metric, MintItem, ModelItem, ModelPage,
        ModelTotals, ProviderItem,
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

/// A client, from its purses and numbers.
pub fn client(
    client: Key,
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
