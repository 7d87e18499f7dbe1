//! What an account's transactions tell that the account itself does not: the texts behind its hashes, how a job ended, what a
//! provider was convicted of.
//!
//! All of it is one [`walk`] over the account's transactions, bounded because anybody can name an account in a transaction.

pub mod outcome;
#[cfg(test)]
mod tests;
pub mod uris;
pub mod walk;

pub use {
    outcome::{Outcome, conviction_of, outcome_of, reason_name, reason_text},
    uris::{checkpoint_uri, input_uri, model_uri, output_uri, provider_endpoint, uri_hash},
    walk::{At, find, last_used_at},
};
