//! `quern job create`: inputs are published and everything is checked before the price is locked.

use {
    super::{super::watch, Kind, Level},
    crate::{
        amount::{parse, show},
        context::{Context, with_signatures},
        data,
        error::{Error, Result},
        output::Fields,
        span,
    },
    quern_client::{
        Outcome, Pubkey, Signer, accounts,
        accounts::ModelAccount,
        clock, flows,
        instructions::NOBODY,
        quern::{
            instructions::NewJob,
            state::{Assurance, JobKind, MAX_INPUTS, MintConfig, Protocol},
        },
    },
    quern_data::Publisher,
    quern_proof::{
        Tensor,
        commit::data_root,
        file,
        graph::{Graph, Macs},
    },
    quern_rules::{bond, price},
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
    #[arg(long, value_enum, default_value_t = Kind::Inference)]
    kind: Kind,
    /// Assurance [default: refereed with a sealed model, otherwise accepted]
    #[arg(long, value_enum)]
    assurance: Option<Level>,
    /// Milestones, each with its own price (reviewed jobs)
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    milestones: u8,
    /// Price of a milestone, in tokens
    #[arg(
        long,
        value_name = "TOKENS",
        required_unless_present = "price_atoms",
        conflicts_with = "price_atoms"
    )]
    price: Option<String>,
    /// The same in atoms
    #[arg(long, value_name = "ATOMS")]
    price_atoms: Option<u64>,
    /// What a provider puts up, in tokens [default: the least that is allowed]
    #[arg(long, value_name = "TOKENS", conflicts_with = "bond_atoms")]
    bond: Option<String>,
    /// The same in atoms
    #[arg(long, value_name = "ATOMS")]
    bond_atoms: Option<u64>,
    /// Files with the input tensors, in the program's order, to be published
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
    /// Rows of the batch [default: as many as the input has]
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

/// The inputs as the job commits to them.
#[derive(Default)]
struct Inputs {
    uri: String,
    roots: Vec<[u8; 32]>,
    tensors: Vec<Tensor>,
}

/// Runs it.
pub async fn run(context: &Context, args: Args) -> Result<()> {
    // What needs no network comes first: files that cannot be read cost nothing.
    let read = data::read_tensors(&args.input)?;
    let wallet = context.wallet()?;
    let protocol = context.protocol().await?;
    let mint = context.mint(&args.mint).await?;
    let model = match &args.model {
        Some(address) => Some(data::model(context, address).await?),
        None => None,
    };
    let assurance = assurance(&args, model.as_ref())?;
    if args.watch && assurance != Assurance::Refereed {
        return Err(Error::Usage("only results of refereed jobs can be checked; leave --watch out, or ask for --assurance refereed".to_owned()));
    }
    let inputs = inputs(context, &args, read).await?;
    let (batch_rows, macs) = fit(&args, model.as_ref(), assurance, &inputs)?;
    if let Some(model) = model
        .as_ref()
        .filter(|_| assurance == Assurance::Refereed && !args.skip_weights_check)
    {
        let graph = Graph::load(&model.graph)?;
        data::check_weights(context, model, &graph, &args.reach).await?;
    }

    let (price_atoms, bond_atoms) = money(&args, &protocol, &mint, assurance, macs)?;
    let (_, least_review_secs) = protocol.floors(assurance);
    let review_secs = args.review.unwrap_or(least_review_secs);
    if review_secs < least_review_secs {
        return Err(Error::Usage(format!(
            "--review must be at least {} (the shortest of this protocol for such a job)",
            span::show(least_review_secs)
        )));
    }
    let now = clock::moment(context.rpc()).await?.now;
    let create = NewJob {
        kind: match args.kind {
            Kind::Inference => JobKind::Inference,
            Kind::FineTuning => JobKind::FineTuning,
            Kind::Training => JobKind::Training,
        } as u8,
        assurance: assurance as u8,
        milestones: args.milestones,
        price_atoms,
        bond_atoms,
        take_secs: args.take,
        work_secs: args.work,
        review_secs,
        ends_by: now.saturating_add(i64::from(args.ends_in)),
        batch_rows,
        max_fee_bps: args.max_fee_bps.unwrap_or(protocol.terms.fee_bps.get()),
        max_royalty_bps: args.max_royalty_bps.unwrap_or(
            model
                .as_ref()
                .map_or(0, |model| model.model.royalty_bps.get()),
        ),
        pinned_provider: args.provider.unwrap_or(NOBODY),
        arbiter: args.arbiter.unwrap_or(NOBODY),
        campaign: NOBODY,
        input_roots: inputs.roots,
        input_uri: inputs.uri.clone(),
    };
    check_funds(context, &wallet.pubkey(), &mint, &create).await?;

    let (job, all) = flows::create_job(
        context.rpc(),
        &wallet.pubkey(),
        &args.mint,
        args.model.as_ref(),
        create,
    )
    .await?;
    let receipts = context.send(&all, &[&wallet]).await?;
    let done = Fields::new()
        .text("job", job)
        .text(
            "assurance",
            if assurance == Assurance::Refereed {
                "refereed"
            } else {
                "accepted"
            },
        )
        .text("price_per_milestone", show(price_atoms, mint.decimals))
        .with("milestones", args.milestones)
        .text("bond", show(bond_atoms, mint.decimals))
        .with("batch_rows", batch_rows)
        .with("macs", macs)
        .maybe("input_uri", (!inputs.uri.is_empty()).then_some(inputs.uri));
    let done = with_signatures(done, &receipts);
    if !args.watch {
        done.print(context.format);
        return Ok(());
    }
    // More lines follow.
    done.print_line(context.format);
    // What was published here a moment ago may be read here.
    let mut reach = args.reach;
    reach.allow_files.extend(args.publish_dir);
    let fetch = reach.limits(context).await?;
    let outcome = watch::follow(&context.in_time(), wallet, &job, fetch).await?;
    report(job, &outcome)
}

