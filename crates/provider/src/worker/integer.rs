//! Runs sealed graphs, item by item: the worker of refereed jobs.
//!
//! As many items are computed at a time as memory was reserved for, on all cores. What is kept of an item is its record
//! ([`crate::kept`]), and its trace as long as the traces that are published fit into their limit.

use {
    super::{CheckedTensors, Output, WorkOrder, WorkResult, Worker},
    crate::{
        error::{ProviderError, Result},
        kept::{KeptItems, KeptTexts},
    },
    async_trait::async_trait,
    quern_data::{
        fetch::{RESULT_FILE, ROOTS_FILE, TOKENS_FILE, trace_file},
        files,
        sizes::{Sizes, all_inputs},
    },
    quern_proof::{
        Tensor,
        commit::{Commitment, Committer, ItemTrace, data_root},
        eval::Batch,
        file,
        graph::Graph,
        hash::MISSING,
    },
    rayon::prelude::*,
    std::{
        ops::Range,
        path::PathBuf,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
        time::{Duration, Instant},
    },
};

/// How often it is said how far a job is.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// Runs the order's graph and commits to every intermediate result.
#[derive(Clone, Copy, Debug)]
pub struct IntegerWorker {
    /// Most bytes of the traces of single items that are published, and kept, of a submission.
    pub publish_traces_bytes: u64,
}

/// What an [`IntegerWorker`] needs of an order.
#[derive(Clone, Debug)]
pub struct ItemsOrder {
    /// The job, for the log.
    pub job: String,
    /// Graph and tensors.
    pub tensors: Arc<CheckedTensors>,
    /// Items of the job.
    pub items: u32,
    /// Items that are computed at a time, at least one.
    pub at_once: u32,
    /// Where results and records go; what a killed process has left there is gone on with.
    pub folder: PathBuf,
}

#[async_trait]
impl Worker for IntegerWorker {
    async fn work(&self, order: &WorkOrder) -> Result<WorkResult> {
        let tensors = order.tensors.clone();
        let tensors = tensors
            .ok_or_else(|| ProviderError::Worker("the order carries no graph".to_owned()))?;
        self.compute(ItemsOrder {
            job: order.job.clone(),
            tensors,
            items: order.items,
            at_once: order.items_at_once,
            folder: order.folder.clone(),
        })
        .await
    }
}

impl IntegerWorker {
    /// Computes all items. Dropping the future ends it after the items that are under way.
    ///
    /// # Errors
    /// Tensors that do not fit, or files that cannot be written.
    pub async fn compute(&self, order: ItemsOrder) -> Result<WorkResult> {
        let stop = StopOnDrop::default();
        let run = Run {
            publish_traces_bytes: self.publish_traces_bytes,
            is_stopped: Arc::clone(&stop.0),
            order,
        };
        tokio::task::spawn_blocking(move || run.all())
            .await
            .map_err(|error| ProviderError::Worker(error.to_string()))?
    }
}

/// Tells a computation that nobody waits for it any more.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Run {
    order: ItemsOrder,
    publish_traces_bytes: u64,
    is_stopped: Arc<AtomicBool>,
}

impl Run {
    fn all(&self) -> Result<WorkResult> {
        let ItemsOrder {
            tensors,
            items,
            folder,
            ..
        } = &self.order;
        let graph = Graph::load(&tensors.graph)?;
        let tokens = self.texts(&graph)?;
        let tokens_root = tokens.as_ref().map_or(MISSING, data_root);
        let mut names = vec![RESULT_FILE.to_owned(), ROOTS_FILE.to_owned()];
        if let Some(tokens) = &tokens {
            files::write(&folder.join(TOKENS_FILE), &file::encode_tensor(tokens))?;
            names.push(TOKENS_FILE.to_owned());
        }
        let inputs = all_inputs(&graph, *items, &tensors.inputs, tokens)?;
        let batch = Batch::new(&graph, *items, &inputs, &tensors.weights, u64::MAX)?;
        let traces = Sizes::of(&graph, *items)?.published_items(self.publish_traces_bytes);
        let commitment = self.commit(&batch, traces)?;
        files::write(&folder.join(ROOTS_FILE), &commitment.roots_file)?;
        files::write(&folder.join(RESULT_FILE), &commitment.result_file)?;
        let of_items = (0..traces).map(trace_file);
        names.extend(of_items.filter(|name| folder.join(name).is_file()));
        Ok(WorkResult {
            root: commitment.trace_root,
            tokens_root,
            output: Output::Folder(names),
        })
    }

