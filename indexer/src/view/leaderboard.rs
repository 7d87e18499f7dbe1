//! Leaderboards.

use {
    super::{amount, decimals, words},
    crate::{
        project::{
            first_hour, hour_of,
            program::{MintConfig, Provider, padded_text},
        },
        store::{BoardQuery, BoardRow},
    },
    quern_api::{Board, Entry, Metric, Window},
};

/// The first hour of the window that ends with the hour of `now`; none for all time.
pub fn window_start(window: Window, now: i64) -> Option<i64> {
    first_hour(window, hour_of(now))
}

/// A page of a board that begins with this rank; where it goes on is the caller's to say.
pub fn board(
    query: &BoardQuery,
    rows: &[BoardRow],
    first_rank: u32,
    mints: &[MintConfig],
) -> Option<Board> {
    let entries = (first_rank..)
        .zip(rows)
        .map(|(rank, row)| entry(rank, row, mints));
    Some(Board {
        assurance: words::assurance(query.assurance)?,
        mint: query.mint.some(),
        decimals: decimals(query.mint, mints),
        entries: entries.collect(),
        next_cursor: None,
    })
}

fn entry(rank: u32, row: &BoardRow, mints: &[MintConfig]) -> Entry {
    let account = row.account.as_ref();
    let provider = account.and_then(|account| account.row.read::<Provider>());
    let count = |metric| {
        let score = row.scores.iter().find(|score| score.metric == metric);
        score.map_or(0, |score| score.value)
    };
    let amounts = |metric| {
        let scores = row.scores.iter().filter(|score| score.metric == metric);
        scores
            .map(|score| amount(score.value, score.mint, mints))
            .collect()
    };
    Entry {
        rank,
        provider: row.provider,
        account: account.map(|account| account.address),
        name: provider.map(|provider| padded_text(&provider.name)),
        convicted: provider.map(|provider| provider.convicted.get()),
        value: row.value,
        milestones: count(Metric::Milestones),
        work: count(Metric::Work),
        earned: amounts(Metric::Earned),
        rewards: amounts(Metric::Rewards),
    }
}
