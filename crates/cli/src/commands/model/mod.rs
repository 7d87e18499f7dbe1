//! `quern model`: models, agents and data sets that earn royalties.

mod list;
mod register;
mod show;

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
    quern_client::Pubkey,
};

/// What to do with models.
#[derive(Subcommand)]
pub enum Command {
    /// Register a model; with a graph it is written and sealed for ever. Run again to continue
    #[command(after_help = "Example:
  quern model register --id 1 --name Digits --graph digits.qmodel --weights weights.bin \\
      --uri https://example.com/weights.bin --royalty 5%")]
    Register(register::Args),
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
    List(list::Args),
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register::run(context, args).await,
        Command::Show { model } => show::run(context, &model).await,
        Command::List(args) => list::run(context, args).await,
    }
}
