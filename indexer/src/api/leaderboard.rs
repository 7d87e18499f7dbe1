//! `/v1/leaderboards/providers`: one board an assurance level and mint, for nothing of different levels or mints is ever
//! added or compared.

use {
    super::{
        ApiError, ApiState,
        params::{Params, bad_cursor},
        reply::Answer,
    },
    crate::{
        project::{key, program::MintConfig},
        store::{BoardQuery, BoardRow, Snapshot},
        view::{self, words},
    },
    axum::{extract::State, http::Uri},
    quern_api::{Assurance, Board, Boards, BoardsRequest, Key, Metric, Window},
};

/// Boards of one reply at most.
pub(super) const MAX_BOARDS: usize = 16;
/// metric, window, assurance, mint, rank, value, provider.
const CURSOR_BYTES: usize = 1 + 1 + 1 + 32 + 4 + 16 + 32;
/// Seconds of an hour, the unit of windows.
const HOUR_SECS: i64 = 3_600;

/// Where a page ends.
struct PageEnd {
    metric: Metric,
    window: Window,
    assurance: Assurance,
    mint: Key,
    rank: u32,
    value: u128,
    provider: Key,
}

impl PageEnd {
    fn write(&self) -> String {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend([
            self.metric as u8,
            self.window as u8,
            words::assurance_code(self.assurance),
        ]);
        bytes.extend(self.mint.0);
        bytes.extend(self.rank.to_be_bytes());
        bytes.extend(self.value.to_be_bytes());
        bytes.extend(self.provider.0);
        hex::encode(bytes)
    }

    fn read(bytes: &[u8; CURSOR_BYTES]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<3>()?;
        let (mint, rest) = rest.split_first_chunk::<32>()?;
        let (rank, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_first_chunk::<16>()?;
        let provider = rest.first_chunk::<32>()?;
        Some(Self {
            metric: *Metric::ALL.get(usize::from(head[0]))?,
            window: *Window::ALL.get(usize::from(head[1]))?,
            assurance: words::assurance(head[2])?,
            mint: Key(*mint),
            rank: u32::from_be_bytes(*rank),
            value: u128::from_be_bytes(*value),
            provider: Key(*provider),
        })
    }
}

/// A request as it is understood.
struct Asked {
    metric: Metric,
    window: Window,
    assurance: Option<Assurance>,
    mint: Option<Key>,
    end: Option<PageEnd>,
    limit: u32,
}

impl Asked {
    fn read(uri: &Uri) -> Result<Self, ApiError> {
        let params = Params::read(uri, &BoardsRequest::PARAMS)?;
        let asked = Self {
            metric: params.word("metric")?.unwrap_or(Metric::Earned),
            window: params.word("window")?.unwrap_or(Window::All),
            assurance: params.word("assurance")?,
            mint: params.address("mint")?,
            end: match params.cursor("cursor")? {
                Some(bytes) => Some(PageEnd::read(&bytes).ok_or_else(bad_cursor)?),
                None => None,
            },
            limit: params.limit()?,
        };
        if asked.mint.is_some() && !asked.metric.is_money() {
            return Err(ApiError::bad_request(format!(
                "metric {} counts no tokens: leave mint out, or take metric earned or rewards",
                asked.metric
            )));
        }
        if let Some(end) = &asked.end {
            let belongs = end.metric == asked.metric
                && end.window == asked.window
                && asked.assurance.is_none_or(|level| level == end.assurance)
                && asked.mint.is_none_or(|mint| mint == end.mint);
            if !belongs {
                return Err(bad_cursor());
            }
        }
        Ok(asked)
    }

    /// Every pair of assurance level and mint that the request is about.
    fn pairs(&self, mints: &[MintConfig]) -> Result<Vec<(Assurance, Key)>, ApiError> {
        if let Some(end) = &self.end {
            return Ok(vec![(end.assurance, end.mint)]);
        }
        let levels = match self.assurance {
            Some(level) => vec![level],
            None => Assurance::ALL.to_vec(),
        };
        let known: Vec<Key> = mints.iter().map(|config| key(&config.mint)).collect();
        let mints = match self.mint {
            _ if !self.metric.is_money() => vec![Key::NONE],
            Some(mint) if known.contains(&mint) => vec![mint],
            Some(mint) => {
                return Err(ApiError::not_found(format!(
                    "the mint {mint} is not registered with the program"
                )));
            }
            None => known,
        };
        if mints.len() * levels.len() > MAX_BOARDS {
            return Err(ApiError::bad_request(format!(
                "{} mints are registered: say mint=ADDRESS, for amounts of different mints are never compared",
                mints.len()
            )));
        }
        Ok(levels
            .iter()
            .flat_map(|level| mints.iter().map(move |mint| (*level, *mint)))
            .collect())
    }

    /// The page of a board, or nothing if it is empty.
    async fn page(
        &self,
        snapshot: &mut Snapshot,
        (assurance, mint): (Assurance, Key),
    ) -> Result<Option<Board>, ApiError> {
        let query = BoardQuery {
            metric: self.metric,
            assurance: words::assurance_code(assurance),
            mint,
            window: self.window,
            after: self.end.as_ref().map(|end| (end.value, end.provider)),
            // One more than is shown tells whether there is another page.
            limit: self.limit + 1,
        };
        let rows = snapshot.board(&query).await?;
        let size = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let shown = rows.get(..size).unwrap_or(&rows);
        let first_rank = self
            .end
            .as_ref()
            .map_or(1, |end| end.rank.saturating_add(1));
        let board = view::board(&query, shown, first_rank, snapshot.mints());
        Ok(board.filter(|_| !rows.is_empty()).map(|board| Board {
            next_cursor: self
                .end_of(&board, shown, mint)
                .filter(|_| rows.len() > size)
                .map(|end| end.write()),
            ..board
        }))
    }

    fn end_of(&self, board: &Board, shown: &[BoardRow], mint: Key) -> Option<PageEnd> {
        let row = shown.last()?;
        Some(PageEnd {
            metric: self.metric,
            window: self.window,
            assurance: board.assurance,
            mint,
            rank: board.entries.last()?.rank,
            value: row.value,
            provider: row.provider,
        })
    }
}

/// Providers by a metric, within a window.
pub(super) async fn providers(State(api): State<ApiState>, uri: Uri) -> Answer<Boards> {
    let asked = Asked::read(&uri)?;
    // Window, mints and rows come from one state.
    let mut snapshot = api.store.read().await?;
    let now = snapshot.cursor().map_or(0, |cursor| cursor.chain_time);
    let from_hour = view::window_start(asked.window, now);
    let mut boards = Vec::new();
    for pair in asked.pairs(snapshot.mints())? {
        boards.extend(asked.page(&mut snapshot, pair).await?);
    }
    let body = Boards {
        metric: asked.metric,
        window: asked.window,
        window_from: from_hour.map(|hour| hour.saturating_mul(HOUR_SECS)),
        boards,
    };
    Ok(api.reply(&snapshot, body))
}
