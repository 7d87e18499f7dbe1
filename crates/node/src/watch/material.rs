//! The data of a case: program, weights, inputs, the published trace, and what the watcher computes itself. All of it is
//! compared with the roots on chain before it is used; only the trace may be anything, which is the point.

use {
    super::{Settings, chain::WatchChain, kept::Kept, memory::Memory},
    crate::{
        data::{self, Fetcher},
        error::{NodeError, Result},
    },
    quern_client::{
        Pubkey,
        accounts::ModelAccount,
        quern::state::{Job, MAX_INPUTS},
    },
    quern_proof::{Hash, Tensor, commit, eval, file, program::Program},
    std::{
        collections::HashMap,
        sync::{Arc, Mutex, PoisonError},
        thread,
    },
    tokio::sync::Semaphore,
};

/// What a job's result follows from, compared with the roots in job and model.
pub(super) struct Given {
    /// The sealed program.
    pub program: Vec<u8>,
    /// The job's batch rows.
    pub batch_rows: u32,
    /// The job's input roots.
    pub input_roots: [Hash; MAX_INPUTS],
    /// Inputs in the program's order.
    pub inputs: Arc<Vec<Tensor>>,
    /// Weights in the program's order.
    pub weights: Arc<Vec<Tensor>>,
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
    Again(NodeError),
}

impl<E: Into<NodeError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        match error.into() {
            // A URI is committed to: it never gets better.
            error @ (NodeError::BadUri { .. }
            | NodeError::Proof(
                quern_proof::Error::Program(_) | quern_proof::Error::TooLarge { .. },
            )) => Self::Final(error.to_string()),
            error => Self::Again(error),
        }
    }
}

/// Fetches, checks and computes, and keeps what may be needed again.
pub(super) struct Materials {
    fetcher: Fetcher,
    max_file_bytes: u64,
    max_trace_bytes: u64,
    own_sources: std::collections::BTreeMap<Pubkey, String>,
    weights: Kept<Pubkey, Vec<Tensor>>,
    inputs: Kept<Pubkey, Vec<Tensor>>,
    owns: Kept<(Pubkey, u32), Own>,
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
            own_sources: settings.weights.clone(),
            weights: Kept::new(settings.max_kept_bytes / 3),
            inputs: Kept::new(settings.max_kept_bytes / 3),
            owns: Kept::new(settings.max_kept_bytes / 3),
            turns: Mutex::default(),
            heavy: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Work that keeps a processor busy, off the loop.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let broken = |error: &dyn std::fmt::Display| NodeError::Worker(error.to_string());
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

    /// Everything that the result follows from.
    pub(super) async fn given(
        &self,
        chain: &dyn WatchChain,
        memory: &Memory,
        address: &Pubkey,
        job: &Job,
    ) -> std::result::Result<Arc<Given>, Trouble> {
        let account = chain.model(&job.model).await?;
        let batch_rows = job.batch_rows.get();
        let program = parsed(&account.program)?;
        program.check().map_err(quern_proof::Error::from)?;
        program
            .check_batch_rows(batch_rows)
            .map_err(quern_proof::Error::from)?;
        let trace_bytes = program
            .trace_bytes(batch_rows)
            .map_err(quern_proof::Error::from)?;
        let inputs_bytes = data::inputs_bytes(&program, batch_rows)?;
        let weights_bytes = data::weights_bytes(&program)?;
        for (what, bytes, limit) in [
            ("trace takes", trace_bytes, self.max_trace_bytes),
            ("inputs take", inputs_bytes, self.max_file_bytes),
            ("weights take", weights_bytes, self.max_file_bytes),
        ] {
            if bytes > limit {
                return Err(Trouble::Final(format!(
                    "its {what} {bytes} bytes, more than the limit of {limit}; raise the limit"
                )));
            }
        }
        let weights = self
            .weights(chain, memory, &account, &program, weights_bytes)
            .await?;
        let inputs = self
            .inputs(chain, memory, address, job, &account, inputs_bytes)
            .await?;
        Ok(Arc::new(Given {
            program: account.program,
            batch_rows,
            input_roots: job.input_roots,
            inputs,
            weights,
        }))
    }

