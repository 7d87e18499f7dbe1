//! The provider: finds jobs that it can serve, checks before it takes, works, publishes, submits, answers demands, finalizes.
//!
//! [`Agent::run`] is the whole of it. It asks the chain every few seconds what there is to do and does one step a job at a
//! time; nothing that it keeps on disk is ever believed against the chain, so it can be killed at any moment and started
//! again. How it is put together, from the bottom up:
//!
//! - [`policy`]: which jobs an owner wants, decided from the job alone (a pure function);
//! - [`chain`], [`journal`], [`worker`]: what it asks of the chain and sends to it, what survives a kill, who does the work;
//! - [`kept`]: what stays on the disk of every item that was computed;
//! - `settings`, `task`, `context`: how it works, what there is to do, what every step works with;
//! - `ability`, `promises`, `strangers`, `campaigns`, `offers`: what the machine can do, what is promised, what is known of
//!   strangers, which campaigns to join, which open jobs are worth a look;
//! - `claims`: what campaigns that have settled owe;
//! - `prepare`, `steps`: what a job needs, and the steps from take to payment;
//! - [`answers`], `demands`: what answers a demand, and answering;
//! - `survey`, `run`: a look at the chain, the loop.

mod ability;
pub mod answers;
mod campaigns;
pub mod chain;
mod claims;
mod context;
mod demands;
mod disk;
mod error;
pub mod journal;
pub mod kept;
mod offers;
pub mod policy;
mod prepare;
mod promises;
mod run;
mod settings;
mod steps;
mod strangers;
mod survey;
mod task;
#[cfg(test)]
mod tests;
pub mod worker;

pub use {
    ability::Ability,
    chain::{ProviderChain, check_ready},
    error::{ProviderError, Result},
    policy::Policy,
    run::Agent,
    settings::Settings,
    worker::{
        CheckedTensors, CommandWorker, IntegerWorker, ItemsOrder, Output, WorkOrder, WorkResult,
        Worker,
    },
};
