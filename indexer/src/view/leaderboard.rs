//! Leaderboards.

use {
    super::{amount, decimals, words},
    crate::{
        project::{
            first_hour, hour_of, key,
            program::{MintConfig, Model, Provider, padded_text},
        },
        store::{BoardQuery, BoardRow},
    },
    quern_api::{Amount, Board, ClientEntry, Entry, Metric, ModelEntry, Ranked, Window},
};

/// The first hour of the window that ends with the hour of `now`; none for all time.
pub fn window_start(window: Window, now: i64) -> Option<i64> {
    first_hour(window, hour_of(now))
}

/// A page of a board that begins with this rank; where it goes on is the caller's to say.
pub fn board<E: BoardEntry>(
    query: &BoardQuery,
    rows: &[BoardRow],
    first_rank: u32,
    mints: &[MintConfig],
) -> Option<Board<E>> {
    // A cursor may name any rank.
    let entries = (0..)
        .zip(rows)
        .map(|(behind, row)| E::of(first_rank.saturating_add(behind), row, mints));
    Some(Board {
        assurance: words::assurance(query.assurance)?,
        mint: query.mint.some(),
        decimals: decimals(query.mint, mints),
        entries: entries.collect(),
        next_cursor: None,
    })
}

/// A line of a board.
pub trait BoardEntry {
    /// Who is ranked.
    const RANKED: Ranked;
    /// The line of a row.
    fn of(rank: u32, row: &BoardRow, mints: &[MintConfig]) -> Self;
    /// From 1.
    fn rank(&self) -> u32;
}

/// A number without a mint.
fn count(row: &BoardRow, metric: Metric) -> u128 {
    let mut scores = row.scores.iter();
    let score = scores.find(|score| score.measure.metric == metric);
    score.map_or(0, |score| score.value)
}

/// One amount a mint.
fn amounts(row: &BoardRow, metric: Metric, mints: &[MintConfig]) -> Vec<Amount> {
    let scores = row.scores.iter();
    scores
        .filter(|score| score.measure.metric == metric)
        .map(|score| amount(score.value, score.mint, mints))
        .collect()
}

impl BoardEntry for Entry {
    const RANKED: Ranked = Ranked::Providers;

    fn of(rank: u32, row: &BoardRow, mints: &[MintConfig]) -> Self {
        let account = row.account.as_ref();
        let provider = account.and_then(|account| account.row.read::<Provider>());
        Self {
            rank,
            provider: row.subject,
            account: account.map(|account| account.address),
            name: provider.map(|provider| padded_text(&provider.name)),
            convicted: provider.map(|provider| provider.convicted.get()),
            value: row.value,
            milestones: count(row, Metric::Milestones),
            work: count(row, Metric::Work),
            earned: amounts(row, Metric::Earned, mints),
            rewards: amounts(row, Metric::Rewards, mints),
        }
    }

    fn rank(&self) -> u32 {
        self.rank
    }
}

impl BoardEntry for ModelEntry {
    const RANKED: Ranked = Ranked::Models;

    fn of(rank: u32, row: &BoardRow, mints: &[MintConfig]) -> Self {
        let account = row.account.as_ref();
        let model = account.and_then(|account| account.row.read::<Model>());
        Self {
            rank,
            model: row.subject,
            name: model.map(|model| padded_text(&model.name)),
            owner: model.map(|model| key(&model.owner)),
            value: row.value,
            milestones: count(row, Metric::Milestones),
            work: count(row, Metric::Work),
            royalties: amounts(row, Metric::Royalties, mints),
        }
    }

    fn rank(&self) -> u32 {
        self.rank
    }
}

impl BoardEntry for ClientEntry {
    const RANKED: Ranked = Ranked::Clients;

    fn of(rank: u32, row: &BoardRow, mints: &[MintConfig]) -> Self {
        Self {
            rank,
            client: row.subject,
            value: row.value,
            milestones: count(row, Metric::Milestones),
            spend: amounts(row, Metric::Spend, mints),
            fees: amounts(row, Metric::Fees, mints),
        }
    }

    fn rank(&self) -> u32 {
        self.rank
    }
}
