//! Milestones and entries: every settled milestone of a job that names the campaign, provider by provider, each judged again; what
//! each provider scored and gets.

use {
    super::{
        counted::{Counted, PAGE},
        difference::{Difference, Found, place},
        output::{EntryRow, MilestoneRow, Output, Summary},
    },
    crate::{
        error::Result,
        project::{
            self, Event, key,
            program::{Campaign, EntityKind, Entry, MilestoneSettled, QuernEvent},
        },
        store::{Entity, Milestone, MilestonesQuery, Recorded, Snapshot},
        view::words,
    },
    quern_api::Key,
};

pub(super) async fn count(
    snapshot: &mut Snapshot,
    counted: &Counted,
    summary: &mut Summary,
    found: &mut Found,
    out: &mut dyn Output,
) -> Result<()> {
    let mut sum = 0_u128;
    let mut provider: Option<Key> = None;
    loop {
        let queries = snapshot.queries();
        let next = queries.next_provider_of(&counted.address, provider.as_ref());
        let Some(owner) = next.await? else { break };
        provider = Some(owner);
        let (milestones, score) = milestones(snapshot, counted, owner, found, out).await?;
        sum = sum.saturating_add(u128::from(score));
        let address = counted.entry(&owner);
        let entity = snapshot.account(EntityKind::Entry, &address).await?;
        let row = entry(
            snapshot,
            counted,
            (owner, entity.as_ref()),
            (milestones, score),
        )
        .await?;
        let kept = entity
            .as_ref()
            .and_then(|entity| entity.row.read::<Entry>());
        let kept = kept.map_or(0, |entry| entry.score.get());
        if kept != score {
            found.differs(|| Difference {
                provider: Some(owner),
                ..Difference::of_campaign("the score of the entry", score, kept)
            });
        }
        summary.add(&row);
        out.entry(&row)?;
    }
    without_milestones(snapshot, counted, summary, found, out).await?;
    let total = counted.campaign.total_score.get();
    if sum != u128::from(total) {
        let figure = "total_score and the sum of all entries";
        found.differs(|| Difference::of_campaign(figure, sum, total));
    }
    Ok(())
}

/// A provider's milestones: how many there are, and their score.
async fn milestones(
    snapshot: &mut Snapshot,
    counted: &Counted,
    provider: Key,
    found: &mut Found,
    out: &mut dyn Output,
) -> Result<(u64, u64)> {
    let mut query = MilestonesQuery {
        campaign: counted.address,
        provider,
        after: None,
        limit: PAGE,
    };
    let (mut count, mut sum) = (0, 0_u64);
    loop {
        let page = snapshot.queries().milestones_of(&query).await?;
        let Some(last) = page.last() else {
            return Ok((count, sum));
        };
        query.after = Some((last.settlement.slot, last.id));
        for milestone in &page {
            count += 1;
            if let Some(row) = judged(counted, milestone, found) {
                sum = sum.saturating_add(row.score);
                out.milestone(&row)?;
            }
        }
    }
}

