//! One file a page.

mod board;
mod campaign;
mod campaigns;
mod client;
mod creator;
mod entry;
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
    board::board, campaign::campaign, campaigns::campaigns, client::client, creator::creator,
    entry::entry, home::home, job::job, jobs::jobs, model::model, network::network,
    provider::provider, purse::purse, search::search,
};
