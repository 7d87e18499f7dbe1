//! What will be created: everything that the chain and the files say, put together and compared with what the program asks
//! for.

use {
    super::{
        args::Args,
        incentives::{self, Incentives},
        inputs::{self, Given, Inputs},
    },
    crate::{
        amount::{parse, parse_some, show},
        commands::model::run::items as items_of,
        context::Context,
        error::{Error, Result},
        formats, span,
    },
    quern_client::{
        Pubkey,
        accounts::ModelAccount,
        instructions::NOBODY,
        quern::{
            constants::MAX_WINDOW_SECS,
            instructions::NewJob,
            state::{Assurance, MAX_INPUTS},
        },
        read::ForCreate,
    },
    quern_data::sizes,
    quern_proof::{Hash, Tensor, graph::Graph},
    quern_rules::quote::{Offer, Quote, quote},
};

/// A job that the program would take.
pub struct Plan {
    /// What the chain says.
    pub known: ForCreate,
    /// The level that the client gets.
    pub assurance: Assurance,
    /// Units of work of a milestone, as the program will count them.
    pub work: u64,
    /// What it costs at least, and reserves.
    pub quote: Quote,
    /// What a milestone is worth to its provider beside the price.
    pub incentives: Incentives,
    /// What is sent.
    pub args: NewJob,
}

impl Plan {
    /// The graph that a provider of a refereed job runs.
    pub fn graph(&self) -> Option<Result<Graph<'_>>> {
        let model = self.known.model.as_ref();
        let runs = model.filter(|_| self.assurance == Assurance::Refereed)?;
        Some(Graph::load(&runs.graph).map_err(Error::from))
    }
}

/// Reads what is needed, publishes or fetches the inputs, and settles every number.
///
/// # Errors
/// What the program would refuse, in one sentence.
pub async fn plan(context: &Context, args: &Args, client: &Pubkey, given: Given) -> Result<Plan> {
    let known = context
        .for_create(client, &args.terms.mint, args.model.as_ref())
        .await?;
    let model = known.model.as_ref();
    let assurance = assurance(args, model)?;
    if let (Assurance::Refereed, Given::File(file)) = (assurance, &given) {
        file.refused()?;
    }
    if args.watch {
        args.target.check()?;
    }
    let review_secs = review(args, &known, assurance)?;
    let inputs = inputs::published(context, args, given).await?;
    let fitted = fit(args, model, assurance, &inputs)?;
    let work = fitted.work;
    let (price_atoms, bond_atoms, quote) = money(args, &known, assurance, work)?;
    check_rates(args, &known)?;
    let create = NewJob {
        kind: args.kind.code(),
        assurance: assurance.code(),
        milestones: args.milestones,
        price_atoms,
        bond_atoms,
        take_secs: args.terms.take,
        work_secs: args.terms.work,
        review_secs,
        ends_by: known
            .moment
            .now
            .saturating_add(i64::from(args.terms.ends_in)),
        items: fitted.items,
        pinned_provider: args.terms.provider.unwrap_or(NOBODY),
        arbiter: args.arbiter.unwrap_or(NOBODY),
        campaign: args.campaign.unwrap_or(NOBODY),
        input_roots: fitted.input_roots,
        input_uri: inputs.uri,
    };
    let incentives = incentives::of(context, &known, &create, assurance).await?;
    Ok(Plan {
        known,
        assurance,
        work,
        quote,
        incentives,
        args: create,
    })
}

