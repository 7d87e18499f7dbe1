//! What a job needs before it is taken and worked on: everything is fetched, unless it is already here, and compared with what
//! job and model commit to.

use {
    crate::{
        context::{Context, parsed, unservable},
        error::{ProviderError, Result},
        worker::CheckedTensors,
    },
    quern_client::{
        Pubkey,
        accounts::ModelAccount,
        history::uri_hash,
        instructions::NOBODY,
        quern::state::{Assurance, Job, JobState},
    },
    quern_data::{DataError, Reservation, TensorList, files, sizes},
    quern_proof::{Hash, Tensor, graph::Graph},
    std::{
        path::{Path, PathBuf},
        sync::Arc,
    },
};

/// What was fetched and checked for a job.
pub(crate) struct Prepared {
    pub input_uri: String,
    pub input_file: Option<PathBuf>,
    pub model_uri: String,
    pub tensors: Option<Arc<CheckedTensors>>,
}

/// Fetches what a job needs, and checks it.
pub(crate) async fn prepare(context: &Context, address: &Pubkey, job: &Job) -> Result<Prepared> {
    // What is kept for a job is dropped with its folder.
    files::create_folder(&context.journal.job_folder(address))?;
    match Assurance::from_code(job.assurance) {
        Some(Assurance::Refereed) => refereed(context, address, job).await,
        Some(Assurance::Reviewed) => reviewed(context, address, job).await,
        None => Err(unservable(
            address,
            "its assurance level is unknown to this version",
        )),
    }
}

/// Waits for the memory that a job's tensors take; reviewed work is done elsewhere.
pub(crate) async fn reserve(context: &Context, job: &Job) -> Result<Option<Reservation>> {
    if Assurance::from_code(job.assurance) != Some(Assurance::Refereed) {
        return Ok(None);
    }
    let bytes = memory_bytes(context, job).await?;
    Ok(Some(context.store.reserve(bytes).await?))
}

/// The memory that the tensors of a refereed job take, at most all that there is: a job that was taken is worked on.
pub(crate) async fn memory_bytes(context: &Context, job: &Job) -> Result<u64> {
    let account = context.chain.model(&job.model).await?;
    let bytes = sizes::memory_bytes(&parsed(&account.graph)?, job.batch_rows.get())?;
    Ok(bytes.min(context.store.budget().share_bytes()))
}

/// What a refereed job needs.
pub(crate) async fn refereed(context: &Context, address: &Pubkey, job: &Job) -> Result<Prepared> {
    let account = context.chain.model(&job.model).await?;
    if !account.model.sealed.get() {
        return Err(unservable(address, "its model is not sealed"));
    }
    let graph = parsed(&account.graph)?;
    check_sizes(context, address, job, &graph)?;
    let weights = weights(context, job, &account, &graph).await?;
    let roots = &job.input_roots;
    let list = TensorList::inputs(&graph, job.batch_rows.get(), roots)?;
    // The URI only where it is needed: nodes forget old transactions, and anybody can bury one under newer ones.
    let uri = input_uri(context, address, job);
    let inputs = context.store.get(&list, address, None, uri).await?;
    let tensors = CheckedTensors {
        inputs,
        weights,
        graph: account.graph,
    };
    Ok(Prepared {
        input_uri: String::new(),
        input_file: context.store.path(&list),
        model_uri: String::new(),
        tensors: Some(Arc::new(tensors)),
    })
}

/// Refuses what is not sealed as it should be, and what is too large.
fn check_sizes(context: &Context, address: &Pubkey, job: &Job, graph: &Graph<'_>) -> Result<()> {
    let rows = job.batch_rows.get();
    graph.check().map_err(quern_proof::Error::from)?;
    graph
        .check_batch_rows(rows)
        .map_err(quern_proof::Error::from)?;
    let trace_bytes = graph.trace_bytes(rows).map_err(quern_proof::Error::from)?;
    let job_state = JobState::from_code(job.state);
    // A submitted job was taken under the limit of then; its demands need an answer.
    let is_submitted = job_state == Some(JobState::Submitted);
    if trace_bytes > context.settings.policy.max_trace_bytes && !is_submitted {
        return Err(unservable(
            address,
            &format!("its trace takes {trace_bytes} bytes, more than the limit"),
        ));
    }
    if job_state == Some(JobState::Open) {
        let memory_bytes = sizes::memory_bytes(graph, rows)?;
        context.store.budget().check(memory_bytes)?;
    }
    Ok(())
}

/// The weights of a job's model.
async fn weights(
    context: &Context,
    job: &Job,
    account: &ModelAccount,
    graph: &Graph<'_>,
) -> Result<Arc<Vec<Tensor>>> {
    let list = TensorList::weights(graph)?;
    let own_source = context.settings.weights.get(&job.model).map(String::as_str);
    let uri = model_uri(context, &job.model, account);
    context.store.get(&list, &job.model, own_source, uri).await
}

/// What a reviewed job needs: its worker fetches the model by itself.
async fn reviewed(context: &Context, address: &Pubkey, job: &Job) -> Result<Prepared> {
    let input_uri = input_uri(context, address, job).await?;
    let model_uri = match job.model {
        NOBODY => String::new(),
        model => model_uri(context, &model, &context.chain.model(&model).await?).await?,
    };
    let roots = job.input_roots.iter().copied();
    let roots: Vec<Hash> = roots.take_while(|root| *root != [0; 32]).collect();
    let list = TensorList::of_roots(&roots);
    let uri = std::future::ready(Ok::<_, DataError>(input_uri.clone()));
    context.store.get(&list, address, None, uri).await?;
    Ok(Prepared {
        input_uri,
        input_file: context.store.path(&list),
        model_uri,
        tensors: None,
    })
}

async fn input_uri(context: &Context, address: &Pubkey, job: &Job) -> Result<String> {
    let path = context.journal.uri_path(address, "inputs");
    let is_right = |uri: &str| uri_hash(uri) == job.input_uri_hash;
    uri(
        context,
        &path,
        is_right,
        context.chain.input_uri(address, job),
    )
    .await
}

async fn model_uri(context: &Context, address: &Pubkey, account: &ModelAccount) -> Result<String> {
    let path = context.journal.model_uri_path(address);
    let is_right = |uri: &str| uri_hash(uri) == account.model.uri_hash;
    let look_up = context.chain.model_uri(address, &account.model);
    uri(context, &path, is_right, look_up).await
}

/// A URI: the one that is kept, if it is right; otherwise it is looked up, which takes the node's history, and kept. When
/// that fails, an older one is better than none: data are checked wherever they come from.
pub(crate) async fn uri(
    context: &Context,
    path: &Path,
    is_right: impl Fn(&str) -> bool,
    look_up: impl Future<Output = quern_client::Result<String>>,
) -> Result<String> {
    let kept = context.journal.read(path)?;
    let kept = kept.and_then(|bytes| String::from_utf8(bytes).ok());
    let kept = match kept {
        Some(uri) if is_right(&uri) => return Ok(uri),
        kept => kept,
    };
    match (look_up.await, kept) {
        (Ok(uri), _) => {
            context.journal.write(path, uri.as_bytes())?;
            Ok(uri)
        }
        (Err(error), Some(uri)) => {
            tracing::warn!(path = %path.display(), %error, "cannot look up a URI; trying the one before it");
            Ok(uri)
        }
        (Err(error), None) => Err(ProviderError::from(error)),
    }
}