    async fn inputs(
        &self,
        chain: &dyn WatchChain,
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
            let program = account.program.clone();
            let (roots, batch_rows) = (job.input_roots, job.batch_rows.get());
            self.heavy(move || {
                let program = parsed(&program)?;
                let roots = roots.get(..program.input_count()).unwrap_or_default();
                let inputs = data::checked_inputs(&program, batch_rows, roots, &bytes)?;
                Ok::<_, NodeError>((inputs, bytes))
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
                let fetched = self.fetcher.fetch(&uri, Some(expected_bytes)).await?;
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
        chain: &dyn WatchChain,
        memory: &Memory,
        account: &ModelAccount,
        program: &Program<'_>,
        expected_bytes: u64,
    ) -> std::result::Result<Arc<Vec<Tensor>>, Trouble> {
        let model = account.address;
        let turn = self.turn(&model);
        let _turn = turn.lock().await;
        if let Some(weights) = self.weights.get(&model) {
            return Ok(weights);
        }
        let check = |bytes: Vec<u8>| {
            let program = account.program.clone();
            self.heavy(move || {
                let weights = data::checked_weights(&parsed(&program)?, &bytes)?;
                Ok::<_, NodeError>((weights, bytes))
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
            None if program.weight_count() == 0 => Vec::new(),
            None => {
                let uri = match self.own_sources.get(&model) {
                    Some(uri) => uri.clone(),
                    None => chain.model_uri(&model, &account.model).await?,
                };
                let fetched = self.fetcher.fetch(&uri, Some(expected_bytes)).await?;
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

    fn turn(&self, model: &Pubkey) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Strangers make models: those that nobody waits for are forgotten.
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(*model).or_default())
    }

    /// The trace behind a job's output URI, if it is the committed one.
    ///
    /// # Errors
    /// That the chain did not answer. Whatever is wrong with the data is no error but a missing delivery.
    pub(super) async fn trace(
        &self,
        chain: &dyn WatchChain,
        address: &Pubkey,
        job: &Job,
        given: &Arc<Given>,
    ) -> Result<(Delivery, String)> {
        let uri = match chain.output_uri(address, job).await {
            Ok(uri) => uri,
            Err(error @ NodeError::UriUnknown { .. }) => {
                return Ok((Delivery::Missing(error.to_string()), String::new()));
            }
            Err(error) => return Err(error),
        };
        let bytes = match self.fetch_trace(&uri, given).await {
            Ok(bytes) => bytes,
            Err(error) => return Ok((Delivery::Missing(error.to_string()), uri)),
        };
        let (given, root) = (Arc::clone(given), job.trace_root);
        let delivery = self
            .heavy(move || read_trace(&given, &bytes, &root))
            .await?;
        Ok((delivery, uri))
    }

    async fn fetch_trace(&self, uri: &str, given: &Given) -> Result<Vec<u8>> {
        let program = parsed(&given.program)?;
        let values = program
            .trace_bytes(given.batch_rows)
            .map_err(quern_proof::Error::from)?;
        let headers = file::TRACE_HEADER_BYTES + program.op_count() * file::TENSOR_HEADER_BYTES;
        self.fetcher.fetch(uri, Some(values + headers as u64)).await
    }

    /// The hints beside a published trace, if they can be had. They are trusted for nothing.
    pub(super) async fn hints(&self, trace_uri: &str, given: &Given) -> Option<Vec<u8>> {
        let program = parsed(&given.program).ok()?;
        let values = eval::sums_bytes(&program, given.batch_rows).ok()?;
        if values == 0 || values > self.max_trace_bytes {
            return None;
        }
        let (folder, _) = trace_uri.rsplit_once('/')?;
        let uri = format!("{folder}/{}", data::HINTS_FILE);
        match self.fetcher.fetch(&uri, None).await {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                tracing::debug!(%error, "no hints; the check takes longer");
                None
            }
        }
    }

    /// The watcher's own result, kept while there is room.
    pub(super) async fn own(
        &self,
        case: (Pubkey, u32),
        given: &Arc<Given>,
    ) -> std::result::Result<Arc<Own>, Trouble> {
        if let Some(own) = self.owns.get(&case) {
            return Ok(own);
        }
        let (from, max_trace_bytes) = (Arc::clone(given), self.max_trace_bytes);
        let own = self.heavy(move || compute(from, max_trace_bytes)).await??;
        let own = Arc::new(own);
        let bytes = own
            .outputs
            .iter()
            .map(|tensor| tensor.data().len() as u64)
            .sum();
        self.owns.put(case, Arc::clone(&own), bytes);
        Ok(own)
    }

    /// The own result of a case, if it is kept.
    pub(super) fn kept_own(&self, case: (Pubkey, u32)) -> Option<Arc<Own>> {
        self.owns.get(&case)
    }

    /// Lets go of what only one case needed.
    pub(super) fn forget(&self, memory: &Memory, case: (Pubkey, u32)) {
        self.owns.forget(&case);
        self.inputs.forget(&case.0);
        memory.drop_inputs(&case.0);
    }
}

/// A program's records.
pub(super) fn parsed(program: &[u8]) -> Result<Program<'_>> {
    Ok(Program::parse(program).map_err(quern_proof::Error::from)?)
}

fn read_trace(given: &Given, bytes: &[u8], root: &Hash) -> Delivery {
    let read = || -> Result<Vec<Tensor>> {
        let outputs = file::decode_trace(bytes)?;
        let program = parsed(&given.program)?;
        if outputs.len() != program.op_count() {
            return Err(quern_proof::Error::Count {
                what: "ops",
                expected: program.op_count(),
                found: outputs.len(),
            }
            .into());
        }
        eval::check_output_shapes(&program, given.batch_rows, &outputs)?;
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
    let program = parsed(&given.program)?;
    let outputs = eval::run_within(
        &program,
        given.batch_rows,
        &given.inputs,
        &given.weights,
        max_trace_bytes,
    )?;
    let root =
        root_of(&outputs).ok_or_else(|| NodeError::Worker("the program has no op".to_owned()))?;
    Ok(Own {
        given,
        outputs,
        root,
    })
}
