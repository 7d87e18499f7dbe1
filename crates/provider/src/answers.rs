//! What answers a demand, from the data of one submission.
//!
//! By taking a job a provider answers for everything that its result is judged by: the trace of every item, the text, the inputs
//! and the weights. None of it is here from the start: [`Answers::parts`] says what a demand is about, and what was asked about
//! last stays. Hashing a large tensor takes a while and demands come one below the other, so every tree is built once, when it is
//! first asked about.

use {
    crate::{error::Result, worker::CheckedTensors},
    quern_data::runtime::lock,
    quern_proof::{
        Hash, NodeId, Operand, Tensor, Tree,
        commit::{ItemTrace, ItemTree, TensorTree, TraceTree},
        demand,
        graph::Graph,
        hash::{self, LEAF_BYTES, Tag},
        shape::TraceGeometry,
        witness::{self, Openings},
    },
    std::{
        collections::VecDeque,
        sync::{Arc, Mutex, OnceLock},
    },
};

/// Data that a demand may be about; they are loaded apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The roots of all items.
    Roots,
    /// The data roots of all ops in an item.
    Tree(u32),
    /// The results of all ops in an item.
    Item(u32),
    /// The text of all items.
    Texts,
    /// The inputs that the client gives, and the weights.
    Operands,
}

/// Items that are at hand at a time, if there is memory: watchers ask about different ones.
pub(crate) const ITEMS_AT_HAND: u32 = 8;

/// Trees of items that are remembered: one demand is about eight items at most.
const TREES: usize = 64;

/// A tensor, and its tree once it was asked about.
struct Hashed {
    tree: OnceLock<TensorTree>,
}

impl Hashed {
    fn of(tensors: &[Tensor]) -> Vec<Self> {
        let unhashed = |_: &Tensor| Self {
            tree: OnceLock::new(),
        };
        tensors.iter().map(unhashed).collect()
    }

    fn node(&self, tensor: &Tensor, level: u8, place: u64) -> Option<Hash> {
        let tree = self.tree.get_or_init(|| TensorTree::new(tensor));
        tree.node(level, place)
    }
}

fn leaf(tensor: &Tensor, level: u8, place: u64) -> Option<[u8; LEAF_BYTES]> {
    let geometry = tensor.geometry();
    let (row, k) = geometry.row_and_leaf(place);
    let is_leaf = level == geometry.height();
    is_leaf.then(|| tensor.leaf(row, k)).flatten()
}

/// The results of an item.
struct Item {
    trace: ItemTrace,
    trees: Vec<Hashed>,
}

/// Inputs and weights. The tokens have a place among the inputs, and are not there.
struct Operands {
    tensors: Arc<CheckedTensors>,
    inputs: Vec<Hashed>,
    weights: Vec<Hashed>,
}

/// Those that were used last, by item.
struct Recent<T> {
    all: Mutex<VecDeque<(u32, Arc<T>)>>,
    most: usize,
}

impl<T> Recent<T> {
    fn new(most: usize) -> Self {
        Self {
            all: Mutex::default(),
            most: most.max(1),
        }
    }

    fn get(&self, item: u32) -> Option<Arc<T>> {
        let mut all = lock(&self.all);
        let at = all.iter().position(|(one, _)| *one == item)?;
        let found = all.remove(at)?;
        let value = Arc::clone(&found.1);
        all.push_back(found);
        Some(value)
    }

    fn put(&self, item: u32, value: T) {
        let mut all = lock(&self.all);
        all.retain(|(one, _)| *one != item);
        while all.len() >= self.most {
            all.pop_front();
        }
        all.push_back((item, Arc::new(value)));
    }

    /// Makes room for another one before it is there.
    fn make_room(&self) {
        let mut all = lock(&self.all);
        while all.len() >= self.most {
            all.pop_front();
        }
    }
}

