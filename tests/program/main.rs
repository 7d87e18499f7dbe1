//! The built program in a virtual machine. What is special about one instruction stands in `<instruction>.rs`: what it does,
//! its edges, its roles, and in `errors()` what it refuses. The other files go across instructions.

#![allow(clippy::unwrap_used, clippy::panic)]

mod accept_authority;
mod accept_model_owner;
mod bytecode;
mod cancel_job;
mod claim_rewards;
mod close_demand;
mod close_evidence;
mod common;
mod configure_emission;
mod convict;
mod create_job;
mod deadlines;
mod deposit;
mod errors;
mod events;
mod expire;
mod finalize;
mod fuzz;
mod golden;
mod harness;
mod initialize;
mod keys;
mod kit;
mod open_demand;
mod open_purse;
mod prices;
mod random;
/// Random graphs with data; the tests of the proof crate use them too.
#[path = "../../crates/proof/tests/common/mod.rs"]
mod random_jobs;
mod register_mint;
mod register_model;
mod register_provider;
mod reject;
mod resolve;
mod reveal;
mod roles;
mod seal_model;
mod set_operator_limit;
mod set_pause;
mod settle_conviction;
mod submit;
mod take_job;
mod timeout;
mod update_mint;
mod update_model;
mod update_protocol;
mod update_provider;
mod withdraw;
mod write_evidence;
mod write_model;
