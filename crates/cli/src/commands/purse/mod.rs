//! `quern purse`: your money in Quern.

mod deposit;
mod open;
mod show;
mod withdraw;

pub use show::decimals_of;

use {
    crate::{context::Context, error::Result, output::Fields},
    clap::Subcommand,
    quern_client::{Pubkey, addresses, quern::state::MintConfig},
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
  quern purse open --owner WALLET")]
    Open(open::Args),
    /// Move tokens from your token account into a purse, opening it if needed
    #[command(after_help = "Examples:
  quern purse deposit --amount 12.5
  quern purse deposit --mint MINT --amount 12500000atoms --owner WALLET")]
    Deposit(deposit::Args),
    /// Move free tokens out of your purse
    #[command(after_help = "Example:
  quern purse withdraw --amount 12.5")]
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

/// What was moved into or out of a purse.
fn done(owner: &Pubkey, config: &MintConfig, name: &'static str, atoms: u64) -> Fields {
    Fields::new()
        .text("purse", addresses::purse(owner, &config.mint))
        .text("mint", config.mint)
        .tokens(name, atoms, config.decimals)
}
