//! `/v1/campaigns`, a campaign with its entries, and an entry with its milestones.

use {
    super::{
        ApiError, ApiState,
        accounts::found,
        ask::{Ask, Place},
        event_id,
        page::cut,
        params::{Params, address, bad_cursor},
        parties::{PartyPage, read_party_end},
        reply::Answer,
        table::{Table, row},
    },
    crate::{
        project::{
            Concern, Event, EventId, key,
            program::{EntityKind, Entry, QuernEvent},
        },
        store::{Entity, Milestone, MilestonesQuery, Snapshot},
        tally::entry_address,
        view::{self, EntryRecord},
    },
    axum::extract::State,
    quern_api::{
        CampaignItem, CampaignList, CampaignPage, CampaignRequest, CampaignState, CampaignsRequest,
        EntryItem, EntryPage, Key, MAX_PAGE_ROWS, Reply, ScoredMilestone,
    },
    serde_json::Value,
};

/// Pages of joins that are searched for scores.
const JOIN_PAGES: u32 = 10;
/// Scores that are shown as waiting.
const SCORES_SHOWN: usize = 200;

/// What a list of campaigns is narrowed by.
struct Wanted {
    state: Option<CampaignState>,
    sponsor: Option<Key>,
    mint: Option<Key>,
    model: Option<Key>,
}

impl Wanted {
    fn read(params: &Params) -> Result<Self, ApiError> {
        Ok(Self {
            state: params.word("state")?,
            sponsor: params.address("sponsor")?,
            mint: params.address("mint")?,
            model: params.address("model")?,
        })
    }

    fn has(&self, campaign: &CampaignItem) -> bool {
        let is_one = |wanted: Option<Key>, found: Key| wanted.is_none_or(|one| one == found);
        let takes = campaign.model.is_none_or(|model| is_one(self.model, model));
        self.state.is_none_or(|state| state == campaign.state)
            && is_one(self.sponsor, campaign.sponsor)
            && is_one(self.mint, campaign.mint)
            && takes
    }
}

/// Campaigns, live and closed, in the order of their accounts; of one provider the latest that it joined first.
///
/// A page may hold fewer than `limit` though `next_cursor` says that there are more.
#[utoipa::path(get, path = CampaignList::PATH, params(CampaignsRequest), responses((status = 200, content((Reply<CampaignList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn campaigns(State(api): State<ApiState>, ask: Ask<CampaignsRequest>) -> Answer {
    let params = &ask.params;
    let wanted = Wanted::read(params)?;
    let provider = params.address("provider")?;
    let mut snapshot = ask.snapshot(&api).await?;
    let now = now(&snapshot);
    let mints = snapshot.mints().to_vec();
    let item = |entity: &Entity| {
        view::campaign_item(entity, now, &mints).filter(|campaign| wanted.has(campaign))
    };
    let (campaigns, next_cursor) = match provider {
        None => found(&mut snapshot, EntityKind::Campaign, params, item).await?,
        Some(provider) => {
            let page = PartyPage {
                party: provider,
                concern: Concern::Campaign,
                after: read_party_end(params, "cursor")?,
                newest_first: true,
                ..PartyPage::new(params.limit()?)
            };
            let (joined, next) = joined(&mut snapshot, &page).await?;
            let found = snapshot.accounts_at(EntityKind::Campaign, &joined).await?;
            (found.iter().filter_map(item).collect(), next)
        }
    };
    let list = CampaignList {
        campaigns,
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, list))
}

/// A page of the campaigns that a provider joined.
async fn joined(
    snapshot: &mut Snapshot,
    page: &PartyPage,
) -> Result<(Vec<Key>, Option<String>), ApiError> {
    let (events, next) = page.read(snapshot).await?;
    let joined = events.iter().filter_map(|event| match &event.body {
        QuernEvent::CampaignJoined(joined) => Some(key(&joined.campaign)),
        _ => None,
    });
    Ok((joined.collect(), next))
}

