//! The data of a case: program, weights, inputs, the published trace, and what the watcher computes itself. All of it is
//! compared with the roots on chain before it is used; only the trace may be anything, which is the point.

use {
    super::{
        Settings,
        chain::WatcherChain,
        kept::Kept,
        memory::Memory,
        room::{Occupied, Room, Sizes},
    },
    crate::error::{Result, WatcherError},
    quern_client::{
        ClientError, Pubkey,
        accounts::ModelAccount,
        quern::state::{Job, MAX_INPUTS},
    },
    quern_data::{DataError, Fetcher, fetch, sizes},
    quern_proof::{Hash, Tensor, commit, eval, file, graph::Graph},
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, MutexGuard, PoisonError},
        thread,
    },
    tokio::sync::Semaphore,
};

/// What a job's result follows from, compared with the roots in job and model.
pub(super) struct Given {
    /// The sealed program.
    pub graph: Vec<u8>,
    /// The job's batch rows.
    pub batch_rows: u32,
    /// The job's input roots.
    pub input_roots: [Hash; MAX_INPUTS],
    /// Inputs in the program's order.
    pub inputs: Arc<Vec<Tensor>>,
    /// Weights in the program's order.
    pub weights: Arc<Vec<Tensor>>,
    /// How much memory the case takes.
    pub sizes: Sizes,
}

/// What inputs and weights are fetched for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To have them while they are there.
    Keep,
    /// To examine a result.
    Examine,
}

/// What the watcher computed itself.
pub(super) struct Own {
    /// From what.
    pub given: Arc<Given>,
    /// The outputs of all ops.
    pub outputs: Vec<Tensor>,
    /// What an honest provider commits to.
    pub root: Hash,
}

/// The published trace.
pub(super) enum Delivery {
    /// It has the committed root.
    Here(Vec<Tensor>),
    /// It is not to be had, or is another one.
    Missing(String),
}

/// Why a case cannot go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// For good, with the limits of this watcher.
    Final(String),
    /// For now.
    Again(WatcherError),
}

impl<E: Into<WatcherError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        match error.into() {
            WatcherError::Proof(error) | WatcherError::Data(DataError::Proof(error))
                if matches!(
                    error,
                    quern_proof::Error::Graph(_) | quern_proof::Error::TooLarge { .. }
                ) =>
            {
                Self::Final(error.to_string())
            }
            error => Self::Again(error),
        }
    }
}

/// A job commits to the URI of its inputs, so that never gets better; a model's may change at any time.
fn never_better(error: DataError) -> Trouble {
    match error {
        DataError::BadUri { .. } => Trouble::Final(error.to_string()),
        error => error.into(),
    }
}

/// Own results by job and submission, with the memory that they take.
type Owns = HashMap<(Pubkey, u32), (Arc<Own>, Occupied)>;

/// Fetches, checks and computes, and keeps what may be needed again.
pub(super) struct Materials {
    fetcher: Fetcher,
    max_file_bytes: u64,
    max_trace_bytes: u64,
    max_macs: u64,
    pub(super) room: Room,
    own_sources: std::collections::BTreeMap<Pubkey, String>,
    weights: Kept<Pubkey, Vec<Tensor>>,
    inputs: Kept<Pubkey, Vec<Tensor>>,
    /// Own results of cases that are not decided: nothing displaces them, because the next demand must not wait for them to
    /// be computed again.
    owns: Mutex<Owns>,
    pub(super) room_for_owns: Room,
    /// Models whose weights are being fetched: cases of one model wait for the first of them.
    turns: Mutex<HashMap<Pubkey, Arc<tokio::sync::Mutex<()>>>>,
    /// As much heavy work at a time as there are processors.
    heavy: Arc<Semaphore>,
}

