//! The search for the first difference from a commitment whose data are withheld.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    vec::Vec,
};

use super::{charge_cell, whole::Whole, write::Openings};
use crate::{
    Error, Hash,
    commit::{TraceTree, inner_layers},
    demand::{self, Parent},
    evidence::Charge,
    graph::Graph,
    hash::{self, LEAF_BYTES, MISSING},
    node::{NodeId, Operand, Tree},
    ops::value_at,
    refusal::Refusal,
    shape::Geometry,
};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The claimed commitment is the own one, as far as there are own results.
    Same,
    /// The claimed one differs under this node: demand what it was hashed from.
    Demand(NodeId),
    /// The claimed root of this item is not the own one, and only the root is at hand: compute the item and
    /// [`Whole::insert`] its results.
    Item(u32),
    /// Enough was revealed for this charge.
    Charge(Charge),
}

/// What to do next about the tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokensStep {
    /// The claimed tokens are the own ones.
    Same,
    /// They differ under this node: demand what it was hashed from.
    Demand(NodeId),
    /// Enough was revealed for this charge.
    Charge(Charge),
    /// All tokens of the first item whose tokens differ: compute that item from them.
    Item {
        /// The item.
        item: u32,
        /// Its tokens, as bytes.
        tokens: Vec<u8>,
    },
}

/// What was revealed of a claimed commitment.
pub struct Known {
    /// Nodes that were revealed, roots included.
    nodes: HashMap<NodeId, Hash>,
    leaves: HashMap<NodeId, [u8; LEAF_BYTES]>,
    /// Demands whose answers were revealed: only under them the chain lets the next one be opened.
    answered: HashSet<NodeId>,
    /// All item roots, where they were published.
    above: Option<TraceTree>,
    /// Padding that was revealed and is wrong, the first of each tree's level first.
    padding: BTreeMap<(u16, u8, u64), Charge>,
}

impl Known {
    /// Of the commitment `trace_root`, and of the tokens' in a graph with tokens, nothing but the roots is known yet.
    pub fn new(graph: &Graph<'_>, items: u32, trace_root: Hash, tokens_root: Hash) -> Self {
        let mut known = Self {
            nodes: HashMap::new(),
            leaves: HashMap::new(),
            answered: HashSet::new(),
            above: None,
            padding: BTreeMap::new(),
        };
        known.learn(graph, items, NodeId::root(Tree::Trace), trace_root);
        if let Some(tokens) = graph.tokens() {
            let root = NodeId::root(Tree::Data(Operand::Input(tokens)));
            known.learn(graph, items, root, tokens_root);
        }
        known
    }

    /// Takes all item roots: nodes above them need not be asked for. The demands on the way are opened nevertheless, because
    /// the chain lets none be opened whose parent has no answer; [`super::answer`] writes what the item roots say from this.
    ///
    /// The roots must lead to the trace root ([`crate::published::item_roots`] sees to that).
    ///
    /// # Errors
    /// [`Error::ItemRoots`].
    pub fn learn_above(&mut self, above: TraceTree) -> Result<(), Error> {
        if self.nodes.get(&NodeId::root(Tree::Trace)) != Some(&above.root()) {
            return Err(Error::ItemRoots);
        }
        self.above = Some(above);
        Ok(())
    }

    /// Takes a node of the claimed commitment; the bottom of the trace tree are the roots of the ops' trees.
    fn learn(&mut self, graph: &Graph<'_>, items: u32, node_id: NodeId, node: Hash) {
        self.nodes.insert(node_id, node);
        let Some(trace) = graph.trace(items) else {
            return;
        };
        if node_id.tree != Tree::Trace || node_id.level != trace.height() {
            return;
        }
        let item = node_id.index >> trace.ops_height();
        let op = node_id.index & ((1 << trace.ops_height()) - 1);
        if item < u64::from(items) && op < u64::from(trace.ops()) {
            let root = NodeId::in_item(op as u16, item as u32, 0, 0);
            self.nodes.insert(root, node);
        }
    }

    fn node(&self, node_id: &NodeId) -> Option<Hash> {
        if let Some(node) = self.nodes.get(node_id) {
            return Some(*node);
        }
        let above = self.above.as_ref()?;
        match node_id.tree {
            Tree::Trace => above.node(node_id.level, node_id.index),
            // With one op, its data roots are the item roots.
            Tree::Data(Operand::Op(0))
                if (node_id.level, above.geometry().ops_height()) == (0, 0) =>
            {
                above.node(above.geometry().items_height(), node_id.index)
            }
            Tree::Data(_) => None,
        }
    }

