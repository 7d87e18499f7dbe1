//! What a job needs before it is taken and worked on: everything is fetched, unless it is already here, and compared with what
//! job and model commit to.

use {
    crate::{
        context::{Context, parsed, unservable},
        error::{ProviderError, Result},
        kept::KeptItems,
        offers::fetch_time,
        worker::CheckedTensors,
    },
    quern_client::{
        Pubkey,
        accounts::ModelAccount,
        history::uri_hash,
        instructions::NOBODY,
        quern::state::{Assurance, Job, JobState},
    },
    quern_data::{
        DataError, DownloadSlot, Reservation, Share, TensorList, Wanted, fetch, files,
        runtime::lock, sizes::Sizes,
    },
    quern_proof::{Hash, Tensor, graph::Graph},
    std::{
        path::{Path, PathBuf},
        sync::Arc,
        thread,
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

/// Fetches and checks what an open job needs, without holding anything for it meanwhile but a download slot and the disk: its
/// client may be a stranger whose server stalls. What a reviewed job's worker is told is returned; tensors would take memory.
pub(crate) async fn offer(
    context: &Context,
    address: &Pubkey,
    job: &Job,
) -> Result<Option<Prepared>> {
    let moment = context.chain.moment().await?;
    let attempts = lock(&context.known).attempts(address);
    let download = context
        .offer_downloads
        .enter(&job.client.to_string(), attempts)
        .await;
    let time = fetch_time(job, &moment);
    let brought = tokio::time::timeout(time, bring(context, address, job, Some(&download)));
    let too_slow = || DataError::Fetch {
        uri: address.to_string(),
        why: format!(
            "its data came too slowly for the job's own times (within {} s)",
            time.as_secs()
        ),
    };
    let put_off = |why| ProviderError::PutOff { job: *address, why };
    let brought = download.run(brought).await;
    drop(download);
    let Some(brought) = brought else {
        lock(&context.known).cut_off(address);
        return Err(put_off("its data came slowly while others waited"));
    };
    let file_bytes = brought.map_err(|_| too_slow())??;
    // A file and what is decoded from it.
    let memory = context.store.reserve_idle(file_bytes.saturating_mul(2));
    let memory = tokio::time::timeout(context.settings.memory_patience, memory).await;
    let _memory = memory.map_err(|_| put_off("no memory became free for its data"))??;
    let prepared = prepare(context, address, job).await?;
    Ok(Some(prepared).filter(|prepared| prepared.tensors.is_none()))
}

/// Brings the data of a job to the disk, and says how large the largest file is. They are compared later.
pub(crate) async fn bring(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    download: Option<&DownloadSlot<'_>>,
) -> Result<u64> {
    files::create_folder(&context.journal.job_folder(address))?;
    let noted = |uri: String| {
        if let Some((download, host)) = download.zip(fetch::host_of(&uri)) {
            download.is_by(host);
        }
        uri
    };
    let store = &context.store;
    let uri = async { Ok::<_, ProviderError>(noted(input_uri(context, address, job).await?)) };
    if Assurance::from_code(job.assurance) != Some(Assurance::Refereed) {
        let list = reviewed_inputs(job);
        return store.bring(named(&list, address, address, None), uri).await;
    }
    let account = context.chain.model(&job.model).await?;
    if !account.model.sealed.get() {
        return Err(unservable(address, "its model is not sealed"));
    }
    let graph = parsed(&account.graph)?;
    check_sizes(context, address, job, &graph)?;
    let inputs = TensorList::inputs(&graph, job.items.get(), &job.input_roots)?;
    let inputs = named(&inputs, address, address, None);
    let weights = TensorList::weights(&graph)?;
    let weights = named(&weights, address, &job.model, own_source(context, job));
    let weights_uri =
        async { Ok::<_, ProviderError>(noted(model_uri(context, address, &account).await?)) };
    let brought = async {
        let weights_bytes = store.bring(weights, weights_uri).await?;
        Ok(weights_bytes.max(store.bring(inputs, uri).await?))
    };
    let brought: Result<u64> = brought.await;
    if brought.is_err() {
        // Nothing lies about that nobody may ask for again.
        store.forget_fetched(weights);
    }
    brought
}

/// Tensors for a job, named by the job itself or its model.
fn named<'a>(
    list: &'a TensorList,
    job: &'a Pubkey,
    named_by: &'a Pubkey,
    own_source: Option<&'a str>,
) -> Wanted<'a> {
    Wanted {
        list,
        job,
        named_by,
        own_source,
    }
}

fn own_source<'a>(context: &'a Context, job: &Job) -> Option<&'a str> {
    context.settings.weights.get(&job.model).map(String::as_str)
}

/// Inputs of any shape.
fn reviewed_inputs(job: &Job) -> TensorList {
    let roots = job.input_roots.iter().copied();
    let roots: Vec<Hash> = roots.take_while(|root| *root != [0; 32]).collect();
    TensorList::of_roots(&roots)
}

/// Memory that a job is computed in.
pub(crate) struct WorkMemory(Vec<Reservation>);

