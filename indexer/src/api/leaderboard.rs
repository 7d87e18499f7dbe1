//! `/v1/leaderboards/{providers,models,clients}`: one board an assurance level and mint, for nothing of different levels or mints
//! is ever added or compared.

use {
    super::{
        ApiError, ApiState,
        ask::Ask,
        params::{Params, bad_cursor},
        reply::Answer,
        table::{Table, row},
    },
    crate::{
        project::{Measure, Subject, key, program::MintConfig},
        store::{BoardQuery, BoardRow, Snapshot},
        view::{self, BoardEntry, words},
    },
    axum::extract::State,
    quern_api::{
        Assurance, Board, Boards, BoardsRequest, ClientEntry, Entry, Key, Metric, ModelEntry,
        Reply, Window,
    },
    serde::Serialize,
    serde_json::Value,
};

/// Boards of one reply at most.
pub(super) const MAX_BOARDS: usize = 16;
/// measure, window, assurance, mint, rank, value, subject.
const CURSOR_BYTES: usize = 1 + 1 + 1 + 32 + 4 + 16 + 32;
/// Seconds of an hour, the unit of windows.
const HOUR_SECS: i64 = 3_600;

/// Where a page ends.
struct PageEnd {
    measure: Measure,
    window: Window,
    assurance: Assurance,
    mint: Key,
    rank: u32,
    value: u128,
    subject: Key,
}

impl PageEnd {
    fn write(&self) -> String {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend([
            self.measure.code(),
            self.window as u8,
            words::assurance_code(self.assurance),
        ]);
        bytes.extend(self.mint.0);
        bytes.extend(self.rank.to_be_bytes());
        bytes.extend(self.value.to_be_bytes());
        bytes.extend(self.subject.0);
        hex::encode(bytes)
    }

