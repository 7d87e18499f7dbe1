//! The state of the indexer.

use {
    super::words,
    crate::{
        health::State,
        store::{Counts, Cursor, Gap},
    },
    quern_api::{GapItem, Key, StatusPage},
};

/// Everything that an operator wants to see at once.
pub fn status(program: Key, counts: &Counts, cursor: Option<Cursor>, state: State) -> StatusPage {
    StatusPage {
        program,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cursor_slot: cursor.map(|cursor| cursor.slot),
        tip_slot: state.tip_slot,
        chain_time: cursor.map(|cursor| cursor.chain_time),
        transactions: counts.transactions,
        events: counts.events,
        dead_letters: counts.dead_letters,
        gaps: counts.gaps,
        first_gaps: counts.first_gaps.iter().filter_map(gap).collect(),
        error: state.error,
    }
}

fn gap(gap: &Gap) -> Option<GapItem> {
    Some(GapItem {
        kind: words::account_kind(gap.kind)?,
        address: gap.address,
        highest_seq: gap.seq,
        changes_seen: gap.seen,
    })
}
