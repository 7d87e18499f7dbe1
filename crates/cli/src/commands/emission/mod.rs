//! `quern emission`: token rewards.

mod configure;
mod fund;
mod show;

use {
    crate::{amount::Amount, context::Context, error::Result},
    clap::Subcommand,
};

/// What to do with rewards.
#[derive(Subcommand)]
pub enum Command {
    /// Set what an epoch may grant; the protocol's authority signs. Mint and epoch are fixed by the first time
    #[command(after_help = "Example:
  quern emission configure --mint REWARD_MINT --epoch 1d --amount 10000 \\
      --refereed-weight 100% --reviewed-weight 25%")]
    Configure(configure::Args),
    /// Put tokens into the emission's purse, from where rewards are granted
    #[command(after_help = "Example:
  quern emission fund --amount 50000")]
    Fund(Amount),
    /// Show what is set, granted and left
    #[command(after_help = "Example:
  quern emission show")]
    Show,
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    context.protocol().await?;
    match command {
        Command::Configure(args) => configure::run(context, args).await,
        Command::Fund(amount) => fund::run(context, &amount).await,
        Command::Show => show::run(context).await,
    }
}