/// Campaigns in which a provider has a score that was not claimed, each with its entry; whether there may be more. Anybody may have
/// a provider join any number of campaigns: what scored nothing is passed over, and only so many joins are looked at.
pub(super) async fn scored_entries(
    snapshot: &mut Snapshot,
    provider: Key,
) -> Result<(Vec<(Entity, Entity)>, bool), ApiError> {
    let mut page = PartyPage {
        party: provider,
        concern: Concern::Campaign,
        newest_first: true,
        ..PartyPage::new(MAX_PAGE_ROWS)
    };
    let mut scored = Vec::new();
    for _ in 0..JOIN_PAGES {
        let (events, _) = page.read(snapshot).await?;
        page.after = events.last().map(|event| (event.body.at(), event.id));
        let entries: Vec<Key> = events.iter().filter_map(entry_of).collect();
        for entry in snapshot.accounts_at(EntityKind::Entry, &entries).await? {
            let values = entry.row.read::<Entry>().filter(|_| !entry.row.closed);
            let Some(values) = values.filter(|entry| entry.score.get() > 0) else {
                continue;
            };
            if scored.len() >= SCORES_SHOWN {
                return Ok((scored, true));
            }
            let campaign = key(&values.campaign);
            let campaign = snapshot.account(EntityKind::Campaign, &campaign).await?;
            scored.extend(campaign.map(|campaign| (campaign, entry)));
        }
        if events.len() < MAX_PAGE_ROWS as usize {
            return Ok((scored, false));
        }
    }
    Ok((scored, true))
}

/// The entry that a provider got by joining.
fn entry_of(event: &Event) -> Option<Key> {
    let QuernEvent::CampaignJoined(joined) = &event.body else {
        return None;
    };
    let mut changes = joined.changes.iter();
    let change = changes.find(|change| change.kind == EntityKind::Entry as u8)?;
    Some(key(&change.address))
}

fn now(snapshot: &Snapshot) -> i64 {
    snapshot.cursor().map_or(0, |cursor| cursor.chain_time)
}

fn campaign_cells(item: &CampaignItem) -> Vec<(&'static str, Value)> {
    let kinds: Vec<&str> = item.kinds.iter().map(|kind| kind.word()).collect();
    row!(item; address, state, sponsor, mint, decimals, model, kinds: kinds.join(" "), refereed_bps, reviewed_bps,
        pot_atoms: item.pot_atoms.to_string(), claimed_atoms: item.claimed_atoms.to_string(),
        total_score: item.total_score.to_string(), start, end, settle_by, claim_by, changed_slot)
}

impl Table for CampaignList {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.campaigns.iter().map(campaign_cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
}

/// A campaign with its entries: what each provider scored, what that is worth, and whether and why it may be claimed.
#[utoipa::path(get, path = "/v1/campaigns/{address}", params(("address" = Key, Path, description = "The campaign's account"), CampaignRequest), responses((status = 200, content((Reply<CampaignPage> = "application/json"), (String = "text/csv")))))]
pub(super) async fn campaign(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<CampaignRequest>,
) -> Answer {
    let address = place.address()?;
    let limit = ask.params.limit()?;
    let after = ask.params.cursor("cursor")?.map(Key);
    let mut snapshot = ask.snapshot(&api).await?;
    let campaign = campaign_at(&mut snapshot, &address).await?;
    let mut found = snapshot
        .owned(EntityKind::Entry, &address, after.as_ref(), limit + 1)
        .await?;
    let next_cursor = cut(&mut found, limit).map(|last| hex::encode(last.address.0));
    let treasury = snapshot.treasury().await?;
    let mut entries = Vec::new();
    for entry in &found {
        entries.extend(item_of(&mut snapshot, &campaign, entry, treasury).await?);
    }
    let item = view::campaign_item(&campaign, now(&snapshot), snapshot.mints());
    let page = CampaignPage {
        campaign: item.ok_or_else(|| unknown(&address))?,
        entries,
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, page))
}

fn unknown(address: &Key) -> ApiError {
    ApiError::not_found(format!("no finalized campaign has the address {address}"))
}

