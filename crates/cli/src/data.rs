//! Inputs and weights: read from files, fetched from where they are published, compared with their roots.

use {
    crate::{
        context::Context,
        error::{Error, Result},
        files::Role,
        progress,
    },
    quern_client::{ClientError, Pubkey, accounts, accounts::ModelAccount, config, history},
    quern_data::{FetchLimits, Fetcher, sizes},
    quern_proof::{Tensor, file, graph::Graph},
    std::path::{Path, PathBuf},
};

/// Where URIs may lead that others have written.
#[derive(clap::Args, Clone, Debug)]
pub struct Reach {
    /// Folder that `file` URIs of jobs and models may point into (repeatable)
    #[arg(long, value_name = "FOLDER")]
    pub allow_files: Vec<PathBuf>,
    /// Fetch from this machine and private networks, too, and through the proxy of the environment
    #[arg(long)]
    pub allow_private: bool,
}

impl Reach {
    /// Limits that let URIs lead there; on a local cluster, where everybody is oneself, anywhere.
    ///
    /// # Errors
    /// A folder that is none, or that the cluster does not say which it is.
    pub async fn limits(&self, context: &Context) -> Result<FetchLimits> {
        for folder in &self.allow_files {
            if !folder.is_dir() {
                return Err(Error::file(
                    folder,
                    "it is no folder; correct --allow-files",
                ));
            }
        }
        let is_local = config::is_local(&context.url) && !is_public(context).await?;
        let everything = is_local.then(|| PathBuf::from("/"));
        Ok(FetchLimits {
            file_roots: self.allow_files.iter().cloned().chain(everything).collect(),
            allow_private: self.allow_private || is_local,
            ..FetchLimits::default()
        })
    }

    /// A fetcher with these limits.
    ///
    /// # Errors
    /// As [`Reach::limits`].
    pub async fn fetcher(&self, context: &Context) -> Result<Fetcher> {
        Ok(Fetcher::new(self.limits(context).await?))
    }
}

/// Whether the cluster is a public one, whatever its address: a node or a tunnel to it may run on this machine.
async fn is_public(context: &Context) -> Result<bool> {
    let genesis = context.rpc().get_genesis_hash().await;
    let genesis = genesis.map_err(|error| ClientError::from_rpc(&context.url, error))?;
    Ok(PUBLIC_GENESIS.contains(&genesis.to_string().as_str()))
}

/// Genesis hashes of mainnet, testnet and devnet.
const PUBLIC_GENESIS: [&str; 3] = [
    "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d",
    "4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY",
    "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG",
];

/// The tensors in several input files, each a tensor or a bundle, one after the other.
///
/// # Errors
/// `File`, naming the one that cannot be read.
pub fn read_inputs(paths: &[PathBuf]) -> Result<Vec<Tensor>> {
    let role = Role::input("--input");
    let mut tensors = Vec::new();
    for path in paths {
        let bytes = role.read(path)?;
        let found = file::decode_bundle(&bytes);
        let found = found.map_err(|error| role.no_such(path, &bytes, error))?;
        if found.is_empty() {
            return Err(role.no_such(path, &bytes, "it holds no tensor"));
        }
        tensors.extend(found);
    }
    Ok(tensors)
}

/// The bytes of a graph that can be sealed; `option` is where its file was named.
///
/// # Errors
/// `File`: what it is instead, or where the graph is wrong.
pub fn read_graph(path: &Path, option: &'static str) -> Result<Vec<u8>> {
    let role = Role::graph(option);
    let bytes = role.read(path)?;
    let graph = Graph::parse(&bytes).map_err(|error| role.no_such(path, &bytes, error))?;
    graph
        .check()
        .map_err(|fault| role.unusable(path, format!("it could not be sealed: {fault}")))?;
    Ok(bytes)
}

/// A graph's weights from a file.
///
/// # Errors
/// `File`: what it is instead, or how it does not fit.
pub fn read_weights(path: &Path, graph: &Graph<'_>) -> Result<Vec<Tensor>> {
    read_weights_at(path, graph, "--weights")
}

/// The same; `option` is where the file was named.
///
/// # Errors
/// As [`read_weights`].
pub fn read_weights_at(
    path: &Path,
    graph: &Graph<'_>,
    option: &'static str,
) -> Result<Vec<Tensor>> {
    let role = Role::weights(option);
    let bytes = role.read(path)?;
    sizes::checked_weights(graph, &bytes).map_err(|error| role.no_such(path, &bytes, error))
}

/// A model with its graph.
///
/// # Errors
/// `NotSetUp` where there is no Quern, otherwise that there is no such model.
pub async fn model(context: &Context, address: &Pubkey) -> Result<ModelAccount> {
    match accounts::model(context.rpc(), address).await {
        Err(ClientError::NotFound { .. }) => {
            context.protocol().await?;
            Err(Error::Other(format!(
                "there is no model at {address} on this cluster; check the address and --url"
            )))
        }
        known => Ok(known?),
    }
}

/// Fetches a sealed model's weights and compares them with the sealed roots.
///
/// # Errors
/// That they cannot be found, fetched or are others.
pub async fn check_weights(
    context: &Context,
    model: &ModelAccount,
    graph: &Graph<'_>,
    reach: &Reach,
) -> Result<()> {
    let fetcher = reach.fetcher(context).await?;
    let check = async {
        let uri = history::model_uri(context.rpc(), &model.address, &model.model).await?;
        let expected = sizes::weights_bytes(graph)?;
        let bytes = fetcher.fetch(&uri, Some(expected)).await?;
        sizes::checked_weights(graph, &bytes)?;
        Ok::<_, Error>(())
    };
    progress::during("checking the model's weights", check).await.map_err(|error| {
        Error::Other(format!("the model's published weights could not be checked: {error}; without them nobody can serve the job (--skip-weights-check goes on regardless)"))
    })
}
