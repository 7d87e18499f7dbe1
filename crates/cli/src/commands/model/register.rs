//! `quern model register`: register a model; write and seal its graph.

use {
    crate::{
        amount::parse_bps,
        context::{Context, with_signatures},
        data,
        error::{Error, Result},
        output::Fields,
    },
    quern_client::{
        Signer, addresses, flows,
        quern::{instructions::NewModel, state::AssetKind},
    },
    quern_data::sizes,
    quern_proof::graph::Graph,
    std::path::PathBuf,
};

/// A model's entry.
#[derive(clap::Args)]
pub struct Args {
    /// Your number for it
    #[arg(long, value_name = "NUMBER")]
    id: u64,
    /// Its name, at most 32 bytes
    #[arg(long)]
    name: String,
    /// Where its weights are: the address of one bundle file, at most 200 bytes
    #[arg(long, value_name = "URI", default_value = "")]
    uri: String,
    /// Your share of the price of every job that uses it, at most 50 %
    #[arg(long, value_parser = parse_bps, default_value = "0", value_name = "SHARE")]
    royalty: u16,
    /// Its graph, which makes refereed jobs possible
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,
    /// Its weights, to be compared with the graph before anything is paid
    #[arg(long, value_name = "FILE", requires = "graph")]
    weights: Option<PathBuf>,
    /// What kind of asset it is
    #[arg(long, value_enum, default_value_t = AssetKind::Model)]
    kind: AssetKind,
}

/// Registers a model.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let bytes = match &args.graph {
        Some(path) => data::read(path)?,
        None => Vec::new(),
    };
    if let Some(path) = &args.graph {
        check(path, &bytes, args.weights.as_deref())?;
    }
    let wallet = context.wallet()?;
    context.protocol().await?;
    let address = addresses::model(&wallet.pubkey(), args.id);
    let entry = NewModel {
        id: args.id,
        graph_bytes: 0, // set from the graph's length
        kind: args.kind.code(),
        royalty_bps: args.royalty,
        name: args.name,
        uri: args.uri,
    };
    let all = flows::register_model(context.rpc(), &wallet.pubkey(), entry, &bytes).await?;
    if all.is_empty() {
        return Err(Error::Other(format!(
            "the model {address} is registered already, with this very graph"
        )));
    }
    let receipts = context.send(&all, &[&wallet]).await?;
    let done = Fields::new()
        .text("model", address)
        .with("sealed", !bytes.is_empty());
    with_signatures(done, &receipts).print(context.format);
    Ok(())
}

/// What `seal` would refuse is found here first, with the place; and so are weights that are not the graph's.
fn check(path: &std::path::Path, bytes: &[u8], weights: Option<&std::path::Path>) -> Result<()> {
    let graph = Graph::parse(bytes).map_err(|error| Error::file(path, error))?;
    graph.check().map_err(|error| Error::file(path, error))?;
    if let Some(weights) = weights {
        sizes::checked_weights(&graph, &data::read(weights)?)
            .map_err(|error| Error::file(weights, error))?;
    }
    Ok(())
}