/// How a watched job ended, as an exit code that scripts can read.
fn report(job: Pubkey, outcome: &Outcome) -> Result<()> {
    match outcome {
        Outcome::Paid => Ok(()),
        Outcome::Convicted { .. } => Err(Error::Convicted(job)),
        Outcome::Ended => Err(Error::NotDone(job)),
        Outcome::Unknown => Err(Error::Other(format!(
            "the node keeps too few transactions to tell how the job {job} ended; ask an indexer"
        ))),
    }
}

fn assurance(args: &Args, model: Option<&ModelAccount>) -> Result<Assurance> {
    let is_sealed = model.is_some_and(|model| model.model.sealed.get());
    match args.assurance {
        Some(Level::Refereed) if !is_sealed => {
            Err(Error::Usage("a refereed job needs a sealed model with a graph; name one with --model, or ask for --assurance accepted".to_owned()))
        }
        Some(Level::Refereed) => Ok(Assurance::Refereed),
        Some(Level::Reviewed) => Ok(Assurance::Reviewed),
        None if is_sealed && args.kind == Kind::Inference && args.milestones == 1 && args.arbiter.is_none() => Ok(Assurance::Refereed),
        None => Ok(Assurance::Reviewed),
    }
}

/// Publishes the inputs, or fetches those that are published.
async fn inputs(context: &Context, args: &Args, read: Vec<Tensor>) -> Result<Inputs> {
    let roots = |tensors: &[Tensor]| tensors.iter().map(data_root).collect::<Vec<_>>();
    match (&args.publish_dir, &args.input_uri) {
        (Some(folder), _) if !read.is_empty() => {
            let publisher = Publisher::folder(folder, args.public_url.as_deref())?;
            let bundle = file::encode_bundle(&read);
            // Named by its content: the same inputs are published once, other ones never overwrite them.
            let name = format!(
                "inputs/{}.qbundle",
                hex::encode(&quern_proof::hash::hash(&[&bundle])[..16])
            );
            let uri = publisher.put(&name, bundle).await?;
            Ok(Inputs {
                uri,
                roots: roots(&read),
                tensors: read,
            })
        }
        (_, Some(uri)) => {
            let bytes = args.reach.fetcher(context).await?.fetch(uri, None).await?;
            match file::decode_bundle(&bytes) {
                Ok(tensors) => Ok(Inputs {
                    uri: uri.clone(),
                    roots: roots(&tensors),
                    tensors,
                }),
                // Reviewed work may have any input; then nothing but its address is committed to.
                Err(_) if args.assurance == Some(Level::Reviewed) || args.model.is_none() => {
                    Ok(Inputs {
                        uri: uri.clone(),
                        ..Inputs::default()
                    })
                }
                Err(error) => Err(Error::Other(format!(
                    "{uri} is no bundle of input tensors: {error}"
                ))),
            }
        }
        _ => Ok(Inputs::default()),
    }
}

