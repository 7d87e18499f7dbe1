//! The provider agent: finds jobs that it can serve, checks before it takes, works, publishes, submits, answers demands, finalizes. And the
//! watcher, which checks what others have submitted.
//!
//! [`Agent::run`] is the whole of it. It asks the chain every few seconds what there is to do and does one step a job at a
//! time; nothing that it keeps on disk is ever believed against the chain, so it can be killed at any moment and started
//! again. How it is put together:
//!
//! - [`policy`]: which jobs an owner wants, decided from the job alone (a pure function);
//! - [`data`]: where inputs, weights and results lie, and how they are fetched within limits;
//! - [`chain`]: what the agent asks of the chain and sends to it;
//! - [`uris`]: the texts behind the hashes in accounts, found in events;
//! - [`journal`]: what survives a kill;
//! - [`worker`]: who does the work;
//! - [`answers`]: what answers a demand;
//! - [`agent`]: the loop that ties them together.
//!
//! [`watch`] is the other side: whoever wants wrong results convicted runs a [`Watcher`].

pub mod agent;
pub mod answers;
pub mod chain;
pub mod data;
mod error;
pub mod journal;
pub mod policy;
mod reach;
pub mod uris;
pub mod watch;
pub mod worker;

pub use {
    agent::{Agent, Settings},
    chain::{Chain, RpcChain},
    data::{FetchLimits, Fetcher, Publisher},
    error::{NodeError, Result},
    policy::Policy,
    watch::Watcher,
    worker::{CommandWorker, IntegerWorker, Output, WorkOrder, WorkResult, Worker},
};
