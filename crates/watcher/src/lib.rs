//! The watcher: checks submitted results and convicts wrong ones.
//!
//! [`Watcher::run`] follows jobs whose results may be refuted and examines each submission until its state is final:
//!
//! 1. Graph, weights and inputs are fetched and compared with the roots in model and job; for jobs and clients that were
//!    named already before there is a result, so that nobody can take them away in between.
//! 2. All items are checked, or some that are drawn at random after the submission. An item whose trace is published and leads
//!    to its item root is verified, op by op; a wrong value is convicted. The others are computed again, and
//!    their roots are compared with the published ones.
//! 3. Where the item roots are not published, or an item is wrong whose trace is not, the watcher *demands* data from the
//!    trace root down, along the first difference from its own result, and convicts what is revealed, or that nothing was.
//!    (Delivery is not what is refereed.) What follows from the published item roots it answers itself.
//! 4. Recorded convictions are paid out, and what lies in the watcher's own demands comes back.
//!
//! It trusts nobody, and it keeps nothing that the chain does not know: every step begins with reading the chain, so it may
//! be killed at any moment, and any number of watchers may look at the same job. Demands of others are used. How it is put
//! together, from the bottom up:
//!
//! - `settings`, `verdict`, `chain`: how it works, how a case ends, what it asks of the chain and sends to it;
//! - `sample`, `case`, `results`, `context`, `case_data`, `published`: one case and its items, its data in memory, what a step
//!   works with, getting the data;
//! - `check`, `fees`, `search`: checking items, what demands may cost, the search in a withheld commitment;
//! - `actions`, `demand_path`, `step`: what a step sends, the way down by demands, one step of one case;
//! - `archive`, `cases`, `state`: finished cases on disk, all cases, all that is known between two looks;
//! - `prepare`, `settle`, `tidy`: what is done beside the cases: data fetched early, convictions paid out, own rent taken back;
//! - `schedule`, `survey`, `run`: what is next, a look at the chain, the loop.

mod actions;
mod archive;
mod case;
mod case_data;
mod cases;
mod chain;
mod check;
mod context;
mod demand_path;
mod error;
mod fees;
mod prepare;
mod published;
mod results;
mod run;
mod sample;
mod schedule;
mod search;
mod settings;
mod settle;
mod state;
mod step;
mod survey;
#[cfg(test)]
mod tests;
mod tidy;
mod verdict;

pub use {
    chain::{Conviction, LockedRent, OpenedDemand, RpcWatcherChain, WatcherChain},
    error::{Result, WatcherError},
    run::{Followed, Until, Watcher},
    sample::{count as sample_size, drawn},
    settings::{Scope, Settings},
    verdict::{CheckedItems, Report, Verdict},
};