impl Materials {
    pub(super) fn new(settings: &Settings) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            fetcher: Fetcher::new(settings.fetch.clone()),
            max_file_bytes: settings.fetch.max_bytes,
            max_trace_bytes: settings.max_trace_bytes,
            max_macs: settings.max_macs,
            room: Room::new(settings.max_memory_bytes),
            own_sources: settings.weights.clone(),
            weights: Kept::new(settings.max_kept_bytes / 4),
            inputs: Kept::new(settings.max_kept_bytes / 4),
            owns: Mutex::default(),
            room_for_owns: Room::new(settings.max_kept_bytes / 2),
            turns: Mutex::default(),
            heavy: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Work that keeps a processor busy, off the loop.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let broken = |error: &dyn std::fmt::Display| -> WatcherError {
            DataError::Broken(error.to_string()).into()
        };
        let permit = Arc::clone(&self.heavy)
            .acquire_owned()
            .await
            .map_err(|error| broken(&error))?;
        let work = move || {
            let _permit = permit;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| broken(&error))
    }

    /// Everything that the result follows from, and the memory that `purpose` takes. What is too large or too much work is
    /// refused before anything is fetched.
    pub(super) async fn given(
        &self,
        chain: &dyn WatcherChain,
        memory: &Memory,
        address: &Pubkey,
        job: &Job,
        purpose: Purpose,
    ) -> std::result::Result<(Arc<Given>, Occupied), Trouble> {
        let macs = job.macs.get();
        if macs > self.max_macs {
            return Err(Trouble::Final(format!(
                "it takes {} GMAC to compute, more than the limit of {}; raise --max-gmacs",
                macs.div_ceil(GMAC),
                self.max_macs / GMAC
            )));
        }
        let account = chain.model(&job.model).await?;
        let batch_rows = job.batch_rows.get();
        let graph = parsed(&account.graph)?;
        graph.check().map_err(quern_proof::Error::from)?;
        graph
            .check_batch_rows(batch_rows)
            .map_err(quern_proof::Error::from)?;
        let mut sizes = Sizes::of(&graph, batch_rows)?;
        // Hints only save time.
        if sizes.hints_file > self.max_trace_bytes || self.room.check(sizes.case_bytes()).is_err() {
            sizes.hints_file = 0;
        }
        for (what, bytes, limit) in [
            ("trace takes", sizes.trace, self.max_trace_bytes),
            ("inputs take", sizes.inputs, self.max_file_bytes),
            ("weights take", sizes.weights, self.max_file_bytes),
        ] {
            if bytes > limit {
                return Err(Trouble::Final(format!(
                    "its {what} {bytes} bytes, more than the limit of {limit}; raise --trace-limit"
                )));
            }
        }
        // What could never be examined need not be kept.
        let case_bytes = sizes.case_bytes();
        self.room.check(case_bytes)?;
        let bytes = match purpose {
            Purpose::Keep => sizes.operands_bytes(),
            Purpose::Examine => case_bytes,
        };
        let occupied = self.room.occupy(bytes).await?;
        let weights = self
            .weights(chain, memory, &account, &graph, sizes.weights)
            .await?;
        let inputs = self
            .inputs(chain, memory, address, job, &account, sizes.inputs)
            .await?;
        let given = Given {
            graph: account.graph,
            batch_rows,
            input_roots: job.input_roots,
            inputs,
            weights,
            sizes,
        };
        Ok((Arc::new(given), occupied))
    }

    /// The memory for examining what is at hand already.
    pub(super) async fn room_for(&self, given: &Given) -> std::result::Result<Occupied, Trouble> {
        self.room.occupy(given.sizes.case_bytes()).await
    }

    async fn inputs(
        &self,
        chain: &dyn WatcherChain,
        memory: &Memory,
        address: &Pubkey,
        job: &Job,
        account: &ModelAccount,
        expected_bytes: u64,
    ) -> std::result::Result<Arc<Vec<Tensor>>, Trouble> {
        if let Some(inputs) = self.inputs.get(address) {
            return Ok(inputs);
        }
        let check = |bytes: Vec<u8>| {
            let graph = account.graph.clone();
            let (roots, batch_rows) = (job.input_roots, job.batch_rows.get());
            self.heavy(move || {
                let graph = parsed(&graph)?;
                let roots = roots.get(..graph.input_count()).unwrap_or_default();
                let inputs = sizes::checked_inputs(&graph, batch_rows, roots, &bytes)?;
                Ok::<_, WatcherError>((inputs, bytes))
            })
        };
        let mut found = None;
        if let Some(bytes) = memory.inputs(address) {
            match check(bytes).await? {
                Ok((inputs, _)) => found = Some(inputs),
                Err(error) => {
                    tracing::warn!(job = %address, %error, "kept inputs are damaged; they are fetched again");
                }
            }
        }
        let inputs = match found {
            Some(inputs) => inputs,
            None if expected_bytes == 0 => Vec::new(),
            None => {
                let uri = chain.input_uri(address, job).await?;
                let fetched = self.fetcher.fetch(&uri, Some(expected_bytes)).await;
                let fetched = fetched.map_err(never_better)?;
                let (inputs, bytes) = check(fetched).await??;
                memory.keep_inputs(address, &bytes);
                inputs
            }
        };
        let inputs = Arc::new(inputs);
        self.inputs
            .put(*address, Arc::clone(&inputs), expected_bytes);
        Ok(inputs)
    }

    async fn weights(
        &self,
        chain: &dyn WatcherChain,
        memory: &Memory,
        account: &ModelAccount,
        graph: &Graph<'_>,
        expected_bytes: u64,
    ) -> std::result::Result<Arc<Vec<Tensor>>, Trouble> {
        let model = account.address;
        let turn = self.turn(&model);
        let _turn = turn.lock().await;
        if let Some(weights) = self.weights.get(&model) {
            return Ok(weights);
        }
        let check = |bytes: Vec<u8>| {
            let graph = account.graph.clone();
            self.heavy(move || {
                let weights = sizes::checked_weights(&parsed(&graph)?, &bytes)?;
                Ok::<_, WatcherError>((weights, bytes))
            })
        };
        let mut found = None;
        if let Some(bytes) = memory.weights(&model) {
            match check(bytes).await? {
                Ok((weights, _)) => found = Some(weights),
                Err(error) => {
                    tracing::warn!(%model, %error, "kept weights are damaged; they are fetched again");
                }
            }
        }
        let weights = match found {
            Some(weights) => weights,
            None if graph.weight_count() == 0 => Vec::new(),
            None => {
                let fetched = self.fetched_weights(chain, account, expected_bytes).await?;
                let (weights, bytes) = check(fetched).await??;
                memory.keep_weights(&model, &bytes);
                weights
            }
        };
        let weights = Arc::new(weights);
        self.weights
            .put(model, Arc::clone(&weights), expected_bytes);
        Ok(weights)
    }

    /// From the own source, if there is one, or else from where the model says.
    async fn fetched_weights(
        &self,
        chain: &dyn WatcherChain,
        account: &ModelAccount,
        expected_bytes: u64,
    ) -> Result<Vec<u8>> {
        let model = account.address;
        if let Some(uri) = self.own_sources.get(&model) {
            match self.fetcher.fetch(uri, Some(expected_bytes)).await {
                Ok(bytes) => return Ok(bytes),
                Err(error) => {
                    tracing::warn!(%model, %error, "the own source of its weights fails; the model's is tried");
                }
            }
        }
        let uri = match chain.model_uri(&model, &account.model).await {
            Err(ClientError::UriUnknown { .. }) => {
                return Err(WatcherError::NotReady(format!(
                    "no event that was found says where the weights of model {model} are; name them with --weights {model}=URI, or ask a node that keeps older transactions"
                )));
            }
            uri => uri?,
        };
        Ok(self.fetcher.fetch(&uri, Some(expected_bytes)).await?)
    }

    fn turn(&self, model: &Pubkey) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Strangers make models: those that nobody waits for are forgotten.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(*model).or_default())
    }

    /// The trace at a URI, if it is the committed one.
    ///
    /// # Errors
    /// Nothing about the data: whatever is wrong with them is a missing delivery.
    pub(super) async fn trace(
        &self,
        uri: &str,
        root: Hash,
        given: &Arc<Given>,
    ) -> Result<Delivery> {
        let expected_bytes = given.sizes.trace_file;
        let bytes = match self.fetcher.fetch(uri, Some(expected_bytes)).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok(Delivery::Missing(error.to_string())),
        };
        let given = Arc::clone(given);
        self.heavy(move || read_trace(&given, bytes, &root)).await
    }

    /// The hints beside a published trace, if they can be had. They are trusted for nothing.
    pub(super) async fn hints(&self, trace_uri: &str, given: &Given) -> Option<Vec<u8>> {
        let expected_bytes = given.sizes.hints_file;
        if expected_bytes == 0 {
            return None;
        }
        let (folder, _) = trace_uri.rsplit_once('/')?;
        let uri = format!("{folder}/{}", fetch::HINTS_FILE);
        match self.fetcher.fetch(&uri, Some(expected_bytes)).await {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::debug!(%error, "no hints; the check takes longer");
                None
            }
        }
    }

    /// The watcher's own result, kept until the case is decided if there is room.
    pub(super) async fn own(
        &self,
        case: (Pubkey, u32),
        given: &Arc<Given>,
    ) -> std::result::Result<Arc<Own>, Trouble> {
        if let Some(own) = self.kept_own(case) {
            return Ok(own);
        }
        let (from, max_trace_bytes) = (Arc::clone(given), self.max_trace_bytes);
        let own = self.heavy(move || compute(from, max_trace_bytes)).await??;
        let own = Arc::new(own);
        match self.room_for_owns.try_occupy(given.sizes.kept_bytes()) {
            Some(occupied) => {
                let kept = (Arc::clone(&own), occupied);
                self.lock_owns().insert(case, kept);
            }
            None => {
                tracing::warn!(job = %case.0, "no room to keep the own result: it is computed again for every demand; raise --memory-limit");
            }
        }
        Ok(own)
    }

    /// The own result of a case, if it is kept.
    pub(super) fn kept_own(&self, case: (Pubkey, u32)) -> Option<Arc<Own>> {
        let owns = self.lock_owns();
        owns.get(&case).map(|(own, _)| Arc::clone(own))
    }

    fn lock_owns(&self) -> MutexGuard<'_, Owns> {
        self.owns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of a case's own result.
    pub(super) fn forget_own(&self, case: (Pubkey, u32)) {
        self.lock_owns().remove(&case);
    }

    /// Lets go of a job's inputs.
    pub(super) fn forget_inputs(&self, memory: &Memory, job: &Pubkey) {
        self.inputs.forget(job);
        memory.drop_inputs(job);
    }
}

