//! `quern localnet --serve`: a provider in the same process, for imported models that are registered at the start.

use {
    super::Wallet,
    crate::{
        error::{Error, Result},
        folder::ModelFolder,
    },
    quern_client::{
        Keypair, RpcChain, Signer, flows, instructions,
        quern::{
            instructions::{NewModel, ProviderSettings},
            state::AssetKind,
        },
    },
    quern_data::{FetchLimits, Publisher},
    quern_localnet::{LocalNet, Mint},
    quern_provider::{Policy, Settings},
    std::{
        path::{Path, PathBuf},
        time::Duration,
    },
};

pub use quern_provider::Agent;

/// What client and provider have in their purses: a hundred thousand tokens.
const PURSE_ATOMS: u64 = 100_000_000_000;
/// The creator's share of the price, as README states it.
const ROYALTY_BPS: u16 = 500;
/// Time between the agent's looks at the chain.
const POLL: Duration = Duration::from_millis(200);

/// Registers the models, fills the purses of client and provider, and makes the agent.
///
/// # Errors
/// A folder that is none, or what the network refuses.
pub async fn prepare(
    net: &LocalNet,
    mint: &Mint,
    roles: &[Wallet],
    folders: &[ModelFolder],
    keys_dir: &Path,
) -> Result<Agent> {
    let [client, provider, creator, ..] = roles else {
        return Err(Error::Other("a role has no wallet".to_owned()));
    };
    for (id, folder) in (1..).zip(folders) {
        register(net, &creator.keypair, id, folder).await?;
    }
    for wallet in [client, provider] {
        deposit(net, mint, &wallet.keypair).await?;
    }
    let owner = provider.keypair.pubkey();
    let entry = ProviderSettings {
        operator: owner,
        name: "This machine".to_owned(),
        endpoint: String::new(),
        active: true,
    };
    let register = instructions::register_provider(&owner, entry);
    let sender = net.sender();
    sender.send(&[register], &[&provider.keypair]).await?;
    agent(net, &provider.keypair, keys_dir)
}

async fn register(net: &LocalNet, creator: &Keypair, id: u64, folder: &ModelFolder) -> Result<()> {
    let entry = NewModel {
        id,
        graph_bytes: 0, // set from the graph's length
        kind: AssetKind::Model.code(),
        royalty_bps: ROYALTY_BPS,
        name: folder.card.name.clone(),
        uri: folder.weights_uri()?,
    };
    let (rpc, sender) = (net.rpc(), net.sender());
    let all = flows::register_model(rpc, &creator.pubkey(), entry, &folder.graph).await?;
    sender.send_all(&all, &[creator]).await?;
    Ok(())
}

async fn deposit(net: &LocalNet, mint: &Mint, wallet: &Keypair) -> Result<()> {
    let owner = wallet.pubkey();
    let program = &mint.token_program;
    let all = flows::deposit(
        net.rpc(),
        &owner,
        &owner,
        &mint.address,
        program,
        PURSE_ATOMS,
    )
    .await?;
    net.sender().send_all(&all, &[wallet]).await?;
    Ok(())
}

/// What is of one network and worth nothing on the next: the agent's journal and what is published. No other tool has such a
/// folder, so it may be removed wherever the keys lie.
const OF_NETWORK: &str = ".quern-network";

/// Removes what was of a network that is gone.
///
/// # Errors
/// `File`.
pub fn forget(keys_dir: &Path) -> Result<()> {
    let folder = keys_dir.join(OF_NETWORK);
    match folder.exists() {
        true => std::fs::remove_dir_all(&folder).map_err(|error| Error::file(&folder, error)),
        false => Ok(()),
    }
}

/// The provider's agent. Each network is a new one, so its journal begins anew.
fn agent(net: &LocalNet, provider: &Keypair, keys_dir: &Path) -> Result<Agent> {
    forget(keys_dir)?;
    let (home, results) = ["agent", "results"]
        .map(|name| keys_dir.join(OF_NETWORK).join(name))
        .into();
    let publisher = Publisher::folder(&results, None)?;
    let chain = RpcChain::new(net.sender().clone(), provider.insecure_clone());
    let settings = Settings {
        policy: Policy {
            // The windows of the local network are short enough to watch.
            min_response_secs: 1,
            min_react_secs: 1,
            min_work_secs: 1,
            min_ms_per_gwork: 0,
            max_work: u64::MAX,
            ..Policy::default()
        },
        fetch: FetchLimits {
            file_roots: vec![PathBuf::from("/")],
            allow_private: true,
            ..FetchLimits::default()
        },
        poll: POLL,
        ..Settings::new(provider.pubkey(), home, publisher)
    };
    Ok(Agent::new(settings, chain, None)?)
}

/// Where the first model's folder is to be found by its name.
pub fn models_of(folders: &[ModelFolder]) -> Option<PathBuf> {
    let first = folders.first()?.path.canonicalize().ok()?;
    first.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn only_what_was_of_the_network_goes() {
        let keys = tempfile::tempdir().unwrap();
        forget(keys.path()).unwrap();
        let own = keys.path().join(OF_NETWORK).join("results/1");
        for folder in [own, keys.path().join("results")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(keys.path().join("client.json"), "[]").unwrap();
        forget(keys.path()).unwrap();
        assert!(!keys.path().join(OF_NETWORK).exists());
        assert!(keys.path().join("results").exists() && keys.path().join("client.json").exists());
    }
}
