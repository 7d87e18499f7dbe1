//! Which cluster this is: the protocol names it when it is initialized, and tools refuse to work on another one.
//!
//! A program's address is the same everywhere, so nothing else tells a test network from the one with money.

use {
    crate::{
        accounts,
        errors::{ClientError, Result},
    },
    quern::state::Protocol,
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::hash::Hash,
};

/// The cluster's identity: the hash of its genesis block.
///
/// # Errors
/// That the cluster did not answer.
pub async fn genesis(rpc: &RpcClient) -> Result<Hash> {
    let hash = rpc.get_genesis_hash().await;
    hash.map_err(|error| ClientError::from_rpc(&rpc.url(), error))
}

/// The protocol, if it was initialized for the cluster that answers. Tools ask for it before they send.
///
/// # Errors
/// `WrongCluster`, `NotFound` for a protocol that is not initialized, what [`accounts::decode`] says, or that the cluster did
/// not answer.
pub async fn protocol(rpc: &RpcClient) -> Result<Protocol> {
    let protocol = accounts::protocol(rpc).await?;
    compare(&protocol, genesis(rpc).await?, &rpc.url())?;
    Ok(protocol)
}

/// Refuses to go on where the protocol was initialized for another cluster than the one that answers. A protocol that is not
/// initialized yet names none, so there is nothing to compare.
///
/// # Errors
/// As [`protocol`], but for `NotFound`.
pub async fn check(rpc: &RpcClient) -> Result<()> {
    match protocol(rpc).await {
        Ok(_) | Err(ClientError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn compare(protocol: &Protocol, found: Hash, url: &str) -> Result<()> {
    let expected = Hash::new_from_array(protocol.cluster);
    if expected == found {
        return Ok(());
    }
    Err(ClientError::WrongCluster {
        url: url.to_owned(),
        expected,
        found,
    })
}

#[cfg(test)]
mod tests {
    use {super::*, bytemuck::Zeroable};

    #[test]
    fn another_genesis_hash_is_refused_with_both() {
        let (ours, other) = (Hash::new_from_array([1; 32]), Hash::new_from_array([2; 32]));
        let mut protocol = Protocol::zeroed();
        protocol.cluster = ours.to_bytes();
        assert!(compare(&protocol, ours, "http://here").is_ok());
        let refused = compare(&protocol, other, "http://here").map_err(|error| error.to_string());
        assert_eq!(
            refused,
            Err(format!(
                "the protocol was set up for the cluster with genesis hash {ours}, but http://here belongs to the one with {other}; check --url"
            ))
        );
    }
}
