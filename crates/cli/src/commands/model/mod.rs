//! `quern model`: models, agents and data sets that earn royalties.

mod estimate;
mod evidence;
mod import;
mod inspect;
mod list;
mod register;
pub(in crate::commands) mod run;
mod show;
mod transfer;
mod update;

use {
    crate::{
        context::{Context, Globals},
        error::Result,
        named,
    },
    clap::Subcommand,
};

/// What to do with models.
#[derive(Subcommand)]
pub enum Command {
    #[command(flatten)]
    OnChain(OnChain),
    #[command(flatten)]
    OnFile(OnFile),
}

/// What to do with a graph's file, before it is sealed for ever.
#[derive(Subcommand)]
pub enum OnFile {
    /// Make a graph and weights of a float model, and measure what it lost. Nothing is written that could not be measured
    #[command(after_help = "Examples:
  quern model import models/minilm --files FOLDER --out minilm
  quern model import model.safetensors --calibration texts.txt --held-out others.txt --out mine
  quern model import digits.onnx --class --calibration a.npy --held-out b.npy --out digits

`cargo xtask fetch minilm` fetches what a recipe names and prints the folder. The same files give the same
integers on every machine. The folder holds graph.qmodel, weights.bin, model.json (what it was made of and what
it lost) and, for texts, tokenizer.json.")]
    Import(import::Args),
    /// Show what a graph file holds, what its ops cost, and whether it can be sealed
    #[command(after_help = "Examples:
  quern model inspect models/digits/digits.qmodel
  quern model inspect minilm --items 1000

Evidence and compute units are those of the dearest cell at the ends and in the middle of an op; the
units are an estimate.")]
    Inspect(inspect::Args),
    /// Estimate what a job with a graph file takes: work, files, memory, and with --prices what it costs at least
    #[command(after_help = "Examples:
  quern model estimate models/digits/digits.qmodel --items 1000
  quern model estimate minilm --items 1000 --prices")]
    Estimate(estimate::Args),
    /// Run a graph file here, to the bit as a provider must compute it
    #[command(after_help = "Examples:
  quern model run digits.qmodel --weights weights.bin --input test-images.bin --out digits.csv
  quern model run minilm --text 'The mill grinds slowly.' --text 'Grain becomes flour.'
  quern model run minilm --texts sentences.txt --out vectors.npy")]
    Run(run::Args),
}

/// What to do with models on a cluster.
#[derive(Subcommand)]
pub enum OnChain {
    /// Register a model; with a graph it is written and sealed for ever. Run again to continue
    #[command(after_help = "Example:
  quern model register --id 1 --name Digits --graph digits.qmodel --weights weights.bin \\
      --uri https://example.com/weights.bin --royalty 5%")]
    Register(register::Args),
    /// Change royalty, address of the weights or activity for new jobs; the owner signs. What is not named stays
    #[command(after_help = "Examples:
  quern model update Digits --royalty 3%
  quern model update MODEL --uri https://example.com/weights.bin
  quern model update MODEL --active false")]
    Update(update::Args),
    /// Name who may take a model over; the owner signs
    #[command(after_help = "Examples:
  quern model transfer Digits NEXT_OWNER
  quern model transfer MODEL --nobody")]
    Transfer(transfer::Args),
    /// Take a model over; who was proposed signs
    #[command(after_help = "Example:
  quern model accept MODEL --keypair next.json")]
    Accept(Named),
    /// Show a model
    #[command(after_help = "Examples:
  quern model show Digits
  quern model show MODEL")]
    Show(Named),
    /// List models
    #[command(after_help = "Example:
  quern model list --creator WALLET")]
    List(list::Args),
}

/// One model.
#[derive(clap::Args)]
pub struct Named {
    /// The model: its address, or its name, if no other has it
    #[arg(value_name = "ADDRESS_OR_NAME")]
    model: String,
}

impl Command {
    /// Whether it needs a cluster at all.
    pub const fn is_online(&self) -> bool {
        match self {
            Self::OnChain(_) => true,
            Self::OnFile(OnFile::Estimate(args)) => args.asks(),
            Self::OnFile(OnFile::Import(_) | OnFile::Inspect(_) | OnFile::Run(_)) => false,
        }
    }
}

/// Runs a command.
pub async fn run(globals: &Globals, command: Command) -> Result<()> {
    let format = globals.output;
    match command {
        Command::OnChain(command) => on_chain(&globals.context()?, command).await,
        Command::OnFile(OnFile::Import(args)) => import::run(format, &args),
        Command::OnFile(OnFile::Inspect(args)) => inspect::run(format, &args),
        Command::OnFile(OnFile::Run(args)) => run::run(format, &args),
        Command::OnFile(OnFile::Estimate(args)) => {
            let context = args.asks().then(|| globals.context()).transpose()?;
            estimate::run(format, context.as_ref(), &args).await
        }
    }
}

async fn on_chain(context: &Context, command: OnChain) -> Result<()> {
    match command {
        OnChain::Register(args) => register::run(context, args).await,
        OnChain::Update(args) => update::run(context, args).await,
        OnChain::Transfer(args) => transfer::run(context, &args).await,
        OnChain::Accept(Named { model }) => transfer::accept(context, &model).await,
        OnChain::Show(Named { model }) => {
            show::run(context, &named::model(context, &model).await?).await
        }
        OnChain::List(args) => list::run(context, args).await,
    }
}
