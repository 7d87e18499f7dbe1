//! `quern job create`: inputs are published and everything is checked before the price is locked.

mod inputs;
mod plan;

use {
    crate::{
        amount::{self, show},
        commands::watch,
        context::{Context, with_signatures},
        data,
        error::{Error, Result},
        output::Fields,
        span,
    },
    plan::Plan,
    quern_client::{
        Keypair, Outcome, Pubkey, Receipt, Signer, flows,
        quern::state::{Assurance, JobKind},
    },
    std::path::PathBuf,
};

/// What the client asks for.
#[derive(clap::Args)]
pub struct Args {
    /// In which mint the job is paid
    #[arg(long, value_name = "ADDRESS")]
    mint: Pubkey,
    /// The model, agent or data set that it uses
    #[arg(long, value_name = "ADDRESS")]
    model: Option<Pubkey>,
    /// Kind of work
    #[arg(long, value_enum, default_value_t = JobKind::Inference)]
    kind: JobKind,
    /// Assurance [default: refereed with a sealed model, otherwise reviewed]
    #[arg(long, value_enum)]
    assurance: Option<Assurance>,
    /// Milestones, each with its own price (reviewed jobs)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    milestones: u8,
    /// Price of a milestone, in tokens, or in atoms as 1000atoms
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    price: String,
    /// What a provider puts up, in tokens or atoms [default: the least that is allowed]
    #[arg(long, value_name = "TOKENS", value_parser = amount::check)]
    bond: Option<String>,
    /// Files with the input tensors, in the graph's order, to be published
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "publish_dir")]
    input: Vec<PathBuf>,
    /// Folder into which the inputs are published
    #[arg(long, value_name = "FOLDER", requires = "input")]
    publish_dir: Option<PathBuf>,
    /// Address under which a web server shows that folder [default: a file URI, for this machine only]
    #[arg(long, value_name = "URL", requires = "publish_dir")]
    public_url: Option<String>,
    /// Where the inputs are published already
    #[arg(long, value_name = "URI", conflicts_with = "input")]
    input_uri: Option<String>,
    #[command(flatten)]
    reach: data::Reach,
    /// Create the job although the model's weights could not be checked
    #[arg(long)]
    skip_weights_check: bool,
    /// Keep watching the job until it ends: check its result, demand what is withheld, convict what is wrong (refereed jobs);
    /// the exit code says how it ended
    #[arg(long)]
    watch: bool,
    /// Rows of the batch, where no input file says it
    #[arg(long, value_name = "ROWS")]
    batch_rows: Option<u32>,
    /// Time to find a provider
    #[arg(long, value_parser = span::parse, default_value = "1d", value_name = "TIME")]
    take: u32,
    /// Time to do a milestone
    #[arg(long, value_parser = span::parse, default_value = "1h", value_name = "TIME")]
    work: u32,
    /// Time to challenge or reject a result [default: the shortest allowed]
    #[arg(long, value_parser = span::parse, value_name = "TIME")]
    review: Option<u32>,
    /// After this time no provider may take it any more, counted from now
    #[arg(long, value_parser = span::parse, default_value = "30d", value_name = "TIME")]
    ends_in: u32,
    /// Highest protocol fee to accept, in basis points [default: the present one]
    #[arg(long, value_name = "BPS")]
    max_fee_bps: Option<u16>,
    /// Highest royalty to accept, in basis points [default: the present one]
    #[arg(long, value_name = "BPS")]
    max_royalty_bps: Option<u16>,
    /// The only provider (its owner) that may take it
    #[arg(long, value_name = "ADDRESS")]
    provider: Option<Pubkey>,
    /// Who decides if you reject a result (reviewed jobs)
    #[arg(long, value_name = "ADDRESS")]
    arbiter: Option<Pubkey>,
}

/// Plans the job, checks it, sends it and, with `--watch`, follows it.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    // What needs no network comes first: files that cannot be read cost nothing.
    let tensors = data::read_tensors(&args.input)?;
    let wallet = context.wallet()?;
    let plan = plan::plan(context, &args, &wallet.pubkey(), tensors).await?;
    check(context, &args, &plan).await?;
    let (job, receipts) = send(context, &wallet, &plan).await?;
    let done = with_signatures(fields(&job, &plan), &receipts);
    if !args.watch {
        done.print(context.format);
        return Ok(());
    }
    // More lines follow.
    done.print_line(context.format);
    follow(context, args, wallet, job).await
}

/// Refuses what the program would refuse, or what nobody could serve.
async fn check(context: &Context, args: &Args, plan: &Plan) -> Result<()> {
    let graph = plan.graph().filter(|_| !args.skip_weights_check);
    if let (Some(graph), Some(model)) = (graph, &plan.known.model) {
        data::check_weights(context, model, &graph?, &args.reach).await?;
    }
    let (mint, escrow_atoms) = (&plan.known.mint, plan.quote.escrow_atoms);
    let free = plan.known.purse.map_or(0, |purse| purse.free_atoms.get());
    if free >= escrow_atoms {
        return Ok(());
    }
    Err(Error::Other(format!(
        "your purse holds {} and the job locks {}; deposit more with `quern purse deposit --mint {} --amount …`",
        show(free, mint.decimals),
        show(escrow_atoms, mint.decimals),
        mint.mint
    )))
}

async fn send(context: &Context, wallet: &Keypair, plan: &Plan) -> Result<(Pubkey, Vec<Receipt>)> {
    let client = wallet.pubkey();
    let (job, all) =
        flows::create_job(context.rpc(), &client, &plan.known, plan.args.clone()).await?;
    Ok((job, context.send(&all, &[wallet]).await?))
}

fn fields(job: &Pubkey, plan: &Plan) -> Fields {
    let (args, decimals) = (&plan.args, plan.known.mint.decimals);
    Fields::new()
        .text("job", job)
        .text("assurance", plan.assurance)
        .text("price_per_milestone", show(args.price_atoms, decimals))
        .with("milestones", args.milestones)
        .text("bond", show(args.bond_atoms, decimals))
        .with("batch_rows", args.batch_rows)
        .with("macs", plan.macs)
        .maybe(
            "input_uri",
            (!args.input_uri.is_empty()).then_some(&args.input_uri),
        )
}

/// Watches the job until it ends; the error says how, as an exit code that scripts can read.
async fn follow(context: &Context, args: Args, wallet: Keypair, job: Pubkey) -> Result<()> {
    // What was published here a moment ago may be read here.
    let mut reach = args.reach;
    reach.allow_files.extend(args.publish_dir);
    let fetch = reach.limits(context).await?;
    match watch::follow(&context.in_time(), wallet, &job, fetch).await? {
        Outcome::Paid => Ok(()),
        Outcome::Convicted { .. } => Err(Error::Convicted(job)),
        Outcome::Ended => Err(Error::NotDone(job)),
        Outcome::Unknown => Err(Error::Other(format!(
            "the node keeps too few transactions to tell how the job {job} ended; ask an indexer"
        ))),
    }
}
