//! `quern model`: models, agents and data sets that earn royalties.

use {
    crate::{
        amount::{parse_bps, show_bps},
        context::{Context, with_signatures},
        data,
        error::{Error, Result},
        output::{Fields, print_list},
    },
    clap::{Subcommand, ValueEnum},
    quern_client::{
        Pubkey, Signer, accounts, addresses, flows, history,
        quern::{
            instructions::NewModel,
            state::{AssetKind, Model},
        },
    },
    quern_data::sizes,
    quern_proof::graph::Graph,
    std::path::PathBuf,
};

/// What to do with models.
#[derive(Subcommand)]
pub enum Command {
    /// Register a model; with a graph it is written and sealed for ever. Run again to continue
    #[command(after_help = "Example:
  quern model register --id 1 --name Digits --graph digits.qmodel --weights weights.bin \\
      --uri https://example.com/weights.bin --royalty 5%")]
    Register(Register),
    /// Show a model
    #[command(after_help = "Example:
  quern model show MODEL")]
    Show {
        /// The model
        model: Pubkey,
    },
    /// List models
    #[command(after_help = "Example:
  quern model list --creator WALLET")]
    List {
        /// Of this creator only
        #[arg(long, value_name = "ADDRESS")]
        creator: Option<Pubkey>,
    },
}

/// A model's entry.
#[derive(clap::Args)]
pub struct Register {
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
    /// Its weights, to be compared with the program before anything is paid
    #[arg(long, value_name = "FILE", requires = "program")]
    weights: Option<PathBuf>,
    /// What kind of asset it is
    #[arg(long, value_enum, default_value_t = Kind::Model)]
    kind: Kind,
}

/// Kinds of assets.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Kind {
    /// A model.
    Model,
    /// An agent.
    Agent,
    /// A data set.
    DataSet,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register(context, args).await,
        Command::Show { model } => show(context, &model).await,
        Command::List { creator } => {
            context.protocol().await?;
            let models = accounts::models(context.rpc(), creator.as_ref()).await?;
            let list: Vec<Fields> = models
                .iter()
                .map(|(address, model)| fields(address, model))
                .collect();
            print_list(
                context.format,
                &list,
                "There are no models yet; see `quern model register --help`.",
            );
            Ok(())
        }
    }
}

async fn register(context: &Context, args: Register) -> Result<()> {
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
    let kind = match args.kind {
        Kind::Model => AssetKind::Model,
        Kind::Agent => AssetKind::Agent,
        Kind::DataSet => AssetKind::DataSet,
    };
    let entry = NewModel {
        id: args.id,
        graph_bytes: 0, // set from the program's length
        kind: kind as u8,
        royalty_bps: args.royalty,
        name: args.name,
        uri: args.uri,
    };
    let all = flows::register_model(context.rpc(), &wallet.pubkey(), entry, &bytes).await?;
    if all.is_empty() {
        return Err(Error::Other(format!(
            "the model {address} is registered already, with this very program"
        )));
    }
    let receipts = context.send(&all, &[&wallet]).await?;
    let done = Fields::new()
        .text("model", address)
        .with("sealed", !bytes.is_empty());
    with_signatures(done, &receipts).print(context.format);
    Ok(())
}

/// What `seal` would refuse is found here first, with the place; and so are weights that are not the program's.
fn check(path: &std::path::Path, bytes: &[u8], weights: Option<&std::path::Path>) -> Result<()> {
    let graph = Graph::parse(bytes).map_err(|error| Error::file(path, error))?;
    graph.check().map_err(|error| Error::file(path, error))?;
    if let Some(weights) = weights {
        sizes::checked_weights(&graph, &data::read(weights)?)
            .map_err(|error| Error::file(weights, error))?;
    }
    Ok(())
}

async fn show(context: &Context, address: &Pubkey) -> Result<()> {
    let account = data::model(context, address).await?;
    // The text behind the hash is a convenience; a node without history still shows the rest.
    let uri = history::model_uri(context.rpc(), address, &account.model)
        .await
        .ok();
    let mut shown = fields(address, &account.model).maybe("uri", uri);
    if account.model.sealed.get() {
        let graph = Graph::load(&account.graph)?;
        shown = shown
            .with("inputs", graph.input_count())
            .with("ops", graph.op_count())
            .with("weights", graph.weight_count())
            .with("macs_fixed", account.model.macs_fixed.get())
            .with("macs_per_row", account.model.macs_per_row.get());
    }
    shown.print(context.format);
    Ok(())
}

fn fields(address: &Pubkey, model: &Model) -> Fields {
    let kind = match AssetKind::from_code(model.kind) {
        Some(AssetKind::Model) => "model",
        Some(AssetKind::Agent) => "agent",
        Some(AssetKind::DataSet) => "data set",
        None => "unknown",
    };
    Fields::new()
        .text("model", address)
        .text("name", accounts::name(&model.name))
        .text("kind", kind)
        .text("owner", model.owner)
        .text("creator", model.creator)
        .with("id", model.id.get())
        .text("royalty", show_bps(u32::from(model.royalty_bps.get())))
        .with("sealed", model.sealed.get())
        .with("active", model.active.get())
}