    /// Notes padding that is wrong: it is charged before everything else.
    fn accuse(&mut self, node_id: NodeId) {
        let key = (node_id.tree.code(), node_id.level, node_id.index);
        self.padding.insert(key, Charge::Padding(node_id));
    }
}

/// Openings of a claimed commitment whose data are withheld: what was revealed of it, and where nothing was, the own
/// recomputation of some items.
///
/// ```text
/// loop { match patched.step() { Same => .., Demand(node) => demand, answer or wait, reveal, Charge(charge) => convict } }
/// ```
///
/// Each demand's parent is a root on chain, or a demand that was answered before. Where [`super::answer`] can write the
/// answer from [`Patched::known`], the watcher gives it itself and need not wait for the provider.
///
/// Items and ops are searched in order, so every operand of the first wrong cell is one that both agree on. In a graph with
/// tokens, [`Patched::step_tokens`] comes first: `own` then holds the item computed from the *claimed* tokens.
pub struct Patched<'p, 'a> {
    own: &'p Whole<'a>,
    known: Known,
}

impl<'p, 'a> Patched<'p, 'a> {
    /// `own` has items that were recomputed: their results, or their roots alone.
    pub const fn new(own: &'p Whole<'a>, known: Known) -> Self {
        Self { own, known }
    }

    /// What was revealed so far.
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// What was revealed, to go on with another recomputation.
    pub fn into_known(self) -> Known {
        self.known
    }

    /// Takes the answer to a demand about the claimed commitment, whose node must be known: a root, or revealed before.
    /// Answers about inputs and weights are checked and forgotten: they can be nothing but what is at hand.
    ///
    /// # Errors
    /// [`Error::Demand`], [`Error::NotAtHand`] before the demand's parent was revealed, [`Error::WrongAnswer`].
    pub fn reveal(&mut self, node_id: &NodeId, answer: &[u8]) -> Result<(), Error> {
        let NodeId { tree, level, index } = *node_id;
        let (graph, items) = (*self.own.graph(), self.own.batch().items());
        let plan = demand::plan(&graph, items, node_id)?;
        let is_own = match tree {
            Tree::Trace | Tree::Data(Operand::Op(_)) => false,
            Tree::Data(Operand::Input(input)) => graph.tokens() != Some(input),
            Tree::Data(Operand::Weight(_)) => true,
        };
        let known = match is_own {
            true => self.own.node(*node_id),
            false => self.known.node(node_id),
        };
        let known = known.ok_or(Error::NotAtHand(*node_id))?;
        if answer.len() != usize::from(plan.answer_bytes)
            || !demand::answers(tree.tag(), plan.is_leaf, &known, answer)
        {
            return Err(Error::WrongAnswer(*node_id));
        }
        if is_own {
            return Ok(());
        }
        self.known.answered.insert(*node_id);
        if plan.is_leaf {
            return self.reveal_leaf(*node_id, answer);
        }
        let nodes = answer.as_chunks::<32>().0.to_vec();
        let depth = nodes.len().trailing_zeros() as u8;
        // The demand's own node is known already.
        let layers = inner_layers(tree.tag(), nodes, depth, MISSING);
        for (up, layer) in (0..depth).zip(layers) {
            let below = depth - up;
            for (place, node) in (0u64..).zip(layer) {
                let node_id = NodeId::new(tree, level + below, (index << below) + place);
                self.known.learn(&graph, items, node_id, node);
                self.look_at(node_id, &node)?;
            }
        }
        Ok(())
    }

    fn reveal_leaf(&mut self, node_id: NodeId, answer: &[u8]) -> Result<(), Error> {
        let Tree::Data(operand) = node_id.tree else {
            return Err(Error::NoSuchPosition);
        };
        let leaf: &[u8; LEAF_BYTES] = answer.try_into().map_err(|_| Error::NoSuchPosition)?;
        let tree = self.geometry(operand)?;
        let (_, place) = place_of(&node_id);
        let (_, k) = tree.row_and_leaf(place);
        if leaf.iter().skip(tree.used_bytes(k)).any(|byte| *byte != 0) {
            self.known.accuse(node_id);
        }
        self.known.leaves.insert(node_id, *leaf);
        Ok(())
    }

