//! The data of a case in memory, and own results of cases that are not decided.

use {
    crate::{error::Result, verdict::CheckedItems},
    quern_client::Pubkey,
    quern_data::{Reservation, runtime::lock, sizes::Sizes},
    quern_proof::{Hash, Tensor, commit::ItemTrace, eval::Batch, graph::Graph},
    std::{
        collections::{BTreeMap, HashMap},
        sync::{Arc, Mutex, OnceLock},
    },
};

/// What a job's result follows from, compared with the roots in job and model.
#[derive(Clone)]
pub(crate) struct CaseData {
    /// The sealed graph.
    pub graph: Vec<u8>,
    /// The job's items.
    pub items: u32,
    /// Inputs in the graph's order. Among them are the tokens that the provider gave, of all items or of those that are
    /// checked; until they are known, zeroes.
    pub inputs: Arc<Vec<Tensor>>,
    /// Weights in the graph's order.
    pub weights: Arc<Vec<Tensor>>,
    /// How much memory the case takes.
    pub sizes: Sizes,
    /// What the provider committed to.
    pub trace_root: Hash,
    /// The root of the tokens that it gave.
    pub tokens_root: Hash,
    /// Whether the tokens were demanded: then only the answers lead them to their root.
    pub are_tokens_demanded: bool,
}

impl CaseData {
    pub(crate) fn graph(&self) -> Result<Graph<'_>> {
        Ok(Graph::load(&self.graph)?)
    }

    /// What is computed. How much memory an item takes was checked before anything was fetched.
    pub(crate) fn batch(&self) -> Result<Batch<'_>> {
        let (inputs, weights) = (&self.inputs, &self.weights);
        Ok(Batch::new(
            &self.graph()?,
            self.items,
            inputs,
            weights,
            u64::MAX,
        )?)
    }

    /// Takes the tokens of some items, as they were demanded.
    pub(crate) fn take_tokens_of(&mut self, known: &[(u32, Vec<u8>)]) -> Result<()> {
        self.are_tokens_demanded = true;
        let Some(tensor) = self.tokens_mut()? else {
            return Ok(());
        };
        let data = tensor.data_mut();
        for (item, tokens) in known {
            let start = *item as usize * tokens.len();
            if let Some(row) = data.get_mut(start..start + tokens.len()) {
                row.copy_from_slice(tokens);
            }
        }
        Ok(())
    }

    /// Takes the tokens of all items.
    pub(crate) fn take_tokens(&mut self, tokens: Tensor) -> Result<()> {
        if let Some(tensor) = self.tokens_mut()? {
            *tensor = tokens;
        }
        Ok(())
    }

    fn tokens_mut(&mut self) -> Result<Option<&mut Tensor>> {
        let place = self.graph()?.tokens().map(usize::from);
        // In a graph with tokens nobody else has this list.
        let inputs = Arc::make_mut(&mut self.inputs);
        Ok(place.and_then(|place| inputs.get_mut(place)))
    }
}

/// How an item was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// It was computed again.
    Recomputed,
    /// Its published trace leads to its item root, and every value follows from others.
    Verified,
}

/// An item that was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Examined {
    /// The root of the watcher's own results; that of a verified trace.
    pub root: Hash,
    pub way: Way,
}

/// What the watcher computed itself: the roots of items, and the results of one of them at most.
pub(crate) struct OwnResult {
    /// From what.
    pub data: Arc<CaseData>,
    /// The items that were examined. Where the published item roots showed a difference, those after it were not.
    pub items: BTreeMap<u32, Examined>,
    /// The first item whose text is not what its FEEDBACK computes.
    pub other_text: Option<u32>,
    /// All item roots as published, once they were there: they lead to the trace root.
    pub published: OnceLock<Vec<Hash>>,
    /// The item that is about to be convicted.
    pub held: Mutex<Option<(u32, Arc<ItemTrace>)>>,
}

impl OwnResult {
    /// How many items were checked, and how.
    pub(crate) fn counted(&self) -> CheckedItems {
        let ways = || self.items.values().map(|examined| examined.way);
        let count = |way| ways().filter(|of| *of == way).count() as u32;
        CheckedItems {
            items: self.data.items,
            recomputed: count(Way::Recomputed),
            verified: count(Way::Verified),
        }
    }

    /// What of it is about these items.
    pub(crate) fn only(&self, sample: &[u32]) -> Self {
        let is_in = |item: &u32| sample.binary_search(item).is_ok();
        let items = self.items.iter().filter(|(item, _)| is_in(item));
        let held = lock(&self.held).clone().filter(|(item, _)| is_in(item));
        Self {
            data: Arc::clone(&self.data),
            items: items.map(|(item, examined)| (*item, *examined)).collect(),
            other_text: self.other_text.filter(is_in),
            published: self.published.clone(),
            held: Mutex::new(held),
        }
    }

    /// Whether all items of the job were examined.
    pub(crate) fn is_whole(&self) -> bool {
        self.items.len() == self.data.items as usize
    }

    /// Results of an item: those that are held, or computed again and held.
    pub(crate) fn item(&self, batch: &Batch<'_>, item: u32) -> Result<Arc<ItemTrace>> {
        let mut held = lock(&self.held);
        if let Some((of, trace)) = held.as_ref()
            && *of == item
        {
            return Ok(Arc::clone(trace));
        }
        // What was held before goes first.
        *held = None;
        let trace = Arc::new(ItemTrace::new(batch.item(item)?)?);
        *held = Some((item, Arc::clone(&trace)));
        Ok(trace)
    }

    /// The first item that is known to be wrong.
    pub(crate) fn suspect(&self) -> Option<u32> {
        lock(&self.held).as_ref().map(|(item, _)| *item)
    }
}

/// An own result and the memory that is reserved for it.
type Kept = (Arc<OwnResult>, Reservation);

/// Own results of cases that are not decided, by job and submission. Nothing displaces them, because the next demand must not
/// wait for them to be computed again.
#[derive(Default)]
pub(crate) struct OwnResults(Mutex<HashMap<(Pubkey, u32), Kept>>);

impl OwnResults {
    /// The own result of a case, if it is kept.
    pub(crate) fn get(&self, case: (Pubkey, u32)) -> Option<Arc<OwnResult>> {
        lock(&self.0).get(&case).map(|(own, _)| Arc::clone(own))
    }

    /// Lets go of a case's own result.
    pub(crate) fn forget(&self, case: (Pubkey, u32)) {
        lock(&self.0).remove(&case);
    }

    /// Puts a smaller one in the place of a case's own result, if that is kept.
    pub(crate) fn replace(&self, case: (Pubkey, u32), own: &Arc<OwnResult>) {
        if let Some((kept, _)) = lock(&self.0).get_mut(&case) {
            *kept = Arc::clone(own);
        }
    }

    /// Keeps an own result in memory that is reserved for it.
    pub(crate) fn put(&self, case: (Pubkey, u32), own: Arc<OwnResult>, memory: Reservation) {
        lock(&self.0).insert(case, (own, memory));
    }
}
