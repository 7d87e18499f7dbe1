//! The texts behind the hashes in accounts. Accounts keep the SHA-256 of a URI, the event that set it carries the text; so it
//! is looked up in the transactions of the account and compared with the hash.
//!
//! Anybody can mention an account in a transaction, so the search is bounded from both ends: the creating transaction is
//! among the oldest, a change among the newest.

use {
    crate::error::{NodeError, Result},
    quern_client::{
        ClientError, Pubkey, RpcClient, Signature, events,
        quern::{
            events::QuernEvent,
            state::{Job, Model},
        },
    },
    solana_rpc_client::rpc_client::GetConfirmedSignaturesForAddress2Config,
};

/// Signatures in an answer.
const PAGE: usize = 1_000;
/// Most pages of signatures that are asked for.
const MAX_PAGES: usize = 50;
/// Most transactions that are read from each end.
const MAX_READ: usize = 128;

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
    find(
        rpc,
        address,
        End::Oldest,
        |event| match event {
            QuernEvent::JobCreated(event) if event.job == *address => Some(event.input_uri.clone()),
            _ => None,
        },
        &job.input_uri_hash,
    )
    .await
}

/// Where a model's weights are; empty if it names no place.
///
/// # Errors
/// As [`input_uri`].
pub async fn model_uri(rpc: &RpcClient, address: &Pubkey, model: &Model) -> Result<String> {
    find(
        rpc,
        address,
        End::Oldest,
        |event| {
            let uri = match event {
                QuernEvent::ModelRegistered(event) => &event.uri,
                QuernEvent::ModelUpdated(event) => event.uri.as_ref()?,
                _ => return None,
            };
            event
                .changes()
                .iter()
                .any(|change| change.address == *address)
                .then(|| uri.clone())
        },
        &model.uri_hash,
    )
    .await
}

/// Where the current result of a job is.
///
/// # Errors
/// As [`input_uri`].
pub async fn output_uri(rpc: &RpcClient, address: &Pubkey, job: &Job) -> Result<String> {
    find(
        rpc,
        address,
        End::Newest,
        |event| match event {
            QuernEvent::ResultSubmitted(event) if event.job == *address => {
                Some(event.output_uri.clone())
            }
            _ => None,
        },
        &job.output_uri_hash,
    )
    .await
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
    search(rpc, address, End::Newest, pick).await
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Oldest,
    Newest,
}

async fn find(
    rpc: &RpcClient,
    address: &Pubkey,
    first: End,
    pick: impl Fn(&QuernEvent) -> Option<String>,
    hash: &[u8; 32],
) -> Result<String> {
    if *hash == [0; 32] {
        return Ok(String::new());
    }
    search(rpc, address, first, |event| {
        pick(event).filter(|uri| uri_hash(uri) == *hash)
    })
    .await
}

async fn search(
    rpc: &RpcClient,
    address: &Pubkey,
    first: End,
    pick: impl Fn(&QuernEvent) -> Option<String>,
) -> Result<String> {
    let newest_first = signatures(rpc, address).await?;
    let newest = newest_first.iter().take(MAX_READ);
    let oldest = newest_first
        .iter()
        .rev()
        .take(MAX_READ.min(newest_first.len().saturating_sub(MAX_READ)));
    let order: Vec<&Signature> = match first {
        End::Newest => newest.chain(oldest).collect(),
        // Where all of them are within reach of one end, that end alone is read, in the wanted order.
        End::Oldest if newest_first.len() <= MAX_READ => newest_first.iter().rev().collect(),
        End::Oldest => oldest.chain(newest).collect(),
    };
    for signature in order {
        let config = events::transaction_config(rpc.commitment());
        let transaction = rpc
            .get_transaction_with_config(signature, config)
            .await
            .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
        let found = events::events_of(&transaction).map_err(|error| ClientError::Rpc {
            reason: error.to_string(),
        })?;
        if let Some(uri) = found
            .events
            .iter()
            .filter_map(|event| event.event.as_ref())
            .find_map(&pick)
        {
            return Ok(uri);
        }
    }
    Err(NodeError::UriUnknown { address: *address })
}

/// Successful transactions of an account, newest first.
async fn signatures(rpc: &RpcClient, address: &Pubkey) -> Result<Vec<Signature>> {
    let mut all = Vec::new();
    let mut before = None;
    for _ in 0..MAX_PAGES {
        let config = GetConfirmedSignaturesForAddress2Config {
            before,
            limit: Some(PAGE),
            commitment: Some(rpc.commitment()),
            ..Default::default()
        };
        let page = rpc
            .get_signatures_for_address_with_config(address, config)
            .await
            .map_err(|error| ClientError::from_rpc(&rpc.url(), error))?;
        let Some(last) = page.last() else { break };
        before = last.signature.parse().ok();
        let succeeded = page.iter().filter(|item| item.err.is_none());
        all.extend(succeeded.filter_map(|item| item.signature.parse::<Signature>().ok()));
        if page.len() < PAGE || before.is_none() {
            break;
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_the_program_does() {
        assert_eq!(uri_hash(""), [0; 32]);
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex::encode(uri_hash("abc")), abc);
    }
}
