//! `quern job`: buy compute.

mod create;
mod show;
mod words;

use {
    crate::{
        amount::{parse, parse_bps},
        context::Context,
        error::{Error, Result},
        output::Fields,
    },
    clap::{Subcommand, ValueEnum},
    quern_client::{
        Keypair, Pubkey, Signer, accounts, clock, flows, instructions,
        quern::{
            instructions::Decision,
            state::{Job, JobState},
        },
    },
};

/// What to do with jobs.
#[derive(Subcommand)]
pub enum Command {
    /// Create a job and lock its price
    #[command(after_help = "Examples:
  quern job create --mint MINT --model MODEL --input images.bin --publish-dir out --price 0.5
  quern job create --mint MINT --model MODEL --input-uri URI --price 0.5 --watch
  quern job create --mint MINT --kind training --milestones 3 --price 10 --bond 5 \\
      --arbiter ARBITER --input-uri https://example.com/data.qten --work 12h --review 2d

With --watch the exit code says how it ended: 0 paid, 3 the provider was convicted,
4 cancelled, expired or decided by the arbiter, 1 something went wrong. With --output json
the job and what follows are one line each.")]
    Create(Box<create::Args>),
    /// Show a live job
    #[command(after_help = "Example:
  quern job show JOB")]
    Show {
        /// The job
        job: Pubkey,
    },
    /// List live jobs
    #[command(after_help = "Example:
  quern job list --state open --output json")]
    List(show::ListArgs),
    /// Accept a milestone at once and have it paid (reviewed jobs; the client signs)
    #[command(after_help = "Example:
  quern job accept JOB")]
    Accept {
        /// The job
        job: Pubkey,
    },
    /// Cancel a job that nobody has taken and release its price (the client signs)
    #[command(after_help = "Example:
  quern job cancel JOB")]
    Cancel {
        /// The job
        job: Pubkey,
    },
    /// Reject a milestone and call the arbiter (reviewed jobs; the client signs and puts a deposit down)
    #[command(after_help = "Example:
  quern job reject JOB --reason 'the loss has not gone down'")]
    Reject {
        /// The job
        job: Pubkey,
        /// Why, at most 200 bytes, for everybody to read
        #[arg(long)]
        reason: String,
    },
    /// Decide about a rejected milestone (the arbiter signs)
    #[command(after_help = "Example:
  quern job resolve JOB --provider-share 60% --penalty 0.5")]
    Resolve {
        /// The job
        job: Pubkey,
        /// The provider's share of the price; at least one half means that it prevails
        #[arg(long, value_parser = parse_bps, value_name = "SHARE")]
        provider_share: u16,
        /// What the client gets of the provider's bond, in tokens
        #[arg(long, default_value = "0", value_name = "TOKENS")]
        penalty: String,
    },
    /// End a wait whose deadline has passed (anybody may)
    #[command(after_help = "Example:
  quern job expire JOB")]
    Expire {
        /// The job
        job: Pubkey,
    },
    /// Have a recorded conviction paid out: the price back, the bond divided (anybody may)
    #[command(after_help = "Example:
  quern job settle JOB

`quern watch` and `quern job create --watch` do it by themselves.")]
    Settle {
        /// The job
        job: Pubkey,
    },
    /// Have a milestone paid that nobody refuted in time (the provider; after the grace time anybody)
    #[command(after_help = "Example:
  quern job finalize JOB")]
    Finalize {
        /// The job
        job: Pubkey,
    },
}

/// Kinds of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Running a model.
    Inference,
    /// Adapting a model.
    FineTuning,
    /// Training from scratch.
    Training,
}

/// What a result is worth as evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// A wrong result can be convicted on chain; needs a sealed model.
    Refereed,
    /// The client accepts, or stays silent.
    Reviewed,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(args) => create::run(context, *args).await,
        Command::Show { job } => show::one(context, &job).await,
        Command::List(args) => show::list(context, args).await,
        Command::Accept { job } => {
            let (wallet, live) = party(context, &job, |job| job.client, "client").await?;
            require_accepted(&live)?;
            let all = flows::accept(context.rpc(), &job).await?;
            ended(context, &job, &wallet, &all, "accepted").await
        }
        Command::Cancel { job } => {
            let (wallet, live) = party(context, &job, |job| job.client, "client").await?;
            if !live.is_in(JobState::Open) {
                return Err(Error::Other(format!(
                    "the job {job} has been taken, so it cannot be cancelled; it ends by its deadlines (see `quern job show`)"
                )));
            }
            ended(
                context,
                &job,
                &wallet,
                &[instructions::cancel_job(&live)],
                "cancelled",
            )
            .await
        }
        Command::Reject { job, reason } => {
            let (wallet, live) = party(context, &job, |job| job.client, "client").await?;
            require_accepted(&live)?;
            ended(
                context,
                &job,
                &wallet,
                &[instructions::reject(&live, reason)],
                "rejected",
            )
            .await
        }
        Command::Resolve {
            job,
            provider_share,
            penalty,
        } => {
            let (wallet, live) = party(context, &job, |job| job.arbiter, "arbiter").await?;
            let decimals = context.mint(&live.mint).await?.decimals;
            let args = Decision {
                provider_share_bps: provider_share,
                penalty_atoms: parse(&penalty, decimals)?,
            };
            let all = flows::resolve(context.rpc(), &job, args).await?;
            ended(context, &job, &wallet, &all, "resolved").await
        }
        Command::Expire { job } => {
            let live = context.job(&job).await?;
            check_expirable(context, &live).await?;
            let wallet = context.wallet()?;
            let all = flows::expire(context.rpc(), &wallet.pubkey(), &job).await?;
            ended(context, &job, &wallet, &all, "expired").await
        }
        Command::Settle { job } => settle(context, &job).await,
        Command::Finalize { job } => {
            let live = context.job(&job).await?;
            check_payable(context, &job, &live).await?;
            let wallet = context.wallet()?;
            let all = flows::finalize(context.rpc(), &wallet.pubkey(), &job).await?;
            ended(context, &job, &wallet, &all, "finalized").await
        }
    }
}