impl WorkMemory {
    /// Items that fit at a time.
    pub(crate) fn items_at_once(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX).max(1)
    }
}

/// Waits for the memory that a job takes with one item at a time, and takes what is free for more of them, at most half of all
/// that there is: other jobs were taken, too. Reviewed work is done elsewhere.
pub(crate) async fn reserve(context: &Context, job: &Job) -> Result<WorkMemory> {
    /// Items a core: those of one turn are not equally long.
    const TURNS: usize = 4;
    if Assurance::from_code(job.assurance) != Some(Assurance::Refereed) {
        return Ok(WorkMemory(Vec::new()));
    }
    let (sizes, budget) = (sizes(context, job).await?, context.store.budget());
    let bytes = at_most_all(context, sizes.work_bytes());
    let mut memory = vec![context.store.reserve(bytes).await?];
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let half = budget.share_bytes() / 2 / sizes.item_bytes().max(1);
    let more = usize::try_from(half).unwrap_or(usize::MAX);
    let more = more
        .min(cores * TURNS - 1)
        .min(job.items.get() as usize - 1);
    let free = || budget.try_reserve(Share::Work, sizes.item_bytes());
    memory.extend((0..more).map_while(|_| free()));
    Ok(WorkMemory(memory))
}

/// Memory that a refereed job takes, at most all that there is: a job that was taken is worked on.
pub(crate) fn at_most_all(context: &Context, bytes: u64) -> u64 {
    bytes.min(context.store.budget().share_bytes())
}

async fn sizes(context: &Context, job: &Job) -> Result<Sizes> {
    let account = context.chain.model(&job.model).await?;
    Ok(Sizes::of(&parsed(&account.graph)?, job.items.get())?)
}

/// What a refereed job needs.
pub(crate) async fn refereed(context: &Context, address: &Pubkey, job: &Job) -> Result<Prepared> {
    let account = context.chain.model(&job.model).await?;
    if !account.model.sealed.get() {
        return Err(unservable(address, "its model is not sealed"));
    }
    let graph = parsed(&account.graph)?;
    check_sizes(context, address, job, &graph)?;
    let weights = weights(context, address, job, &account, &graph).await?;
    let roots = &job.input_roots;
    let list = TensorList::inputs(&graph, job.items.get(), roots)?;
    // The URI only where it is needed: nodes forget old transactions, and anybody can bury one under newer ones.
    let uri = input_uri(context, address, job);
    let wanted = named(&list, address, address, None);
    let inputs = context.store.get(wanted, uri).await?;
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

/// Refuses what is not sealed as it should be, and what is too large to be computed, published or answered for.
fn check_sizes(context: &Context, address: &Pubkey, job: &Job, graph: &Graph<'_>) -> Result<()> {
    let items = job.items.get();
    let sizes = Sizes::of(graph, items)?;
    let job_state = JobState::from_code(job.state);
    // What was taken was taken under the limits of then: a bond is at stake for it.
    let is_open = job_state == Some(JobState::Open);
    if is_open {
        let policy = &context.settings.policy;
        let kept = KeptItems::new(Path::new(""), graph)?.bytes(items);
        let result = sizes.result.max(sizes.roots).max(sizes.tokens).max(kept);
        for (what, bytes, limit) in [
            ("the trace of one item", sizes.trace, policy.max_item_bytes),
            (
                "its result, or what is kept of it",
                result,
                policy.max_result_bytes,
            ),
        ] {
            if bytes > limit {
                let why = format!("{what} takes {bytes} bytes, more than the limit of {limit}");
                return Err(unservable(address, &why));
            }
        }
    }
    if is_open {
        context.store.budget().check(sizes.memory_bytes())?;
    }
    Ok(())
}

/// The weights of a job's model.
async fn weights(
    context: &Context,
    address: &Pubkey,
    job: &Job,
    account: &ModelAccount,
    graph: &Graph<'_>,
) -> Result<Arc<Vec<Tensor>>> {
    let list = TensorList::weights(graph)?;
    let wanted = named(&list, address, &job.model, own_source(context, job));
    let uri = model_uri(context, address, account);
    context.store.get(wanted, uri).await
}

/// What a reviewed job needs: its worker fetches the model by itself.
async fn reviewed(context: &Context, address: &Pubkey, job: &Job) -> Result<Prepared> {
    let input_uri = input_uri(context, address, job).await?;
    let model_uri = match job.model {
        NOBODY => String::new(),
        model => model_uri(context, address, &context.chain.model(&model).await?).await?,
    };
    let list = reviewed_inputs(job);
    let uri = std::future::ready(Ok::<_, DataError>(input_uri.clone()));
    let wanted = named(&list, address, address, None);
    context.store.get(wanted, uri).await?;
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

/// Where a model's weights are. It is kept with the job: strangers make models.
async fn model_uri(context: &Context, address: &Pubkey, account: &ModelAccount) -> Result<String> {
    let path = context.journal.uri_path(address, "weights");
    let is_right = |uri: &str| uri_hash(uri) == account.model.uri_hash;
    let look_up = context.chain.model_uri(&account.address, &account.model);
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
