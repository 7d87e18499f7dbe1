//! The provider agent: finds jobs that it can serve, checks before it takes, works, publishes, submits, answers demands, finalizes.
//!
//! [`Agent::run`] is the whole of it. It asks the chain every few seconds what there is to do and does one step a job at a
//! time; nothing that it keeps on disk is ever believed against the chain, so it can be killed at any moment and started
//! again. How it is put together:
//!
//! - [`policy`]: which jobs an owner wants, decided from the job alone (a pure function);
//! - [`chain`]: what the agent asks of the chain and sends to it;
//! - [`journal`]: what survives a kill;
//! - [`worker`]: who does the work;
//! - [`answers`]: what answers a demand;
//! - [`agent`]: the loop that ties them together.

pub mod agent;
pub mod answers;
pub mod chain;
mod error;
pub mod journal;
pub mod policy;
pub mod worker;

pub use {
    agent::{Agent, Settings},
    chain::ProviderChain,
    error::{ProviderError, Result},
    policy::Policy,
    worker::{CommandWorker, IntegerWorker, Output, WorkOrder, WorkResult, Worker},
};
