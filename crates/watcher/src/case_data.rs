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
        DataError, Fetcher, Reservation, Share, TensorList, fetch, runtime::on_processor,
        sizes::Sizes,
    },
    quern_proof::{Hash, Tensor, commit, eval, file, graph::Graph},
    std::sync::Arc,
};

/// MACs in a GMAC.
const GMAC: u64 = 1_000_000_000;

/// What inputs and weights are fetched for.
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
    /// It cannot be fetched, or is another one; this is why.
    Missing(String),
}

/// Everything that a result follows from, and the memory that `purpose` takes. What is too large or too much work is refused
/// before anything is fetched.
pub(crate) async fn load(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    purpose: Purpose,
) -> std::result::Result<(Arc<CaseData>, Reservation), StepError> {
    check_macs(job.macs.get(), context.settings.max_macs)?;
    let account = context.chain.model(&job.model).await?;
    let batch_rows = job.batch_rows.get();
    let graph = parsed(&account.graph)?;
    graph.check().map_err(quern_proof::Error::from)?;
    graph
        .check_batch_rows(batch_rows)
        .map_err(quern_proof::Error::from)?;
    let sizes = checked_sizes(context, &graph, batch_rows)?;
    let bytes = match purpose {
        Purpose::Keep => sizes.operands_bytes(),
        Purpose::Examine => sizes.case_bytes(),
    };
    let memory = context.store.reserve(bytes).await?;
    let weights = weights(context, &account, &graph).await?;
    let inputs = TensorList::inputs(&graph, batch_rows, &job.input_roots)?;
    let uri = async { Ok(context.chain.input_uri(address, job).await?) };
    let inputs = context.store.get(&inputs, address, None, uri).await;
    let inputs = inputs.map_err(|error| match error {
        // A job commits to the URI of its inputs, so that never gets better; a model's may change at any time.
        StepError::Again(WatcherError::Data(error @ DataError::BadUri { .. })) => {
            StepError::Final(error.to_string())
        }
        error => error,
    })?;
    let data = CaseData {
        graph: account.graph,
        batch_rows,
        inputs,
        weights,
        sizes,
    };
    Ok((Arc::new(data), memory))
}

fn check_macs(macs: u64, max_macs: u64) -> std::result::Result<(), StepError> {
    if macs <= max_macs {
        return Ok(());
    }
    Err(StepError::Final(format!(
        "it takes {} GMAC to compute, more than the limit of {}; raise --max-gmacs",
        macs.div_ceil(GMAC),
        max_macs / GMAC
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

async fn weights(
    context: &Context,
    account: &ModelAccount,
    graph: &Graph<'_>,
) -> std::result::Result<Arc<Vec<Tensor>>, StepError> {
    let model = account.address;
    let own_source = context.settings.weights.get(&model).map(String::as_str);
    let uri = async {
        match context.chain.model_uri(&model, &account.model).await {
            Err(ClientError::UriUnknown { .. }) => {
                Err(StepError::Again(WatcherError::NotReady(format!(
                    "no event that was found says where the weights of model {model} are; name them with --weights {model}=URI, or ask a node that keeps older transactions"
                ))))
            }
            uri => Ok(uri?),
        }
    };
    let list = TensorList::weights(graph)?;
    context.store.get(&list, &model, own_source, uri).await
}

/// The trace at a URI, if it is the committed one. Whatever is wrong with it is a missing delivery.
///
/// # Errors
/// That reading it broke off.
pub(crate) async fn trace(
    fetcher: &Fetcher,
    uri: &str,
    root: Hash,
    data: &Arc<CaseData>,
) -> Result<Published> {
    let bytes = match fetcher.fetch(uri, Some(data.sizes.trace_file)).await {
        Ok(bytes) => bytes,
        Err(error) => return Ok(Published::Missing(error.to_string())),
    };
    let data = Arc::clone(data);
    Ok(on_processor(move || read_trace(&data, bytes, &root)).await?)
}

/// The hints beside a published trace, if they can be had. They are trusted for nothing.
pub(crate) async fn hints(fetcher: &Fetcher, trace_uri: &str, data: &CaseData) -> Option<Vec<u8>> {
    let expected_bytes = data.sizes.hints_file;
    if expected_bytes == 0 {
        return None;
    }
    let (folder, _) = trace_uri.rsplit_once('/')?;
    let uri = format!("{folder}/{}", fetch::HINTS_FILE);
    match fetcher.fetch(&uri, Some(expected_bytes)).await {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            tracing::debug!(%error, "there are no hints; the check takes longer");
            None
        }
    }
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