    /// Whether a node that was revealed is missing and not what it must be.
    fn look_at(&mut self, node_id: NodeId, node: &Hash) -> Result<(), Error> {
        let NodeId { tree, level, .. } = node_id;
        let (is_missing, height) = match tree {
            Tree::Trace => {
                let trace = self.own.trace_geometry();
                (trace.is_missing(level, node_id.index), trace.height())
            }
            Tree::Data(operand) => {
                let geometry = self.geometry(operand)?;
                let (_, place) = place_of(&node_id);
                (geometry.is_missing(level, place), geometry.height())
            }
        };
        if is_missing == Some(true) && *node != hash::zero_subtree(tree.tag(), height - level) {
            self.known.accuse(node_id);
        }
        Ok(())
    }

    fn geometry(&self, operand: Operand) -> Result<Geometry, Error> {
        let items = self.own.batch().items();
        let geometry = self.own.graph().geometry(operand, items);
        Ok(geometry.ok_or(Refusal::NotSealed)?)
    }

    /// The next thing to do on the way to the first difference from the own recomputation.
    ///
    /// # Errors
    /// [`Error::NotAtHand`] and [`Error::Refused`] don't happen with what [`Known::new`] and [`Patched::reveal`] took.
    pub fn step(&self) -> Result<Step, Error> {
        if let Some(charge) = self.known.padding.values().next() {
            return Ok(Step::Charge(*charge));
        }
        let item = match self.first_item()? {
            Found::Same => return self.compare_tokens(),
            Found::Demand(node_id) => return Ok(Step::Demand(node_id)),
            Found::Bottom(item) => item as u32,
        };
        if self.own.item(item).is_none() {
            return Ok(Step::Item(item));
        }
        let trace = self.own.trace_geometry();
        let root = NodeId::new(Tree::Trace, trace.items_height(), item.into());
        let op = match self.descend(root, trace.height())? {
            Found::Same => return Ok(Step::Same),
            Found::Demand(node_id) => return Ok(Step::Demand(node_id)),
            Found::Bottom(index) => (index - trace.position(item, 0)) as u16,
        };
        let shape = self.geometry(Operand::Op(op))?;
        let root = NodeId::in_item(op, item, 0, 0);
        let node_id = match self.descend(root, shape.height())? {
            Found::Same => return Ok(Step::Same),
            Found::Demand(node_id) => return Ok(Step::Demand(node_id)),
            Found::Bottom(index) => NodeId::new(root.tree, shape.height(), index),
        };
        let Some(claimed) = self.known.leaves.get(&node_id) else {
            return Ok(Step::Demand(self.openable(node_id)?));
        };
        let own = self.own.leaf(node_id);
        let own = own.ok_or(Error::NotAtHand(node_id))?;
        let (row, k) = shape.row_and_leaf(place_of(&node_id).1);
        // The hashes differ, so some byte does; if it were padding, that would have been charged above.
        let at = claimed.iter().zip(&own).take_while(|(a, b)| a == b).count();
        let size = shape.dtype().size() as usize;
        let value = |leaf| value_at(leaf, at / size, shape.dtype()).ok_or(Error::NoSuchPosition);
        let values = (value(claimed)?, value(&own)?);
        let col = (k * LEAF_BYTES as u32 + at as u32) / shape.dtype().size();
        let charge = charge_cell(self.own.graph(), (op, item), (row, col), values)?;
        Ok(Step::Charge(charge))
    }

    /// The own results are the claimed ones: whether their FEEDBACK is what the tokens are, which are the claimed ones.
    fn compare_tokens(&self) -> Result<Step, Error> {
        let graph = self.own.graph();
        let (Some(tokens), Some(feedback)) = (graph.tokens(), graph.feedback()) else {
            return Ok(Step::Same);
        };
        let tokens = Operand::Input(tokens);
        let level = self.geometry(tokens)?.rows_height();
        for item in self.own.items() {
            let row = NodeId::new(Tree::Data(tokens), level, item.into());
            let computed = self.own.node(NodeId::in_item(feedback, item, 0, 0));
            if self.own.node(row) != computed {
                return Ok(Step::Charge(Charge::Tokens { item }));
            }
        }
        Ok(Step::Same)
    }

    /// The next thing to do on the way to the first item whose tokens are not the own ones.
    ///
    /// # Errors
    /// [`Error::Refused`] in a graph without tokens.
    pub fn step_tokens(&self) -> Result<TokensStep, Error> {
        let (tree, shape) = self.tokens_tree()?;
        if let Some(charge) = self.tokens_padding(tree) {
            return Ok(TokensStep::Charge(charge));
        }
        match self.descend(NodeId::root(tree), shape.rows_height())? {
            Found::Same => Ok(TokensStep::Same),
            Found::Demand(node_id) => Ok(TokensStep::Demand(node_id)),
            Found::Bottom(row) => self.tokens_of(row as u32),
        }
    }