/// Answers to everything that may be asked about one submission, as far as its data are at hand.
pub struct Answers {
    graph: Vec<u8>,
    trace: TraceGeometry,
    roots: OnceLock<TraceTree>,
    trees: Recent<ItemTree>,
    items: Recent<Item>,
    texts: OnceLock<(Tensor, Vec<Hashed>)>,
    operands: OnceLock<Operands>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers")
            .field("trace", &self.trace)
            .field("items", &lock(&self.items.all).len())
            .finish_non_exhaustive()
    }
}

impl Answers {
    /// Of a submission of this graph; at most so many items are at hand at a time.
    ///
    /// # Errors
    /// A graph that cannot have these items.
    pub fn new(graph: Vec<u8>, items: u32, items_at_hand: usize) -> Result<Self> {
        let trace = Graph::load(&graph)?.trace(items);
        let trace = trace.ok_or(quern_proof::Error::NoSuchPosition)?;
        Ok(Self {
            graph,
            trace,
            roots: OnceLock::new(),
            trees: Recent::new(TREES),
            items: Recent::new(items_at_hand),
            texts: OnceLock::new(),
            operands: OnceLock::new(),
        })
    }

    /// The graph.
    ///
    /// # Errors
    /// Never: it was read before.
    pub fn graph(&self) -> Result<Graph<'_>> {
        Ok(Graph::load(&self.graph)?)
    }

    /// Items of the job.
    pub const fn items(&self) -> u32 {
        self.trace.items()
    }

    /// What answers a demand.
    ///
    /// # Errors
    /// A demand that may not be opened.
    pub fn parts(&self, node_id: &NodeId) -> Result<Vec<Part>> {
        let graph = self.graph()?;
        let plan = demand::plan(&graph, self.items(), node_id).map_err(quern_proof::Error::from)?;
        let NodeId { tree, level, index } = *node_id;
        Ok(match tree {
            Tree::Trace => {
                let revealed = u64::from(plan.answer_bytes) / size_of::<Hash>() as u64;
                let depth = revealed.trailing_zeros() as u8;
                let mut parts = vec![Part::Roots];
                if let Some(below) = (level + depth).checked_sub(self.trace.items_height())
                    && below > 0
                {
                    let first = (index << depth) >> below;
                    let last = (((index + 1) << depth) - 1) >> below;
                    let items = first..=last.min(u64::from(self.items()) - 1);
                    parts.extend(items.map(|item| Part::Tree(item as u32)));
                }
                parts
            }
            Tree::Data(Operand::Op(_)) => vec![Part::Item(node_id.item_and_place().0 as u32)],
            Tree::Data(Operand::Input(input)) if graph.tokens() == Some(input) => {
                vec![Part::Texts]
            }
            Tree::Data(Operand::Input(_) | Operand::Weight(_)) => vec![Part::Operands],
        })
    }

    /// Whether these data are at hand.
    pub fn has(&self, part: Part) -> bool {
        match part {
            Part::Roots => self.roots.get().is_some(),
            Part::Tree(item) => self.trees.get(item).is_some(),
            Part::Item(item) => self.items.get(item).is_some(),
            Part::Texts => self.texts.get().is_some(),
            Part::Operands => self.operands.get().is_some(),
        }
    }

    /// Puts the roots of all items at hand; the first ones stay.
    pub fn put_roots(&self, roots: TraceTree) {
        self.roots.get_or_init(|| roots);
    }

    /// The root of an item, if the roots are at hand.
    pub fn item_root(&self, item: u32) -> Option<Hash> {
        let roots = self.roots.get()?.item_roots();
        roots.get(usize::try_from(item).ok()?).copied()
    }

    /// Puts the data roots of an item at hand.
    pub fn put_tree(&self, item: u32, tree: ItemTree) {
        self.trees.put(item, tree);
    }

    /// Frees the memory of another item, where there is none for one more.
    pub fn make_room(&self) {
        self.items.make_room();
    }

    /// Puts the results of an item at hand; those that were not used for the longest time go.
    pub fn put_item(&self, item: u32, trace: ItemTrace) {
        self.put_tree(item, trace.tree().clone());
        let trees = Hashed::of(trace.outputs());
        self.items.put(item, Item { trace, trees });
    }

    /// Puts the text at hand; the first one stays.
    pub fn put_texts(&self, texts: Tensor) {
        self.texts.get_or_init(|| {
            let trees = Hashed::of(std::slice::from_ref(&texts));
            (texts, trees)
        });
    }

    /// The text, if it is at hand.
    pub fn texts(&self) -> Option<&Tensor> {
        self.texts.get().map(|(texts, _)| texts)
    }

    /// Puts inputs and weights at hand; the first ones stay.
    pub fn put_operands(&self, tensors: Arc<CheckedTensors>) {
        self.operands.get_or_init(|| Operands {
            inputs: Hashed::of(&tensors.inputs),
            weights: Hashed::of(&tensors.weights),
            tensors,
        });
    }

    /// Inputs and weights, if they are at hand.
    pub fn operands(&self) -> Option<&Arc<CheckedTensors>> {
        self.operands.get().map(|operands| &operands.tensors)
    }

    /// The answer to a demand. It may hash a whole tensor.
    ///
    /// # Errors
    /// A demand that may not be opened, or that its parts are not at hand.
    pub fn answer(&self, node_id: &NodeId) -> Result<Vec<u8>> {
        Ok(witness::answer(
            &self.graph()?,
            self.items(),
            node_id,
            self,
        )?)
    }

    /// A node of the trace, whose lower levels are those of the items.
    fn trace_node(&self, level: u8, index: u64) -> Option<Hash> {
        if self.trace.is_missing(level, index)? {
            return Some(hash::zero_subtree(Tag::Trace, self.trace.height() - level));
        }
        match level.checked_sub(self.trace.items_height()) {
            None | Some(0) => self.roots.get()?.node(level, index),
            Some(below) => {
                let item = u32::try_from(index >> below).ok()?;
                self.trees
                    .get(item)?
                    .node(below, index & ((1 << below) - 1))
            }
        }
    }

    /// Something of a tensor: of an op's, in the item that the node names.
    fn with_tensor<T>(
        &self,
        operand: Operand,
        node_id: &NodeId,
        take: impl FnOnce(&Tensor, &Hashed, u64) -> Option<T>,
    ) -> Option<T> {
        let index = node_id.index;
        match operand {
            Operand::Op(op) => {
                let (item, place) = node_id.item_and_place();
                let item = self.items.get(u32::try_from(item).ok()?)?;
                let op = usize::from(op);
                take(item.trace.outputs().get(op)?, item.trees.get(op)?, place)
            }
            Operand::Input(input) => {
                let tokens = self.graph().ok()?.tokens();
                if tokens == Some(input) {
                    let (texts, trees) = self.texts.get()?;
                    return take(texts, trees.first()?, index);
                }
                // The tokens' place is left out of what the client gives.
                let is_behind = tokens.is_some_and(|tokens| tokens < input);
                let at = usize::from(input) - usize::from(is_behind);
                let operands = self.operands.get()?;
                take(
                    operands.tensors.inputs.get(at)?,
                    operands.inputs.get(at)?,
                    index,
                )
            }
            Operand::Weight(weight) => {
                let (at, operands) = (usize::from(weight), self.operands.get()?);
                take(
                    operands.tensors.weights.get(at)?,
                    operands.weights.get(at)?,
                    index,
                )
            }
        }
    }
}

impl Openings for Answers {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        match node_id.tree {
            Tree::Trace => self.trace_node(node_id.level, node_id.index),
            Tree::Data(operand) => self.with_tensor(operand, &node_id, |tensor, hashed, place| {
                hashed.node(tensor, node_id.level, place)
            }),
        }
    }

    fn leaf(&self, node_id: NodeId) -> Option<[u8; LEAF_BYTES]> {
        let Tree::Data(operand) = node_id.tree else {
            return None;
        };
        self.with_tensor(operand, &node_id, |tensor, _, place| {
            leaf(tensor, node_id.level, place)
        })
    }
}
