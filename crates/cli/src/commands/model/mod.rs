//! `quern model`: models, agents and data sets that earn royalties.

mod list;
mod register;
mod show;
mod transfer;
mod update;

use {
    crate::{context::Context, error::Result, named},
    clap::Subcommand,
};

/// What to do with models.
#[derive(Subcommand)]
pub enum Command {
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

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register::run(context, args).await,
        Command::Update(args) => update::run(context, args).await,
        Command::Transfer(args) => transfer::run(context, &args).await,
        Command::Accept(Named { model }) => transfer::accept(context, &model).await,
        Command::Show(Named { model }) => {
            show::run(context, &named::model(context, &model).await?).await
        }
        Command::List(args) => list::run(context, args).await,
    }
}