    /// The texts of all items, in a graph that has some: generated, unless they are here.
    fn texts(&self, graph: &Graph<'_>) -> Result<Option<Tensor>> {
        let Some(tokens) = graph.tokens() else {
            return Ok(None);
        };
        let ItemsOrder { tensors, items, .. } = &self.order;
        let shape = graph
            .input(tokens.into())
            .map_err(quern_proof::Error::from)?;
        let kept = self.kept_texts(shape.bytes());
        let (mut all, mut done) = kept.read(*items)?;
        if done < *items {
            let inputs = all_inputs(graph, *items, &tensors.inputs, None)?;
            let batch = Batch::new(graph, *items, &inputs, &tensors.weights, u64::MAX)?;
            let text = |item| Ok(batch.generate(item)?.into_data());
            self.in_turns(
                "generated texts",
                done..*items,
                text,
                |texts: Vec<Vec<u8>>| {
                    kept.append(done, &texts)?;
                    done += texts.len() as u32;
                    all.extend(texts.concat());
                    Ok(())
                },
            )?;
        }
        let rows = shape.rows.saturating_mul(*items);
        let texts = Tensor::from_bytes(shape.dtype, rows, shape.cols, all)?;
        Ok(Some(texts))
    }

    fn kept_texts(&self, text_bytes: u64) -> KeptTexts {
        let text_bytes = usize::try_from(text_bytes).unwrap_or(usize::MAX);
        KeptTexts::new(&self.order.folder, text_bytes)
    }

    /// Computes the items that are not kept yet, and commits to all.
    fn commit(&self, batch: &Batch<'_>, traces: u32) -> Result<Commitment> {
        let kept = KeptItems::new(&self.order.folder, batch.graph())?;
        let mut committer = Committer::new(batch.graph(), batch.items())?;
        let mut done = kept.each(batch.items(), |tree, result| {
            Ok(committer.push_result(tree, result)?)
        })?;
        if done > 0 {
            tracing::info!(
                job = self.order.job,
                done,
                items = batch.items(),
                "going on behind the items that are kept"
            );
        }
        let item = |item| self.item(batch, item, item < traces);
        self.in_turns(
            "computed items",
            done..batch.items(),
            item,
            |items: Vec<ItemTrace>| {
                kept.append(done, &items)?;
                done += items.len() as u32;
                items.iter().try_for_each(|item| Ok(committer.push(item)?))
            },
        )?;
        Ok(committer.finish()?)
    }

    /// One item, with its trace on the disk if it is published.
    fn item(&self, batch: &Batch<'_>, item: u32, is_published: bool) -> Result<ItemTrace> {
        let outputs = batch.item(item)?;
        self.check_text(batch, item, &outputs)?;
        if is_published && let Err(error) = self.write_trace(item, &outputs) {
            tracing::warn!(job = self.order.job, item, %error, "cannot write the trace of an item; publishing without it");
        }
        Ok(ItemTrace::new(outputs)?)
    }

    /// Whether a text that was kept is that which the graph makes of it: a wrong one would cost the bond.
    fn check_text(&self, batch: &Batch<'_>, item: u32, outputs: &[Tensor]) -> Result<()> {
        let graph = batch.graph();
        let (Some(tokens), Some(feedback)) = (graph.tokens(), graph.feedback()) else {
            return Ok(());
        };
        let text = batch.inputs().get(usize::from(tokens));
        let text = text.and_then(|texts| texts.row(item));
        let made = outputs.get(usize::from(feedback)).map(Tensor::data);
        if text == made {
            return Ok(());
        }
        self.kept_texts(text.map_or(0, <[u8]>::len) as u64)
            .remove()?;
        KeptItems::new(&self.order.folder, graph)?.remove()?;
        Err(ProviderError::Worker(format!(
            "the kept text of item {item} is damaged; it is generated again"
        )))
    }

