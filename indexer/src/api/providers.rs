//! `/v1/providers/{address}`.

use {
    super::{
        ApiState, Problem,
        params::{Params, path_address},
        purses::PurseBody,
        reply::{Amount, Reply, assurance_name},
    },
    crate::{
        key::{EventId, Key, Signature},
        project::{
            Metric, Settlement, key,
            program::{Provider, padded_text},
        },
        store::{Mint, ProviderView, Score},
    },
    axum::{
        Json,
        extract::{Path, State, rejection::PathRejection},
        http::Uri,
    },
    serde::Serialize,
    std::collections::BTreeMap,
};

#[derive(Serialize)]
pub(super) struct ProviderBody {
    /// The wallet that owns it.
    owner: Key,
    /// Its account.
    account: Key,
    operator: Option<Key>,
    name: String,
    endpoint: Option<String>,
    active: bool,
    /// Its counters on the chain.
    counters: Counters,
    /// What it did and earned over all time, one item an assurance level.
    totals: Vec<LevelTotals>,
    purses: Vec<PurseBody>,
    /// Its latest settled milestones.
    recent_milestones: Vec<MilestoneBody>,
    seq: String,
    changed_slot: u64,
}

#[derive(Serialize)]
struct Counters {
    taken: String,
    settled: String,
    late: String,
    convicted: String,
    refereed_macs: String,
    reviewed_macs: String,
    rewards_accrued_atoms: String,
    rewards_claimed_atoms: String,
    rewards_claimable_atoms: String,
}

#[derive(Serialize)]
struct LevelTotals {
    assurance: &'static str,
    milestones: String,
    macs: String,
    earned: Vec<Amount>,
    rewards: Vec<Amount>,
}

#[derive(Serialize)]
struct MilestoneBody {
    signature: Signature,
    slot: u64,
    at: i64,
    job: Key,
    milestone: u8,
    client: Key,
    model: Option<Key>,
    assurance: &'static str,
    macs: String,
    price: Amount,
    earned: Amount,
    /// In atoms of the reward mint.
    reward_atoms: String,
}

/// A provider by its owner or its account.
pub(super) async fn provider(
    State(api): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Reply<ProviderBody>>, Problem> {
    Params::read(&uri, &[])?;
    let address = path_address(path)?;
    let snapshot = api.store.provider(&address).await?;
    let body = snapshot
        .value
        .as_ref()
        .and_then(|view| body(view, &snapshot.mints))
        .ok_or_else(|| {
            Problem::not_found(format!(
                "no finalized provider has {address} as its owner or its account"
            ))
        })?;
    Ok(api.reply(&snapshot, body))
}

fn body(view: &ProviderView, mints: &[Mint]) -> Option<ProviderBody> {
    let row = &view.account.row;
    let provider = row.read::<Provider>()?;
    let (accrued, claimed) = (
        provider.rewards_accrued_atoms.get(),
        provider.rewards_claimed_atoms.get(),
    );
    Some(ProviderBody {
        owner: key(&provider.owner),
        account: view.account.address,
        operator: key(&provider.operator).some(),
        name: padded_text(&provider.name),
        endpoint: row.text.as_ref().map(|(_, text)| text.clone()),
        active: provider.active.get(),
        counters: Counters {
            taken: provider.taken.get().to_string(),
            settled: provider.settled.get().to_string(),
            late: provider.late.get().to_string(),
            convicted: provider.convicted.get().to_string(),
            refereed_macs: provider.refereed_macs.get().to_string(),
            reviewed_macs: provider.reviewed_macs.get().to_string(),
            rewards_accrued_atoms: accrued.to_string(),
            rewards_claimed_atoms: claimed.to_string(),
            rewards_claimable_atoms: accrued.saturating_sub(claimed).to_string(),
        },
        totals: level_totals(&view.scores, mints),
        purses: view
            .purses
            .iter()
            .filter_map(|purse| PurseBody::of(purse, mints))
            .collect(),
        recent_milestones: view
            .milestones
            .iter()
            .map(|(id, settled)| milestone(id, settled, mints))
            .collect(),
        seq: row.seq.to_string(),
        changed_slot: row.slot,
    })
}

fn level_totals(scores: &[Score], mints: &[Mint]) -> Vec<LevelTotals> {
    let mut levels: BTreeMap<u8, LevelTotals> = BTreeMap::new();
    for score in scores {
        let level = levels
            .entry(score.assurance)
            .or_insert_with(|| LevelTotals {
                assurance: assurance_name(score.assurance),
                milestones: "0".to_owned(),
                macs: "0".to_owned(),
                earned: Vec::new(),
                rewards: Vec::new(),
            });
        match score.metric {
            Metric::Milestones => level.milestones = score.value.to_string(),
            Metric::Macs => level.macs = score.value.to_string(),
            Metric::Earned => level
                .earned
                .push(Amount::new(score.value, score.mint, mints)),
            Metric::Rewards => level
                .rewards
                .push(Amount::new(score.value, score.mint, mints)),
        }
    }
    levels.into_values().collect()
}

fn milestone(id: &EventId, settled: &Settlement, mints: &[Mint]) -> MilestoneBody {
    MilestoneBody {
        signature: id.signature,
        slot: settled.slot,
        at: settled.at,
        job: settled.job,
        milestone: settled.milestone,
        client: settled.client,
        model: settled.model.some(),
        assurance: assurance_name(settled.assurance),
        macs: settled.macs.to_string(),
        price: Amount::new(settled.price_atoms, settled.mint, mints),
        earned: Amount::new(settled.provider_atoms, settled.mint, mints),
        reward_atoms: settled.reward_atoms.to_string(),
    }
}
