//! Campaigns: each total is the sum of its milestones' scores and of its entries', no more was claimed than the pot holds (P18), and
//! what is left of it stands behind its sponsor's reservation (P2).

use {
    super::{
        Report,
        report::{Subject, of_mint},
        sums::{Reserved, add, sum},
    },
    crate::{
        error::Result,
        project::{
            Total, TotalKey, key,
            program::{Campaign, EntityKind, Entry},
        },
        store::{Projected, Projection, Snapshot},
    },
    futures::TryStreamExt,
    quern_api::{AuditCheck, Category, Key},
    std::collections::{BTreeMap, HashMap},
};

/// Entries read at a time.
const PAGE: u32 = 500;

/// Sums of a campaign's parts.
#[derive(Clone, Copy, Default)]
struct Parts {
    milestones: u128,
    entries: u128,
}

pub(super) async fn compare(
    snapshot: &mut Snapshot,
    report: &mut Report,
    totals: &BTreeMap<TotalKey, Total>,
    reserved: &mut Reserved,
) -> Result<()> {
    let mut parts = parts(snapshot).await?;
    let mut left = HashMap::<Key, u128>::new();
    let mut after: Option<Key> = None;
    loop {
        let kind = EntityKind::Campaign;
        let page = snapshot.accounts(kind, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.address);
        for entity in &page {
            let Some(campaign) = entity.row.read::<Campaign>() else {
                continue;
            };
            let found = parts.remove(&entity.address).unwrap_or_default();
            totals_of(report, entity.address, &campaign, found);
            if !entity.row.closed {
                let (pot, claimed) = (campaign.pot_atoms.get(), campaign.claimed_atoms.get());
                let rest = pot.saturating_sub(claimed);
                let mint = key(&campaign.mint);
                add(left.entry(mint).or_default(), rest);
                add(
                    reserved.entry((key(&campaign.sponsor), mint)).or_default(),
                    rest,
                );
            }
        }
    }
    for (address, found) in parts {
        let scored = found.milestones.max(found.entries);
        if scored > 0 {
            let subject = of_campaign(address);
            report.differs(subject, TOTAL, "no such campaign", &scored.to_string());
        }
    }
    pots(snapshot, report, totals, &left);
    Ok(())
}

const TOTAL: &str = "total_score and the scores of its milestones";

fn of_campaign(address: Key) -> Subject {
    Subject {
        check: AuditCheck::Campaigns,
        kind: EntityKind::Campaign,
        address,
    }
}

fn totals_of(report: &mut Report, address: Key, campaign: &Campaign, found: Parts) {
    let subject = of_campaign(address);
    let total = u128::from(campaign.total_score.get());
    report.equal(subject, TOTAL, total, found.milestones);
    let entries = "total_score and the scores of its entries";
    report.equal(subject, entries, total, found.entries);
    let (pot, claimed) = (campaign.pot_atoms.get(), campaign.claimed_atoms.get());
    let figure = "claimed_atoms within pot_atoms";
    report.equal(subject, figure, claimed.min(pot), claimed);
}

/// The scores of each campaign's milestones and of its entries, closed ones included. As many campaigns as there are rents paid.
async fn parts(snapshot: &mut Snapshot) -> Result<HashMap<Key, Parts>> {
    let mut parts = HashMap::<Key, Parts>::new();
    let mut rows = snapshot.queries().scan(Projection::Settlement);
    while let Some(row) = rows.try_next().await? {
        let Projected::Settlement(_, settlement) = row else {
            continue;
        };
        if let Some(campaign) = settlement.campaign.some() {
            let found = parts.entry(campaign).or_default();
            add(&mut found.milestones, settlement.score);
        }
    }
    drop(rows);
    let mut entries = snapshot.queries().values(EntityKind::Entry as u8);
    while let Some(bytes) = entries.try_next().await? {
        if let Some(entry) = crate::project::program::read::<Entry>(&bytes) {
            let found = parts.entry(key(&entry.campaign)).or_default();
            add(&mut found.entries, entry.score.get());
        }
    }
    Ok(parts)
}

/// Pots that were ever reserved are claimed, swept, or left in live campaigns.
fn pots(
    snapshot: &Snapshot,
    report: &mut Report,
    totals: &BTreeMap<TotalKey, Total>,
    left: &HashMap<Key, u128>,
) {
    for config in snapshot.mints() {
        let mint = key(&config.mint);
        let went = [Category::CampaignClaims, Category::CampaignsSwept];
        let went = went.map(|category| sum(totals, category, mint));
        let is_there = left.get(&mint).copied().unwrap_or(0);
        let found = went.into_iter().fold(is_there, u128::saturating_add);
        let subject = of_mint(AuditCheck::Campaigns, mint);
        let ever = sum(totals, Category::CampaignPots, mint);
        report.equal(subject, "pots and what became of them", ever, found);
    }
}
