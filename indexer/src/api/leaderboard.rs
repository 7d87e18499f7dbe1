//! `/v1/leaderboards/providers`: one board an assurance level and mint, for nothing of different levels or mints is ever
//! added or compared.

use {
    super::{
        ApiState, Problem,
        params::{Params, bad_cursor},
        reply::{Amount, Reply, assurance_code, assurance_name, decimals},
    },
    crate::{
        key::Key,
        project::{
            Metric,
            program::{Assurance, Provider, padded_text},
        },
        store::{BoardQuery, BoardRow, Mint, Snapshot},
    },
    axum::{Json, extract::State, http::Uri},
    serde::Serialize,
};

/// Boards of one reply at most.
const MOST_BOARDS: usize = 16;
/// metric, window, assurance, mint, rank, value, provider.
const CURSOR_BYTES: usize = 1 + 1 + 1 + 32 + 4 + 16 + 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Window {
    All = 0,
    Day = 1,
    Week = 2,
    Month = 3,
}

impl Window {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "24h" => Some(Self::Day),
            "7d" => Some(Self::Week),
            "30d" => Some(Self::Month),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    fn hours(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Day => Some(24),
            Self::Week => Some(24 * 7),
            Self::Month => Some(24 * 30),
        }
    }

    /// The first hour of the window that ends with the hour of `now`.
    fn first_hour(self, now: i64) -> Option<i64> {
        Some(now.div_euclid(3_600) - self.hours()? + 1)
    }
}

#[derive(Serialize)]
pub(super) struct Boards {
    metric: &'static str,
    window: &'static str,
    /// The window's first second; it is made of whole hours of the cluster's clock.
    window_from: Option<i64>,
    boards: Vec<Board>,
}

#[derive(Serialize)]
struct Board {
    assurance: &'static str,
    /// The mint of the values, null if they are no amounts.
    mint: Option<Key>,
    decimals: Option<u8>,
    entries: Vec<Entry>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct Entry {
    rank: u32,
    /// The provider's owner.
    provider: Key,
    /// Its account; null if its registration was not seen.
    account: Option<Key>,
    name: Option<String>,
    /// What it is ranked by.
    value: String,
    milestones: String,
    macs: String,
    earned: Vec<Amount>,
    rewards: Vec<Amount>,
}

/// Where a page ends.
struct PageEnd {
    metric: Metric,
    window: Window,
    assurance: u8,
    mint: Key,
    rank: u32,
    value: u128,
    provider: Key,
}

impl PageEnd {
    fn write(&self) -> String {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend([self.metric as u8, self.window as u8, self.assurance]);
        bytes.extend(self.mint.0);
        bytes.extend(self.rank.to_be_bytes());
        bytes.extend(self.value.to_be_bytes());
        bytes.extend(self.provider.0);
        hex::encode(bytes)
    }

    fn read(bytes: &[u8; CURSOR_BYTES], metric: Metric, window: Window) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<3>()?;
        let (mint, rest) = rest.split_first_chunk::<32>()?;
        let (rank, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_first_chunk::<16>()?;
        let provider = rest.first_chunk::<32>()?;
        (head[0] == metric as u8 && head[1] == window as u8).then_some(Self {
            metric,
            window,
            assurance: head[2],
            mint: Key(*mint),
            rank: u32::from_be_bytes(*rank),
            value: u128::from_be_bytes(*value),
            provider: Key(*provider),
        })
    }
}

/// Providers by a metric, within a window.
pub(super) async fn providers(
    State(api): State<ApiState>,
    uri: Uri,
) -> Result<Json<Reply<Boards>>, Problem> {
    let params = Params::read(
        &uri,
        &["metric", "assurance", "mint", "window", "cursor", "limit"],
    )?;
    let metric = params
        .choice(
            "metric",
            "earned, macs, milestones, rewards",
            Metric::from_name,
        )?
        .unwrap_or(Metric::Earned);
    let window = params
        .choice("window", "all, 24h, 7d, 30d", Window::from_name)?
        .unwrap_or(Window::All);
    let assurance = params.choice("assurance", "refereed, accepted", assurance_code)?;
    let mint = params.address("mint")?;
    let limit = params.limit()?;
    if mint.is_some() && !metric.is_money() {
        return Err(Problem::bad_request(format!(
            "metric {} counts no tokens: leave mint out, or take metric earned or rewards",
            metric.name()
        )));
    }
    let end = match params.cursor::<CURSOR_BYTES>()? {
        None => None,
        Some(bytes) => {
            let end = PageEnd::read(&bytes, metric, window).ok_or_else(bad_cursor)?;
            if assurance.is_some_and(|code| code != end.assurance)
                || mint.is_some_and(|mint| mint != end.mint)
            {
                return Err(bad_cursor());
            }
            Some(end)
        }
    };
    let head = api.store.head().await?;
    let now = head.cursor.map_or(0, |cursor| cursor.chain_time);
    let boards = which_boards(metric, assurance, mint, end.as_ref(), &head.mints)?;
    let queries: Vec<BoardQuery> = boards
        .into_iter()
        .map(|(assurance, mint)| BoardQuery {
            metric,
            assurance,
            mint,
            from_hour: window.first_hour(now),
            after: end.as_ref().map(|end| (end.value, end.provider)),
            // One more than is shown tells whether there is another page.
            limit: limit + 1,
        })
        .collect();
    let snapshot = api.store.boards(&queries).await?;
    let first_rank = end.as_ref().map_or(1, |end| end.rank.saturating_add(1));
    let boards = queries
        .iter()
        .zip(&snapshot.value)
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(query, rows)| board(query, rows, window, first_rank, limit, &snapshot))
        .collect();
    let window_from = window
        .first_hour(now)
        .map(|hour| hour.saturating_mul(3_600));
    Ok(api.reply(
        &snapshot,
        Boards {
            metric: metric.name(),
            window: window.name(),
            window_from,
            boards,
        },
    ))
}

