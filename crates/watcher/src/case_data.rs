//! Getting the data of a case: graph, weights, inputs, the published trace, and the watcher's own result. All of it is
//! compared with the roots on chain before it is used; only the trace may be anything, which is the point.

use {
    crate::{
        context::Context,
        error::{Result, StepError, WatcherError},
        results::{CaseData, OwnResult},
    },
    quern_client::{ClientError, Pubkey, accounts::ModelAccount, quern::state::Job},
    quern_data::{
        DataError, Download, DownloadSlot, Reservation, Share, TensorList, Wanted, fetch,
        runtime::on_processor, sizes::Sizes,
    },
    quern_proof::{Hash, Tensor, commit, eval, file, graph::Graph},
    std::sync::Arc,
};

/// units of work in a Gwork.
const Gwork: u64 = 1_000_000_000;

/// What inputs and weights are loaded for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To have them while they are there.
    Keep,
    /// To examine a result.
    Examine,
}

/// The published trace.
pub(crate) enum Published {
    /// It has the committed root.
    Trace(Vec<Tensor>),
    /// It is another one; this is why.
    Missing(String),
}

/// What was published, on the disk and not looked at yet.
pub(crate) struct Delivery {
    pub trace: Download,
    /// The sums beside it, if they can be had. They are trusted for nothing.
    pub hints: Option<Download>,
}

/// What a case takes, known before anything is fetched.
pub(crate) struct Plan {
    account: ModelAccount,
    pub batch_rows: u32,
    pub sizes: Sizes,
}

