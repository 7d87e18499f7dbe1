//! One file a page.

mod board;
mod home;
mod job;
mod jobs;
mod network;
mod provider;
mod purse;
mod search;
mod steps;

pub(super) use {
    board::providers, home::home, job::job, jobs::jobs, network::network, provider::provider,
    purse::purse, search::search,
};
