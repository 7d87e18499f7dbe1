//! Runs sealed graphs: the worker of refereed jobs.

use {
    super::{CheckedTensors, Output, WorkOrder, WorkResult, Worker},
    crate::error::{ProviderError, Result},
    async_trait::async_trait,
    quern_data::fetch::{HINTS_FILE, RESULT_FILE, TRACE_FILE},
    quern_proof::{commit::Trace, eval, file, graph::Graph},
    std::sync::Arc,
};

/// Runs the order's graph and commits to every intermediate result.
#[derive(Clone, Copy, Debug)]
pub struct IntegerWorker {
    /// Largest trace, in bytes.
    pub max_trace_bytes: u64,
}

#[async_trait]
impl Worker for IntegerWorker {
    async fn work(&self, order: &WorkOrder) -> Result<WorkResult> {
        let tensors: Arc<CheckedTensors> = order
            .tensors
            .clone()
            .ok_or_else(|| ProviderError::Worker("the order carries no graph".to_owned()))?;
        let (batch_rows, max_trace_bytes) = (order.batch_rows, self.max_trace_bytes);
        let run = move || run(&tensors, batch_rows, max_trace_bytes);
        tokio::task::spawn_blocking(run)
            .await
            .map_err(|error| ProviderError::Worker(error.to_string()))?
    }
}

fn run(tensors: &CheckedTensors, batch_rows: u32, max_trace_bytes: u64) -> Result<WorkResult> {
    let graph = Graph::load(&tensors.graph)?;
    let run = compute(&graph, batch_rows, tensors, max_trace_bytes)?;
    let trace = Trace::new(run.outputs)?;
    let result = trace
        .result()
        .ok_or_else(|| ProviderError::Worker("the graph has no op".to_owned()))?;
    let mut files = vec![
        (TRACE_FILE.to_owned(), file::encode_trace(trace.outputs())?),
        (RESULT_FILE.to_owned(), file::encode_tensor(result)),
    ];
    if !run.sums.is_empty() {
        files.push((HINTS_FILE.to_owned(), file::encode_trace(&run.sums)?));
    }
    Ok(WorkResult {
        root: trace.root(),
        output: Output::Files(files),
    })
}

/// Keeps the sums of all `QLINEAR`s for the watchers of the result, if there is memory for them within the limit.
fn compute(
    graph: &Graph<'_>,
    batch_rows: u32,
    tensors: &CheckedTensors,
    max_bytes: u64,
) -> Result<eval::Run> {
    let (inputs, weights) = (&tensors.inputs, &tensors.weights);
    let trace_bytes = graph
        .trace_bytes(batch_rows)
        .map_err(quern_proof::Error::from)?;
    let bytes = trace_bytes.saturating_add(eval::sums_bytes(graph, batch_rows)?);
    if bytes <= max_bytes {
        return Ok(eval::run_with_sums(
            graph, batch_rows, inputs, weights, max_bytes,
        )?);
    }
    Ok(eval::Run {
        outputs: eval::run_within(graph, batch_rows, inputs, weights, max_bytes)?,
        sums: Vec::new(),
    })
}