/// Reads the model of a job. What is too large or too much work is refused before anything is fetched.
pub(crate) async fn plan(context: &Context, job: &Job) -> std::result::Result<Plan, StepError> {
    check_work(job.work.get(), context.settings.max_work)?;
    let account = context.chain.model(&job.model).await?;
    let batch_rows = job.batch_rows.get();
    let graph = parsed(&account.graph)?;
    graph.check().map_err(quern_proof::Error::from)?;
    graph
        .check_batch_rows(batch_rows)
        .map_err(quern_proof::Error::from)?;
    let sizes = checked_sizes(context, &graph, batch_rows)?;
    Ok(Plan {
        account,
        batch_rows,
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
        let list = TensorList::inputs(&graph, plan.batch_rows, &job.input_roots)?;
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
) -> std::result::Result<(Arc<CaseData>, Reservation), StepError> {
    let bytes = match purpose {
        Purpose::Keep => plan.sizes.operands_bytes(),
        Purpose::Examine => plan.sizes.case_bytes(),
    };
    let memory = context.store.reserve(bytes).await?;
    let graph = parsed(&plan.account.graph)?;
    let list = TensorList::weights(&graph)?;
    let weights = wanted(context, &list, address, &job.model);
    let uri = weights_uri(context, &plan.account);
    let weights = context.store.get(weights, uri).await?;
    let list = TensorList::inputs(&graph, plan.batch_rows, &job.input_roots)?;
    let inputs = wanted(context, &list, address, address);
    let uri = async { Ok::<_, StepError>(context.chain.input_uri(address, job).await?) };
    let inputs = context.store.get(inputs, uri).await.map_err(of_inputs)?;
    let data = CaseData {
        graph: plan.account.graph,
        batch_rows: plan.batch_rows,
        inputs,
        weights,
        sizes: plan.sizes,
    };
    Ok((Arc::new(data), memory))
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
fn noted(download: &DownloadSlot<'_>, uri: String) -> String {
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

fn check_work(work: u64, max_work: u64) -> std::result::Result<(), StepError> {
    if work <= max_work {
        return Ok(());
    }
    Err(StepError::Final(format!(
        "it takes {} Gwork to compute, more than the limit of {}; raise --max-gwork",
        work.div_ceil(Gwork),
        max_work / Gwork
    )))
}

/// How large a case is, if that is within all limits.
fn checked_sizes(
    context: &Context,
    graph: &Graph<'_>,
    batch_rows: u32,
) -> std::result::Result<Sizes, StepError> {
    let budget = context.store.budget();
    let limit = context.settings.fetch.max_bytes;
    let mut sizes = Sizes::of(graph, batch_rows)?;
    // Hints only save time.
    if sizes.hints_file > limit || budget.check(sizes.case_bytes()).is_err() {
        sizes.hints_file = 0;
    }
    for (what, bytes) in [
        ("trace takes", sizes.trace),
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
    budget.check(sizes.case_bytes())?;
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

/// What is published at a URI, on the disk; or why it is missing.
///
/// # Errors
/// That this disk has no room.
pub(crate) async fn delivery(
    context: &Context,
    uri: &str,
    sizes: &Sizes,
    download: &DownloadSlot<'_>,
) -> Result<std::result::Result<Delivery, String>> {
    noted(download, uri.to_owned());
    let store = &context.store;
    let trace = match store.download(uri, Some(sizes.trace_file)).await {
        Ok(trace) => trace,
        Err(
            error @ (DataError::DiskFull { .. }
            | DataError::DiskLimit { .. }
            | DataError::Files { .. }),
        ) => return Err(error.into()),
        Err(error) => return Ok(Err(error.to_string())),
    };
    let hints = match (sizes.hints_file, uri.rsplit_once('/')) {
        (0, _) | (_, None) => None,
        (bytes, Some((folder, _))) => {
            let uri = format!("{folder}/{}", fetch::HINTS_FILE);
            let found = store.download(&uri, Some(bytes)).await;
            found
                .inspect_err(|error| {
                    tracing::debug!(%error, "there are no hints; the check takes longer");
                })
                .ok()
        }
    };
    Ok(Ok(Delivery { trace, hints }))
}

/// The trace in a file, if it is the committed one. Whatever is wrong with it is a missing delivery.
///
/// # Errors
/// That reading it broke off.
pub(crate) async fn trace(file: Download, root: Hash, data: &Arc<CaseData>) -> Result<Published> {
    let data = Arc::clone(data);
    let read = move || Ok(read_trace(&data, file.read()?, &root));
    on_processor(read).await?
}

/// The watcher's own result, kept until the case is decided if there is memory for it.
pub(crate) async fn own_result(
    context: &Context,
    case: (Pubkey, u32),
    data: &Arc<CaseData>,
) -> std::result::Result<Arc<OwnResult>, StepError> {
    if let Some(own) = context.results.get(case) {
        return Ok(own);
    }
    let (from, max_bytes) = (Arc::clone(data), context.settings.fetch.max_bytes);
    let own = Arc::new(on_processor(move || compute(from, max_bytes)).await??);
    let budget = context.store.budget();
    match budget.try_reserve(Share::Demands, data.sizes.kept_bytes()) {
        Some(memory) => context.results.put(case, Arc::clone(&own), memory),
        None => {
            tracing::warn!(job = %case.0, "there is no memory to keep the own result; it is computed again for every demand: raise --memory-limit");
        }
    }
    Ok(own)
}

/// A graph's records.
pub(crate) fn parsed(graph: &[u8]) -> Result<Graph<'_>> {
    Ok(Graph::load(graph)?)
}

fn read_trace(data: &CaseData, bytes: Vec<u8>, root: &Hash) -> Published {
    let read = move || -> Result<Vec<Tensor>> {
        let outputs = file::decode_trace(&bytes)?;
        drop(bytes);
        let graph = parsed(&data.graph)?;
        if outputs.len() != graph.op_count() {
            return Err(quern_proof::Error::Count {
                what: "ops",
                expected: graph.op_count(),
                found: outputs.len(),
            }
            .into());
        }
        eval::check_output_shapes(&graph, data.batch_rows, &outputs)?;
        Ok(outputs)
    };
    match read() {
        Ok(outputs) if root_of(&outputs) == Some(*root) => Published::Trace(outputs),
        Ok(_) => Published::Missing("what is published has another root".to_owned()),
        Err(error) => Published::Missing(error.to_string()),
    }
}

fn root_of(outputs: &[Tensor]) -> Option<Hash> {
    let roots: Vec<Hash> = outputs.iter().map(commit::data_root).collect();
    commit::trace_root(&roots)
}

fn compute(data: Arc<CaseData>, max_trace_bytes: u64) -> Result<OwnResult> {
    let graph = parsed(&data.graph)?;
    let outputs = eval::run_within(
        &graph,
        data.batch_rows,
        &data.inputs,
        &data.weights,
        max_trace_bytes,
    )?;
    let root = root_of(&outputs)
        .ok_or_else(|| WatcherError::NotReady("the graph has no op".to_owned()))?;
    Ok(OwnResult {
        data,
        outputs,
        root,
    })
}
