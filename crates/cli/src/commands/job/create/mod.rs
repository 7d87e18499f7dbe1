//! `quern job create`: inputs are published and everything is checked before the price is locked.

mod args;
mod incentives;
mod inputs;
mod plan;
mod review;
mod warnings;

pub use {
    args::{Args, Terms},
    inputs::Given,
};

use {
    crate::{
        amount::show,
        commands::{job::result, watch},
        context::{Context, with_signatures},
        data,
        error::{Error, Result},
        funds,
        output::{Fields, Format},
    },
    plan::Plan,
    quern_client::{Keypair, Outcome, Pubkey, Receipt, Signer, flows, quern::state::Assurance},
    quern_data::{FetchLimits, Fetcher},
};

/// A job that was created.
pub struct Placed {
    /// Where it is.
    pub job: Pubkey,
    /// What it is.
    pub plan: Plan,
    /// What was asked for.
    pub args: Args,
    notes: Vec<String>,
    receipts: Vec<Receipt>,
}

/// Plans the job, checks it, sends it and, with `--watch`, follows it.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    // What needs no network comes first: files that cannot be read cost nothing.
    args.target.check_place()?;
    let given = inputs::read(&args)?;
    let wallet = context.wallet()?;
    let planned = planned(context, args, given, &wallet).await?;
    if planned.args.dry_run {
        planned.fields(context.format).print(context.format);
        return Ok(());
    }
    let placed = planned.send(context, &wallet).await?;
    let done = placed.fields(context.format);
    if !placed.args.watch {
        done.print(context.format);
        return Ok(());
    }
    // More lines follow.
    done.print_line(context.format);
    follow(context, placed, wallet).await
}

/// Plans a job, checks it and sends it. For people, notes go to standard error.
///
/// # Errors
/// What the program would refuse, or what nobody could serve, before anything is paid.
pub async fn place(
    context: &Context,
    args: Args,
    given: Given,
    wallet: &Keypair,
) -> Result<Placed> {
    let planned = planned(context, args, given, wallet).await?;
    planned.send(context, wallet).await
}

/// A job that the program would take.
struct Planned {
    plan: Plan,
    args: Args,
    notes: Vec<String>,
}

async fn planned(context: &Context, args: Args, given: Given, wallet: &Keypair) -> Result<Planned> {
    let args = args.resolved(context).await?;
    warnings::check_provider(context, &args, &wallet.pubkey()).await?;
    let plan = plan::plan(context, &args, &wallet.pubkey(), given).await?;
    check(context, &args, &wallet.pubkey(), &plan).await?;
    let mut notes = warnings::of(&args, &plan);
    notes.extend(plan.incentives.note());
    if context.format == Format::Table {
        notes.iter().for_each(|note| eprintln!("note: {note}"));
    }
    Ok(Planned { plan, args, notes })
}

impl Planned {
    /// For people and programs.
    fn fields(&self, format: Format) -> Fields {
        with_notes(fields(&self.plan), format, &self.notes)
    }

    async fn send(self, context: &Context, wallet: &Keypair) -> Result<Placed> {
        let (job, receipts) = send(context, wallet, &self.plan).await?;
        Ok(Placed {
            job,
            plan: self.plan,
            args: self.args,
            notes: self.notes,
            receipts,
        })
    }
}

impl Placed {
    /// For people and programs.
    pub fn fields(&self, format: Format) -> Fields {
        let done = Fields::new().text("job", self.job).and(fields(&self.plan));
        with_signatures(with_notes(done, format, &self.notes), &self.receipts)
    }
}

/// People have read the notes on standard error.
fn with_notes(fields: Fields, format: Format, notes: &[String]) -> Fields {
    match (format, notes.is_empty()) {
        (Format::Json, false) => fields.with("notes", notes.to_vec()),
        _ => fields,
    }
}

/// Refuses what the program would refuse, or what nobody could serve.
async fn check(context: &Context, args: &Args, client: &Pubkey, plan: &Plan) -> Result<()> {
    let graph = plan.graph().filter(|_| !args.skip_weights_check);
    if let (Some(graph), Some(model)) = (graph, &plan.known.model) {
        data::check_weights(context, model, &graph?, &args.reach).await?;
    }
    let (mint, escrow_atoms) = (&plan.known.mint, plan.quote.escrow_atoms);
    let free = plan.known.purse.map_or(0, |purse| purse.free_atoms.get());
    let todo = format!(
        "deposit more with `quern{} purse deposit --mint {} --amount {}`",
        context.wallet_option(),
        mint.mint,
        show(escrow_atoms.saturating_sub(free), mint.decimals)
    );
    let purse = (client, plan.known.purse.as_ref());
    funds::require_free(purse, mint.decimals, escrow_atoms, "the job", &todo)
}

async fn send(context: &Context, wallet: &Keypair, plan: &Plan) -> Result<(Pubkey, Vec<Receipt>)> {
    let client = wallet.pubkey();
    let (job, all) =
        flows::create_job(context.rpc(), &client, &plan.known, plan.args.clone()).await?;
    Ok((job, context.send(&all, &[wallet]).await?))
}

fn fields(plan: &Plan) -> Fields {
    let (args, decimals) = (&plan.args, plan.known.mint.decimals);
    let model = plan.known.model.as_ref();
    let royalty_bps = model.map_or(0, |known| known.model.royalty_bps.get());
    let fields = Fields::new()
        .text("assurance", plan.assurance)
        .tokens("price_per_milestone", args.price_atoms, decimals)
        .with("milestones", args.milestones)
        .tokens("bond", args.bond_atoms, decimals)
        .text("mint", plan.known.mint.mint)
        .share("fee_of_the_price", plan.known.protocol.terms.fee_bps.get())
        .share("royalty_of_the_price", royalty_bps)
        .time("review_time", args.review_secs)
        .with("items", args.items)
        .with("work", plan.work)
        .maybe(
            "input_uri",
            (!args.input_uri.is_empty()).then_some(&args.input_uri),
        );
    plan.incentives.add_to(fields, decimals)
}

/// Watches the job until it ends, or a reviewed one until there is a result to decide about; the error says how it ended, as an
/// exit code that scripts can read.
async fn follow(context: &Context, placed: Placed, wallet: Keypair) -> Result<()> {
    let Placed {
        job, plan, args, ..
    } = placed;
    // What was published here a moment ago may be read here.
    let mut reach = args.reach;
    reach.allow_files.extend(args.publish_dir);
    let fetch = reach.limits(context).await?;
    if plan.assurance == Assurance::Reviewed {
        // No graph bounds what a provider may name as its result.
        return review::follow(context, &job, &args.target, &Fetcher::new(fetch)).await;
    }
    let fetcher = Fetcher::new(FetchLimits {
        max_bytes: watch::UNLIMITED_BYTES,
        ..fetch.clone()
    });
    let options = watch::CheckOptions {
        fetch,
        sample: args.sample,
        weights: Default::default(),
    };
    match watch::follow(context, wallet, &job, options).await? {
        Outcome::Paid => {
            result::run_watched(context, &job, &args.target, &fetcher, "was paid").await
        }
        Outcome::Convicted { .. } => Err(Error::Convicted(job)),
        Outcome::Ended => Err(Error::NotDone(job)),
        Outcome::Unknown => Err(Error::Other(format!(
            "the node keeps too few transactions to tell how the job {job} ended; ask an indexer"
        ))),
    }
}
