//! `quern campaign`: pots for work that a sponsor wants.

mod create;
mod join;
mod list;
mod show;
mod sweep;

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
    quern_client::{
        Pubkey,
        quern::state::{Campaign, JobKind},
    },
};

/// What to do with campaigns.
#[derive(Subcommand)]
pub enum Command {
    /// Reserve a pot for work that you want; you are its sponsor
    #[command(after_help = "Examples:
  quern campaign create --pot 1000 --end 30d
  quern campaign create --mint MINT --pot 1000 --start 2026-12-01 --end 2027-01-01 \\
      --kind inference --model minilm --refereed-weight 80% --reviewed-weight 0%

A milestone of a job that names the campaign scores its fee times the weight. What is submitted from --start on
and before --end counts, if it settles until --settle-by. Then providers take their scores out of the pot, or
their shares of it where it is too small, until --claim-by; after that the rest is yours again (`quern campaign
sweep`). Nothing of it can be changed later. WHEN is a time from now (30d) or a date in UTC (2026-12-31,
2026-12-31T18:00).")]
    Create(create::Args),
    /// Show a campaign, and what each provider has scored in it
    #[command(after_help = "Example:
  quern campaign show CAMPAIGN --output json")]
    Show(One),
    /// List campaigns
    #[command(after_help = "Examples:
  quern campaign list
  quern campaign list --sponsor WALLET --output json")]
    List(list::Args),
    /// Let a provider take part; its jobs score only then
    #[command(after_help = "Examples:
  quern campaign join CAMPAIGN
  quern campaign join CAMPAIGN --for OWNER

Anybody may pay for any provider. The rent comes back to whom it came from when the provider claims.")]
    Join(join::Args),
    /// Give the rest of a pot back to its sponsor and close the campaign; anybody may
    #[command(after_help = "Example:
  quern campaign sweep CAMPAIGN

It is due once the time for claims is over, or after the last settlement where nobody has scored. Entries that you
paid for and that nobody claimed are closed, too: their rent comes back.")]
    Sweep(One),
}

/// One campaign.
#[derive(clap::Args)]
pub struct One {
    /// The campaign
    campaign: Pubkey,
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(args) => create::run(context, args).await,
        Command::Show(One { campaign }) => show::run(context, &campaign).await,
        Command::List(args) => list::run(context, args).await,
        Command::Join(args) => join::run(context, args).await,
        Command::Sweep(One { campaign }) => sweep::run(context, &campaign).await,
    }
}

/// The kinds of work that score, in words.
fn kinds(campaign: &Campaign) -> String {
    let taken = JobKind::ALL
        .iter()
        .filter(|kind| campaign.takes_kind(**kind));
    let names: Vec<&str> = taken.map(|kind| kind.name()).collect();
    names.join(", ")
}
