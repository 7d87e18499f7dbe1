//! What an account's transactions tell that the account itself does not: the texts behind its hashes, how a job ended, what a
//! provider was convicted of.
//!
//! All of it is one walk over the account's transactions. Anybody can mention an account in a transaction, so every walk is
//! bounded: the creating transaction is among the oldest, a change among the newest.

use {
    crate::{
        errors::{ClientError, Result},
        events,
    },
    quern::{
        events::{JobConvicted, QuernEvent},
        state::{ConvictionReason, Job, Model},
    },
    solana_rpc_client::{
        nonblocking::rpc_client::RpcClient, rpc_client::GetConfirmedSignaturesForAddress2Config,
    },
    solana_rpc_client_api::response::RpcConfirmedTransactionStatusWithSignature as Listed,
    solana_sdk::{pubkey::Pubkey, signature::Signature},
};

/// Signatures in an answer.
const PAGE: usize = 1_000;
/// Most pages of signatures that are asked for.
const MAX_PAGES: usize = 50;
/// Most transactions that are read from each end.
const MAX_READ: usize = 128;
/// Most of the newest transactions that are read where an event must be among them.
const MAX_READ_NEWEST: usize = 64;

/// In which order a walk reads an account's transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the oldest on; then the newest, where there are too many to read them all.
    OldestFirst,
    /// From the newest on; then the oldest.
    NewestFirst,
    /// Only the newest 64, from one request.
    Newest,
}

/// Walks over the program's events in an account's transactions until `pick` takes one. `None` if it took none of those that
/// were read.
///
/// # Errors
/// That the cluster did not answer, or left out what a transaction did.
pub async fn find<T>(
    rpc: &RpcClient,
    account: &Pubkey,
    order: Order,
    mut pick: impl FnMut(&QuernEvent) -> Option<T>,
) -> Result<Option<T>> {
    for signature in signatures(rpc, account, order).await? {
        let config = events::transaction_config(rpc.commitment());
        let transaction = rpc
            .get_transaction_with_config(&signature, config)
            .await
            .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
        let found = events::events_of(&transaction).map_err(|error| ClientError::Rpc {
            reason: error.to_string(),
        })?;
        let known = found.events.iter().filter_map(|event| event.event.as_ref());
        let picked = match order {
            Order::OldestFirst => known.into_iter().find_map(&mut pick),
            Order::NewestFirst | Order::Newest => known.rev().find_map(&mut pick),
        };
        if picked.is_some() {
            return Ok(picked);
        }
    }
    Ok(None)
}

/// An account's successful transactions that a walk reads, in its order.
async fn signatures(rpc: &RpcClient, account: &Pubkey, order: Order) -> Result<Vec<Signature>> {
    let listed = match order {
        Order::Newest => page(rpc, account, None, MAX_READ_NEWEST).await?,
        Order::NewestFirst | Order::OldestFirst => listed(rpc, account).await?,
    };
    let succeeded = listed.iter().filter(|item| item.err.is_none());
    let newest_first: Vec<Signature> = succeeded
        .filter_map(|item| item.signature.parse().ok())
        .collect();
    let newest = newest_first.iter().take(MAX_READ);
    let oldest = newest_first
        .iter()
        .rev()
        .take(MAX_READ.min(newest_first.len().saturating_sub(MAX_READ)));
    let ordered: Vec<&Signature> = match order {
        Order::NewestFirst | Order::Newest => newest.chain(oldest).collect(),
        // Where all of them are within reach of one end, that end alone is read, in the wanted order.
        Order::OldestFirst if newest_first.len() <= MAX_READ => newest_first.iter().rev().collect(),
        Order::OldestFirst => oldest.chain(newest).collect(),
    };
    Ok(ordered.into_iter().copied().collect())
}

