//! Ledgers: what came to an owner and what went, for taxes.

use {
    super::{
        ApiError, ApiState,
        ask::{Ask, Place},
        params::Params,
        parties::{PartyPage, read_party_end},
        providers::owner_of,
        reply::{self, Answer},
        seats::{Seat, Seats},
        table::{self, Table, row},
    },
    crate::{
        project::{EventId, program::MintConfig},
        view,
    },
    axum::{
        body::{Body, Bytes},
        extract::{Extension, State},
        http::header,
        response::IntoResponse,
    },
    futures::{Stream, StreamExt, stream},
    quern_api::{
        Key, LedgerEntry, LedgerPage, LedgerRequest, LedgerTableRequest, MAX_PAGE_ROWS, Reply,
    },
    quern_serve::Client,
    serde_json::Value,
};

/// Events of one table at most; for more there are shorter times.
const MOST_EVENTS: usize = 100_000;
/// Tables that are sent at a time: each goes on reading the store for as long as its client reads.
const MOST_TABLES: usize = 8;

/// Who may have a whole ledger sent.
#[derive(Clone, Debug)]
pub struct Tables(Seats);

impl Default for Tables {
    fn default() -> Self {
        Self(Seats::new(MOST_TABLES))
    }
}

fn times(params: &Params) -> Result<(i64, i64), ApiError> {
    let from = params.number("from")?.unwrap_or(i64::MIN);
    let to = params.number("to")?.unwrap_or(i64::MAX);
    match from > to {
        true => Err(ApiError::bad_request(
            "from must not be after to".to_owned(),
        )),
        false => Ok((from, to)),
    }
}

/// What came to an owner and what went: deposits, payments, earnings, royalties, rewards, penalties, slashed bonds.
///
/// Any address may be asked for: of a provider's or a client's owner, a model's, an arbiter's. What is only reserved, or given back,
/// does not stand in it. Nor does what no event says whose it is: the treasury's fees and its part of slashed bonds, and the royalty of a
/// milestone that an arbiter decided; purses hold both.
#[utoipa::path(get, path = "/v1/ledgers/{address}", params(("address" = Key, Path, description = "The owner of purses"), LedgerRequest), responses((status = 200, content((Reply<LedgerPage> = "application/json"), (String = "text/csv")))))]
pub(super) async fn ledger(
    State(api): State<ApiState>,
    place: Place,
    ask: Ask<LedgerRequest>,
) -> Answer {
    let owner = place.address()?;
    let params = &ask.params;
    let (from, to) = times(params)?;
    let page = PartyPage {
        party: owner,
        from,
        to,
        after: read_party_end(params, "cursor")?,
        ..PartyPage::new(params.limit()?)
    };
    let mut snapshot = ask.snapshot(&api).await?;
    let (events, next_cursor) = page.read(&mut snapshot).await?;
    let entries = events
        .iter()
        .flat_map(|event| view::ledger_entries(event, &owner, snapshot.mints()))
        .take(MAX_PAGE_ROWS as usize * 4)
        .collect();
    let list = LedgerPage {
        owner,
        entries,
        next_cursor,
    };
    Ok(api.list(&ask, &snapshot, list))
}

fn cells(entry: &LedgerEntry) -> Vec<(&'static str, Value)> {
    let amount = &entry.amount;
    row!(entry; utc, kind, direction, amount: view::tokens(amount.atoms, amount.decimals),
        atoms: amount.atoms.to_string(), mint: amount.mint, decimals: amount.decimals, job, signature)
}

const COLUMNS: [&str; 9] = [
    "utc",
    "kind",
    "direction",
    "amount",
    "atoms",
    "mint",
    "decimals",
    "job",
    "signature",
];

impl Table for LedgerPage {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        self.entries.iter().map(cells).collect()
    }

    fn next(&self) -> Option<(&'static str, &str)> {
        Some(("cursor", self.next_cursor.as_deref()?))
    }
}