    /// The next thing to do on the way to all claimed tokens of an item, whatever the own ones are: the last is
    /// [`TokensStep::Item`].
    ///
    /// # Errors
    /// [`Error::Refused`] in a graph without tokens, [`Error::NoSuchPosition`] for an item that the job does not have.
    pub fn tokens_of(&self, item: u32) -> Result<TokensStep, Error> {
        let (tree, shape) = self.tokens_tree()?;
        if let Some(charge) = self.tokens_padding(tree) {
            return Ok(TokensStep::Charge(charge));
        }
        let mut bytes = Vec::new();
        for node_id in row_leaves(tree, &shape, item)? {
            match self.known.leaves.get(&node_id) {
                Some(leaf) => bytes.extend(leaf),
                None => return Ok(TokensStep::Demand(self.towards(node_id)?)),
            }
        }
        bytes.truncate(shape.row_bytes() as usize);
        Ok(TokensStep::Item {
            item,
            tokens: bytes,
        })
    }

    fn tokens_tree(&self) -> Result<(Tree, Geometry), Error> {
        let tokens = self.own.graph().tokens().ok_or(Refusal::NoTokens)?;
        let tokens = Operand::Input(tokens);
        Ok((Tree::Data(tokens), self.geometry(tokens)?))
    }

    /// The first wrong padding of the tokens' tree.
    fn tokens_padding(&self, tree: Tree) -> Option<Charge> {
        let all = (tree.code(), 0, 0)..=(tree.code(), u8::MAX, u64::MAX);
        let mut all = self.known.padding.range(all);
        all.next().map(|(_, charge)| *charge)
    }

    /// All demands that [`Patched::step_tokens`] is going to ask for and that may be opened now. **Open all of them before
    /// waiting for any answer**: several leaves of one row stand below one answer, and each may be asked only as long after
    /// that answer as the time to react, which is shorter than what the provider has for the first.
    ///
    /// # Errors
    /// Those of [`Patched::step_tokens`].
    pub fn token_demands(&self) -> Result<Vec<NodeId>, Error> {
        let TokensStep::Demand(first) = self.step_tokens()? else {
            return Ok(Vec::new());
        };
        let (tree, shape) = self.tokens_tree()?;
        match self.descend(NodeId::root(tree), shape.rows_height())? {
            Found::Bottom(row) => self.token_demands_of(row as u32),
            Found::Same | Found::Demand(_) => Ok(std::vec![first]),
        }
    }

    /// The same for [`Patched::tokens_of`]: all demands on the way to the tokens of an item that may be opened now.
    ///
    /// # Errors
    /// Those of [`Patched::tokens_of`].
    pub fn token_demands_of(&self, item: u32) -> Result<Vec<NodeId>, Error> {
        let (tree, shape) = self.tokens_tree()?;
        let leaves = row_leaves(tree, &shape, item)?.into_iter();
        let missing = leaves.filter(|node_id| !self.known.leaves.contains_key(node_id));
        let demands = missing.map(|node_id| self.towards(node_id));
        let mut demands = demands.collect::<Result<Vec<_>, _>>()?;
        demands.dedup();
        Ok(demands)
    }

    /// All demands on the way to the claimed roots of the items that are at hand, which may be opened now: to compare them all,
    /// open all of these before waiting for any answer, as for [`Patched::token_demands`].
    ///
    /// # Errors
    /// [`Error::Demand`] does not happen with what [`Known::new`] and [`Patched::reveal`] took.
    pub fn item_demands(&self) -> Result<Vec<NodeId>, Error> {
        let level = self.own.trace_geometry().items_height();
        let roots = self
            .own
            .all_items()
            .map(|item| NodeId::new(Tree::Trace, level, item.into()));
        let unknown = roots.filter(|root| self.known.node(root).is_none());
        let mut demands = unknown
            .map(|root| self.demand_above(root))
            .collect::<Result<Vec<_>, _>>()?;
        demands.dedup();
        Ok(demands)
    }

    /// The next demand on the way to a leaf.
    fn towards(&self, leaf: NodeId) -> Result<NodeId, Error> {
        match self.known.node(&leaf).is_some() {
            true => self.openable(leaf),
            false => self.demand_above(leaf),
        }
    }

