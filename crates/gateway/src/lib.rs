//! The gateway: requests of applications become refereed jobs, and an answer leaves only after it was checked.
//!
//! - [`embedder`]: what a front door asks for ([`Embedder`]), and what it gets; [`refusal`]: why it gets nothing;
//!   [`order`]: a request that is kept until it is answered; [`spending`]: what was paid.
//! - [`http`]: the front door, which speaks as OpenAI does.

pub mod embedder;
pub mod http;
pub mod order;
pub mod refusal;
pub mod spending;

pub use {
    embedder::{Answer, Embedder, JobNote, ModelCard, Request, TokenRow},
    order::{OrderId, Progress, Stage},
    refusal::{Cap, Refusal},
    spending::{Spending, SpendingState},
};
