//! `quern purse`: your money in Quern.

mod deposit;
mod open;
mod show;
mod withdraw;

pub use show::decimals_of;

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
};

/// What to do with purses.
#[derive(Subcommand)]
pub enum Command {
    /// Show the purses of a wallet
    #[command(after_help = "Example:
  quern purse show
  quern purse show --owner WALLET --mint MINT --output json")]
    Show(show::Args),
    /// Open a purse, for yourself or anybody
    #[command(after_help = "Example:
  quern purse open --mint MINT")]
    Open(open::Args),
    /// Move tokens from your token account into a purse, opening it if needed
    #[command(after_help = "Example:
  quern purse deposit --mint MINT --amount 12.5")]
    Deposit(deposit::Args),
    /// Move free tokens out of your purse
    #[command(after_help = "Example:
  quern purse withdraw --mint MINT --amount 12.5")]
    Withdraw(withdraw::Args),
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Show(args) => show::run(context, args).await,
        Command::Open(args) => open::run(context, args).await,
        Command::Deposit(args) => deposit::run(context, args).await,
        Command::Withdraw(args) => withdraw::run(context, args).await,
    }
}
