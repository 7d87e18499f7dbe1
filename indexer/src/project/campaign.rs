//! What a settled milestone scores in a campaign, computed again from what its event says and not from the score that it says.

use {
    super::{
        entity::changed_campaign,
        key,
        program::{Assurance, Campaign, MilestoneSettled, QuernEvent},
    },
    quern_api::{Key, ScoreReason},
    quern_rules::campaign,
};

/// What a milestone scores, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its share of the fee, in basis points.
    pub weight_bps: u16,
    /// Its score.
    pub score: u64,
    /// Why it is that.
    pub reason: ScoreReason,
}

/// Judges a milestone by the campaign's terms and the total of all scores before it.
pub fn judge(campaign: &Campaign, settled: &MilestoneSettled, total_before: u64) -> Judged {
    let assurance = Assurance::from_code(settled.assurance);
    let weight_bps = assurance.map_or(0, |level| campaign.weight_bps(level));
    let times = campaign.times();
    let judged = |score, reason| Judged {
        weight_bps,
        score,
        reason,
    };
    if settled.submitted_at < times.start {
        return judged(0, ScoreReason::BeforeStart);
    }
    if settled.submitted_at >= times.end {
        return judged(0, ScoreReason::AfterEnd);
    }
    if !times.counts(settled.submitted_at, settled.at) {
        return judged(0, ScoreReason::SettledLate);
    }
    let score = campaign::score(settled.fee_atoms, weight_bps, total_before);
    let whole = campaign::score(settled.fee_atoms, weight_bps, 0);
    match whole {
        0 => judged(0, ScoreReason::NoWeight),
        _ if score < whole => judged(score, ScoreReason::TotalFull),
        _ => judged(score, ScoreReason::Scored),
    }
}

/// Judges a milestone whose job names the campaign, as its event tells it. An event that changes nothing of the campaign scored
/// nothing: because of the terms, or because the total was full.
pub fn judge_event(
    (address, campaign): (&Key, &Campaign),
    event: &QuernEvent,
    settled: &MilestoneSettled,
) -> Judged {
    let before = total_before(event, address);
    let judged = judge(campaign, settled, before.unwrap_or(0));
    let is_full = campaign.total_score.get() == u64::MAX;
    match before {
        None if judged.score > 0 && is_full => Judged {
            score: 0,
            reason: ScoreReason::TotalFull,
            ..judged
        },
        _ => judged,
    }
}

/// What a score of a campaign is worth, by its total as it is now.
pub fn worth(campaign: &Campaign, score: u64) -> u64 {
    let total = campaign.total_score.get();
    campaign::amount(campaign.pot_atoms.get(), score.min(total), total)
}

/// What a claim paid; none if the campaign was gone and it only closed the entry.
pub fn claimed_atoms(event: &QuernEvent) -> Option<u64> {
    match event {
        QuernEvent::CampaignClaimed(claimed) => {
            changed_campaign(event).map(|_| claimed.amount_atoms)
        }
        _ => None,
    }
}

/// The campaign's total before an event, as the event's own values tell it; none if it changed another campaign or none.
pub fn total_before(event: &QuernEvent, campaign: &Key) -> Option<u64> {
    let QuernEvent::MilestoneSettled(settled) = event else {
        return None;
    };
    let (changed, after) = changed_campaign(event)?;
    let total = after.total_score.get();
    (changed == *campaign && key(&settled.campaign) == *campaign)
        .then(|| total.saturating_sub(settled.score))
}