/// Every pair of assurance level and mint that the request asks for.
fn which_boards(
    metric: Metric,
    assurance: Option<u8>,
    mint: Option<Key>,
    end: Option<&PageEnd>,
    mints: &[Mint],
) -> Result<Vec<(u8, Key)>, Problem> {
    if let Some(end) = end {
        return Ok(vec![(end.assurance, end.mint)]);
    }
    let levels = match assurance {
        Some(code) => vec![code],
        None => vec![Assurance::Refereed as u8, Assurance::Reviewed as u8],
    };
    let mints: Vec<Key> = match mint {
        _ if !metric.is_money() => vec![Key::NONE],
        Some(mint) if mints.iter().any(|known| known.mint == mint) => vec![mint],
        Some(mint) => {
            return Err(Problem::not_found(format!(
                "the mint {mint} is not registered with the program"
            )));
        }
        None => mints.iter().map(|known| known.mint).collect(),
    };
    if mints.len() * levels.len() > MOST_BOARDS {
        return Err(Problem::bad_request(format!(
            "{} mints are registered: say mint=ADDRESS, for amounts of different mints are never compared",
            mints.len()
        )));
    }
    Ok(levels
        .iter()
        .flat_map(|level| mints.iter().map(move |mint| (*level, *mint)))
        .collect())
}

fn board<T>(
    query: &BoardQuery,
    rows: &[BoardRow],
    window: Window,
    first_rank: u32,
    limit: u32,
    snapshot: &Snapshot<T>,
) -> Board {
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = rows.get(..size).unwrap_or(rows);
    let entries: Vec<Entry> = (first_rank..)
        .zip(shown)
        .map(|(rank, row)| entry(rank, row, &snapshot.mints))
        .collect();
    let next_cursor = match (entries.last(), shown.last()) {
        (Some(entry), Some(row)) if rows.len() > size => Some(
            PageEnd {
                metric: query.metric,
                window,
                assurance: query.assurance,
                mint: query.mint,
                rank: entry.rank,
                value: row.value,
                provider: row.provider,
            }
            .write(),
        ),
        _ => None,
    };
    Board {
        assurance: assurance_name(query.assurance),
        mint: query.mint.some(),
        decimals: decimals(query.mint, &snapshot.mints),
        entries,
        next_cursor,
    }
}

fn entry(rank: u32, row: &BoardRow, mints: &[Mint]) -> Entry {
    let account = row.account.as_ref();
    let count = |metric| {
        let score = row.scores.iter().find(|score| score.metric == metric);
        score.map_or(0, |score| score.value).to_string()
    };
    let amounts = |metric| {
        let scores = row.scores.iter().filter(|score| score.metric == metric);
        scores
            .map(|score| Amount::new(score.value, score.mint, mints))
            .collect()
    };
    Entry {
        rank,
        provider: row.provider,
        account: account.map(|account| account.address),
        name: account
            .and_then(|account| account.row.read::<Provider>())
            .map(|provider| padded_text(&provider.name)),
        value: row.value.to_string(),
        milestones: count(Metric::Milestones),
        macs: count(Metric::Macs),
        earned: amounts(Metric::Earned),
        rewards: amounts(Metric::Rewards),
    }
}