    /// Nothing depends on this file, so it is not flushed.
    fn write_trace(&self, item: u32, outputs: &[Tensor]) -> Result<()> {
        let path = self.order.folder.join(trace_file(item));
        let written = std::fs::write(&path, file::encode_trace(outputs)?);
        Ok(written.map_err(|error| {
            // A half-written one is not published.
            let _ = std::fs::remove_file(&path);
            files::unwritten(&path, &error)
        })?)
    }

    /// Computes something of every item, and says from time to time how far it is.
    fn in_turns<T: Send>(
        &self,
        what: &str,
        items: Range<u32>,
        compute: impl Fn(u32) -> Result<T> + Sync,
        mut take: impl FnMut(Vec<T>) -> Result<()>,
    ) -> Result<()> {
        let (mut said, end) = (Instant::now(), items.end);
        let mut done = items.start;
        in_turns(items, self.order.at_once, compute, |some| {
            if self.is_stopped.load(Ordering::SeqCst) {
                return Err(ProviderError::Worker("it was stopped".to_owned()));
            }
            done += some.len() as u32;
            take(some)?;
            if said.elapsed() >= SAY_EVERY {
                said = Instant::now();
                tracing::info!(job = self.order.job, done, items = end, "{what}");
            }
            Ok(())
        })
    }
}

/// Computes something of every item, on all cores, so many at a time: they are handed out, in order, before the next ones begin.
fn in_turns<T: Send>(
    items: Range<u32>,
    at_once: u32,
    compute: impl Fn(u32) -> Result<T> + Sync,
    mut take: impl FnMut(Vec<T>) -> Result<()>,
) -> Result<()> {
    let mut start = items.start;
    while start < items.end {
        let end = start.saturating_add(at_once.max(1)).min(items.end);
        let some = (start..end).into_par_iter().map(&compute);
        take(some.collect::<Result<Vec<T>>>()?)?;
        start = end;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, std::sync::atomic::AtomicU32};

    /// Counts those that are alive, and the most there ever were.
    #[derive(Default)]
    struct Count {
        alive: AtomicU32,
        most: AtomicU32,
    }

    struct Held<'c>(&'c Count, u32);

    impl<'c> Held<'c> {
        fn new(count: &'c Count, item: u32) -> Self {
            let alive = count.alive.fetch_add(1, Ordering::SeqCst) + 1;
            count.most.fetch_max(alive, Ordering::SeqCst);
            Self(count, item)
        }
    }

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.alive.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn no_more_items_are_held_than_memory_was_reserved_for() {
        for (items, at_once) in [(0..1_000, 7), (3..5, 100), (0..9, 1), (5..5, 3), (0..4, 0)] {
            let (count, mut seen) = (Count::default(), Vec::new());
            let compute = |item| Ok(Held::new(&count, item));
            in_turns(items.clone(), at_once, compute, |some| {
                seen.extend(some.iter().map(|held| held.1));
                Ok(())
            })
            .unwrap();
            assert_eq!(seen, items.clone().collect::<Vec<_>>());
            let most = at_once.max(1).min(items.len() as u32);
            assert_eq!(count.most.load(Ordering::SeqCst), most);
            assert_eq!(count.alive.load(Ordering::SeqCst), 0);
        }
    }

    #[test]
    fn the_first_failure_ends_it() {
        let failing = |item| match item {
            3 => Err(ProviderError::Worker("by intent".to_owned())),
            item => Ok(item),
        };
        let mut taken = 0;
        let done = in_turns(0..9, 2, failing, |some| {
            taken += some.len();
            Ok(())
        });
        assert!(done.is_err() && taken == 2);
    }
}
