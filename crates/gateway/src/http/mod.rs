//! The HTTP front: OpenAI's routes over an [`Embedder`], for programs of this machine.
//!
//! A request passes, in this order: its name ([`request_id`]), its host and origin ([`guard`]), its API key ([`token`]), a place
//! among those that are worked on, its route ([`openai`], [`quern`]). Bodies, queues, lists and waits are bounded; what is kept
//! ([`store`]) lies in the gateway's state folder, so that a restart goes on with batches ([`batch`]).

mod app;
mod ask;
mod batch;
mod catalog;
mod disk;
mod embedding;
mod error;
mod guard;
mod ids;
mod json;
mod openai;
mod quern;
mod reply;
mod request_id;
mod router;
mod server;
mod settings;
mod store;
mod token;

pub(crate) use app::PARTS;
pub use {
    error::ApiError,
    server::{HttpError, HttpServer, TOKEN_FILE},
    settings::{HttpSettings, Waits},
    token::Token,
};