/// All transactions of an account that a node lists, newest first, failed ones included.
async fn listed(rpc: &RpcClient, account: &Pubkey) -> Result<Vec<Listed>> {
    let mut all = Vec::new();
    let mut before = None;
    for _ in 0..MAX_PAGES {
        let page = page(rpc, account, before, PAGE).await?;
        let is_last = page.len() < PAGE;
        before = page.last().and_then(|last| last.signature.parse().ok());
        all.extend(page);
        if is_last || before.is_none() {
            break;
        }
    }
    Ok(all)
}

/// Up to `limit` transactions of an account before one of them, newest first.
async fn page(
    rpc: &RpcClient,
    account: &Pubkey,
    before: Option<Signature>,
    limit: usize,
) -> Result<Vec<Listed>> {
    let config = GetConfirmedSignaturesForAddress2Config {
        before,
        limit: Some(limit),
        commitment: Some(rpc.commitment()),
        ..Default::default()
    };
    rpc.get_signatures_for_address_with_config(account, config)
        .await
        .map_err(|error| ClientError::from_rpc(&rpc.url(), error))
}

/// When an account was last mentioned in a transaction, by the cluster's clock, if the node knows.
///
/// # Errors
/// That the cluster did not answer.
pub async fn last_used_at(rpc: &RpcClient, account: &Pubkey) -> Result<Option<i64>> {
    let newest = page(rpc, account, None, 1).await?;
    Ok(newest.first().and_then(|item| item.block_time))
}

/// The hash that an account keeps of a URI: its SHA-256, or zeroes for an empty one.
pub fn uri_hash(uri: &str) -> [u8; 32] {
    if uri.is_empty() {
        [0; 32]
    } else {
        quern_proof::hash::hash(&[uri.as_bytes()])
    }
}

/// Where the inputs of a job are; empty if it has none.
///
/// # Errors
/// `UriUnknown`, or that the cluster did not answer.
pub async fn input_uri(rpc: &RpcClient, address: &Pubkey, job: &Job) -> Result<String> {
    let pick = |event: &QuernEvent| match event {
        QuernEvent::JobCreated(event) if event.job == *address => Some(event.input_uri.clone()),
        _ => None,
    };
    uri(rpc, address, Order::OldestFirst, &job.input_uri_hash, pick).await
}

/// Where a model's weights are; empty if it names no place.
///
/// # Errors
/// As [`input_uri`].
pub async fn model_uri(rpc: &RpcClient, address: &Pubkey, model: &Model) -> Result<String> {
    let pick = |event: &QuernEvent| {
        let uri = match event {
            QuernEvent::ModelRegistered(event) => &event.uri,
            QuernEvent::ModelUpdated(event) => event.uri.as_ref()?,
            _ => return None,
        };
        let changes = event.changes();
        let is_of_model = changes.iter().any(|change| change.address == *address);
        is_of_model.then(|| uri.clone())
    };
    uri(rpc, address, Order::OldestFirst, &model.uri_hash, pick).await
}

/// Where the current result of a job is.
///
/// # Errors
/// As [`input_uri`].
pub async fn output_uri(rpc: &RpcClient, address: &Pubkey, job: &Job) -> Result<String> {
    let pick = |event: &QuernEvent| match event {
        QuernEvent::ResultSubmitted(event) if event.job == *address => {
            Some(event.output_uri.clone())
        }
        _ => None,
    };
    uri(rpc, address, Order::NewestFirst, &job.output_uri_hash, pick).await
}

/// Where the last accepted checkpoint of a job is. Here the commitment itself identifies the text: its hash is that of the
/// newest result only.
///
/// # Errors
/// As [`input_uri`].
pub async fn checkpoint_uri(rpc: &RpcClient, address: &Pubkey, job: &Job) -> Result<String> {
    let pick = |event: &QuernEvent| match event {
        QuernEvent::ResultSubmitted(event)
            if event.job == *address && event.trace_root == job.checkpoint =>
        {
            Some(event.output_uri.clone())
        }
        _ => None,
    };
    let found = find(rpc, address, Order::NewestFirst, pick).await?;
    found.ok_or(ClientError::UriUnknown { address: *address })
}

