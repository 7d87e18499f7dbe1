//! Campaigns, their entries, and what each milestone scored.

use {
    super::{amount, decimals, utc, words},
    crate::{
        project::{
            self, key,
            program::{self, Entry, MintConfig, QuernEvent},
        },
        store::{Entity, Milestone, Recorded},
    },
    quern_api::{CampaignItem, CampaignState, EntryItem, Key, ScoredMilestone},
};

/// A campaign as it was last, and where it stands at the store's time.
pub fn campaign_item(entity: &Entity, now: i64, mints: &[MintConfig]) -> Option<CampaignItem> {
    let campaign = entity.row.read::<program::Campaign>()?;
    let mint = key(&campaign.mint);
    let kinds = program::JobKind::ALL.iter();
    let kinds = kinds.filter(|kind| campaign.takes_kind(**kind));
    Some(CampaignItem {
        address: entity.address,
        state: state(&campaign, entity.row.closed, now),
        sponsor: key(&campaign.sponsor),
        mint,
        decimals: decimals(mint, mints),
        model: key(&campaign.model).some(),
        kinds: kinds
            .filter_map(|kind| words::job_kind(kind.code()))
            .collect(),
        refereed_bps: campaign.refereed_bps.get(),
        reviewed_bps: campaign.reviewed_bps.get(),
        pot_atoms: campaign.pot_atoms.get(),
        claimed_atoms: campaign.claimed_atoms.get(),
        total_score: campaign.total_score.get(),
        start: campaign.start.get(),
        end: campaign.end.get(),
        settle_by: campaign.settle_by.get(),
        claim_by: campaign.claim_by.get(),
        seq: entity.row.seq,
        changed_slot: entity.row.slot,
    })
}

fn state(campaign: &program::Campaign, is_closed: bool, now: i64) -> CampaignState {
    use quern_client::campaigns::CampaignState as Live;
    if is_closed {
        return CampaignState::Closed;
    }
    match Live::of(campaign, now) {
        Live::Planned => CampaignState::Planned,
        Live::Running => CampaignState::Running,
        Live::Settling => CampaignState::Settling,
        Live::Claimable => CampaignState::Claimable,
        Live::Ended => CampaignState::Ended,
    }
}

/// Everything that an entry is shown from.
pub struct EntryRecord<'a> {
    /// The campaign.
    pub campaign: &'a Entity,
    /// The entry.
    pub entry: &'a Entity,
    /// What was claimed for it, if its account is gone.
    pub claimed_atoms: Option<u64>,
    /// The store's time.
    pub now: i64,
    /// Who gets the fees.
    pub treasury: Key,
}

/// What a provider scored, what that is worth, and whether and why it may be claimed.
pub fn entry_item(record: &EntryRecord<'_>, mints: &[MintConfig]) -> Option<EntryItem> {
    let entity = record.entry;
    let entry = entity.row.read::<Entry>()?;
    let campaign = record.campaign.row.read::<program::Campaign>()?;
    let score = entry.score.get();
    let worth = project::worth(&campaign, score);
    let mint = key(&campaign.mint);
    let provider = key(&entry.provider);
    let (claimable, why) = why(record, &campaign, worth);
    Some(EntryItem {
        address: entity.address,
        campaign: key(&entry.campaign),
        provider,
        payer: key(&entry.payer),
        score,
        worth: amount(worth, mint, mints),
        claimed: record.claimed_atoms.map(|atoms| amount(atoms, mint, mints)),
        claimable,
        why,
        is_treasury: provider == record.treasury,
        closed: entity.row.closed,
        changed_slot: entity.row.slot,
    })
}

/// Whether an entry may be claimed for an amount, and why.
fn why(record: &EntryRecord<'_>, campaign: &program::Campaign, worth: u64) -> (bool, String) {
    if record.entry.row.closed {
        let why = match record.claimed_atoms {
            Some(_) => "It was claimed.",
            None => "It was closed when the campaign was gone: nothing was paid.",
        };
        return (false, why.to_owned());
    }
    let times = campaign.times();
    let from = utc(times.settle_by.saturating_add(1));
    let until = utc(times.claim_by);
    match state(campaign, record.campaign.row.closed, record.now) {
        CampaignState::Closed => {
            let why = "The campaign is gone, and the rest of its pot went back to the sponsor: a claim only gives the rent back.";
            (false, why.to_owned())
        }
        CampaignState::Planned | CampaignState::Running => {
            (false, format!("Scores still grow; claims begin at {from}."))
        }
        CampaignState::Settling => (
            false,
            format!("Results that were submitted in time still settle; claims begin at {from}."),
        ),
        CampaignState::Claimable if worth > 0 => (
            true,
            format!("Scores are fixed: anybody may claim it for the provider until {until}."),
        ),
        CampaignState::Claimable => {
            let why = "Its share is less than an atom: a claim only gives the rent back.";
            (false, why.to_owned())
        }
        CampaignState::Ended if campaign.total_score.get() == 0 => {
            let why =
                "Nobody scored, so there is nothing to pay: a claim only gives the rent back.";
            (false, why.to_owned())
        }
        CampaignState::Ended => (false, format!("The time for claims ended at {until}.")),
    }
}

/// What a milestone scored, judged again by the rules; none if its event is not there.
pub fn scored_milestone(
    milestone: &Milestone,
    campaign: &Entity,
    mints: &[MintConfig],
) -> Option<ScoredMilestone> {
    let Recorded::Event(event) = &milestone.recorded else {
        return None;
    };
    let QuernEvent::MilestoneSettled(settled) = &event.body else {
        return None;
    };
    let values = campaign.row.read::<program::Campaign>()?;
    let judged = project::judge_event((&campaign.address, &values), &event.body, settled);
    Some(ScoredMilestone {
        signature: milestone.id.signature,
        slot: event.slot,
        at: settled.at,
        submitted_at: settled.submitted_at,
        job: key(&settled.job),
        milestone: settled.milestone,
        assurance: words::assurance(settled.assurance)?,
        fee: amount(settled.fee_atoms, key(&settled.mint), mints),
        weight_bps: judged.weight_bps,
        score: settled.score,
        computed: judged.score,
        reason: judged.reason,
    })
}
