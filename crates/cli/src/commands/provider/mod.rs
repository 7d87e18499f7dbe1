//! `quern provider`: offer compute.

mod operator_limit;
mod register;
mod run;
mod show;

pub use run::{parse_source, until_stopped};

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
};

/// What to do as a provider.
#[derive(Subcommand)]
pub enum Command {
    /// Register the wallet as a provider, or change its entry
    #[command(after_help = "Example:
  quern provider register --name 'Basement GPUs' --endpoint https://example.com \\
      --operator OPERATOR_KEY")]
    Register(register::Args),
    /// Work: take jobs, do them, publish, submit and finalize, until Ctrl-C
    #[command(after_help = "Examples:
  quern provider run --publish-dir out --public-url https://example.com/quern
  quern provider run --keypair operator.json --owner OWNER --publish-dir out --min-price 0.01
  quern provider run --publish-dir out --worker ./train.sh --arbiter ARBITER   also reviewed jobs

A restart goes on where it stopped. Only what has been fetched and compared with its roots is taken.")]
    Run(Box<run::Args>),
    /// Show a provider
    #[command(after_help = "Example:
  quern provider show WALLET")]
    Show(show::Args),
    /// Set how much the operator's takes may have reserved and lost together (the owner signs)
    #[command(after_help = "Example:
  quern provider operator-limit --mint MINT --amount 100")]
    OperatorLimit(operator_limit::Args),
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register::run(context, args).await,
        Command::Run(args) => run::run(context, *args).await,
        Command::Show(args) => show::run(context, args).await,
        Command::OperatorLimit(args) => operator_limit::run(context, args).await,
    }
}
