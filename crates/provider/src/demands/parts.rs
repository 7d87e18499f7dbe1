//! What demands are about, from this disk; and what is not there, computed again.
//!
//! Inputs and weights are kept as long as the job lives, and everything else follows from them. A single item is computed by
//! itself. Where the records of all items are lost, all of them are computed again.

use {
    crate::{
        answers::{Answers, Part},
        context::{Context, Loaded, parsed, unservable},
        error::{ProviderError, Result},
        kept::KeptItems,
        prepare::refereed,
        worker::{CheckedTensors, ItemsOrder},
    },
    quern_client::{Pubkey, quern::state::Job},
    quern_data::{
        checked::checked_tokens,
        fetch::{ROOTS_FILE, TOKENS_FILE, trace_file},
        files,
        runtime::off_loop,
        sizes::all_inputs,
    },
    quern_proof::{
        Hash,
        commit::{ItemTrace, TraceTree},
        eval::Batch,
        file, published,
    },
    std::{path::PathBuf, sync::Arc},
};

/// Where the data of a submission come from.
pub(super) struct Source<'c> {
    pub(super) context: &'c Context,
    pub(super) address: &'c Pubkey,
    pub(super) job: &'c Job,
    pub(super) loaded: Arc<Loaded>,
}

impl Source<'_> {
    fn answers(&self) -> &Answers {
        &self.loaded.answers
    }

    fn path(&self, name: &str) -> PathBuf {
        let (journal, submission) = (&self.context.journal, self.job.submissions.get());
        journal.submission_path(self.address, submission, name)
    }

    /// Puts a part at hand, with what it takes to check it.
    pub(super) async fn load(&self, part: Part) -> Result<()> {
        if self.answers().has(part) {
            return Ok(());
        }
        match part {
            Part::Roots => self.load_roots().await,
            Part::Texts => self.load_texts().await,
            Part::Operands => self.load_operands().await,
            Part::Tree(item) => {
                self.load_roots().await?;
                self.load_tree(item).await
            }
            Part::Item(item) => {
                self.load_roots().await?;
                self.load_item(item).await
            }
        }
    }

    async fn load_roots(&self) -> Result<()> {
        if self.answers().has(Part::Roots) {
            return Ok(());
        }
        let roots = match self.kept_roots().await {
            Ok(Some(roots)) => roots,
            found => {
                self.say_lost("the roots of the items", found.err());
                self.compute_all().await?;
                let roots = self.kept_roots().await?;
                roots.ok_or_else(|| self.gone(ROOTS_FILE))?
            }
        };
        self.answers().put_roots(roots);
        Ok(())
    }

    async fn kept_roots(&self) -> Result<Option<TraceTree>> {
        let Some(bytes) = files::read(&self.path(ROOTS_FILE))? else {
            return Ok(None);
        };
        let (loaded, root) = (Arc::clone(&self.loaded), self.job.trace_root);
        off_loop(move || {
            let answers = &loaded.answers;
            let roots = published::item_roots(&answers.graph()?, answers.items(), &root, &bytes);
            Ok(Some(roots?))
        })
        .await?
    }

    async fn load_texts(&self) -> Result<()> {
        if self.answers().has(Part::Texts) {
            return Ok(());
        }
        let kept = |bytes: Vec<u8>| {
            let (graph, root) = (self.answers().graph()?, &self.job.tokens_root);
            Ok::<_, ProviderError>(checked_tokens(
                &graph,
                self.answers().items(),
                root,
                &bytes,
            )?)
        };
        let path = self.path(TOKENS_FILE);
        let found = files::read(&path)?.map(kept).transpose();
        let texts = match found {
            Ok(Some(texts)) => texts,
            found => {
                self.say_lost("the text", found.err());
                self.compute_all().await?;
                let bytes = files::read(&path)?.ok_or_else(|| self.gone(TOKENS_FILE))?;
                kept(bytes)?
            }
        };
        self.answers().put_texts(texts);
        Ok(())
    }

    async fn load_operands(&self) -> Result<()> {
        if self.answers().has(Part::Operands) {
            return Ok(());
        }
        let tensors = refereed(self.context, self.address, self.job)
            .await?
            .tensors;
        let tensors = tensors.ok_or_else(|| {
            unservable(self.address, "it has no graph, so nothing can be demanded")
        })?;
        self.answers().put_operands(tensors);
        Ok(())
    }

    /// The data roots of an item: from its record, or else with everything of it.
    async fn load_tree(&self, item: u32) -> Result<()> {
        let folder = self.path("");
        let kept = KeptItems::new(&folder, &self.answers().graph()?)?.tree(item);
        match kept {
            Ok(Some(tree)) if Some(tree.root()) == self.answers().item_root(item) => {
                self.answers().put_tree(item, tree);
                Ok(())
            }
            kept => {
                self.say_lost("the record of an item", kept.err());
                self.load_item(item).await
            }
        }
    }

    /// The results of an item: from its file, or computed again.
    async fn load_item(&self, item: u32) -> Result<()> {
        let root = self.answers().item_root(item);
        let root = root.ok_or_else(|| unservable(self.address, "it has no such item"))?;
        self.answers().make_room();
        let kept = files::read(&self.path(&trace_file(item)))?;
        if let Some(bytes) = kept {
            match off_loop(move || kept_item(&bytes, &root)).await? {
                Ok(trace) => {
                    self.answers().put_item(item, trace);
                    return Ok(());
                }
                Err(error) => self.say_lost("the trace of an item", Some(error)),
            }
        }
        self.load_operands().await?;
        if self.answers().graph()?.tokens().is_some() {
            self.load_texts().await?;
        }
        tracing::debug!(job = %self.address, item, "computing an item again");
        let loaded = Arc::clone(&self.loaded);
        let trace = off_loop(move || computed_item(&loaded.answers, item, &root)).await??;
        self.answers().put_item(item, trace);
        Ok(())
    }

    /// Computes everything again. What is kept helps, unless it leads to another commitment: then it is damaged.
    async fn compute_all(&self) -> Result<()> {
        self.load_operands().await?;
        let operands = self.answers().operands();
        let operands = operands.ok_or_else(|| self.gone("the inputs"))?;
        for is_second in [false, true] {
            if is_second {
                self.drop_records()?;
            }
            let order = ItemsOrder {
                job: self.address.to_string(),
                tensors: Arc::clone(operands),
                items: self.answers().items(),
                at_once: 1,
                folder: self.path(""),
            };
            match self.context.integer.compute(order).await {
                Ok(made) if self.is_right(&made.root, &made.tokens_root) => return Ok(()),
                Err(error) if is_second => return Err(error),
                _ => {}
            }
        }
        Err(ProviderError::Worker(
            "what it computes is not what the job commits to".to_owned(),
        ))
    }

    fn is_right(&self, root: &Hash, tokens_root: &Hash) -> bool {
        (root, tokens_root) == (&self.job.trace_root, &self.job.tokens_root)
    }

    fn drop_records(&self) -> Result<()> {
        for name in [crate::kept::ITEMS_FILE, crate::kept::TEXTS_FILE] {
            files::remove(&self.path(name))?;
        }
        Ok(())
    }

    fn say_lost(&self, what: &str, error: Option<ProviderError>) {
        let job = self.address;
        match error {
            Some(error) => {
                tracing::warn!(%job, %error, "{what}, kept on this disk, cannot be used; computing again");
            }
            None => tracing::warn!(%job, "{what} is not on this disk; computing again"),
        }
    }

    fn gone(&self, what: &str) -> ProviderError {
        unservable(self.address, &format!("{what} is gone again"))
    }
}

fn kept_item(bytes: &[u8], root: &Hash) -> Result<ItemTrace> {
    right_item(ItemTrace::new(file::decode_trace(bytes)?)?, root)
}

fn computed_item(answers: &Answers, item: u32, root: &Hash) -> Result<ItemTrace> {
    let missing = || ProviderError::Worker("its inputs are not at hand".to_owned());
    let tensors: &CheckedTensors = answers.operands().ok_or_else(missing)?;
    let graph = parsed(&tensors.graph)?;
    let texts = answers.texts().cloned();
    let inputs = all_inputs(&graph, answers.items(), &tensors.inputs, texts)?;
    let weights = &tensors.weights;
    // Whatever the limit for new jobs: this one was taken.
    let batch = Batch::new(&graph, answers.items(), &inputs, weights, u64::MAX)?;
    right_item(ItemTrace::new(batch.item(item)?)?, root)
}

fn right_item(trace: ItemTrace, root: &Hash) -> Result<ItemTrace> {
    match trace.root() == *root {
        true => Ok(trace),
        false => Err(ProviderError::Worker(
            "it is not the item that the job commits to".to_owned(),
        )),
    }
}
