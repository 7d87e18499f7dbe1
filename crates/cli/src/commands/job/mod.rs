//! `quern job`: buy compute.

mod accept;
mod cancel;
mod crank;
pub mod create;
mod list;
mod party;
mod reject;
mod resolve;
pub mod result;
mod show;
mod words;

use {
    crate::{context::Context, error::Result},
    clap::Subcommand,
    quern_client::Pubkey,
};

/// What to do with jobs.
#[derive(Subcommand)]
pub enum Command {
    /// Create a job and lock its price
    #[command(after_help = "Examples:
  quern job create --model Digits --input images.bin --publish-dir out --price 0.5
  quern job create --model MODEL --input-uri URI --price 0.5 --watch --out labels.csv
  quern job create --provider 'My chat' --price 0.1 --publish-dir in --watch \\
      --text 'Why is the sky blue? One sentence.'
  quern job create --mint MINT --kind training --milestones 3 --price 10 --bond 5 \\
      --arbiter ARBITER --input-uri https://example.com/data.qten --work 12h --review 2d

A job is refereed if its model is sealed: then the program convicts a wrong result. Any other job is reviewed:
only you check its result, which silence pays. It takes any one file or a text, from a provider that you name
or with an arbiter whom you trust.
--watch prints a line for each step and ends with the result: its first values, or the file of --out; of a
reviewed job also with the commands that accept and reject it. Its exit code says how the job ended: 0 paid,
or submitted to your review, 3 the provider was convicted, 4 cancelled, expired or decided by the arbiter,
1 something went wrong. With --output json the job and what follows are one line each.
`quern tensor convert` makes inputs of arrays, tables, images and texts.")]
    Create(Box<create::Args>),
    /// Show a live job
    #[command(after_help = "Example:
  quern job show JOB")]
    Show(Job),
    /// Show a job's result, or write it into a file: during the review and after the job has ended
    #[command(after_help = "Examples:
  quern job result JOB
  quern job result JOB --out labels.csv
  quern job result JOB --format json --indexer http://127.0.0.1:8787

The published file is compared with what the provider committed to before anything of it is shown: a
refereed result with the root on chain, a reviewed file with its SHA-256 or the root of the tensor in
it. After the end the commitment comes from old transactions or from the indexer. That it is the
committed one does not say that it is right: `quern watch --job JOB` checks that in the review.")]
    Result(result::Args),
    /// List live jobs
    #[command(after_help = "Example:
  quern job list --state open --output json")]
    List(list::Args),
    /// Accept a milestone and pay it at once (reviewed jobs; the client signs)
    #[command(after_help = "Example:
  quern job accept JOB
  quern job accept JOB --seen 9f86d081884c7d659a2feaa0c55ad015   the result that you have seen")]
    Accept(accept::Args),
    /// Cancel a job that nobody has taken and release its price (the client signs)
    #[command(after_help = "Example:
  quern job cancel JOB")]
    Cancel(Job),
    /// Reject a milestone and call the arbiter (reviewed jobs; the client signs and puts a deposit down)
    #[command(after_help = "Example:
  quern job reject JOB --reason 'the loss has not gone down'")]
    Reject(reject::Args),
    /// Decide about a rejected milestone (the arbiter signs)
    #[command(after_help = "Example:
  quern job resolve JOB --provider-share 60% --penalty 0.5")]
    Resolve(resolve::Args),
    /// Do what is due: pay a milestone whose review has passed, end a wait whose deadline has passed, pay out a conviction
    #[command(after_help = "Example:
  quern job crank JOB

Anybody may do it; in the grace time after a review only the provider. `quern provider run`, `quern watch` and
`quern job create --watch` do it by themselves.")]
    Crank(Job),
}

/// One job.
#[derive(clap::Args)]
pub struct Job {
    /// The job
    job: Pubkey,
}

/// Runs a command.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(args) => create::run(context, *args).await,
        Command::Show(Job { job }) => show::run(context, &job).await,
        Command::Result(args) => result::run(context, args).await,
        Command::List(args) => list::run(context, args).await,
        Command::Accept(args) => accept::run(context, args).await,
        Command::Cancel(Job { job }) => cancel::run(context, &job).await,
        Command::Reject(args) => reject::run(context, args).await,
        Command::Resolve(args) => resolve::run(context, args).await,
        Command::Crank(Job { job }) => crank::run(context, &job).await,
    }
}