/// Refuses rates above what the caller accepts. Those that were read are also those that the job gets: the program refuses
/// others.
fn check_rates(args: &Args, known: &ForCreate) -> Result<()> {
    let model = known.model.as_ref();
    let royalty_bps = model.map_or(0, |known| known.model.royalty_bps.get());
    let fee_bps = known.protocol.terms.fee_bps.get();
    for (what, bps, most_bps) in [
        ("fee", fee_bps, args.terms.max_fee_bps),
        ("royalty", royalty_bps, args.terms.max_royalty_bps),
    ] {
        if most_bps.is_some_and(|most_bps| bps > most_bps) {
            return Err(Error::Usage(format!(
                "the {what} is {bps} basis points, more than --max-{what}-bps {}; raise it or wait",
                most_bps.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// The level that the client gets. Where the result could be refereed, nobody gets less without having said so.
fn assurance(args: &Args, model: Option<&ModelAccount>) -> Result<Assurance> {
    let is_sealed = model.is_some_and(|model| model.model.sealed.get());
    let only_reviewed = args.only_reviewed();
    let usage = |text: String| Err(Error::Usage(text));
    match args.assurance {
        Some(Assurance::Refereed) if !is_sealed => usage(
            "a refereed job needs a sealed model with a graph; name one with --model, or ask for --assurance reviewed".to_owned(),
        ),
        Some(Assurance::Refereed) => match only_reviewed {
            Some(what) => usage(format!(
                "{what} is for reviewed jobs: the program itself decides about a refereed one, and pays it in one part; leave {what} out, or ask for --assurance reviewed"
            )),
            None => Ok(Assurance::Refereed),
        },
        None if is_sealed => match only_reviewed.or(args.other_kind()) {
            Some(what) => usage(format!(
                "with {what} nobody but you checks the result, although this model can be refereed; say so with --assurance reviewed, or leave {what} out"
            )),
            None => Ok(Assurance::Refereed),
        },
        None | Some(Assurance::Reviewed) if args.terms.provider.is_none() && args.arbiter.is_none() => usage(
            "a reviewed job needs one whom you trust: name the provider with --provider, or who decides about a rejection with --arbiter".to_owned(),
        ),
        None | Some(Assurance::Reviewed) => Ok(Assurance::Reviewed),
    }
}

/// The time for the review.
fn review(args: &Args, known: &ForCreate, assurance: Assurance) -> Result<u32> {
    let (_, least_secs) = known.protocol.floors(assurance);
    let review_secs = args.terms.review.unwrap_or(least_secs);
    if review_secs >= least_secs {
        return Ok(review_secs);
    }
    Err(Error::Usage(format!(
        "--review {}: it must be from {} (the shortest of this protocol for such a job) to {}",
        span::show(review_secs),
        span::show(least_secs),
        span::show(MAX_WINDOW_SECS)
    )))
}

/// What a job is as a run of its model's graph.
struct Fitted {
    /// Items; 0 in a job that is no run of a graph, unless they were named.
    items: u32,
    /// Units of work, as the program will count them.
    work: u64,
    /// A root for each input; zeros stand for the tokens, which the provider gives.
    input_roots: Vec<Hash>,
}

/// Fits inputs to the graph. Refuses those of a refereed job that do not fit.
fn fit(
    args: &Args,
    model: Option<&ModelAccount>,
    assurance: Assurance,
    inputs: &Inputs,
) -> Result<Fitted> {
    let mut input_roots = inputs.roots.clone();
    let sealed = model.filter(|model| model.model.sealed.get());
    let runs_graph = assurance == Assurance::Refereed || !inputs.roots.is_empty();
    let Some(model) = sealed.filter(|_| runs_graph) else {
        check_count(input_roots.len())?;
        return Ok(Fitted {
            items: args.items.unwrap_or(0),
            work: 0,
            input_roots,
        });
    };
    let graph = Graph::load(&model.graph)?;
    if let Some(tokens) = graph.tokens().map(usize::from)
        && input_roots.len() + 1 == graph.input_count()
    {
        input_roots.insert(tokens, quern_proof::hash::MISSING);
    }
    check_count(input_roots.len())?;
    let found = match inputs.tensors.is_empty() {
        true => None,
        false => Some(items_of(&graph, &inputs.tensors)?),
    };
    if let (Some(named), Some(found)) = (args.items, found)
        && named != found
    {
        return Err(Error::Usage(format!(
            "the input has {found} items, not {named}; leave --items out"
        )));
    }
    let items = args.items.or(found).unwrap_or(1);
    let admitted = graph.admit(&model.model.costs(), items, input_roots.len());
    let work = match (admitted, assurance) {
        (Ok(work), _) => work,
        // Fine-tuning or serving a sealed model is not a run of its graph, and then nothing is counted.
        (Err(_), Assurance::Reviewed) => 0,
        (Err(misfit), Assurance::Refereed) => return Err(Error::Usage(misfit.to_string())),
    };
    if work > 0 && !inputs.tensors.is_empty() {
        check_shapes(&graph, items, &inputs.tensors)?;
    }
    Ok(Fitted {
        items,
        work,
        input_roots,
    })
}

fn check_count(roots: usize) -> Result<()> {
    if roots <= MAX_INPUTS {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "a job has at most {MAX_INPUTS} input tensors, not {roots}"
    )))
}

/// Refuses tensors that are not what the graph reads.
fn check_shapes(graph: &Graph<'_>, items: u32, tensors: &[Tensor]) -> Result<()> {
    for (index, tensor) in sizes::given_inputs(graph).zip(tensors) {
        let shape = graph
            .input(index.into())
            .map_err(quern_proof::Error::from)?;
        let expected = shape.over_items(items);
        if expected != Some(*tensor.geometry()) {
            let expected = expected.map_or_else(String::new, |tree| {
                format!(" {} x {}", tree.rows(), tree.cols())
            });
            return Err(Error::Usage(format!(
                "input {index} is {}, and the graph reads {}{expected}; give what `quern model inspect` shows",
                formats::shape(tensor),
                formats::dtype_name(shape.dtype)
            )));
        }
    }
    Ok(())
}

/// Price and bond, if they are what the mint and the protocol ask for at least, and the quote.
fn money(
    args: &Args,
    known: &ForCreate,
    assurance: Assurance,
    work: u64,
) -> Result<(u64, u64, Quote)> {
    let mint = &known.mint;
    let too_low = |what: &str, given: u64, least: u64| {
        Error::Other(format!(
            "--{what} {} is below the least for this work; use --{what} {} or more",
            show(given, mint.decimals),
            show(least, mint.decimals)
        ))
    };
    let of = |price_atoms| {
        let offer = Offer {
            work,
            is_refereed: assurance == Assurance::Refereed,
            milestones: args.milestones,
            price_atoms,
        };
        let floors = mint.floors(&known.protocol, assurance);
        quote(&floors, &offer).map_err(|error| Error::Usage(error.to_string()))
    };
    let price_atoms = match &args.terms.price {
        Some(text) => parse_some("--price", text, mint.decimals)?,
        None => of(mint.least_price_atoms.get())?.least_price_atoms,
    };
    let quote = of(price_atoms)?;
    if price_atoms < quote.least_price_atoms {
        return Err(too_low("price", price_atoms, quote.least_price_atoms));
    }
    let bond_atoms = match &args.terms.bond {
        Some(text) => parse("--bond", text, mint.decimals)?,
        None => quote.least_bond_atoms,
    };
    if bond_atoms < quote.least_bond_atoms {
        return Err(too_low("bond", bond_atoms, quote.least_bond_atoms));
    }
    Ok((price_atoms, bond_atoms, quote))
}
