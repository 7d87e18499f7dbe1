//! `quern mint`: mints that jobs can be paid in.

mod list;
pub mod rates;
mod register;
mod show;
mod update;

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
    quern_client::Pubkey,
};

/// What to do with mints.
#[derive(Subcommand)]
pub enum Command {
    /// Register an SPL Token or Token-2022 mint; the protocol's authority signs
    #[command(after_help = "Example:
  quern mint register MINT --least-price 0.001 --price-per-gwork 0.01 \\
      --bond-per-gwork 0.05 --reward-rate 0.5")]
    Register(register::Args),
    /// Change a mint's rates for new jobs, or stop new jobs in it; the protocol's authority signs
    #[command(after_help = "Examples:
  quern mint update MINT --least-price 0.002
  quern mint update MINT --enabled false")]
    Update(update::Args),
    /// Show a registered mint
    #[command(after_help = "Example:
  quern mint show MINT")]
    Show {
        /// The mint
        mint: Pubkey,
    },
    /// List all registered mints
    #[command(after_help = "Example:
  quern mint list --output json")]
    List,
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Register(args) => register::run(context, args).await,
        Command::Update(args) => update::run(context, args).await,
        Command::Show { mint } => show::run(context, &mint).await,
        Command::List => list::run(context).await,
    }
}
