//! The URIs behind the hashes that jobs and models keep.

use {
    super::walk::{At, find},
    crate::errors::{ClientError, Result},
    quern::{
        events::QuernEvent,
        state::{Job, JobState, Model, Provider},
    },
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::pubkey::Pubkey,
};

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
    let at = At::Time(job.created_at.get());
    let found = uri(rpc, address, at, &job.input_uri_hash, pick).await;
    match found {
        // Where more was written since than anybody lists, the block of an open job can be read: nothing has happened to it.
        Err(ClientError::UriUnknown { .. }) if job.is_in(JobState::Open) => {
            let at = At::Slot(job.state_slot.get());
            uri(rpc, address, at, &job.input_uri_hash, pick).await
        }
        found => found,
    }
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
    // A model does not say when it got its URI.
    uri(rpc, address, At::Oldest, &model.uri_hash, pick).await
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
    let slot = job.state_slot.get();
    let at = match job.is_in(JobState::Submitted) {
        true => At::Slot(slot),
        false => At::Until(slot),
    };
    uri(rpc, address, at, &job.output_uri_hash, pick).await
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
    let at = At::Until(job.state_slot.get());
    let found = find(rpc, address, at, pick).await?;
    found.ok_or(ClientError::UriUnknown { address: *address })
}

/// How to reach a provider; empty if it says nothing about that.
///
/// # Errors
/// `UriUnknown` if the node does not know the transaction any more; what the node says.
pub async fn provider_endpoint(
    rpc: &RpcClient,
    address: &Pubkey,
    provider: &Provider,
) -> Result<String> {
    let pick = |event: &QuernEvent| {
        let (owner, endpoint) = match event {
            QuernEvent::ProviderRegistered(event) => (event.owner, &event.endpoint),
            QuernEvent::ProviderUpdated(event) => (event.owner, &event.endpoint),
            _ => return None,
        };
        (owner == provider.owner).then(|| endpoint.clone())
    };
    uri(rpc, address, At::Newest, &provider.endpoint_hash, pick).await
}

/// The picked URI that has this hash.
async fn uri(
    rpc: &RpcClient,
    address: &Pubkey,
    at: At,
    hash: &[u8; 32],
    pick: impl Fn(&QuernEvent) -> Option<String>,
) -> Result<String> {
    if *hash == [0; 32] {
        return Ok(String::new());
    }
    let pick = |event: &QuernEvent| pick(event).filter(|uri| uri_hash(uri) == *hash);
    let found = find(rpc, address, at, pick).await?;
    found.ok_or(ClientError::UriUnknown { address: *address })
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