/// The picked URI that has this hash.
async fn uri(
    rpc: &RpcClient,
    address: &Pubkey,
    order: Order,
    hash: &[u8; 32],
    pick: impl Fn(&QuernEvent) -> Option<String>,
) -> Result<String> {
    if *hash == [0; 32] {
        return Ok(String::new());
    }
    let pick = |event: &QuernEvent| pick(event).filter(|uri| uri_hash(uri) == *hash);
    let found = find(rpc, address, order, pick).await?;
    found.ok_or(ClientError::UriUnknown { address: *address })
}

/// The event that convicted a job's provider for its current submission, if the node still has it.
///
/// # Errors
/// That the cluster did not answer.
pub async fn conviction_of(
    rpc: &RpcClient,
    address: &Pubkey,
    job: &Job,
) -> Result<Option<JobConvicted>> {
    let pick = |event: &QuernEvent| match event {
        QuernEvent::JobConvicted(event)
            if event.job == *address && event.submission == job.submissions.get() =>
        {
            Some(event.clone())
        }
        _ => None,
    };
    find(rpc, address, Order::Newest, pick).await
}

/// How a job ended whose account is gone: its last event says so, if the node still has it.
///
/// # Errors
/// That the cluster did not answer.
pub async fn outcome_of(rpc: &RpcClient, job: &Pubkey) -> Result<Outcome> {
    let found = find(rpc, job, Order::Newest, |event| ending(event, job)).await?;
    Ok(found.unwrap_or(Outcome::Unknown))
}

/// The outcome that an event tells, if it ends this job.
fn ending(event: &QuernEvent, job: &Pubkey) -> Option<Outcome> {
    match event {
        QuernEvent::MilestoneSettled(event) if event.job == *job && event.closed => {
            Some(Outcome::Paid)
        }
        QuernEvent::ConvictionSettled(event) if event.job == *job => Some(Outcome::Convicted {
            prover: event.prover,
            reason: ConvictionReason::from_code(event.reason),
        }),
        QuernEvent::JobCancelled(event) if event.job == *job => Some(Outcome::Ended),
        QuernEvent::JobResolved(event) if event.job == *job && event.closed => Some(Outcome::Ended),
        QuernEvent::JobExpired(event) if event.job == *job && event.closed => Some(Outcome::Ended),
        _ => None,
    }
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The provider was paid.
    Paid,
    /// The provider was convicted, the escrow went back to the client and the bond was split.
    Convicted {
        /// Who convicted it.
        prover: Pubkey,
        /// What for; none where this version does not know the code.
        reason: Option<ConvictionReason>,
    },
    /// It was cancelled, expired or decided by its arbiter.
    Ended,
    /// The node keeps too few transactions to tell.
    Unknown,
}

impl Outcome {
    /// In one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Convicted { .. } => "convicted",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }

    /// As a part of a sentence.
    pub fn details(&self) -> String {
        match self {
            Self::Paid => "the provider was paid".to_owned(),
            Self::Convicted { prover, reason } => format!(
                "the provider was convicted of {} (proved by {prover}) and the price is back in the client's purse",
                reason_text(*reason)
            ),
            Self::Ended => "it was cancelled, it expired, or its arbiter decided".to_owned(),
            Self::Unknown => {
                "the node keeps too few transactions to tell how; ask an indexer".to_owned()
            }
        }
    }
}

/// A reason for a conviction, for programs.
pub fn reason_name(reason: Option<ConvictionReason>) -> &'static str {
    reason.map_or("unknown", ConvictionReason::name)
}

/// A reason for a conviction, in words.
pub const fn reason_text(reason: Option<ConvictionReason>) -> &'static str {
    match reason {
        Some(ConvictionReason::WrongCell) => "a wrong value",
        Some(ConvictionReason::BadPadding) => "wrong padding",
        Some(ConvictionReason::Unanswered) => "a demand without answer",
        None => "an unknown reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_the_program_does() {
        assert_eq!(uri_hash(""), [0; 32]);
        let abc = quern_proof::hash::hash(&[b"abc"]);
        assert_eq!(abc[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(uri_hash("abc"), abc);
    }
}