async fn campaign_at(snapshot: &mut Snapshot, address: &Key) -> Result<Entity, ApiError> {
    let found = snapshot.account(EntityKind::Campaign, address).await?;
    found.ok_or_else(|| unknown(address))
}

async fn item_of(
    snapshot: &mut Snapshot,
    campaign: &Entity,
    entry: &Entity,
    treasury: Key,
) -> Result<Option<EntryItem>, ApiError> {
    let record = EntryRecord {
        campaign,
        entry,
        claimed_atoms: snapshot.claim_of(entry).await?,
        now: now(snapshot),
        treasury,
    };
    Ok(view::entry_item(&record, snapshot.mints()))
}

fn entry_cells(item: &EntryItem) -> Vec<(&'static str, Value)> {
    row!(item; provider, score: item.score.to_string(), worth_atoms: item.worth.atoms.to_string(),
        claimed_atoms: item.claimed.as_ref().map(|claimed| claimed.atoms.to_string()), mint: item.worth.mint,
        decimals: item.worth.decimals, claimable, why, is_treasury, closed, address, payer, changed_slot)
}

impl Table for CampaignPage {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.entries.iter().map(entry_cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
}

/// A provider's entry in a campaign: its score, what that is worth, and every milestone behind it with what it scored and why.
#[utoipa::path(get, path = "/v1/campaigns/{address}/entries/{provider}", params(("address" = Key, Path, description = "The campaign's account"), ("provider" = Key, Path, description = "The provider's owner"), CampaignRequest), responses((status = 200, content((Reply<EntryPage> = "application/json"), (String = "text/csv")))))]
pub(super) async fn entry(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<CampaignRequest>,
) -> Answer {
    let campaign_address = place.address()?;
    let provider = address("provider", place.text("provider"))?;
    let limit = ask.params.limit()?;
    let query = MilestonesQuery {
        campaign: campaign_address,
        provider,
        after: read_end(&ask.params)?,
        limit: limit + 1,
    };
    let mut snapshot = ask.snapshot(&api).await?;
    let campaign = campaign_at(&mut snapshot, &campaign_address).await?;
    let missing = || {
        ApiError::not_found(format!(
            "provider {provider} has no finalized entry in campaign {campaign_address}; name the provider's owner"
        ))
    };
    let entry = entry_address(&api.program, &campaign_address, &provider);
    let entry = snapshot.account(EntityKind::Entry, &entry).await?;
    let entry = entry.ok_or_else(missing)?;
    let mut found = snapshot.queries().milestones_of(&query).await?;
    let next_cursor = cut(&mut found, limit).map(write_end);
    let treasury = snapshot.treasury().await?;
    let item = item_of(&mut snapshot, &campaign, &entry, treasury).await?;
    let scored = found
        .iter()
        .filter_map(|one| view::scored_milestone(one, &campaign, snapshot.mints()));
    let page = EntryPage {
        entry: item.ok_or_else(missing)?,
        milestones: scored.collect(),
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, page))
}

fn milestone_cells(item: &ScoredMilestone) -> Vec<(&'static str, Value)> {
    row!(item; signature, slot, at, submitted_at, job, milestone, assurance, fee_atoms: item.fee.atoms.to_string(),
        weight_bps, score: item.score.to_string(), computed: item.computed.to_string(), reason)
}

impl Table for EntryPage {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.milestones.iter().map(milestone_cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
}

/// Where a page of milestones ends, for a cursor.
fn write_end(last: &Milestone) -> String {
    format!("{}.{}", last.settlement.slot, event_id::write(&last.id))
}

fn read_end(params: &Params) -> Result<Option<(u64, EventId)>, ApiError> {
    let Some(text) = params.text("cursor") else {
        return Ok(None);
    };
    let read = || {
        let (slot, id) = text.split_once('.')?;
        Some((slot.parse().ok()?, event_id::read(id)?))
    };
    read().map(Some).ok_or_else(bad_cursor)
}
