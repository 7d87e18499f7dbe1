//! `/v1/clients`: everybody who ever created a job; and a client by its address.

use {
    super::{
        ApiError, ApiState,
        accounts::search,
        ask::{Ask, Place},
        jobs::{Role, job_of},
        params::Params,
        reply::Answer,
        table::{Table, row},
    },
    crate::{
        project::{Concern, Subject, program::EntityKind},
        store::{Score, Snapshot},
        view,
    },
    axum::extract::State,
    quern_api::{
        Amount, ClientItem, ClientList, ClientPage, ClientsRequest, Key, MAX_PAGE_ROWS, NoParams,
        Reply, Window,
    },
    serde_json::Value,
    std::collections::HashSet,
};

/// Addresses with numbers that one request looks at: a search that finds little goes on with the next page.
const LOOKED_AT: usize = 2_000;
/// Longest address.
const ADDRESS_CHARS: usize = 44;
/// Jobs that one request looks up, over all clients of its page.
const JOBS_OF_PAGE: u32 = 4_000;
/// Jobs that are looked up of one client, the latest ones.
const JOBS_OF_CLIENT: u32 = 256;
/// Jobs of one client that are looked up beyond those that have not ended: some of the latest ended first.
const JOBS_BESIDE: u32 = 16;

/// Which clients are wanted.
struct Wanted {
    search: String,
    is_live: Option<bool>,
    mint: Option<Key>,
}

impl Wanted {
    fn read(params: &Params) -> Result<Self, ApiError> {
        Ok(Self {
            search: search(params, ADDRESS_CHARS)?,
            is_live: params.truth("live")?,
            mint: params.address("mint")?,
        })
    }

    fn takes(&self, item: &ClientItem) -> bool {
        let is_live = item.jobs.created > item.jobs.ended;
        let has_mint = |mint: &Key| item.escrowed.iter().any(|amount| amount.mint == *mint);
        item.client
            .to_string()
            .to_lowercase()
            .contains(&self.search)
            && self.is_live.is_none_or(|wanted| wanted == is_live)
            && self.mint.as_ref().is_none_or(has_mint)
    }
}

/// Clients with search and filters, in the order of their addresses: what each locked, paid and got back, and its jobs by state.
///
/// A page may hold fewer than `limit` though `next_cursor` says that there are more.
#[utoipa::path(get, path = ClientList::PATH, params(ClientsRequest), responses((status = 200, content((Reply<ClientList> = "application/json"), (String = "text/csv")))))]
pub(super) async fn clients(State(api): State<ApiState>, ask: Ask<ClientsRequest>) -> Answer {
    let wanted = Wanted::read(&ask.params)?;
    let size = usize::try_from(ask.params.limit()?).unwrap_or(usize::MAX);
    let after = ask.params.cursor("cursor")?.map(Key);
    let mut snapshot = ask.snapshot(&api).await?;
    let (found, next_cursor) = found(&mut snapshot, &wanted, size, after).await?;
    let (mut clients, mut budget) = (Vec::new(), JOBS_OF_PAGE);
    for (client, scores) in found {
        clients.extend(item(&mut snapshot, client, &scores, &mut budget).await?);
    }
    let list = ClientList {
        clients,
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, list))
}

/// A page of the clients that are wanted, and where the next one begins.
async fn found(
    snapshot: &mut Snapshot,
    wanted: &Wanted,
    size: usize,
    mut after: Option<Key>,
) -> Result<(Vec<(Key, Vec<Score>)>, Option<String>), ApiError> {
    let (mut page, mut looked_at) = (Vec::new(), 0);
    loop {
        let some = snapshot
            .numbered(Subject::Client, after.as_ref(), MAX_PAGE_ROWS)
            .await?;
        let is_last = some.len() < MAX_PAGE_ROWS as usize;
        let count = some.len();
        for (number, (client, scores)) in some.into_iter().enumerate() {
            after = Some(client);
            looked_at += 1;
            let item = view::client_item(client, &scores, &[], snapshot.mints());
            if item.is_some_and(|item| wanted.takes(&item)) {
                page.push((client, scores));
            }
            let is_end = is_last && number + 1 == count;
            if (page.len() >= size || looked_at >= LOOKED_AT) && !is_end {
                let next = after.map(|address| hex::encode(address.0));
                return Ok((page, next));
            }
        }
        if is_last {
            return Ok((page, None));
        }
    }
}

/// A client with the states of its latest jobs, as many as the budget allows.
async fn item(
    snapshot: &mut Snapshot,
    client: Key,
    scores: &[Score],
    budget: &mut u32,
) -> Result<Option<ClientItem>, ApiError> {
    let live = u32::try_from(view::live_jobs(scores)).unwrap_or(u32::MAX);
    let mut jobs = Vec::new();
    if live > 0 {
        let limit = live.saturating_add(JOBS_BESIDE).min(JOBS_OF_CLIENT);
        let limit = limit.min(*budget);
        *budget -= limit;
        let events = snapshot.latest_of(client, Concern::Job, limit).await?;
        let mut seen = HashSet::new();
        let events = events.iter();
        let addresses: Vec<Key> = events
            .filter_map(|event| job_of(&event.body, Role::Client, &client))
            .filter(|job| seen.insert(*job))
            .collect();
        jobs = snapshot.accounts_at(EntityKind::Job, &addresses).await?;
    }
    Ok(view::client_item(client, scores, &jobs, snapshot.mints()))
}

/// Amounts in one cell: atoms and mint of each.
fn cell(amounts: &[Amount]) -> String {
    let each = amounts.iter();
    let each: Vec<String> = each
        .map(|amount| format!("{} {}", amount.atoms, amount.mint))
        .collect();
    each.join("; ")
}

fn cells(item: &ClientItem) -> Vec<(&'static str, Value)> {
    let jobs = &item.jobs;
    row!(item; client, jobs_created: jobs.created.to_string(), jobs_ended: jobs.ended.to_string(),
        jobs_open: jobs.open, jobs_taken: jobs.taken, jobs_submitted: jobs.submitted,
        jobs_rejected: jobs.rejected, jobs_convicted: jobs.convicted, jobs_older: jobs.older.to_string(),
        escrowed_atoms: cell(&item.escrowed), paid_atoms: cell(&item.paid),
        refunded_atoms: cell(&item.refunded), locked_atoms: cell(&item.locked))
}

impl Table for ClientList {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.clients.iter().map(cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
}

/// A client: what it locked, paid and got back, and its purses. Its jobs are those of `/v1/jobs` with `client`.
#[utoipa::path(get, path = "/v1/clients/{address}", params(("address" = Key, Path, description = "The client")), responses((status = 200, body = Reply<ClientPage>)))]
pub(super) async fn client(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<NoParams>,
) -> Answer {
    let address = place.address()?;
    let mut snapshot = ask.snapshot(&api).await?;
    let purses = snapshot
        .owned(EntityKind::Purse, &address, None, MAX_PAGE_ROWS)
        .await?;
    let scores = snapshot
        .scores_of(Subject::Client, address, Window::All)
        .await?;
    if purses.is_empty() && scores.is_empty() {
        return Err(ApiError::not_found(format!(
            "{address} has no finalized purse and created no job"
        )));
    }
    let item = item(&mut snapshot, address, &scores, &mut JOBS_OF_PAGE.clone()).await?;
    let item = item.unwrap_or_else(|| view::no_client(address));
    let page = view::client(item, &purses, &scores, snapshot.mints());
    Ok(api.reply(&snapshot, page))
}
