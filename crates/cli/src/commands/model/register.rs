//! `quern model register`: register a model; write and seal its graph.
//!
//! Name and address are written for ever, so both are checked first: the address as a provider would follow it.

use {
    crate::{
        context::{Context, with_signatures},
        data,
        error::{Error, Result},
        limits,
        output::{Fields, print_nothing},
        progress, written,
    },
    quern_client::{
        Pubkey, Signer, accounts, addresses, flows, history,
        quern::{
            constants::MAX_ROYALTY_BPS,
            instructions::NewModel,
            state::{AssetKind, Model},
        },
    },
    quern_data::sizes,
    quern_proof::graph::Graph,
    std::path::{Path, PathBuf},
};

/// A model's entry.
#[derive(clap::Args)]
pub struct Args {
    /// Your number for it
    #[arg(long, value_name = "NUMBER")]
    id: u64,
    /// Its name, at most 32 bytes
    #[arg(long, value_parser = written::name)]
    name: String,
    /// Where its weights are: the address of one bundle file, at most 200 bytes
    #[arg(long, value_name = "URI", value_parser = written::uri, conflicts_with = "no_uri")]
    uri: Option<String>,
    /// Register it without an address; nobody can serve it before it has one
    #[arg(long)]
    no_uri: bool,
    /// Your share of the price of every job that uses it, at most 50 %
    #[arg(long, value_parser = limits::share(MAX_ROYALTY_BPS), default_value = "0", value_name = "SHARE")]
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
    /// Register it although the weights could not be fetched from the address
    #[arg(long)]
    skip_weights_check: bool,
    #[command(flatten)]
    reach: data::Reach,
}

/// Registers a model.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    let bytes = match &args.graph {
        Some(path) => graph(path, args.weights.as_deref())?,
        None => Vec::new(),
    };
    if args.uri.is_none() && !args.no_uri {
        return Err(Error::Usage("a model without an address cannot be served: publish its weights and name them with --uri, or pass --no-uri to name them later".to_owned()));
    }
    let wallet = context.wallet()?;
    context.protocol().await?;
    let address = addresses::model(&wallet.pubkey(), args.id);
    if !bytes.is_empty() && !args.skip_weights_check {
        check_published(context, &args, &bytes).await?;
    }
    let entry = NewModel {
        id: args.id,
        graph_bytes: 0, // set from the graph's length
        kind: args.kind.code(),
        royalty_bps: args.royalty,
        name: args.name,
        uri: args.uri.unwrap_or_default(),
    };
    let all = flows::register_model(context.rpc(), &wallet.pubkey(), entry.clone(), &bytes).await?;
    if all.is_empty() {
        return known(context, &address, &entry).await;
    }
    let receipts = context.send(&all, &[&wallet]).await?;
    let done = Fields::new()
        .text("model", address)
        .with("sealed", !bytes.is_empty())
        .maybe("uri", (!entry.uri.is_empty()).then_some(&entry.uri));
    with_signatures(done, &receipts).print(context.format);
    Ok(())
}

/// What `seal` would refuse is found here first, with the place; and so are weights that are not the graph's.
fn graph(path: &Path, weights: Option<&Path>) -> Result<Vec<u8>> {
    let bytes = data::read_graph(path, "--graph")?;
    if let Some(weights) = weights {
        let graph = Graph::parse(&bytes).map_err(quern_proof::Error::from)?;
        data::read_weights(weights, &graph)?;
    }
    Ok(bytes)
}

/// Fetches the weights from where everybody will look for them, and compares them with the graph.
async fn check_published(context: &Context, args: &Args, graph: &[u8]) -> Result<()> {
    let graph = Graph::parse(graph).map_err(quern_proof::Error::from)?;
    let Some(uri) = args.uri.as_ref().filter(|_| graph.weight_count() > 0) else {
        return Ok(());
    };
    let fetcher = args.reach.fetcher(context).await?;
    let checking = async {
        let expected = sizes::weights_bytes(&graph)?;
        let bytes = fetcher.fetch(uri, Some(expected)).await?;
        sizes::checked_weights(&graph, &bytes)
    };
    let checked = progress::during("checking the published weights", checking).await;
    checked.map(drop).map_err(|error| {
        Error::Other(format!("the weights could not be checked where --uri says that they are: {error}; publish them there first (--skip-weights-check goes on regardless)"))
    })
}

/// A model that is there already: nothing to do if it is this very one.
async fn known(context: &Context, address: &Pubkey, entry: &NewModel) -> Result<()> {
    let model: Model = accounts::model(context.rpc(), address).await?.model;
    let differs = [
        ("name", accounts::name(&model.name) != entry.name),
        ("URI", model.uri_hash != history::uri_hash(&entry.uri)),
        ("royalty", model.royalty_bps.get() != entry.royalty_bps),
        ("kind", model.kind != entry.kind),
    ];
    let differs: Vec<&str> = differs
        .into_iter()
        .filter_map(|(what, differs)| differs.then_some(what))
        .collect();
    if !differs.is_empty() {
        return Err(Error::Other(format!(
            "the model {address} is registered already with this graph and another {}; choose another --id, or leave it as it is",
            differs.join(", ")
        )));
    }
    let fields = Fields::new()
        .text("model", address)
        .with("sealed", model.sealed.get());
    let why = format!("the model {address} is registered already, with this very graph");
    print_nothing(context.format, fields, &why);
    Ok(())
}
