//! The gateway: requests of applications become refereed jobs, and an answer leaves only after it was checked.
//!
//! - [`embedder`]: what a front door asks for ([`Embedder`]), and what it gets; [`refusal`]: why it gets nothing;
//!   [`order`]: a request that is kept until it is answered; [`spending`]: what was paid.
//! - [`Engine`] keeps requests and makes jobs of them (`batching`, `run`); `work` is one job's way, step by step; `settle` is
//!   what follows the answer.
//! - `record`, `journal`: what is on disk before a step is made; `book`: the same in memory; `receipts`: for people.
//! - `market`: the chain and its providers; `rpc`: those of a cluster; `late`: checking what was paid already; `choose`: who gets
//!   work, out of `board`, the providers that there are; `offers`: for how much. `served`: a model.
//! - [`folder`]: where all of it lies.
//! - [`http`]: the front door, which speaks as OpenAI does.

mod batching;
mod board;
mod book;
mod choose;
pub mod embedder;
mod engine;
mod error;
pub mod folder;
pub mod http;
mod journal;
mod late;
mod market;
mod offers;
pub mod order;
mod receipts;
mod record;
pub mod refusal;
mod rpc;
mod run;
mod served;
mod settings;
mod settle;
pub mod spending;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests;
mod work;

pub use {
    embedder::{Answer, Embedder, JobNote, ModelCard, Request, TokenRow},
    engine::Engine,
    error::{GatewayError, Result},
    order::{OrderId, Progress, Stage},
    refusal::{Cap, Refusal},
    rpc::Connection,
    served::{Served, registration},
    settings::Settings,
    spending::{Spending, SpendingState},
};