    /// The demand that leads on to a node: the lowest known one above it at which a demand may start, if that may be opened.
    fn demand_above(&self, node_id: NodeId) -> Result<NodeId, Error> {
        let NodeId { tree, level, index } = node_id;
        let mut above = (1..=level).map(|up| NodeId::new(tree, level - up, index >> up));
        let lowest = above.find(|node_id| {
            node_id.level % crate::limits::STEP_LEVELS == 0 && self.known.node(node_id).is_some()
        });
        self.openable(lowest.ok_or(Error::NoSuchPosition)?)
    }

    /// This demand, or the uppermost one above it that has no answer yet: a node may be known without one, by the item roots.
    fn openable(&self, mut node_id: NodeId) -> Result<NodeId, Error> {
        let (graph, items) = (self.own.graph(), self.own.batch().items());
        loop {
            match demand::plan(graph, items, &node_id)?.parent {
                Parent::Answer { node_id: above, .. } if !self.known.answered.contains(&above) => {
                    node_id = above;
                }
                _ => return Ok(node_id),
            }
        }
    }

    /// The first item with own results whose root is another than the own one.
    fn first_item(&self) -> Result<Found, Error> {
        let trace = self.own.trace_geometry();
        let height = trace.items_height();
        let mut todo = std::vec![NodeId::root(Tree::Trace)];
        while let Some(node_id) = todo.pop() {
            let below = height - node_id.level;
            let items = node_id.index << below..(node_id.index + 1) << below;
            if !self.own.has_any(items) {
                continue;
            }
            let Some(claimed) = self.known.node(&node_id) else {
                return Ok(Found::Demand(self.demand_above(node_id)?));
            };
            // The own node is known where all items below it are.
            match self.own.node(node_id) {
                Some(own) if own == claimed => {}
                Some(_) if below == 0 => return Ok(Found::Bottom(node_id.index)),
                _ => {
                    let child = |right| {
                        NodeId::new(Tree::Trace, node_id.level + 1, node_id.index << 1 | right)
                    };
                    todo.extend([child(1), child(0)]);
                }
            }
        }
        Ok(Found::Same)
    }

    /// From a node down to the first one at level `bottom` that differs from the own one. Everything under it is own.
    fn descend(&self, root: NodeId, bottom: u8) -> Result<Found, Error> {
        // Whether the claimed node differs from the own one, if it is known.
        let differs = |node_id: NodeId| -> Result<Option<bool>, Error> {
            let Some(claimed) = self.known.node(&node_id) else {
                return Ok(None);
            };
            let own = self.own.node(node_id);
            Ok(Some(claimed != own.ok_or(Error::NotAtHand(node_id))?))
        };
        if differs(root)? == Some(false) {
            return Ok(Found::Same);
        }
        let NodeId {
            tree, mut index, ..
        } = root;
        for level in root.level + 1..=bottom {
            let left = NodeId::new(tree, level, index << 1);
            // One of them differs, or their parent would not.
            index = match differs(left)? {
                Some(true) => left.index,
                Some(false) => left.index | 1,
                None => return Ok(Found::Demand(self.demand_above(left)?)),
            };
        }
        Ok(Found::Bottom(index))
    }
}

/// Item and place of a node of a data tree: all of an input's and a weight's is in item 0.
const fn place_of(node_id: &NodeId) -> (u64, u64) {
    match node_id.tree {
        Tree::Data(Operand::Op(_)) => node_id.item_and_place(),
        _ => (0, node_id.index),
    }
}

/// What was revealed, and nothing else.
impl Openings for Known {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        Self::node(self, &node_id)
    }

    fn leaf(&self, node_id: NodeId) -> Option<[u8; LEAF_BYTES]> {
        self.leaves.get(&node_id).copied()
    }
}

enum Found {
    Same,
    /// The answer to this leads on.
    Demand(NodeId),
    /// The first node at the bottom that differs.
    Bottom(u64),
}

impl Openings for Patched<'_, '_> {
    fn node(&self, node_id: NodeId) -> Option<Hash> {
        self.known.node(&node_id).or_else(|| self.own.node(node_id))
    }

    fn leaf(&self, node_id: NodeId) -> Option<[u8; LEAF_BYTES]> {
        match self.known.leaves.get(&node_id) {
            Some(leaf) => Some(*leaf),
            None => self.own.leaf(node_id),
        }
    }
}

/// The leaves of a row, in order.
fn row_leaves(tree: Tree, shape: &Geometry, row: u32) -> Result<Vec<NodeId>, Error> {
    let positions = (0..shape.leaves()).map(|k| shape.leaf_position(row, k));
    positions
        .map(|position| {
            let position = position.ok_or(Error::NoSuchPosition)?;
            Ok(NodeId::new(tree, shape.height(), position))
        })
        .collect()
}
