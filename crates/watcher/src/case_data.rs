//! Getting the data of a case: graph, weights and inputs. All of it is compared with the roots on chain before it is used.

use {
    crate::{
        context::Context,
        error::{Result, StepError, WatcherError},
        results::{CaseData, OwnResult},
        sample,
        settings::Settings,
    },
    quern_client::{ClientError, Pubkey, accounts::ModelAccount, quern::state::Job},
    quern_data::{
        DataError, DownloadSlot, Reservation, Share, TensorList, Wanted, fetch,
        sizes::{self, Sizes},
    },
    quern_proof::graph::Graph,
    quern_rules::gwork::GWORK,
    std::sync::Arc,
};

/// What inputs and weights are loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To have them while they are there.
    Keep,
    /// To examine a result.
    Examine,
}

/// What a case takes, known before anything is fetched.
pub(crate) struct Plan {
    account: ModelAccount,
    items: u32,
    pub sizes: Sizes,
}

impl Plan {
    /// Whether the result is the text that the provider generated.
    pub(crate) fn ends_with_text(&self) -> bool {
        let graph = Graph::parse(&self.account.graph).ok();
        graph.is_some_and(|graph| {
            graph.feedback().map(usize::from) == graph.op_count().checked_sub(1)
        })
    }
}

/// Reads the model of a job. What is too large or too much work is refused before anything is fetched.
pub(crate) async fn plan(context: &Context, job: &Job) -> std::result::Result<Plan, StepError> {
    let items = job.items.get();
    check_work(&context.settings, job.work.get(), items)?;
    let account = context.chain.model(&job.model).await?;
    let graph = parsed(&account.graph)?;
    let sizes = checked_sizes(context, &graph, items)?;
    Ok(Plan {
        account,
        items,
        sizes,
    })
}

/// Brings inputs and weights to the disk. It takes as long as strangers' servers do, so it takes neither a slot nor memory.
pub(crate) async fn bring(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    plan: &Plan,
    download: &DownloadSlot<'_>,
) -> std::result::Result<(), StepError> {
    let graph = parsed(&plan.account.graph)?;
    let store = &context.store;
    let list = TensorList::weights(&graph)?;
    let weights = wanted(context, &list, address, &job.model);
    let uri =
        async { Ok::<_, StepError>(noted(download, weights_uri(context, &plan.account).await?)) };
    let brought = async {
        store.bring(weights, uri).await?;
        let list = TensorList::inputs(&graph, plan.items, &job.input_roots)?;
        let inputs = wanted(context, &list, address, address);
        let uri = async {
            Ok::<_, StepError>(noted(
                download,
                context.chain.input_uri(address, job).await?,
            ))
        };
        let brought = store.bring(inputs, uri).await;
        brought.map(drop).map_err(of_inputs)
    };
    let brought: std::result::Result<(), StepError> = brought.await;
    if brought.is_err() {
        // Nothing lies about that nobody may ask for again.
        store.forget_fetched(weights);
    }
    brought
}

/// Everything that a result follows from, compared with its roots, and the memory that `purpose` takes.
pub(crate) async fn load(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    plan: Plan,
    purpose: Purpose,
) -> std::result::Result<(CaseData, Reservation), StepError> {
    let bytes = match purpose {
        Purpose::Keep => plan.sizes.operands_bytes(),
        Purpose::Examine => case_bytes(&plan.sizes, plan.items),
    };
    let memory = context.store.reserve(bytes).await?;
    let graph = parsed(&plan.account.graph)?;
    let list = TensorList::weights(&graph)?;
    let weights = wanted(context, &list, address, &job.model);
    let uri = weights_uri(context, &plan.account);
    let weights = context.store.get(weights, uri).await?;
    let list = TensorList::inputs(&graph, plan.items, &job.input_roots)?;
    let inputs = wanted(context, &list, address, address);
    let uri = async { Ok::<_, StepError>(context.chain.input_uri(address, job).await?) };
    let inputs = context.store.get(inputs, uri).await.map_err(of_inputs)?;
    // The tokens are not the client's to give: zeroes stand for them.
    let inputs = sizes::all_inputs(&graph, plan.items, &inputs, None)?;
    let data = CaseData {
        graph: plan.account.graph,
        items: plan.items,
        inputs,
        weights,
        sizes: plan.sizes,
        trace_root: job.trace_root,
        tokens_root: job.tokens_root,
        are_tokens_demanded: false,
    };
    Ok((data, memory))
}

