//! One file a page.

mod board;
mod client;
mod creator;
mod home;
mod job;
mod jobs;
mod lines;
mod model;
mod names;
mod network;
mod over_time;
mod provider;
mod purse;
mod search;
mod steps;
mod switches;

pub(super) use {
    board::board, client::client, creator::creator, home::home, job::job, jobs::jobs, model::model,
    network::network, provider::provider, purse::purse, search::search,
};
