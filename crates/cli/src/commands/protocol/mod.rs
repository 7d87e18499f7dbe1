//! `quern protocol`: the protocol's settings.

pub mod authority;
mod init;
mod pause;
mod settings;
mod show;
mod update;

pub use settings::changes;

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
    settings::Settings,
};

/// What to do with the protocol.
#[derive(Subcommand)]
pub enum Command {
    /// Set the protocol up on this cluster; only the program's upgrade authority can, and only once
    #[command(after_help = "Example:
  quern protocol init --fee 2.5% --treasury TREASURY_WALLET --url devnet

Unless named: treasury and guardian are the wallet, --fee 2.5%, --late-penalty 10%, --reject-deposit 10%,
--arbiter-share 5%, --refereed-bond-bps 20000, --reviewed-bond-bps 5000, --refereed-review 1d,
--reviewed-review 1d, --demand-fee 10000, --response 6h, --react 1h, --resolve 3d, --grace 1h,
--restart-grace 1d, --campaign-claim 30d.")]
    Init(Box<Settings>),
    /// Change settings for jobs that are created from now on; the authority signs. What is not named stays
    #[command(after_help = "Examples:
  quern protocol update --fee 2%
  quern protocol update --guardian GUARDIAN --refereed-review 12h")]
    Update(Box<Settings>),
    /// Name who may take the protocol over; the authority signs
    #[command(after_help = "Examples:
  quern protocol propose-authority MULTISIG
  quern protocol propose-authority --nobody")]
    ProposeAuthority(authority::Args),
    /// Take the protocol over; who was proposed signs
    #[command(after_help = "Example:
  quern protocol accept-authority --keypair next.json")]
    AcceptAuthority,
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
        Command::Init(settings) => init::run(context, &settings).await,
        Command::Update(settings) => update::run(context, &settings).await,
        Command::ProposeAuthority(args) => authority::propose(context, &args).await,
        Command::AcceptAuthority => authority::accept(context).await,
        Command::Show => show::run(context).await,
        Command::Pause(args) => pause::run(context, &args).await,
    }
}