    fn read(bytes: &[u8; CURSOR_BYTES]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<3>()?;
        let (mint, rest) = rest.split_first_chunk::<32>()?;
        let (rank, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_first_chunk::<16>()?;
        let subject = rest.first_chunk::<32>()?;
        Some(Self {
            measure: Measure::from_code(head[0])?,
            window: *Window::ALL.get(usize::from(head[1]))?,
            assurance: words::assurance(head[2])?,
            mint: Key(*mint),
            rank: u32::from_be_bytes(*rank),
            value: u128::from_be_bytes(*value),
            subject: Key(*subject),
        })
    }
}

/// A request as it is understood.
struct Asked {
    measure: Measure,
    window: Window,
    assurance: Option<Assurance>,
    mint: Option<Key>,
    end: Option<PageEnd>,
    limit: u32,
}

impl Asked {
    fn read<E: BoardEntry>(params: &Params, subject: Subject) -> Result<Self, ApiError> {
        let metrics = E::RANKED.metrics();
        let usual = metrics.first().copied().unwrap_or(Metric::Milestones);
        let metric = params.word("metric")?.unwrap_or(usual);
        if !metrics.contains(&metric) {
            let known: Vec<&str> = metrics.iter().map(|metric| metric.word()).collect();
            return Err(ApiError::bad_request(format!(
                "{} are not ranked by {metric}; take one of {}",
                E::RANKED,
                known.join(", ")
            )));
        }
        let asked = Self {
            measure: Measure { subject, metric },
            window: params.word("window")?.unwrap_or(Window::All),
            assurance: params.word("assurance")?,
            mint: params.address("mint")?,
            end: match params.cursor("cursor")? {
                Some(bytes) => Some(PageEnd::read(&bytes).ok_or_else(bad_cursor)?),
                None => None,
            },
            limit: params.limit()?,
        };
        if asked.mint.is_some() && !metric.is_money() {
            return Err(ApiError::bad_request(format!(
                "metric {} counts no tokens: leave mint out, or take a metric that is an amount",
                metric
            )));
        }
        if let Some(end) = &asked.end {
            let belongs = end.measure == asked.measure
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
            _ if !self.measure.metric.is_money() => vec![Key::NONE],
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
    async fn page<E: BoardEntry>(
        &self,
        snapshot: &mut Snapshot,
        (assurance, mint): (Assurance, Key),
    ) -> Result<Option<Board<E>>, ApiError> {
        let query = BoardQuery {
            measure: self.measure,
            assurance: words::assurance_code(assurance),
            mint,
            window: self.window,
            after: self.end.as_ref().map(|end| (end.value, end.subject)),
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

    fn end_of<E: BoardEntry>(
        &self,
        board: &Board<E>,
        shown: &[BoardRow],
        mint: Key,
    ) -> Option<PageEnd> {
        let row = shown.last()?;
        Some(PageEnd {
            measure: self.measure,
            window: self.window,
            assurance: board.assurance,
            mint,
            rank: board.entries.last()?.rank(),
            value: row.value,
            subject: row.subject,
        })
    }
}

/// Providers ranked, one board an assurance level and mint. Levels and mints are never added or compared.
#[utoipa::path(get, path = BoardsRequest::PATH, params(BoardsRequest), responses((status = 200, content((Reply<Boards<Entry>> = "application/json"), (String = "text/csv")))))]
pub(super) async fn providers(api: State<ApiState>, ask: Ask<BoardsRequest>) -> Answer {
    boards::<Entry>(&api, &ask, Subject::Provider).await
}

/// Models ranked by what they earned and did. The royalty of a milestone that an arbiter decided is not among it: its event does not name
/// the model.
#[utoipa::path(get, path = BoardsRequest::MODELS, params(BoardsRequest), responses((status = 200, content((Reply<Boards<ModelEntry>> = "application/json"), (String = "text/csv")))))]
pub(super) async fn models(api: State<ApiState>, ask: Ask<BoardsRequest>) -> Answer {
    boards::<ModelEntry>(&api, &ask, Subject::Model).await
}

/// Clients ranked by what they paid for.
#[utoipa::path(get, path = BoardsRequest::CLIENTS, params(BoardsRequest), responses((status = 200, content((Reply<Boards<ClientEntry>> = "application/json"), (String = "text/csv")))))]
pub(super) async fn clients(api: State<ApiState>, ask: Ask<BoardsRequest>) -> Answer {
    boards::<ClientEntry>(&api, &ask, Subject::Client).await
}

async fn boards<E: BoardEntry + Serialize + Line>(
    api: &ApiState,
    ask: &Ask<BoardsRequest>,
    subject: Subject,
) -> Answer {
    let asked = Asked::read::<E>(&ask.params, subject)?;
    let mut snapshot = ask.snapshot(api).await?;
    let now = snapshot.cursor().map_or(0, |cursor| cursor.chain_time);
    let from_hour = view::window_start(asked.window, now);
    let mut boards = Vec::new();
    for pair in asked.pairs(snapshot.mints())? {
        boards.extend(asked.page::<E>(&mut snapshot, pair).await?);
    }
    let body = Boards {
        metric: asked.measure.metric,
        window: asked.window,
        window_from: from_hour.map(|hour| hour.saturating_mul(HOUR_SECS)),
        boards,
    };
    Ok(api.list(ask, &snapshot, body))
}

impl<E: Line> Table for Boards<E> {
    fn rows(&self) -> Vec<Vec<(&'static str, Value)>> {
        let rows = self.boards.iter().flat_map(|board| {
            let head = row!(board; assurance, mint, decimals);
            let lines = board.entries.iter().map(Line::cells);
            lines.map(move |cells| head.iter().cloned().chain(cells).collect())
        });
        rows.collect()
    }

    /// Of several boards each goes on by itself, asked for alone.
    fn next(&self) -> Option<(&'static str, &str)> {
        match self.boards.as_slice() {
            [board] => Some(("cursor", board.next_cursor.as_deref()?)),
            _ => None,
        }
    }
}

/// An entry as cells.
trait Line {
    fn cells(&self) -> Vec<(&'static str, Value)>;
}

impl Line for Entry {
    fn cells(&self) -> Vec<(&'static str, Value)> {
        row!(self; rank, provider, name, value: self.value.to_string(),
            milestones: self.milestones.to_string(), work: self.work.to_string(), convicted)
    }
}

impl Line for ModelEntry {
    fn cells(&self) -> Vec<(&'static str, Value)> {
        row!(self; rank, model, name, owner, value: self.value.to_string(),
            milestones: self.milestones.to_string(), work: self.work.to_string())
    }
}

impl Line for ClientEntry {
    fn cells(&self) -> Vec<(&'static str, Value)> {
        row!(self; rank, client, value: self.value.to_string(), milestones: self.milestones.to_string())
    }
}
