//! What readers see: rows of the store become the types of [`quern_api`]. Nothing here reads, routes or serializes.
//!
//! A function gives nothing where a row cannot be shown: the account's values were never told. Codes that this version does
//! not know never reach a row ([`crate::project::Event::check`]).

mod accounts;
mod audit;
mod campaigns;
mod describe;
mod emission;
mod events;
mod explain;
mod jobs;
mod leaderboard;
mod ledger;
mod providers;
mod purses;
mod status;
mod totals;
pub mod words;
mod work;

pub use {
    accounts::{
        client, client_item, live_jobs, mint_item, model, model_item, no_client, provider_item,
    },
    audit::audit,
    campaigns::{EntryRecord, campaign_item, entry_item, scored_milestone},
    describe::describe,
    emission::{Granted, RATE_SECS, emission},
    events::event,
    explain::explain,
    jobs::{job, job_page},
    leaderboard::{BoardEntry, board, window_start},
    ledger::{ledger_entries, tokens, utc},
    providers::provider,
    purses::purse,
    status::status,
    totals::totals,
    work::{WorkRecord, work},
};

use {
    crate::project::{key, program::MintConfig},
    quern_api::{Amount, Key},
};

/// The decimals of a mint, if it is registered.
pub fn decimals(mint: Key, mints: &[MintConfig]) -> Option<u8> {
    mints
        .iter()
        .find(|config| key(&config.mint) == mint)
        .map(|config| config.decimals)
}

fn amount(atoms: impl Into<u128>, mint: Key, mints: &[MintConfig]) -> Amount {
    Amount {
        atoms: atoms.into(),
        mint,
        decimals: decimals(mint, mints),
    }
}