/// MACs in a GMAC.
const GMAC: u64 = 1_000_000_000;

/// A program's records.
pub(super) fn parsed(graph: &[u8]) -> Result<Graph<'_>> {
    Ok(Graph::parse(graph).map_err(quern_proof::Error::from)?)
}

fn read_trace(given: &Given, bytes: Vec<u8>, root: &Hash) -> Delivery {
    let read = move || -> Result<Vec<Tensor>> {
        let outputs = file::decode_trace(&bytes)?;
        drop(bytes);
        let graph = parsed(&given.graph)?;
        if outputs.len() != graph.op_count() {
            return Err(quern_proof::Error::Count {
                what: "ops",
                expected: graph.op_count(),
                found: outputs.len(),
            }
            .into());
        }
        eval::check_output_shapes(&graph, given.batch_rows, &outputs)?;
        Ok(outputs)
    };
    match read() {
        Ok(outputs) if root_of(&outputs) == Some(*root) => Delivery::Here(outputs),
        Ok(_) => Delivery::Missing("what is published has another root".to_owned()),
        Err(error) => Delivery::Missing(error.to_string()),
    }
}

fn root_of(outputs: &[Tensor]) -> Option<Hash> {
    let roots: Vec<Hash> = outputs.iter().map(commit::data_root).collect();
    commit::trace_root(&roots)
}

fn compute(given: Arc<Given>, max_trace_bytes: u64) -> Result<Own> {
    let graph = parsed(&given.graph)?;
    let outputs = eval::run_within(
        &graph,
        given.batch_rows,
        &given.inputs,
        &given.weights,
        max_trace_bytes,
    )?;
    let root = root_of(&outputs)
        .ok_or_else(|| WatcherError::NotReady("the graph has no op".to_owned()))?;
    Ok(Own {
        given,
        outputs,
        root,
    })
}
