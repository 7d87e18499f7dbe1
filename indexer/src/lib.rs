//! The indexer: follows the program over RPC, stores every event, derives every table from the events and serves them.
//!
//! Data flow, one module a step: [`source`] yields finalized transactions, [`decode`] accepts or refuses their events,
//! [`project`] says purely which rows follow from an event, [`store`] merges them and keeps events, rows and cursor in one
//! database transaction, [`view`] turns rows into the types of `quern_api`, [`api`] answers with them over HTTP, [`web`] shows
//! its answers to people. [`follow`] is the loop that ties the first four together; live and backfill are the same code.
//! [`provisional`] shows what is not final yet, apart from all of it.
//! [`mirror`] stands in the place of [`follow`] in a process that only reads. [`audit`] compares the tables with what the chain holds.

#![forbid(unsafe_code)]

pub mod api;
pub mod audit;
pub mod config;
pub mod decode;
pub mod error;
pub mod follow;
pub mod health;
pub mod metrics;
pub mod mirror;
pub mod project;
pub mod provisional;
pub mod service;
pub mod source;
pub mod store;
pub mod tally;
pub mod view;
pub mod web;

pub use {
    config::Config,
    error::{IndexerError, Result},
    service::{Indexer, node, run},
    web::{Explorer, MintName, Site},
};