/// A job commits to the URI of its inputs, so that never gets better; a model's may change at any time.
fn of_inputs(error: StepError) -> StepError {
    match error {
        StepError::Again(WatcherError::Data(error @ DataError::BadUri { .. })) => {
            StepError::Final(error.to_string())
        }
        error => error,
    }
}

/// A URI, after its host was named in the download slot.
pub(crate) fn noted(download: &DownloadSlot<'_>, uri: String) -> String {
    if let Some(host) = fetch::host_of(&uri) {
        download.is_by(host);
    }
    uri
}

fn wanted<'a>(
    context: &'a Context,
    list: &'a TensorList,
    job: &'a Pubkey,
    named_by: &'a Pubkey,
) -> Wanted<'a> {
    let own_source = context.settings.weights.get(named_by);
    Wanted {
        list,
        job,
        named_by,
        own_source: own_source.map(String::as_str),
    }
}

/// Refuses what takes longer than this watcher has: the work of the items that it would check.
fn check_work(
    settings: &Settings,
    job_work: u64,
    items: u32,
) -> std::result::Result<(), StepError> {
    let checked = sample::count(items, settings.sample);
    // Every item takes as much as every other.
    let item_work = job_work.div_ceil(u64::from(items.max(1)));
    let (work, max_work) = (item_work.saturating_mul(checked.into()), settings.max_work);
    if work <= max_work {
        return Ok(());
    }
    let more = match checked == items {
        true => "raise --max-gwork, or check a --sample",
        false => "raise --max-gwork, or check a smaller --sample",
    };
    Err(StepError::Final(format!(
        "checking {checked} of its {items} items takes {} Gwork, more than the limit of {}; {more}",
        work.div_ceil(GWORK),
        max_work / GWORK
    )))
}

/// What each item takes beside its share of the files: roots in the maps and trees that compare them.
const ITEM_BYTES: u64 = 256;

/// The most memory that examining takes.
pub(crate) fn case_bytes(sizes: &Sizes, items: u32) -> u64 {
    let roots = u64::from(items).saturating_mul(ITEM_BYTES);
    sizes.case_bytes().saturating_add(roots)
}

/// What an own result takes with everything that it was computed from.
fn kept_bytes(data: &CaseData) -> u64 {
    let roots = u64::from(data.items).saturating_mul(ITEM_BYTES);
    data.sizes.kept_bytes().saturating_add(roots)
}

/// How large a case is, if that is within all limits.
fn checked_sizes(
    context: &Context,
    graph: &Graph<'_>,
    items: u32,
) -> std::result::Result<Sizes, StepError> {
    let budget = context.store.budget();
    let limit = context.settings.fetch.max_bytes;
    let sizes = Sizes::of(graph, items)?;
    for (what, bytes) in [
        ("trace takes, of one item,", sizes.trace),
        ("inputs take", sizes.inputs),
        ("weights take", sizes.weights),
    ] {
        if bytes > limit {
            return Err(StepError::Final(format!(
                "its {what} {bytes} bytes, more than the limit of {limit}; raise --trace-limit"
            )));
        }
    }
    // What could never be examined need not be kept.
    budget.check(case_bytes(&sizes, items))?;
    Ok(sizes)
}

/// Where the weights of a model are.
async fn weights_uri(
    context: &Context,
    account: &ModelAccount,
) -> std::result::Result<String, StepError> {
    let model = account.address;
    match context.chain.model_uri(&model, &account.model).await {
        Err(ClientError::UriUnknown { .. }) => {
            Err(StepError::Again(WatcherError::NotReady(format!(
                "no event that was found says where the weights of model {model} are; name them with --weights {model}=URI, or ask a node that keeps older transactions"
            ))))
        }
        uri => Ok(uri?),
    }
}

/// Keeps an own result until the case is decided, if there is memory for it.
pub(crate) fn keep(context: &Context, case: (Pubkey, u32), own: &Arc<OwnResult>) {
    let budget = context.store.budget();
    match budget.try_reserve(Share::Demands, kept_bytes(&own.data)) {
        Some(memory) => context.results.put(case, Arc::clone(own), memory),
        None => {
            tracing::warn!(job = %case.0, "there is no memory to keep the own result; it is computed again for every demand: raise --memory-limit");
        }
    }
}

/// A graph's records.
fn parsed(graph: &[u8]) -> Result<Graph<'_>> {
    Ok(Graph::load(graph)?)
}