/// Pays a conviction out, and closes what this wallet has asked about the job.
async fn settle(context: &Context, address: &Pubkey) -> Result<()> {
    let live = context.job(address).await?;
    if !live.is_in(JobState::Convicted) {
        return Err(Error::Other(format!(
            "nothing is to be paid out: the provider of {address} was not convicted, the job is {}",
            show::state_name(live.state)
        )));
    }
    let decimals = context.mint(&live.mint).await?.decimals;
    let wallet = context.wallet()?;
    let mut all = flows::settle_conviction(context.rpc(), &wallet.pubkey(), address).await?;
    let own = accounts::demands_by(context.rpc(), &wallet.pubkey()).await?;
    let own = own.iter().filter(|known| known.demand.job == *address);
    all.extend(own.map(|known| instructions::close_demand(&known.address, &known.demand)));
    let receipts = context.send(&all, &[&wallet]).await?;
    let fields = Fields::new()
        .text("job", address)
        .text("done", "paid out")
        .text("proved_by", live.prover);
    let fields = show::with_shares(fields, &live, decimals);
    crate::context::with_signatures(fields, &receipts).print(context.format);
    Ok(())
}

/// Refuses what the program would refuse, but says when it will not.
async fn check_expirable(context: &Context, job: &Job) -> Result<()> {
    let now = clock::moment(context.rpc()).await?;
    let left = job.effective_deadline(&now).saturating_sub(now.now);
    let why = match JobState::from_code(job.state) {
        Some(JobState::Submitted) => {
            "a result is submitted: it is paid after its review, with `quern job finalize`"
                .to_owned()
        }
        Some(JobState::Convicted) => {
            "its provider was convicted: `quern job settle` pays that out".to_owned()
        }
        _ if left >= 0 => format!(
            "the deadline has not passed yet; try again {}",
            words::ahead(left + 1)
        ),
        _ => return Ok(()),
    };
    Err(Error::Other(why))
}

/// The same for a payment.
async fn check_payable(context: &Context, address: &Pubkey, job: &Job) -> Result<()> {
    let why = match JobState::from_code(job.state) {
        Some(JobState::Open) => "this job is open: nobody has submitted a result yet".to_owned(),
        Some(JobState::Taken) => {
            "the provider is at work: it has not submitted a result yet".to_owned()
        }
        Some(JobState::Rejected) => {
            "the client has rejected the result: the arbiter decides, or `quern job expire` after its time".to_owned()
        }
        Some(JobState::Convicted) => {
            format!("its provider was convicted: `quern job settle {address}` pays that out")
        }
        Some(JobState::Submitted) | None => {
            let now = clock::moment(context.rpc()).await?;
            let review_end = job.effective_deadline(&now);
            let last_answer_at = job.effective_last_answer_at(&now);
            let (at, when) = words::payable(job, now.now, review_end, last_answer_at);
            if at < now.now && job.open_demands.get() == 0 {
                return Ok(());
            }
            format!("it can't be paid yet, but {when}")
        }
    };
    Err(Error::Other(why))
}

/// The wallet and the job, if the wallet is who may do this.
async fn party(
    context: &Context,
    address: &Pubkey,
    who: impl Fn(&Job) -> Pubkey,
    role: &str,
) -> Result<(Keypair, Job)> {
    let job = context.job(address).await?;
    let wallet = context.wallet()?;
    let expected = who(&job);
    if expected == instructions::NOBODY {
        return Err(Error::Other(format!("the job {address} has no {role}")));
    }
    if expected != wallet.pubkey() {
        return Err(Error::Other(format!(
            "only the job's {role} {expected} may do this; pass its keypair with --keypair (this one is {})",
            wallet.pubkey()
        )));
    }
    Ok((wallet, job))
}

fn require_accepted(job: &Job) -> Result<()> {
    if job.is_reviewed() {
        return Ok(());
    }
    Err(Error::Other("this is a refereed job: it is neither accepted nor rejected by hand; it is paid by `quern job finalize` after its review unless somebody proves it wrong".to_owned()))
}

/// Sends, and says what has become of the job.
async fn ended(
    context: &Context,
    address: &Pubkey,
    wallet: &Keypair,
    all: &[quern_client::Instruction],
    done: &str,
) -> Result<()> {
    let receipts = context.send(all, &[wallet]).await?;
    // The transaction stands whatever this says.
    let now = accounts::fetch_optional::<Job>(context.rpc(), address)
        .await
        .ok()
        .flatten();
    let state = now.map_or("ended", |job| show::state_name(job.state));
    let fields = Fields::new()
        .text("job", address)
        .text("done", done)
        .text("state", state);
    crate::context::with_signatures(fields, &receipts).print(context.format);
    Ok(())
}
