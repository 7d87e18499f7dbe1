//! Which cluster this is: the protocol names it when it is initialized, and tools refuse to work on another one.
//!
//! A program's address is the same everywhere, so nothing else tells a test network from the one with money.

use {
    crate::{
        accounts,
        errors::{ClientError, Result},
    },
    anchor_lang::Discriminator,
    quern::state::{LAYOUT_VERSION, Protocol},
    solana_rpc_client::nonblocking::rpc_client::RpcClient,
    solana_sdk::{hash::Hash, pubkey::Pubkey},
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

/// The cluster that a deployment's protocol account names, for followers that read it by themselves. `None` if these data are
/// no protocol account of this version.
pub fn named_in(program_id: &Pubkey, owner: &Pubkey, data: &[u8]) -> Option<Hash> {
    let body = data.strip_prefix(Protocol::DISCRIMINATOR)?;
    let protocol: Protocol = bytemuck::try_pod_read_unaligned(body).ok()?;
    (owner == program_id && protocol.version == LAYOUT_VERSION)
        .then(|| Hash::new_from_array(protocol.cluster))
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
    fn a_followers_account_names_its_cluster_only_if_it_is_the_protocol() {
        let program = Pubkey::from([3; 32]);
        let mut protocol = Protocol::zeroed();
        protocol.version = LAYOUT_VERSION;
        protocol.cluster = [1; 32];
        let data = [Protocol::DISCRIMINATOR, bytemuck::bytes_of(&protocol)].concat();
        let named = named_in(&program, &program, &data);
        assert_eq!(named, Some(Hash::new_from_array([1; 32])));
        assert_eq!(named_in(&program, &Pubkey::default(), &data), None);
        assert_eq!(named_in(&program, &program, &data[1..]), None);
        assert_eq!(named_in(&program, &program, &data[..data.len() - 1]), None);
    }

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
