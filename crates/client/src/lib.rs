//! Everything that a program outside the chain needs to talk to Quern: addresses, instructions, accounts, events, sending.
//!
//! Nothing outside this crate names an account layout, a seed or an account list, or builds a transaction.
//!
//! - [`addresses`]: where every account is.
//! - [`instructions`]: one pure builder for every instruction; [`flows`]: the same with what must be read first.
//! - [`campaigns`], [`claims`]: token incentives that sponsors pay; what one owner may take.
//! - [`accounts`]: fetching and decoding; [`jobs`]: live jobs, followed with few bytes; [`read`]: what a command needs, in one request; [`events`]: what a transaction did.
//! - [`rpc`]: the connection, and what is asked again; [`send`]: simulate, price, send, confirm; [`errors`]: one sentence for whatever went wrong.
//! - [`program_id`]: which deployment this process works with.
//! - [`chain`]: reads that provider and watcher share; [`clock`]: the cluster's time; [`history`]: what old transactions tell.
//! - [`cluster`]: whether this is the cluster that the protocol was set up for.
//! - [`metadata`]: where explorers find the program's IDL.
//! - [`census`]: every account of a kind at one slot, for comparisons.
//! - [`config`]: Solana's configuration, cluster names and keypair files.
//! - [`text`]: what may be written for ever, and how what strangers wrote is shown.

pub mod accounts;
pub mod addresses;
mod base58;
pub mod campaigns;
pub mod census;
pub mod chain;
pub mod claims;
pub mod clock;
pub mod cluster;
pub mod config;
mod deployment;
pub mod errors;
pub mod events;
pub mod files;
pub mod flows;
pub mod history;
pub mod instructions;
pub mod jobs;
pub mod messages;
pub mod metadata;
pub mod read;
pub mod rpc;
pub mod send;
pub mod text;
pub mod transaction;

pub use {
    chain::{ChainReads, RpcChain},
    deployment::program_id,
    errors::{ClientError, Refusal, Result},
    events::{EventError, LocatedEvent, TransactionEvents, events_of},
    history::Outcome,
    quern,
    send::{
        Budgets, ComputeUnits, Cost, Errand, Format, PriorityFee, Receipt, SendOptions, Sender,
    },
    solana_commitment_config::CommitmentConfig,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{
        hash::Hash,
        instruction::Instruction,
        signature::{Keypair, Signature, Signer},
    },
    solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta,
};

/// A Solana address; the same type as Anchor's `Address`.
pub use solana_sdk::pubkey::Pubkey;

/// Chooses the deployment that this process works with; to be called before anything else of this crate.
///
/// # Errors
/// `Argument` if this process works with another deployment already.
pub fn set_program_id(program_id: Pubkey) -> Result<()> {
    deployment::choose(program_id).map_err(|used| {
        ClientError::Argument(format!(
            "this process works with the program {used} already; start another one for {program_id}"
        ))
    })
}
