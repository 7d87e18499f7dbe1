//! `quern protocol`: the protocol's settings.

mod init;
mod pause;
mod show;

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
};

/// What to do with the protocol.
#[derive(Subcommand)]
pub enum Command {
    /// Set the protocol up on this cluster; only the program's upgrade authority can, and only once
    #[command(after_help = "Example:
  quern protocol init --fee 2.5% --treasury TREASURY_WALLET --url devnet")]
    Init(Box<init::Args>),
    /// Show the protocol's settings
    #[command(after_help = "Example:
  quern protocol show --url devnet --output json")]
    Show,
    /// Stop new models, jobs and takes, or allow them again
    #[command(after_help = "Example:
  quern protocol pause on")]
    Pause(pause::Args),
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Init(args) => init::run(context, *args).await,
        Command::Show => show::run(context).await,
        Command::Pause(args) => pause::run(context, &args).await,
    }
}
