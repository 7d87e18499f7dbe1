//! `quern provider`: offer compute.

mod list;
mod operator_limit;
mod probe;
mod register;
mod run;
mod serve;
mod show;

pub use run::{parse_source, until_stopped};

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
};

/// What to do as a provider.
#[derive(Subcommand)]
pub enum Command {
    /// Register the wallet as a provider, or change what is named in its entry
    #[command(after_help = "Examples:
  quern provider register --name 'Basement GPUs' --endpoint https://example.com \\
      --operator OPERATOR_KEY
  quern provider register --active false          take no jobs for now; the rest stays")]
    Register(register::Args),
    /// Work: take jobs, do them, publish, submit and finalize, until Ctrl-C
    #[command(after_help = "Examples:
  quern provider run --publish-dir out --allow-files .                       on a local network
  quern provider run --publish-dir out --public-url https://example.com/quern \\
      --mint MINT --max-bond 50
  quern provider run --keypair operator.json --owner OWNER --publish-dir out \\
      --mint MINT --max-bond 50 --min-price 0.01
  quern provider run --publish-dir out --worker ./train.sh --arbiter ARBITER   also reviewed jobs

A restart goes on where it stopped. Only what has been fetched and compared with its roots is taken. Before it starts it
publishes quern-probe.txt, fetches it from its public address, and looks for the worker.")]
    Run(Box<run::Args>),
    /// Show a provider
    #[command(after_help = "Example:
  quern provider show 'My machine'")]
    Show(show::Args),
    /// List providers
    #[command(after_help = "Example:
  quern provider list --output json")]
    List,
    /// Set how much the operator's takes may have reserved and lost together (the owner signs)
    #[command(after_help = "Example:
  quern provider operator-limit --amount 100")]
    OperatorLimit(operator_limit::Args),
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register::run(context, args).await,
        Command::Run(args) => run::run(context, *args).await,
        Command::List => list::run(context).await,
        Command::Show(args) => show::run(context, args).await,
        Command::OperatorLimit(args) => operator_limit::run(context, args).await,
    }
}