/// Batch rows and multiply-accumulates, as the program will count them; and whether the inputs fit at all.
fn fit(
    args: &Args,
    model: Option<&ModelAccount>,
    assurance: Assurance,
    inputs: &Inputs,
) -> Result<(u32, u64)> {
    if inputs.roots.len() > MAX_INPUTS {
        return Err(Error::Usage(format!(
            "a job has at most {MAX_INPUTS} input tensors, not {}",
            inputs.roots.len()
        )));
    }
    let sealed = model.filter(|model| model.model.sealed.get());
    let runs_program = assurance == Assurance::Refereed || !inputs.roots.is_empty();
    let Some(model) = sealed.filter(|_| runs_program) else {
        return Ok((args.batch_rows.unwrap_or(0), 0));
    };
    let graph = Graph::load(&model.graph)?;
    let found = (0..graph.input_count()).find(|index| graph.is_input_batch(*index));
    let rows = found
        .and_then(|index| inputs.tensors.get(index))
        .map(Tensor::rows);
    if let (Some(named), Some(rows)) = (args.batch_rows, rows)
        && named != rows
    {
        return Err(Error::Usage(format!(
            "the input has {rows} rows, not {named}; leave --batch-rows out"
        )));
    }
    let batch_rows = args.batch_rows.or(rows).unwrap_or(0);
    quern_proof::eval::check_input_shapes(&graph, batch_rows, &inputs.tensors)?;
    let macs = Macs {
        fixed: model.model.macs_fixed.get(),
        per_row: model.model.macs_per_row.get(),
    };
    let admitted = graph.admit(&macs, batch_rows, inputs.roots.len());
    let macs = admitted.map_err(|misfit| Error::Usage(misfit.to_string()))?;
    Ok((batch_rows, macs))
}

/// Price and bond, if they are what the mint and the protocol ask for at least.
fn money(
    args: &Args,
    protocol: &Protocol,
    mint: &MintConfig,
    assurance: Assurance,
    macs: u64,
) -> Result<(u64, u64)> {
    let too_large = |_| Error::Usage("the amounts are too large".to_owned());
    let judged_macs = if assurance == Assurance::Refereed {
        macs
    } else {
        0
    };
    let price_atoms = match (args.price_atoms, &args.price) {
        (Some(atoms), _) => atoms,
        (None, Some(text)) => parse(text, mint.decimals)?,
        (None, None) => return Err(Error::Usage("name a price with --price".to_owned())),
    };
    let least_price = price::least_price(
        mint.least_price_atoms.get(),
        mint.price_per_gmac_atoms.get(),
        judged_macs,
    )
    .map_err(too_large)?;
    if price_atoms < least_price {
        return Err(Error::Other(format!(
            "the price is below the least one for this work, {}; offer at least that",
            show(least_price, mint.decimals)
        )));
    }
    let (bond_bps, _) = protocol.floors(assurance);
    let least_bond = bond::least_bond(
        price_atoms,
        bond_bps,
        mint.bond_per_gmac_atoms.get(),
        judged_macs,
    )
    .map_err(too_large)?;
    let bond_atoms = match (args.bond_atoms, &args.bond) {
        (Some(atoms), _) => atoms,
        (None, Some(text)) => parse(text, mint.decimals)?,
        (None, None) => least_bond,
    };
    if bond_atoms < least_bond {
        return Err(Error::Other(format!(
            "the bond is below the least one for this work, {}; ask for at least that",
            show(least_bond, mint.decimals)
        )));
    }
    Ok((price_atoms, bond_atoms))
}

/// Whether the client's purse holds the price.
async fn check_funds(
    context: &Context,
    client: &Pubkey,
    mint: &MintConfig,
    args: &NewJob,
) -> Result<()> {
    let escrow = price::escrow(args.price_atoms, args.milestones)
        .map_err(|error| Error::Usage(error.to_string()))?;
    let purse = accounts::purse(context.rpc(), client, &mint.mint).await?;
    let free = purse.map_or(0, |purse| purse.free_atoms.get());
    if free >= escrow {
        return Ok(());
    }
    Err(Error::Other(format!(
        "your purse holds {} and the job locks {}; deposit more with `quern purse deposit --mint {} --amount …`",
        show(free, mint.decimals),
        show(escrow, mint.decimals),
        mint.mint
    )))
}