/// A milestone, judged again; none if its event is not there.
fn judged(counted: &Counted, milestone: &Milestone, found: &mut Found) -> Option<MilestoneRow> {
    let settlement = &milestone.settlement;
    let (event, settled) = match recorded(&milestone.recorded) {
        Ok(recorded) => recorded,
        Err(what) => {
            found.differs(|| Difference {
                job: Some(settlement.job),
                milestone: Some(settlement.milestone),
                provider: Some(settlement.provider),
                place: Some(place(&milestone.id, settlement.slot)),
                ..Difference::of_campaign("the event", "an event of this version", what)
            });
            return None;
        }
    };
    let mut differs = |figure: &str, expected: String, other: String| {
        found.differs(|| Difference::of_event(event, figure, expected, other));
    };
    if let Some(figure) = misfit(&counted.campaign, settled) {
        let expected = "what the campaign takes".to_owned();
        differs(figure, expected, "another one".to_owned());
    }
    let of_campaign = (&counted.address, &counted.campaign);
    let judged = project::judge_event(of_campaign, &event.body, settled);
    let changes_it = project::total_before(&event.body, &counted.address).is_some();
    if judged.score != settled.score {
        differs(
            "the score",
            judged.score.to_string(),
            settled.score.to_string(),
        );
    } else if judged.score > 0 && !changes_it {
        let expected = format!("campaign {}", counted.address);
        differs(
            "the campaign that its transaction changes",
            expected,
            "another one".to_owned(),
        );
    }
    if settlement.score != settled.score {
        let (expected, kept) = (settled.score.to_string(), settlement.score.to_string());
        differs("the score in the tables", expected, kept);
    }
    Some(MilestoneRow {
        slot: event.slot,
        signature: event.id.signature,
        provider: settlement.provider,
        job: settlement.job,
        milestone: settlement.milestone,
        assurance: words::assurance(settled.assurance)?,
        submitted_at: settled.submitted_at,
        settled_at: settled.at,
        fee_atoms: settled.fee_atoms,
        weight_bps: judged.weight_bps,
        score: judged.score,
        reason: judged.reason,
    })
}

fn recorded(recorded: &Recorded) -> std::result::Result<(&Event, &MilestoneSettled), &'static str> {
    match recorded {
        Recorded::Event(event) => match &event.body {
            QuernEvent::MilestoneSettled(settled) => Ok((event, settled)),
            _ => Err("another event"),
        },
        Recorded::Undecodable => Err("bytes that are none"),
        Recorded::Missing => Err("none"),
    }
}

/// What of a milestone the campaign does not take: the program compares it when the job is created.
fn misfit(campaign: &Campaign, settled: &MilestoneSettled) -> Option<&'static str> {
    let model = key(&campaign.model).some();
    if settled.mint != campaign.mint {
        Some("the mint")
    } else if !campaign.takes_kind(settled.kind()) {
        Some("the kind of work")
    } else if model.is_some_and(|model| model != key(&settled.model)) {
        Some("the model")
    } else {
        None
    }
}

/// What a provider scored and gets.
async fn entry(
    snapshot: &mut Snapshot,
    counted: &Counted,
    (provider, entity): (Key, Option<&Entity>),
    (milestones, score): (u64, u64),
) -> Result<EntryRow> {
    let claimed_atoms = match entity {
        Some(entity) => snapshot.claim_of(entity).await?,
        None => None,
    };
    Ok(EntryRow {
        provider,
        milestones,
        score,
        amount_atoms: project::worth(&counted.campaign, score),
        claimed_atoms,
        is_treasury: provider == counted.treasury,
    })
}

/// Entries of providers whose milestones never settled: they have no score.
async fn without_milestones(
    snapshot: &mut Snapshot,
    counted: &Counted,
    summary: &mut Summary,
    found: &mut Found,
    out: &mut dyn Output,
) -> Result<()> {
    let mut after: Option<Key> = None;
    loop {
        let page = snapshot
            .owned(EntityKind::Entry, &counted.address, after.as_ref(), PAGE)
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.address);
        for entity in &page {
            let Some(kept) = entity.row.read::<Entry>() else {
                continue;
            };
            let provider = key(&kept.provider);
            let query = MilestonesQuery {
                campaign: counted.address,
                provider,
                after: None,
                limit: 1,
            };
            if !snapshot.queries().milestones_of(&query).await?.is_empty() {
                continue;
            }
            let score = kept.score.get();
            if score != 0 {
                found.differs(|| Difference {
                    provider: Some(provider),
                    ..Difference::of_campaign("the score of the entry", 0, score)
                });
            }
            let row = entry(snapshot, counted, (provider, Some(entity)), (0, 0)).await?;
            summary.add(&row);
            out.entry(&row)?;
        }
    }
}