/// A provider's whole ledger as one table, the oldest entry first.
///
/// It ends after 100,000 events with a last row that says so: ask for shorter times then. 8 are sent at a time; if others want one,
/// the address with most of them gets its oldest one broken off, and no end of it: ask again.
#[utoipa::path(get, path = "/v1/providers/{address}/ledger.csv", params(("address" = Key, Path, description = "The provider's owner or its account"), LedgerTableRequest), responses((status = 200, body = String, content_type = "text/csv")))]
pub(super) async fn table(
    State(api): State<ApiState>,
    Extension(Client(network)): Extension<Client>,
    place: Place,
    ask: Ask<LedgerTableRequest>,
) -> Answer {
    let address = place.address()?;
    let (from, to) = times(&ask.params)?;
    let mut snapshot = api.store.read().await?;
    let (owner, _) = owner_of(&mut snapshot, &address).await?;
    let page = PartyPage {
        party: owner,
        from,
        to,
        ..PartyPage::new(MAX_PAGE_ROWS)
    };
    let mints = snapshot.mints().to_vec();
    let state = reply::state_of(&snapshot);
    drop(snapshot);
    // Last: a request that is refused takes nobody's seat.
    let seat = api.tables.0.take(network).ok_or_else(|| {
        ApiError::unavailable(format!(
            "{MOST_TABLES} ledgers are being sent; try again in some seconds, or ask /v1/ledgers for pages"
        ))
    })?;
    let name = format!("attachment; filename=\"ledger-{owner}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, table::MEDIA_TYPE.to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    let part = Part {
        api,
        page,
        mints,
        sent: 0,
        state: Progress::Head,
        seat,
    };
    Ok((state, headers, Body::from_stream(parts(part).fuse())).into_response())
}

/// A table that is being sent: only one page of it is in memory, and no state of the store is held between pages.
struct Part {
    api: ApiState,
    page: PartyPage,
    mints: Vec<MintConfig>,
    sent: usize,
    state: Progress,
    seat: Seat,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Head,
    Rows,
    End,
}

fn parts(part: Part) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::unfold(part, async |mut part| {
        let text = match part.state {
            Progress::End => return None,
            Progress::Head => {
                part.state = Progress::Rows;
                Ok(table::header_line(&COLUMNS))
            }
            Progress::Rows => part.rows().await,
        };
        // A table that breaks off must not look like a whole one: the connection ends without its last chunk.
        let text = text.inspect_err(|_| part.state = Progress::End);
        Some((text.map(Bytes::from), part))
    })
}

impl Part {
    async fn rows(&mut self) -> Result<String, std::io::Error> {
        let failed = |error: ApiError| std::io::Error::other(error.to_string());
        if self.seat.is_wanted() {
            return Err(std::io::Error::other("others want a ledger"));
        }
        let mut snapshot = self.api.store.read().await;
        let snapshot = snapshot
            .as_mut()
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        let (events, next) = self.page.read(snapshot).await.map_err(failed)?;
        self.sent += events.len();
        let mut text = String::new();
        for event in &events {
            for entry in view::ledger_entries(event, &self.page.party, &self.mints) {
                let cells: Vec<Value> = cells(&entry).into_iter().map(|(_, cell)| cell).collect();
                text.push_str(&table::line(&cells));
            }
        }
        let end: Option<(i64, EventId)> = events.last().map(|event| (event.body.at(), event.id));
        self.page.after = end.or(self.page.after);
        if next.is_none() {
            self.state = Progress::End;
        } else if self.sent >= MOST_EVENTS {
            self.state = Progress::End;
            let at = end.map_or(0, |(at, _)| at);
            let more = format!(
                "there is more from {} on: ask with from={at}",
                view::utc(at)
            );
            text.push_str(&table::line(&[Value::String(more)]));
        }
        Ok(text)
    }
}
